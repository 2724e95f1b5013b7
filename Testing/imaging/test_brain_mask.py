"""The brain mask of scans whose background is exactly one value."""

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.imaging.brain_mask import extract_brain
from AnomalyDetectionLib.imaging.brain_search import find_brain
from AnomalyDetectionLib.imaging.volume import Volume
from AnomalyDetectionLib.model.model_file import resources
from scipy import ndimage


@pytest.fixture(scope="module")
def sample():
    """The sample's FLAIR as that of a child, 0.75 times as large, in a wide field of view."""
    image = sitk.ReadImage(str(resources() / "SampleData" / "simulated_FLAIR.nii.gz"), sitk.sitkFloat32)
    image.SetSpacing([0.75 * mm for mm in image.GetSpacing()])
    return sitk.ConstantPad(image, (30, 30, 0), (30, 30, 0), 0.0)


def test_a_small_head_without_noise_round_it_is_not_taken_for_a_skull_stripped_brain(sample):
    array = sitk.GetArrayFromImage(sample)
    head, _ = ndimage.label(ndimage.binary_opening(array > 0.12 * np.percentile(array, 95)))
    head = ndimage.binary_fill_holes(head == 1 + np.argmax(np.bincount(head.ravel())[1:]))
    cleaned = sitk.GetImageFromArray(np.where(head, array, 0))
    cleaned.CopyInformation(sample)
    found, expected = extract_brain(Volume(cleaned)), find_brain(cleaned, "cpu")
    assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.95


@pytest.mark.parametrize("noise", [pytest.param(0.0, marks=pytest.mark.slow), 0.02])
def test_a_head_in_a_field_of_view_that_is_far_larger_is_found(sample, noise):
    values = sitk.GetArrayFromImage(sample)
    width = [(n // 2, n // 2) for n in values.shape]
    shape = [2 * (n // 2) + n for n in values.shape]
    padded = np.random.default_rng(0).standard_normal(shape, np.float32)
    np.abs(padded, out=padded)
    padded *= noise * values.max()
    inside = tuple(slice(before, before + n) for (before, _), n in zip(width, values.shape, strict=True))
    padded[inside] = values
    image = sitk.GetImageFromArray(padded)
    image.SetSpacing(sample.GetSpacing())
    image.SetDirection(sample.GetDirection())
    found, expected = extract_brain(Volume(image))[inside], extract_brain(Volume(sample))
    assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.95
