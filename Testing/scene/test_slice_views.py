"""What slice views show and where they go, on the nodes; `test_rendered_slices` looks at the pictures."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import slicer
from AnomalyDetectionLib.scene.slice_views import (
    HiddenOverlay,
    jump,
    set_overlay_opacity,
    set_overlay_visible,
    show_outlines_of,
    show_result,
)
from AnomalyDetectionLib.scene.view_layout import T1_VIEW
from slice_rendering import SliceView, Window
from slicer_scene import add_volume

THICK_SLICES = np.diag([-1.0, -1.0, 4.0, 1.0])
THICK_SLICES[:3, 3] = 20, 20, -10


def a_result(scene, name=""):
    array = np.zeros((8, 40, 40), np.float32)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{name} findings")
    segmentation.CreateDefaultDisplayNodes()
    t1 = add_volume(scene, array, THICK_SLICES, f"{name} T1")
    return SimpleNamespace(
        t1=t1,
        shown_t1=t1,
        flair=add_volume(scene, array, THICK_SLICES, f"{name} FLAIR"),
        score=add_volume(scene, array, THICK_SLICES, f"{name} score"),
        segmentation=segmentation,
    )


def shown_result(scene):
    result = a_result(scene)
    show_result(scene, result)
    return result


@pytest.fixture
def views(a_slicer_scene):
    application = a_slicer_scene.logics.application
    return {
        name: SliceView(a_slicer_scene.scene, application, orientation, (100, 100), name)
        for name, orientation in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal"))
    }


def shown(view):
    composite = view.composite
    return composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()


def test_every_view_shows_the_flair_with_the_scores_over_it(a_slicer_scene, views):
    result = a_result(a_slicer_scene.scene)
    show_result(a_slicer_scene.scene, result, opacity=0.3)
    for view in views.values():
        assert shown(view) == (result.flair.GetID(), result.score.GetID())
        assert view.composite.GetForegroundOpacity() == 0.3
        assert view.composite.GetCompositing() == view.composite.Alpha


def test_the_t1_of_side_by_side_gets_no_overlay(a_slicer_scene, views):
    t1_view = SliceView(a_slicer_scene.scene, a_slicer_scene.logics.application, "Axial", (100, 100), T1_VIEW)
    result = shown_result(a_slicer_scene.scene)
    assert shown(t1_view) == (result.t1.GetID(), None)
    set_overlay_visible(a_slicer_scene.scene, result, True)
    assert shown(t1_view) == (result.t1.GetID(), None)


def test_the_opacity_is_that_of_the_views_with_these_scores_only(a_slicer_scene, views):
    first, second = a_result(a_slicer_scene.scene, "first"), a_result(a_slicer_scene.scene, "second")
    show_result(a_slicer_scene.scene, first, opacity=0.5)
    views["Yellow"].composite.SetForegroundVolumeID(second.score.GetID())
    set_overlay_opacity(a_slicer_scene.scene, first, 0.8)
    assert [view.composite.GetForegroundOpacity() for view in views.values()] == [0.8, 0.8, 0.5]


def test_an_overlay_that_was_switched_off_comes_back_with_its_opacity(a_slicer_scene, views):
    result = a_result(a_slicer_scene.scene)
    show_result(a_slicer_scene.scene, result, opacity=0.7)
    views["Green"].composite.SetBackgroundVolumeID(result.t1.GetID())
    set_overlay_visible(a_slicer_scene.scene, result, False)
    assert shown(views["Red"]) == (result.flair.GetID(), None)
    set_overlay_visible(a_slicer_scene.scene, result, True)
    assert shown(views["Red"]) == (result.flair.GetID(), result.score.GetID())
    assert views["Red"].composite.GetForegroundOpacity() == 0.7
    assert shown(views["Green"]) == (result.t1.GetID(), None)  # shows something else: left alone


def test_showing_the_overlay_shows_it_even_if_no_view_has_the_flair(a_slicer_scene, views):
    result = a_result(a_slicer_scene.scene)
    set_overlay_visible(a_slicer_scene.scene, result, True)
    assert shown(views["Red"]) == (result.flair.GetID(), result.score.GetID())


def pan(view):
    """What a view looks at, beside its slice: mm along its two axes."""
    to_ras = slicer.util.arrayFromVTKMatrix(view.node.GetSliceToRAS())
    return to_ras[:3, :2].T @ to_ras[:3, 3]


def test_going_to_a_point_in_sight_changes_the_slice_and_nothing_else(a_slicer_scene, views):
    shown_result(a_slicer_scene.scene)
    for view in views.values():
        view.fit()
    before = {name: pan(view) for name, view in views.items()}
    target = np.array([3.0, -7.0, 5.0])
    jump(a_slicer_scene.scene, target)
    for name, view in views.items():
        to_ras = slicer.util.arrayFromVTKMatrix(view.node.GetSliceToRAS())
        assert (target - to_ras[:3, 3]) @ to_ras[:3, 2] == pytest.approx(0, abs=1e-6)
        assert np.allclose(pan(view), before[name]), "a head that was whole stays whole"


def test_a_point_out_of_sight_comes_into_the_middle(a_slicer_scene, views):
    shown_result(a_slicer_scene.scene)
    red = views["Red"]
    red.fit()
    red.node.SetFieldOfView(10, 10, 1)  # zoomed in on the middle
    target = np.array([14.0, -13.0, 6.0])
    jump(a_slicer_scene.scene, target, a_slicer_scene.logics.application)
    assert np.allclose(red.ras()[49:51, 49:51].mean(axis=(0, 1)), target, atol=0.2)
    # And from there a near one without another move.
    before = pan(red)
    jump(a_slicer_scene.scene, np.add(target, (1.5, 1.0, 0.0)), a_slicer_scene.logics.application)
    assert np.allclose(pan(red), before)


def test_views_that_are_not_shown_are_left_alone(a_slicer_scene):
    window = Window(a_slicer_scene.scene, a_slicer_scene.logics.application)
    window.layout.SetViewArrangement(window.layout.SlicerLayoutOneUpRedSliceView)
    shown_result(a_slicer_scene.scene)
    moved = []
    for name, view in window.views.items():
        view.node.AddObserver("ModifiedEvent", lambda *_, name=name: moved.append(name))
    jump(a_slicer_scene.scene, (3.0, -7.0, 5.0), a_slicer_scene.logics.application)
    window.close()
    assert set(moved) == {"Red"}


def test_a_jump_stops_in_the_middle_of_a_thick_slice(a_slicer_scene, views):
    shown_result(a_slicer_scene.scene)
    jump(a_slicer_scene.scene, (3.0, -7.0, 7.6), a_slicer_scene.logics.application)
    assert views["Red"].logic.GetSliceOffset() == pytest.approx(6.0)  # slices at -10, -6, -2, 2, 6, ...
    turned = views["Green"].node.GetSliceToRAS()
    assert turned.GetElement(1, 3) == pytest.approx(-7.0, abs=0.51)


def test_a_jump_in_a_turned_view_goes_through_the_point(a_slicer_scene, views):
    shown_result(a_slicer_scene.scene)
    red = views["Red"].node
    red.SetSliceToRASByNTP(0.0, 0.5, 0.8660254, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
    jump(a_slicer_scene.scene, (3.0, -7.0, 7.6), a_slicer_scene.logics.application)
    to_ras = slicer.util.arrayFromVTKMatrix(red.GetSliceToRAS())
    assert to_ras[:3, 2] @ (to_ras[:3, 3] - (3.0, -7.0, 7.6)) == pytest.approx(0, abs=1e-6)


def test_a_jump_out_of_the_volume_does_no_harm(a_slicer_scene, views):
    shown_result(a_slicer_scene.scene)
    jump(a_slicer_scene.scene, (500.0, 0.0, 500.0), a_slicer_scene.logics.application)
    assert views["Red"].logic.GetSliceOffset() == pytest.approx(500.0)


def test_the_bare_image_comes_and_goes_without_a_trace(a_slicer_scene, views):
    result, other = a_result(a_slicer_scene.scene), a_result(a_slicer_scene.scene, "other")
    show_result(a_slicer_scene.scene, result, opacity=0.6)
    views["Green"].composite.SetForegroundVolumeID(other.flair.GetID())
    views["Yellow"].composite.SetForegroundVolumeID(None)
    before = [(*shown(view), view.composite.GetForegroundOpacity()) for view in views.values()]
    token = HiddenOverlay.hide(a_slicer_scene.scene, result)
    assert shown(views["Red"]) == (result.flair.GetID(), None)
    assert not result.segmentation.GetDisplayNode().GetVisibility()
    assert shown(views["Green"])[1] == other.flair.GetID()  # not ours
    assert other.segmentation.GetDisplayNode().GetVisibility()
    token.restore()
    assert [(*shown(view), view.composite.GetForegroundOpacity()) for view in views.values()] == before
    assert result.segmentation.GetDisplayNode().GetVisibility()


def test_outlines_are_those_of_the_result_that_is_shown(a_slicer_scene):
    results = [a_result(a_slicer_scene.scene, name) for name in ("one patient's", "another's")]

    def seen():
        return [bool(each.segmentation.GetDisplayNode().GetVisibility()) for each in results]

    show_outlines_of(results, results[1], True)
    assert seen() == [False, True]
    show_outlines_of(results, results[0], True)
    assert seen() == [True, False]
    show_outlines_of(results, results[0], False)
    assert seen() == [False, False]


def test_outlines_that_were_off_stay_off_after_the_bare_image(a_slicer_scene, views):
    result = shown_result(a_slicer_scene.scene)
    result.segmentation.GetDisplayNode().SetVisibility(False)
    HiddenOverlay.hide(a_slicer_scene.scene, result).restore()
    assert not result.segmentation.GetDisplayNode().GetVisibility()


def test_what_was_deleted_while_hidden_stays_deleted(a_slicer_scene, views):
    result = shown_result(a_slicer_scene.scene)
    token = HiddenOverlay.hide(a_slicer_scene.scene, result)
    a_slicer_scene.scene.RemoveNode(result.score)
    a_slicer_scene.scene.RemoveNode(result.segmentation)
    token.restore()
    token.restore()
    assert all(shown(view)[1] is None for view in views.values())


def test_a_foreground_chosen_while_hidden_is_kept(a_slicer_scene, views):
    result, other = a_result(a_slicer_scene.scene), a_result(a_slicer_scene.scene, "other")
    show_result(a_slicer_scene.scene, result)
    token = HiddenOverlay.hide(a_slicer_scene.scene, result)
    views["Red"].composite.SetForegroundVolumeID(other.score.GetID())
    token.restore()
    assert shown(views["Red"])[1] == other.score.GetID()
    assert shown(views["Green"])[1] == result.score.GetID()


def test_without_a_view_nothing_happens(a_slicer_scene):
    result = shown_result(a_slicer_scene.scene)
    set_overlay_visible(a_slicer_scene.scene, result, True)
    jump(a_slicer_scene.scene, (0, 0, 0), a_slicer_scene.logics.application)
    HiddenOverlay.hide(a_slicer_scene.scene, result).restore()
    assert a_slicer_scene.scene.GetNumberOfNodesByClass("vtkMRMLSliceNode") == 0
    assert isinstance(result.segmentation, slicer.vtkMRMLSegmentationNode)
