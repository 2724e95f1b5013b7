"""Numbers stay with findings while the threshold moves."""

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.findings import connected_patches, derive_findings
from AnomalyDetectionLib.detection.numbering import FindingNumbers, keep_numbers
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.voxels import voxels_of
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_study import empty_lattice, prepared_study, scored

STUDY = prepared_study()


@pytest.fixture(scope="module")
def scores():
    """Two hills of 9 and 7 joined by a saddle of 4, and a lone hill of 8 with a broad foot of 2."""
    lattice = empty_lattice(STUDY)
    lattice[5, 8:10, 6:8] = 9.0
    lattice[5, 8, 8:11] = 4.0
    lattice[5, 8:10, 11:13] = 7.0
    lattice[3, 13:17, 8:12] = 2.0
    lattice[3, 14:16, 9:11] = 8.0
    return scored(STUDY, lattice)


def at(scores, threshold, known=None, min_patches=2):
    return keep_numbers(derive_findings(scores, threshold=threshold, min_patches=min_patches), scores, known)


def peaks(findings):
    return {finding.number: finding.peak_score for finding in findings.items}


def test_the_first_time_the_numbers_stay(scores):
    findings, numbering = at(scores, 3.0)
    assert peaks(findings) == {1: 9.0, 2: 8.0}
    assert numbering.peaks == tuple(finding.peak_patch for finding in findings.items)
    for finding in findings.items:
        assert scores.lattice[finding.peak_patch] == finding.peak_score


def test_a_finding_that_splits_keeps_its_number_at_the_higher_peak_and_the_other_part_gets_a_new_one(scores):
    _, numbering = at(scores, 3.0)
    findings, numbering = at(scores, 5.0, numbering)
    assert peaks(findings) == {1: 9.0, 2: 8.0, 3: 7.0}
    findings, numbering = at(scores, 3.0, numbering)
    assert peaks(findings) == {1: 9.0, 2: 8.0}
    findings, _ = at(scores, 5.0, numbering)
    assert peaks(findings) == {1: 9.0, 2: 8.0, 3: 7.0}, "the number comes back with its part"


def test_a_number_that_is_away_is_not_given_to_another(scores):
    _, numbering = at(scores, 8.5)
    assert len(numbering.peaks) == 1
    findings, numbering = at(scores, 7.5, numbering)
    assert peaks(findings) == {1: 9.0, 2: 8.0}
    findings, numbering = at(scores, 8.5, numbering)
    assert peaks(findings) == {1: 9.0}
    findings, numbering = at(scores, 5.0, numbering)
    assert peaks(findings) == {1: 9.0, 2: 8.0, 3: 7.0}


def test_the_least_size_takes_numbers_away_and_brings_them_back(scores):
    _, numbering = at(scores, 5.0)
    none, numbering = at(scores, 5.0, numbering, min_patches=50)
    assert none.items == ()
    assert not voxels_of(none.labels).any()
    findings, again = at(scores, 5.0, numbering)
    assert peaks(findings) == {1: 9.0, 2: 8.0, 3: 7.0}
    assert again == numbering


def test_the_label_map_and_the_table_have_the_same_numbers(scores):
    _, numbering = at(scores, 8.5)
    _, numbering = at(scores, 7.5, numbering)  # 8 is number 2
    numbering = FindingNumbers(numbering.peaks[::-1])  # as if 8 had been found first
    plain = derive_findings(scores, threshold=5.0, min_patches=2)
    findings, _ = keep_numbers(plain, scores, numbering)
    assert peaks(findings) == {1: 8.0, 2: 9.0, 3: 7.0}
    assert [finding.number for finding in findings.items] == [1, 2, 3]
    before, after = (sitk.GetArrayFromImage(each.labels) for each in (plain, findings))
    for old, new in ((1, 2), (2, 1), (3, 3)):
        np.testing.assert_array_equal(before == old, after == new)
    assert findings.labels.GetPixelID() == sitk.sitkUInt16
    assert findings.labels.GetOrigin() == plain.labels.GetOrigin()
    assert findings.labels.GetSpacing() == plain.labels.GetSpacing()


def test_more_numbers_than_a_label_map_can_hold_are_refused(scores):
    full = FindingNumbers(((0, 0, 0),) * 65535)
    with pytest.raises(InputError, match="higher threshold"):
        at(scores, 3.0, full)


moves = st.lists(
    st.tuples(st.sampled_from([1.5, 2.5, 3.5, 4.5, 5.5]), st.integers(1, 3)), min_size=2, max_size=4
)


@settings(deadline=None, max_examples=6)
@given(st.integers(0, 10_000), moves)
def test_whatever_is_done_numbers_are_unique_and_the_same_settings_give_the_same_numbers(seed, moves):
    random = np.random.default_rng(seed)
    lattice = empty_lattice(STUDY)
    hills = random.integers(0, 7, lattice.shape).astype(np.float32) * (random.random(lattice.shape) < 0.15)
    lattice = np.where(np.isnan(lattice), lattice, hills).astype(np.float32)
    scores = scored(STUDY, lattice)
    known, seen = None, {}
    for threshold, min_patches in [*moves, *moves]:
        before = known
        findings, known = at(scores, threshold, known, min_patches)
        numbers = [finding.number for finding in findings.items]
        assert len(set(numbers)) == len(numbers)
        assert numbers == sorted(numbers)
        groups = connected_patches(lattice, threshold, min_patches)
        assert len(numbers) == groups.max()
        if before is not None:
            assert known.peaks[: len(before.peaks)] == before.peaks
        for finding in findings.items:
            home = groups[known.peaks[finding.number - 1]]
            assert home == groups[finding.peak_patch] > 0, "its number's patch lies in it"
    for threshold, min_patches in moves * 2:
        findings, again = at(scores, threshold, known, min_patches)
        assert again == known, "nothing new turns up at settings that were seen"
        numbers = {finding.peak_patch: finding.number for finding in findings.items}
        assert seen.setdefault((threshold, min_patches), numbers) == numbers
