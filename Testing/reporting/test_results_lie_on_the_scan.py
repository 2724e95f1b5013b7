"""All files of a result lie on the scan that they are of, in every program, though its header names two places."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.detection_settings import DetectionRequest, DetectionSettings
from AnomalyDetectionLib.detection.pipeline import run_detection
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.reporting.results import LABELS, SCORE, SEGMENTATION, write_results
from synthetic_head import SyntheticHead, axial_grid

GRID = axial_grid((2.4, 2.4, 6.0), (78, 94, 27))


@pytest.fixture(scope="module")
def result(tmp_path_factory, a_random_model):
    """T1 by its sform, FLAIR with a qform 25 mm away from that, the mask by the qform alone."""
    folder = tmp_path_factory.mktemp("two places")
    study = SyntheticHead().study(GRID, GRID)
    place = np.diag([-1, -1, 1, 1.0]) @ GRID.matrix
    elsewhere = place.copy()
    elsewhere[2, 3] += 25
    for name, volume, sform, qform in (
        ("t1", study.t1, (place, 1), (place, 1)),
        ("flair", study.flair, (place, 2), (elsewhere, 1)),
        ("mask", study.brain_mask, (None, 0), (elsewhere, 1)),
    ):
        image = nibabel.Nifti1Image(sitk.GetArrayFromImage(volume.image).T, None)
        image.set_qform(*qform)
        image.set_sform(*sform)
        image.to_filename(folder / f"{name}.nii.gz")
    request = DetectionRequest(
        folder / "t1.nii.gz", folder / "flair.nii.gz", folder / "mask.nii.gz",
        settings=DetectionSettings(
            model=str(a_random_model), device="cpu", register=False, bias_correction=False, stride=8
        ),
    )  # fmt: skip
    detection = run_detection(request)
    write_results(detection, folder / "results")
    return detection, folder


def test_the_mask_was_taken_voxel_for_voxel(result):
    detection, folder = result
    mask = np.asarray(nibabel.load(folder / "mask.nii.gz").dataobj).T > 0
    np.testing.assert_array_equal(detection.scores.study.flair_brain, mask)
    assert any("disagree by up to 25.0 mm" in remark for remark in detection.remarks)


@pytest.mark.parametrize("name", [SCORE, LABELS])
def test_images_have_both_places_and_their_codes(result, name):
    _, folder = result
    ours, scan = nibabel.load(folder / "results" / name), nibabel.load(folder / "flair.nii.gz")
    for place in ("get_sform", "get_qform"):
        (one, code), (other, right) = (getattr(image, place)(coded=True) for image in (ours, scan))
        assert code == right
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", [SCORE, LABELS, SEGMENTATION])
def test_every_file_lies_where_slicer_shows_the_scan(result, name):
    _, folder = result
    ours, scan = (sitk.ReadImage(str(path)) for path in (folder / "results" / name, folder / "flair.nii.gz"))
    np.testing.assert_allclose(Grid.of(ours).matrix, Grid.of(scan).matrix, atol=1e-3)
    assert ours.GetSize() == scan.GetSize()
