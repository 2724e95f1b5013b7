"""The findings in 3D, within the surface of the brain."""

from __future__ import annotations

import numpy as np
import pytest
from AnomalyDetectionLib.scene.result import remove_result, show_again
from AnomalyDetectionLib.scene.result_nodes import EARLIER, place_aside
from AnomalyDetectionLib.scene.three_d import show_in_3d, show_surface_of
from result_in_scene import a_result, add_study
from synthetic_study import FLAIR_GRID, prepared_study

from scene.in_the_scene import rigid, under


def test_the_brains_surface_lies_on_the_brain_faintly_and_in_no_slice(a_slicer_scene):
    result = a_result(a_slicer_scene)
    model = show_in_3d(a_slicer_scene.scene, result)
    display = model.GetDisplayNode()
    assert 0 < display.GetOpacity() < 0.3
    assert not display.GetVisibility2D()
    assert display.GetVisibility3D()
    inside = FLAIR_GRID.points(np.argwhere(prepared_study().flair_brain)[:, ::-1]) * (-1, -1, 1)
    bounds = np.array(model.GetPolyData().GetBounds()).reshape(3, 2)
    np.testing.assert_allclose(bounds[:, 0], inside.min(axis=0), atol=3)
    np.testing.assert_allclose(bounds[:, 1], inside.max(axis=0), atol=3)
    assert result.segmentation.GetSegmentation().ContainsRepresentation("Closed surface")


def test_it_is_made_once_moves_with_the_flair_and_goes_with_the_result(a_slicer_scene):
    scene = a_slicer_scene.scene
    result = a_result(a_slicer_scene)
    model = show_in_3d(scene, result)
    assert show_in_3d(scene, result) is model
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    result.score.SetAndObserveTransformNodeID(transform.GetID())
    assert show_in_3d(scene, result).GetParentTransformNode() is transform
    remove_result(scene, result)
    assert model.GetScene() is None


@pytest.mark.parametrize("hardened", [False, True])
def test_surface_and_earlier_scan_stay_on_a_flair_that_is_moved_alone(a_slicer_scene, hardened):
    scene, logics = a_slicer_scene.scene, a_slicer_scene.logics
    result = a_result(a_slicer_scene)
    model = show_in_3d(scene, result)
    _, earlier = add_study(scene, name="earlier ")
    place_aside(result, EARLIER, earlier)
    under(scene, rigid(shift=(10, -20, 30)), result.flair)
    if hardened:
        result.flair.HardenTransform()
    before = model.GetPolyData().GetBounds()
    for _ in range(2):  # once is enough
        show_again(scene, logics, result)
    bounds, flairs, earliers = np.zeros(6), np.zeros(6), np.zeros(6)
    model.GetRASBounds(bounds)
    np.testing.assert_allclose(bounds, np.add(before, np.repeat((10, -20, 30), 2)), atol=1e-3)
    result.flair.GetRASBounds(flairs)
    earlier.GetRASBounds(earliers)
    np.testing.assert_allclose(earliers, flairs, atol=1e-3)


def test_only_the_surface_of_the_result_that_is_shown_is_seen(a_slicer_scene):
    first, second = a_result(a_slicer_scene), a_result(a_slicer_scene)
    models = [show_in_3d(a_slicer_scene.scene, result) for result in (first, second)]
    show_surface_of(a_slicer_scene.scene, first)
    assert [bool(model.GetDisplayNode().GetVisibility()) for model in models] == [True, False]
    show_surface_of(a_slicer_scene.scene, None)
    assert not any(model.GetDisplayNode().GetVisibility() for model in models)
