"""From scores to findings."""

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.findings import connected_patches, derive_findings, least_size
from AnomalyDetectionLib.grid import Grid
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from synthetic_study import FIRST, MODEL_GRID, STRIDE, empty_lattice, prepared_study, rotated, scored

some_lattices = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
    elements=st.sampled_from([np.nan, 1.0, 2.5, 3.0, 3.5, 4.0]).map(np.float32),
)


def flooded(lattice, threshold, neighbourhood):
    """Groups of touching patches, found one by one: sets of indices."""
    waiting = {tuple(place) for place in np.argwhere(lattice > threshold)}
    groups = []
    while waiting:
        group, front = set(), [waiting.pop()]
        while front:
            s, i, j = front.pop()
            group.add((s, i, j))
            for ds in (-1, 0, 1) if neighbourhood == "26" else (0,):
                for di in (-1, 0, 1):
                    for dj in (-1, 0, 1):
                        place = (s + ds, i + di, j + dj)
                        if place in waiting:
                            waiting.remove(place)
                            front.append(place)
        groups.append(frozenset(group))
    return groups


@settings(deadline=None, max_examples=150)
@given(some_lattices, st.sampled_from(["26", "8"]), st.integers(1, 3))
def test_findings_are_the_groups_that_a_flood_fill_finds(lattice, neighbourhood, min_patches):
    groups = connected_patches(lattice, 3.0, min_patches, neighbourhood)
    found = [
        frozenset(map(tuple, np.argwhere(groups == number).tolist()))
        for number in range(1, groups.max(initial=0) + 1)
    ]
    expected = {group for group in flooded(lattice, 3.0, neighbourhood) if len(group) >= min_patches}
    assert len(found) == len(expected)
    assert set(found) == expected
    peaks = [max(lattice[place] for place in group) for group in found]
    assert peaks == sorted(peaks, reverse=True)


def test_a_score_of_exactly_the_threshold_is_not_suspected():
    lattice = np.array([[[3.0, 3.0, np.nextafter(np.float32(3), np.float32(4))]]], np.float32)
    assert connected_patches(lattice, 3.0, 1).tolist() == [[[0, 0, 1]]]


def test_a_single_isolated_patch_is_dropped_and_two_touching_by_a_corner_are_kept():
    lattice = np.ones((3, 6, 6), np.float32)
    lattice[0, 0, 0] = 9
    lattice[1, 4, 4] = lattice[2, 5, 5] = 5
    groups = connected_patches(lattice, 3.0, 2)
    assert groups[0, 0, 0] == 0
    assert groups[1, 4, 4] == groups[2, 5, 5] == 1
    assert connected_patches(lattice, 3.0, 2, "8").max() == 0


def test_of_equal_peaks_the_larger_group_goes_first_and_then_the_first_in_array_order():
    lattice = np.ones((1, 1, 11), np.float32)
    lattice[0, 0, [0, 1, 3, 4, 6, 7, 8]] = 5
    assert connected_patches(lattice, 3.0, 2)[0, 0].tolist() == [2, 2, 0, 3, 3, 0, 1, 1, 1, 0, 0]


def two_findings(**options):
    study = prepared_study(**options)
    lattice = empty_lattice(study)
    lattice[4:6, 8:11, 13:15] = 4.0  # left, 12 patches
    lattice[4, 9, 13] = 6.0
    lattice[6, 14:16, 5:7] = 3.5  # right, 4 patches
    return study, lattice


def test_volume_scores_and_place_are_those_of_the_cells():
    study, lattice = two_findings(flair_grid=MODEL_GRID)
    findings = derive_findings(scored(study, lattice), threshold=3.0, min_patches=2)
    left, right = findings.items
    assert (left.number, right.number) == (1, 2)
    assert (left.patches, right.patches) == (12, 4)
    assert left.volume_ml == pytest.approx(12 * 16 * 0.9 * 0.9 * 4 / 1000)
    assert left.peak_score == pytest.approx(6.0)
    assert left.mean_score == pytest.approx((11 * 4 + 6) / 12)
    assert (left.side, right.side) == ("left", "right")
    # Cells of 4 begin two voxels before the centre, so their middle is half a voxel before it.
    column, row, s = FIRST[1] + 13.5 * STRIDE - 0.5, FIRST[0] + 9 * STRIDE - 0.5, 4.5
    lps = MODEL_GRID.points(np.array([[column, row, s]]))[0]
    assert left.centroid_ras == pytest.approx((-lps[0], -lps[1], lps[2]), abs=1e-6)


def test_the_label_map_lies_on_the_flairs_grid_inside_the_brain_and_counts_as_the_table_does():
    study, lattice = two_findings()
    findings = derive_findings(scored(study, lattice), threshold=3.0, min_patches=2)
    assert Grid.of(findings.labels) == study.flair_grid
    assert findings.labels.GetPixelID() == sitk.sitkUInt16
    labels = sitk.GetArrayFromImage(findings.labels)
    assert not labels[~study.flair_brain].any()
    for finding in findings.items:
        assert finding.volume_ml == pytest.approx(
            (labels == finding.number).sum() * study.flair_grid.voxel_ml
        )


def test_labels_of_cells_are_the_voxels_that_score_above_the_threshold():
    study, lattice = two_findings()
    scores = scored(study, lattice)
    findings = derive_findings(scores, threshold=3.0, min_patches=1, outline="cells")
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(findings.labels) > 0, sitk.GetArrayFromImage(scores.image) > 3.0
    )


def test_a_turned_head_turns_the_centroids_and_keeps_the_sides():
    upright = derive_findings(scored(*two_findings()), threshold=3.0, min_patches=2)
    turned = derive_findings(
        scored(
            *two_findings(model_grid=rotated(MODEL_GRID, 25), flair_grid=rotated(MODEL_GRID, 25), degrees=25)
        ),
        threshold=3.0,
        min_patches=2,
    )
    angle = np.deg2rad(25)
    for before, after in zip(upright.items, turned.items, strict=True):
        x, y, z = before.centroid_ras
        expected = (np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y, z)
        assert after.centroid_ras == pytest.approx(expected, abs=0.5)  # the two FLAIR grids differ
        assert after.side == before.side


def test_a_finding_smaller_than_a_voxel_of_the_flair_keeps_a_voxel_and_its_number():
    coarse = Grid((6, 7, 4), (14.0, 14.0, 11.0), (-35.0, -42.0, -16.5), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    study, lattice = two_findings(flair_grid=coarse)
    lattice[2, 8, 9:11] = 5.0  # between the sampling points of the coarse grid
    findings = derive_findings(scored(study, lattice), threshold=3.0, min_patches=1)
    labels = sitk.GetArrayFromImage(findings.labels)
    assert len(findings.items) == 3
    for finding in findings.items:
        assert (labels == finding.number).sum() >= 1
        assert finding.volume_ml > 0
        assert np.all(np.isfinite(finding.centroid_ras))
        place = study.flair_grid.indices(np.array([finding.centroid_ras]) * (-1, -1, 1))[0]
        assert np.all(np.abs(place - np.clip(place, 0, np.array(coarse.size) - 1)) < 1e-6)


def test_nothing_above_the_threshold_gives_an_empty_label_map():
    study, lattice = two_findings()
    findings = derive_findings(scored(study, lattice), threshold=99.0, min_patches=2)
    assert findings.items == ()
    assert not sitk.GetArrayFromImage(findings.labels).any()
    assert (findings.threshold, findings.min_patches) == (99.0, 2)


@pytest.mark.parametrize(
    ("count", "stride", "said"),
    [
        (1, 4, "1 connected patch"),
        (2, 4, "2 connected patches"),
        (1, 1, "1 connected voxel"),
        (9, 1, "9 connected voxels"),
    ],
)
def test_the_least_size_is_of_voxels_where_a_model_scores_each(count, stride, said):
    assert least_size(count, stride) == f"at least {said}"
