"""What a person would check in the slice views, on pictures that Slicer's own code has drawn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from AnomalyDetectionLib.scene.overlay import set_legend_visible
from AnomalyDetectionLib.scene.places import centre_of
from AnomalyDetectionLib.scene.result import rederive, remove_result
from AnomalyDetectionLib.scene.segmentation import emphasise
from AnomalyDetectionLib.scene.slice_views import (
    HiddenOverlay,
    jump,
    set_overlay_opacity,
    set_overlay_visible,
    show_result,
)
from AnomalyDetectionLib.scene.view_layout import FLAIR_VIEW, T1_VIEW, side_by_side
from result_in_scene import a_result, add_study, stored_scores
from scipy import ndimage
from slice_rendering import SliceView, Window
from synthetic_study import FLAIR_GRID, MODEL_GRID

from scene.in_the_scene import rigid, under

SIZE = (420, 440)
# A finding of 4 x 4 patches in three slices, a rim below the threshold beside it, and another finding.
SCORES = {
    **{(s, i, j): 6.0 for s in (4, 5, 6) for i in range(8, 12) for j in range(11, 15)},
    **{(s, i, 15): 2.6 for s in (4, 5, 6) for i in range(8, 12)},
    **{(5, i, j): 4.0 for i in (15, 16) for j in (6, 7)},
}


def turned(grid, angles):
    """A grid turned round the origin of the world."""
    turn = rigid(angles)[:3, :3]
    return dataclasses.replace(
        grid, origin=tuple(map(float, turn @ grid.origin)), direction=tuple(map(float, turn.ravel()))
    )


@dataclasses.dataclass
class Shown:
    """A result and a view of its largest finding."""

    made: object
    result: object
    view: SliceView

    @property
    def scene(self):
        return self.made.scene

    def bare(self):
        """The FLAIR alone, without anything of ours in the scene's views."""
        token = HiddenOverlay.hide(self.scene, self.result)
        picture = self.view.render()
        token.restore()
        return picture

    def without_outlines(self):
        self.result.segmentation.GetDisplayNode().SetVisibility(False)
        return self.view.render()

    def scores(self):
        return self.view.values(self.result.score)

    def legend_area(self):
        """Where the legend may be drawn, from what it changes."""
        shown = self.view.render()
        set_legend_visible(self.made.logics, self.result.score, False)
        area = np.any(shown != self.view.render(), axis=-1)
        set_legend_visible(self.made.logics, self.result.score, True)
        return area


def show(made, angles=(0, 0, 0), transform=None, opacity=0.5):
    grid, model_grid = (turned(one, angles) for one in (FLAIR_GRID, MODEL_GRID))  # always parallel
    view = SliceView(made.scene, made.logics.application, "Axial", SIZE)
    view.render()  # as in Slicer, where views are there before results
    t1, flair = add_study(made.scene, grid)
    if transform is not None:
        for node in (t1, flair):
            node.SetAndObserveTransformNodeID(transform.GetID())
    result = a_result(
        made, stored=stored_scores(SCORES, flair_grid=grid, model_grid=model_grid), t1=t1, flair=flair
    )
    show_result(made.scene, result, opacity)
    view.fit()
    jump(made.scene, centre_of(result, 1), made.logics.application)
    return Shown(made, result, view)


@pytest.fixture
def straight(a_slicer_scene):
    return show(a_slicer_scene)


@pytest.fixture(params=["straight", "oblique", "under a transform"])
def shown(a_slicer_scene, request):
    if request.param == "straight":
        return show(a_slicer_scene)
    if request.param == "oblique":
        return show(a_slicer_scene, (12, -9, 17))
    transform = under(a_slicer_scene.scene, rigid((0, 8, 25), (30, -12, 8)))
    return show(a_slicer_scene, transform=transform)


def inside(mask, pixels=2):
    """Away from the border, where a pixel more or less does not count."""
    return ndimage.binary_erosion(mask, iterations=pixels)


def colours(picture):
    return np.moveaxis(picture.astype(int), -1, 0)


def test_red_where_the_score_is_over_the_threshold(shown):
    suspected = inside(shown.scores() > 3)
    assert np.count_nonzero(suspected) > 500
    shown.result.segmentation.GetDisplayNode().SetVisibility2DOutline(False)
    # With the fill of the findings, and without
    for picture in (shown.view.render(), shown.without_outlines()):
        red, green, blue = colours(picture)
        assert np.all(red[suspected] > green[suspected] + 25)
        assert np.all(red[suspected] > blue[suspected] + 25)


def test_green_to_yellow_and_never_red_just_below_the_threshold(shown):
    scores = shown.scores()
    below = inside((scores > 2.5) & (scores < 2.7))
    assert np.count_nonzero(below) > 50
    red, green, blue = colours(shown.without_outlines())
    assert np.all(green[below] > blue[below] + 25)
    assert np.all(green[below] > red[below] - 15)


def test_the_bare_image_where_the_score_is_near_zero(shown):
    normal = inside(~(shown.scores() > 1.4)) & ~shown.legend_area()
    assert np.count_nonzero(normal) > 50_000
    picture = shown.without_outlines()
    assert np.array_equal(picture[normal], shown.bare()[normal])
    red, green, blue = colours(picture)
    assert np.array_equal(red[normal], green[normal])
    assert np.array_equal(green[normal], blue[normal])


def test_the_outline_lies_on_the_border_of_the_finding(shown):
    set_overlay_visible(shown.scene, shown.result, False)
    shown.result.segmentation.GetDisplayNode().SetVisibility2DFill(False)
    drawn = np.any(shown.view.render() != shown.bare(), axis=-1)
    finding = shown.scores() > 3
    border = finding & ~ndimage.binary_erosion(finding)
    assert np.count_nonzero(border) > 100
    # Two pixels of line, and the way between two voxel centres that an interpolated outline may take.
    assert ndimage.distance_transform_edt(~border)[drawn].max() <= 5
    assert ndimage.distance_transform_edt(~drawn)[border].max() <= 5


def test_a_hidden_overlay_leaves_exactly_the_bare_picture(shown):
    before = shown.view.render()
    token = HiddenOverlay.hide(shown.scene, shown.result)
    hidden = shown.view.render()
    token.restore()
    assert np.array_equal(shown.view.render(), before)
    assert not np.array_equal(hidden, before)
    remove_result(shown.scene, shown.result)
    assert np.array_equal(shown.view.render(), hidden)


def test_half_the_opacity_is_half_the_colour(straight):
    suspected = inside(straight.scores() > 3)
    bare = straight.bare().astype(float)[suspected]
    set_overlay_opacity(straight.scene, straight.result, 0.8)
    strong = straight.without_outlines()[suspected] - bare
    set_overlay_opacity(straight.scene, straight.result, 0.4)
    weak = straight.without_outlines()[suspected] - bare
    assert np.abs(strong).max() > 80
    assert np.abs(weak - strong / 2).max() <= 2  # of 255


def test_the_legend_is_drawn_out_of_the_way_and_goes_with_the_overlay(straight):
    area = straight.legend_area()
    assert np.count_nonzero(area) > 300
    red, green, blue = (channel[area] for channel in colours(straight.view.render()))
    assert np.any((red > 180) & (green < 60) & (blue < 60))
    assert np.any((green > 150) & (red < 80) & (blue < 120))
    columns = np.nonzero(area)[1]
    assert columns.min() > 0.7 * SIZE[0]
    set_overlay_visible(straight.scene, straight.result, False)
    straight.result.segmentation.GetDisplayNode().SetVisibility(False)
    assert np.array_equal(straight.view.render(), straight.bare())


def test_another_threshold_turns_other_places_red(straight):
    scores = straight.scores()
    set_legend_visible(straight.made.logics, straight.result.score, False)
    straight.without_outlines()
    rederive(straight.scene, straight.made.logics, straight.result, threshold=5.0, min_patches=1)
    red, green, _ = colours(straight.view.render())
    still, no_more = inside(scores > 5), inside((scores > 3) & (scores < 5))
    assert np.count_nonzero(no_more) > 50
    assert np.all(red[still] > green[still] + 25)
    assert np.all(red[no_more] < green[no_more] + 25)


def test_the_emphasised_finding_stands_out_from_the_others(straight):
    set_overlay_visible(straight.scene, straight.result, False)
    bare = straight.bare().astype(int)
    other = straight.view.values(straight.result.score)
    first, second = ((other > 5), (other > 3) & (other < 5))

    def outline(finding):
        """The mean colour of what is drawn round a finding."""
        area = ndimage.binary_dilation(finding, iterations=3)
        picture = straight.view.render().astype(int)
        return picture[area & (np.abs(picture - bare).max(axis=-1) > 30)].mean(axis=0)

    for emphasised, one, another in ((1, first, second), (2, second, first)):
        emphasise(straight.result.segmentation, emphasised)
        red, green, blue = outline(one)
        assert min(red, blue) > 1.5 * green
        assert np.ptp(outline(another)) < 5, "white, on grey tissue"


@pytest.fixture
def window(straight):
    straight.result.segmentation.GetDisplayNode().SetVisibility(False)
    window = Window(straight.scene, straight.made.logics.application, SIZE)
    yield window
    window.close()


def put_side_by_side(shown, window):
    side_by_side(
        shown.scene,
        shown.made.logics.application,
        window.layout,
        t1=shown.result.t1,
        flair=shown.result.flair,
        score=shown.result.score,
        at=centre_of(shown.result, 1),
    )


def test_side_by_side_the_t1_has_no_colour_of_the_overlay_and_the_flair_has(straight, window):
    put_side_by_side(straight, window)
    t1, flair = window.views[T1_VIEW], window.views[FLAIR_VIEW]
    assert np.allclose(t1.ras(), flair.ras())
    red, green, blue = colours(t1.render())
    assert np.array_equal(red, green)
    assert np.array_equal(green, blue)
    red, green, _ = colours(flair.render())
    assert np.all((red > green + 25)[inside(flair.values(straight.result.score) > 3)])


def test_a_view_that_came_after_the_result_has_the_legend_too(straight, window):
    for view in window.views.values():
        view.render()
    for _ in range(2):
        put_side_by_side(straight, window)
        for name, expected in ((T1_VIEW, False), (FLAIR_VIEW, True)):
            straight.view = window.views[name]
            straight.view.render()
            put_side_by_side(straight, window)
            assert (np.count_nonzero(straight.legend_area()) > 300) == expected
    assert straight.result.score.GetNumberOfDisplayNodes() == 2
    assert straight.scene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode") == 1


def test_left_of_the_patient_is_on_the_right_of_the_picture(straight):
    ras = straight.view.ras()
    assert ras[0, 0, 0] > ras[0, -1, 0]  # R, to the left of the picture
    assert ras[0, 0, 1] > ras[-1, 0, 1]  # anterior on top
