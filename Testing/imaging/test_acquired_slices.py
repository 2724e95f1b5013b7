"""Slices that were copied to a finer spacing are brought back to what was acquired."""

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.imaging.acquired_slices import acquired_slices, only_slices
from AnomalyDetectionLib.imaging.geometry import to_lps_axes


def image(runs, *, spacing=2.0, seed=0):
    """Slices of noise, each as often as its run is long."""
    rng = np.random.default_rng(seed)
    slices = [rng.normal(size=(12, 10)).astype(np.float32) for _ in runs]
    made = sitk.GetImageFromArray(
        np.concatenate([np.repeat(s[None], n, 0) for s, n in zip(slices, runs, strict=True)])
    )
    made.SetSpacing((1.0, 1.0, spacing))
    made.SetOrigin((3.0, 4.0, 5.0))
    return made


def voxels(image):
    return sitk.GetArrayFromImage(image)


def test_one_slice_of_each_run_is_kept_at_the_spacing_that_was_acquired():
    copied = image([3, 2, 3, 2, 3, 2, 3, 2, 3, 2])
    kept = acquired_slices(copied)
    back = only_slices(copied, kept)
    assert len(kept) == 10
    assert back.GetSize() == (10, 12, 10)
    assert back.GetSpacing()[2] == pytest.approx(5.0, abs=0.05)
    np.testing.assert_array_equal(voxels(back), voxels(copied)[kept])


@pytest.mark.parametrize("step", [2.0, 2.25, 2.5, 2.75, 3.0, 3.4, 4.0])
@pytest.mark.parametrize("offset", [0.01, 0.31, 0.83, 1.37])
def test_each_copy_is_nearest_to_the_slice_that_it_was_copied_from(step, offset):
    """As nearest-neighbour interpolation copies: each slice is that of the acquired one nearest to it."""
    source = np.round((np.arange(80) - offset) / step).astype(int)
    runs = np.unique(source, return_counts=True)[1]
    copied = image(runs)
    back = only_slices(copied, acquired_slices(copied))
    nearest = [
        back.TransformPhysicalPointToIndex(copied.TransformIndexToPhysicalPoint((0, 0, k)))[2]
        for k in range(80)
    ]
    np.testing.assert_array_equal(nearest, source - source[0])


@pytest.mark.parametrize("copies", [2, 3, 4])
def test_an_acquired_slice_lies_in_the_middle_of_its_copies(copies):
    copied = image([copies] * 10)
    back = only_slices(copied, acquired_slices(copied))
    for number in range(10):
        middle = copied.TransformContinuousIndexToPhysicalPoint((0, 0, copies * (number + 0.5) - 0.5))
        assert back.TransformIndexToPhysicalPoint((0, 0, number)) == pytest.approx(middle)


@pytest.mark.parametrize(
    "runs",
    [
        [1] * 12,  # nothing is copied
        [9, 1, 1, 1, 1, 1, 1, 8],  # empty slices beyond the head
        [1, 1, 1, 4, 1, 1, 1, 1],  # one slice that stands still is no resampling
        [2, 2],
    ],
)
def test_a_scan_that_was_not_copied_stays_as_it_is(runs):
    whole = image(runs)
    kept = acquired_slices(whole)
    assert kept.tolist() == list(range(whole.GetSize()[2]))
    assert only_slices(whole, kept) is whole


def test_the_real_scans_that_were_copied_have_five_or_six_millimetres(shared_data):
    for subject, expected in (("Subj1", 5.0), ("Subj5", 6.0)):
        flair = to_lps_axes(sitk.ReadImage(str(shared_data("nichart", subject, "FLAIR.nii.gz"))))
        back = only_slices(flair, acquired_slices(flair))
        assert back.GetSpacing()[2] == pytest.approx(expected, abs=0.1)


def test_the_copies_of_real_scans_are_nearest_to_their_own_slice(shared_data):
    for subject in ("Subj1", "Subj2", "Subj5"):
        flair = to_lps_axes(sitk.ReadImage(str(shared_data("nichart", subject, "FLAIR.nii.gz"))))
        back = only_slices(flair, acquired_slices(flair))
        there = sitk.Resample(back, flair, sitk.Transform(), sitk.sitkNearestNeighbor)
        inside = slice(3, -3)  # what lies beyond the middle of the outermost slice is outside the image
        np.testing.assert_array_equal(voxels(there)[inside], voxels(flair)[inside])
