"""Lesions and findings matched by any overlap, in cases that can be counted by hand."""

import numpy as np
import pytest
from anomaly_research.evaluation.overlap import Overlap, components, match


def labels(*rows):
    """A label map of one slice, from rows of digits; a dot is 0."""
    return np.array([[[0 if digit == "." else int(digit) for digit in row] for row in rows]])


def test_one_shared_voxel_is_enough():
    lesions = labels("111.....", "........")
    findings = labels("..22222.", "...22222")
    got = match(lesions, findings, voxel_ml=0.5)
    assert got == Overlap(
        lesions=1, found=1, volume_ml=1.5, found_volume_ml=1.5, findings=1, true_findings=1, flagged_ml=5.0
    )


def test_a_finding_beside_a_lesion_does_not_find_it():
    got = match(labels("11......"), labels("..11...."), voxel_ml=1.0)
    assert (got.found, got.true_findings) == (0, 0)
    assert (got.volume_ml, got.found_volume_ml, got.flagged_ml) == (2.0, 0.0, 2.0)


def test_found_missed_and_false_are_counted_each():
    lesions = labels("11..2...", "11......", ".....333")  # 4, 1 and 3 voxels
    findings = labels(".4......", "........", "55..6..7")  # on lesion 1; on nothing; on nothing; on lesion 3
    assert match(lesions, findings, voxel_ml=0.1) == Overlap(
        lesions=3,
        found=2,
        volume_ml=pytest.approx(0.8),
        found_volume_ml=pytest.approx(0.7),  # whole lesions: 4 + 3 voxels, though only 2 are flagged
        findings=4,
        true_findings=2,
        flagged_ml=pytest.approx(0.5),
    )


def test_one_finding_can_find_two_lesions():
    got = match(labels("11...22."), labels(".11111.."), voxel_ml=1.0)
    assert (got.lesions, got.found, got.findings, got.true_findings) == (2, 2, 1, 1)


def test_two_findings_on_one_lesion_are_both_true():
    got = match(labels("11111111"), labels("1......2"), voxel_ml=1.0)
    assert (got.lesions, got.found, got.findings, got.true_findings) == (1, 1, 2, 2)


def test_numbers_need_not_follow_one_another():
    got = match(labels("7....9.."), labels("3......."), voxel_ml=1.0)
    assert (got.lesions, got.found, got.findings, got.true_findings) == (2, 1, 1, 1)


@pytest.mark.parametrize("lesions", [labels("1.1."), labels("....")])
@pytest.mark.parametrize("findings", [labels(".1.1"), labels("....")])
def test_nothing_there_or_nothing_found_counts_as_nothing(lesions, findings):
    got = match(lesions, findings, voxel_ml=1.0)
    assert (got.found, got.true_findings, got.found_volume_ml) == (0, 0, 0.0)
    assert got.lesions == lesions.any()
    assert got.findings == findings.any()


def test_maps_on_different_grids_are_refused():
    with pytest.raises(ValueError, match="different grids"):
        match(labels("1..."), labels("1....."), voxel_ml=1.0)


def test_scans_add_up_to_a_cohort():
    one = Overlap(3, 2, 1.5, 1.25, 9, 4, 6.0)
    other = Overlap(1, 1, 0.25, 0.25, 2, 1, 0.5)
    assert one + other == Overlap(4, 3, 1.75, 1.5, 11, 5, 6.5)
    assert sum([one, other], Overlap()) == one + other


def test_components_touch_at_corners_and_across_slices():
    mask = np.zeros((3, 4, 6), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 2] = True  # corner to corner through three slices
    mask[0, 0, 5] = mask[0, 1, 5] = True  # apart
    numbered = components(mask)
    assert numbered.dtype == np.int32
    assert numbered[0, 0, 0] == numbered[1, 1, 1] == numbered[2, 2, 2]
    assert numbered[0, 0, 5] == numbered[0, 1, 5] != numbered[0, 0, 0]
    assert set(np.unique(numbered)) == {0, 1, 2}
    np.testing.assert_array_equal(numbered > 0, mask)
