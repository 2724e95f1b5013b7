"""The colours of the scores as a slice view gets them, and the legend."""

from __future__ import annotations

import numpy as np
import pytest
from AnomalyDetectionLib.scene.overlay import colour_table, set_legend_visible, show_scores
from result_in_scene import saved_and_opened
from slicer_scene import add_volume
from vtk.util.numpy_support import vtk_to_numpy


def shown(node):
    """The colour (RGBA, 0 to 255) that slice views are given for every voxel."""
    producer = node.GetDisplayNode().GetImageDataConnection().GetProducer()
    producer.Update()
    return vtk_to_numpy(producer.GetOutputDataObject(0).GetPointData().GetScalars())


def colour_of(made, score, threshold, **scale):
    node = add_volume(made.scene, np.full((2, 2, 2), score, np.float32), np.eye(4), "score")
    show_scores(made.scene, made.logics, node, threshold, **scale)
    return shown(node)[0]


def is_red(colour):
    return colour[0] > 150 and colour[1] < 60 and colour[2] < 60 and colour[3] == 255


def lightness(colour):
    return 0.2126 * (colour[0] / 255) ** 2.2 + 0.7152 * (colour[1] / 255) ** 2.2


def is_yellow(colour):
    return colour[0] > 200 and colour[1] > 200 and colour[2] < 100 and colour[3] == 255


@pytest.mark.parametrize("threshold", [0.5, 1.7, 3.0, 3.3, 12.0])
def test_the_threshold_is_where_yellow_turns_red(a_slicer_scene, threshold):
    assert is_yellow(colour_of(a_slicer_scene, threshold * 0.999, threshold))
    assert is_red(colour_of(a_slicer_scene, threshold * 1.001, threshold))


def test_the_red_gets_lighter_with_the_score(a_slicer_scene):
    reds = [lightness(colour_of(a_slicer_scene, score, 3.0)) for score in (3.05, 5.0, 7.0, 9.0, 11.5)]
    assert np.all(np.diff(reds) > 0.01)
    assert reds[-1] > 2 * reds[0]
    assert lightness(colour_of(a_slicer_scene, 50.0, 3.0)) == pytest.approx(reds[-1], rel=0.2)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.787, 0.95])
def test_of_probabilities_the_red_is_lightest_at_one(a_slicer_scene, threshold):
    reds = [
        lightness(colour_of(a_slicer_scene, score, threshold, probabilities=True))
        for score in np.linspace(threshold + 0.02, 1.0, 3)
    ]
    assert is_yellow(colour_of(a_slicer_scene, threshold * 0.999, threshold, probabilities=True))
    assert np.all(np.diff(reds) > 0)
    assert reds[-1] > 1.5 * reds[0]


def test_a_scene_with_the_colours_of_an_earlier_version_gets_the_new_ones(a_slicer_scene):
    old = colour_table(a_slicer_scene.scene)
    old.SetAttribute("AnomalyDetection.Colours", "1")
    assert colour_table(a_slicer_scene.scene) is not old


def test_everything_above_is_red_and_scores_near_zero_are_not_drawn(a_slicer_scene):
    for score in (4.0, 6.0, 50.0, 1e6):
        assert is_red(colour_of(a_slicer_scene, score, 3.0))
    for score in (-1.0, 0.0, 0.5, 1.0, 1.5, np.nan):
        assert colour_of(a_slicer_scene, score, 3.0)[3] == 0


def test_below_the_threshold_it_goes_from_green_to_yellow(a_slicer_scene):
    faint, middle, near = (colour_of(a_slicer_scene, score, 3.0).astype(int) for score in (1.9, 2.4, 2.9))
    assert faint[1] > faint[0] + 40
    assert faint[0] < middle[0] < near[0]
    assert min(faint[3], middle[3], near[3]) == 255


def test_a_threshold_of_zero_is_no_error(a_slicer_scene):
    assert is_red(colour_of(a_slicer_scene, 1.0, 0.0))


def test_cells_are_not_blurred_and_the_window_stays_ours(a_slicer_scene):
    node = add_volume(a_slicer_scene.scene, np.zeros((2, 2, 2), np.float32), np.eye(4), "score")
    show_scores(a_slicer_scene.scene, a_slicer_scene.logics, node, 3.0)
    display = node.GetDisplayNode()
    assert not display.GetInterpolate()
    assert not display.GetAutoWindowLevel()
    assert display.GetLevel() == pytest.approx(6.0, rel=0.01)
    assert display.GetWindow() == pytest.approx(12.0, rel=0.01)


def test_a_scene_has_these_colours_once(a_slicer_scene):
    first = colour_table(a_slicer_scene.scene)
    assert colour_table(a_slicer_scene.scene) is first
    colour_of(a_slicer_scene, 1.0, 3.0)
    colour_of(a_slicer_scene, 1.0, 5.0)
    named = a_slicer_scene.scene.GetNodesByClassByName("vtkMRMLColorTableNode", first.GetName())
    assert named.GetNumberOfItems() == 1


def test_the_legend_says_what_it_is_of_and_can_be_hidden(a_slicer_scene):
    node = add_volume(a_slicer_scene.scene, np.zeros((2, 2, 2), np.float32), np.eye(4), "score")
    logics = a_slicer_scene.logics
    assert logics.colors.GetColorLegendDisplayNode(node) is None
    show_scores(a_slicer_scene.scene, logics, node, 3.0)
    legend = logics.colors.GetColorLegendDisplayNode(node)
    assert legend.GetTitleText() == "Score"
    assert legend.GetVisibility()
    set_legend_visible(logics, node, False)
    show_scores(a_slicer_scene.scene, logics, node, 4.0)
    assert not legend.GetVisibility()
    assert logics.colors.GetNumberOfColorLegendDisplayNodes(node) == 1


def test_views_hear_of_it_when_the_threshold_changes_the_legend(a_slicer_scene):
    node = add_volume(a_slicer_scene.scene, np.zeros((2, 2, 2), np.float32), np.eye(4), "score")
    show_scores(a_slicer_scene.scene, a_slicer_scene.logics, node, 3.0)
    events = []
    legend = a_slicer_scene.logics.colors.GetColorLegendDisplayNode(node)
    legend.AddObserver("ModifiedEvent", lambda *_: events.append(1))
    show_scores(a_slicer_scene.scene, a_slicer_scene.logics, node, 4.0)
    assert events


def test_colours_and_legend_survive_a_saved_scene(a_slicer_scene, tmp_path):
    scores = np.linspace(-1, 9, 8, dtype=np.float32).reshape(2, 2, 2)
    node = add_volume(a_slicer_scene.scene, scores, np.eye(4), "score")
    show_scores(a_slicer_scene.scene, a_slicer_scene.logics, node, 3.0)
    before = shown(node)
    made = saved_and_opened(a_slicer_scene.scene, tmp_path)
    node = made.scene.GetFirstNodeByName("score")
    np.testing.assert_allclose(shown(node), before, atol=1)
    assert made.logics.colors.GetColorLegendDisplayNode(node).GetVisibility()
    table = node.GetDisplayNode().GetColorNode()
    show_scores(made.scene, made.logics, node, 3.0)
    assert node.GetDisplayNode().GetColorNode() is table
    np.testing.assert_allclose(shown(node), before, atol=1)
    assert made.logics.colors.GetNumberOfColorLegendDisplayNodes(node) == 1
