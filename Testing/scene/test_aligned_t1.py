"""The T1 as the detection aligned it: what lies under an outline is the same tissue in T1 and FLAIR."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from AnomalyDetectionLib.detection.stored_scores import StoredScores
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.prepared import Alignment
from AnomalyDetectionLib.imaging.registration import align, transform_of
from AnomalyDetectionLib.imaging.volume import Volume
from AnomalyDetectionLib.scene.result import rederive, remove_result, result_of
from AnomalyDetectionLib.scene.result_nodes import place_aligned_t1
from AnomalyDetectionLib.scene.volumes import image_of
from result_in_scene import a_result, add_study, ijk_to_ras, stored_scores
from slicer_scene import add_volume
from synthetic_study import FLAIR_GRID

from scene.in_the_scene import rigid, under

TURN_AND_SHIFT = rigid((4, -3, 8), (4.0, -9.0, 6.0))  # from FLAIR space to T1 space, LPS


def registered() -> StoredScores:
    stored = stored_scores()
    alignment = Alignment(True, 11.0, 9.0, tuple(TURN_AND_SHIFT.ravel().tolist()))
    return replace(stored, record={**stored.record, "alignment": vars(alignment)})


def points_of(node, voxels):
    """Where voxels (n, 3) of a volume node lie: LPS of the world."""
    return Grid.of(image_of(node)).points(voxels)


VOXELS = np.array([[0, 0, 0], [30, 4, 2], [7, 31, 5], [11, 12, 9]])


def test_a_t1_that_was_registered_is_shown_where_the_registration_puts_it(a_slicer_scene):
    t1, flair = add_study(a_slicer_scene.scene)
    result = a_result(a_slicer_scene, t1=t1, flair=flair, stored=registered())
    there = np.column_stack([points_of(t1, VOXELS), np.ones(len(VOXELS))])
    expected = (there @ np.linalg.inv(TURN_AND_SHIFT).T)[:, :3]
    np.testing.assert_allclose(points_of(result.shown_t1, VOXELS), expected, atol=1e-6)
    assert result.shown_t1 is not t1
    assert result.shown_t1.GetImageData() is t1.GetImageData(), "the voxels are there once"
    np.testing.assert_allclose(slicer.util.arrayFromVolume(t1).shape, FLAIR_GRID.shape)
    assert result_of(result.score).aligned_t1 is result.aligned_t1


def test_a_t1_that_lined_up_is_shown_itself(a_slicer_scene):
    result = a_result(a_slicer_scene)
    assert result.aligned_t1 is None
    assert result.shown_t1 is result.t1


def test_the_aligned_t1_follows_the_flair_and_goes_with_the_result(a_slicer_scene):
    scene = a_slicer_scene.scene
    result = a_result(a_slicer_scene, stored=registered())
    before = points_of(result.aligned_t1, VOXELS)
    under(scene, rigid(shift=(10, 20, 30)), result.flair)  # RAS
    moved = np.add(before, (-10, -20, 30))  # LPS
    rederive(scene, a_slicer_scene.logics, result, threshold=3.5, min_patches=1)
    np.testing.assert_allclose(points_of(result.aligned_t1, VOXELS), moved, atol=1e-6)
    assert result.flair.HardenTransform()
    rederive(scene, a_slicer_scene.logics, result, threshold=3.2, min_patches=1)
    np.testing.assert_allclose(points_of(result.aligned_t1, VOXELS), moved, atol=1e-6)
    aligned = result.aligned_t1
    remove_result(scene, result)
    assert aligned.GetScene() is None


def test_a_second_run_that_moved_nothing_leaves_no_aligned_t1(a_slicer_scene):
    t1, flair = add_study(a_slicer_scene.scene)
    first = a_result(a_slicer_scene, t1=t1, flair=flair, stored=registered())
    aligned = first.aligned_t1
    second = a_result(a_slicer_scene, t1=t1, flair=flair, replace=first)
    assert second.shown_t1 is t1
    assert aligned.GetScene() is None
    assert result_of(second.score).aligned_t1 is None


def test_both_are_shown_in_a_window_of_the_brain(a_slicer_scene):
    stored = stored_scores()
    brain = sitk.GetArrayFromImage(stored.images["prepared_brain"]) > 0
    scaled = np.where(brain, np.linspace(-0.5, 1.5, brain.size).reshape(brain.shape), 90.0)
    scale = {"low": 100.0, "high": 300.0}
    image = sitk.GetImageFromArray(scaled.astype(np.float32))
    images = {**stored.images, "prepared_t1": image, "prepared_flair": image}
    record = {**stored.record, "t1_scale": scale, "flair_scale": scale}
    result = a_result(a_slicer_scene, stored=StoredScores(images, record))
    low, high = scaled[brain].min() * 200 + 100, scaled[brain].max() * 200 + 100
    for volume, room in ((result.shown_t1, 0.31), (result.flair, 0.1)):
        display = volume.GetDisplayNode()
        assert not display.GetAutoWindowLevel()
        assert display.GetWindowLevelMin() == pytest.approx(low, abs=5)
        assert high < display.GetWindowLevelMax() < high + room * (high - low)


def test_a_brain_of_one_grey_value_keeps_its_window(a_slicer_scene):
    result = a_result(a_slicer_scene)
    assert result.flair.GetDisplayNode().GetWindow() > 0


@pytest.mark.parametrize("person", ["Subj5", pytest.param("Subj6", marks=pytest.mark.slow)])
def test_real_t1_and_flair_that_were_apart_lie_on_each_other_to_a_millimetre(
    person, a_slicer_scene, shared_data
):
    """`Testing/imaging/test_registration` proves the alignment; here it has to reach the scene unbent."""
    folder = shared_data("nichart", person)
    images = {
        name: sitk.ReadImage(str(folder / f"{name}.nii.gz"), sitk.sitkFloat32) for name in ("T1", "FLAIR")
    }
    grid = Grid.of(images["FLAIR"])
    regions = sitk.ReadImage(str(folder / "DLMUSE_T1space.nii.gz")) > 0
    brain = sitk.GetArrayFromImage(grid.resampled(sitk.BinaryMorphologicalClosing(regions, (4, 4, 4)))) > 0
    alignment = align(Volume(images["T1"]), Volume(images["FLAIR"]), brain, PreparationSettings())
    assert alignment.shift_mm > 8
    t1, flair = (
        add_volume(a_slicer_scene.scene, sitk.GetArrayFromImage(image), ijk_to_ras(Grid.of(image)), name)
        for name, image in images.items()
    )
    aligned = a_slicer_scene.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    record = {"alignment": vars(alignment), "flair_grid": vars(grid)}
    place_aligned_t1(aligned, t1, flair, record, t1_grid=None)
    # The same tissue: a place in the FLAIR's brain has the grey value that the registration found for it.
    points = grid.points(np.argwhere(brain)[::50, ::-1]).tolist()
    to_t1, shown = transform_of(alignment), image_of(aligned)
    apart = [
        np.subtract(
            images["T1"].TransformPhysicalPointToContinuousIndex(to_t1.TransformPoint(point)),
            shown.TransformPhysicalPointToContinuousIndex(point),
        )
        for point in points
    ]
    assert np.linalg.norm(apart * np.array(images["T1"].GetSpacing()), axis=1).max() < 0.01
