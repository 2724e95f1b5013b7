"""T1 and FLAIR side by side, on the nodes, with the layout logic of Slicer and a view for each slice node."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from AnomalyDetectionLib.scene.view_layout import (
    FLAIR_VIEW,
    SIDE_BY_SIDE,
    T1_VIEW,
    fit,
    four_up,
    is_arranged,
    is_side_by_side,
    put_back,
    register,
    show_volumes,
    side_by_side,
    slice_orientation,
)
from slice_rendering import Window
from slicer_scene import SlicerScene, add_volume, make_scene

from scene.in_the_scene import rigid, under

OWN = {T1_VIEW, FLAIR_VIEW}


def volume(scene, name, directions=None, spacing=(1.0, 1.0, 4.0), shape=(10, 60, 50)):
    """A volume whose middle is the origin of the world."""
    ijk_to_ras = np.eye(4)
    ijk_to_ras[:3, :3] = (np.diag([-1, -1, 1]) if directions is None else directions) * np.array(spacing)
    ijk_to_ras[:3, 3] = -ijk_to_ras[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    return add_volume(scene, np.zeros(shape, np.float32), ijk_to_ras, name)


class Desk:
    """A Slicer main window with a T1, a FLAIR and scores."""

    def __init__(self, made: SlicerScene):
        self.scene, self.application = made.scene, made.logics.application
        self.window = Window(self.scene, self.application, size=(300, 400))
        self.views, self.layout = self.window.views, self.window.layout
        self.t1, self.flair, self.score = (volume(self.scene, name) for name in ("T1", "FLAIR", "score"))

    def side_by_side(self, **changes):
        nodes = {"t1": self.t1, "flair": self.flair, "score": self.score} | changes
        side_by_side(self.scene, self.application, self.layout, **nodes)

    def node(self, name):
        return self.views[name].node


@pytest.fixture
def desk(a_slicer_scene):
    made = Desk(a_slicer_scene)
    yield made
    made.window.close()


def matrix(node):
    return slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())


def test_t1_without_and_flair_with_overlay_in_linked_views_of_their_own(desk):
    desk.side_by_side(opacity=0.25)
    assert is_side_by_side(desk.layout)
    assert desk.window.shown == OWN
    t1, flair = (desk.views[name].composite for name in (T1_VIEW, FLAIR_VIEW))
    assert (t1.GetBackgroundVolumeID(), t1.GetForegroundVolumeID()) == (desk.t1.GetID(), None)
    assert flair.GetBackgroundVolumeID() == desk.flair.GetID()
    assert flair.GetForegroundVolumeID() == desk.score.GetID()
    assert flair.GetForegroundOpacity() == 0.25
    for composite in (t1, flair):
        assert composite.GetLinkedControl()
        assert composite.GetHotLinkedControl()


def test_scrolling_one_of_them_scrolls_the_other_and_none_of_the_users(desk):
    link = slicer.vtkMRMLSliceLinkLogic()
    link.SetMRMLApplicationLogic(desk.application)
    desk.side_by_side()
    link.SetMRMLScene(desk.scene)  # it takes up the views that are there
    red = matrix(desk.node("Red")).copy()
    logic = desk.views[FLAIR_VIEW].logic
    logic.StartSliceOffsetInteraction()
    logic.SetSliceOffset(10.0)
    logic.EndSliceOffsetInteraction()
    assert matrix(desk.node(T1_VIEW))[2, 3] == pytest.approx(10.0)
    assert np.array_equal(matrix(desk.node("Red")), red)


def test_the_users_views_keep_what_they_show(desk):
    composite = desk.views["Red"].composite
    composite.SetBackgroundVolumeID(desk.t1.GetID())
    before = matrix(desk.node("Red")).copy(), desk.node("Red").GetFieldOfView()
    desk.side_by_side()
    put_back(desk.layout)
    assert composite.GetBackgroundVolumeID() == desk.t1.GetID()
    assert composite.GetForegroundVolumeID() is None
    assert not composite.GetLinkedControl()
    assert np.array_equal(matrix(desk.node("Red")), before[0])
    assert desk.node("Red").GetFieldOfView() == before[1]


def test_putting_back_brings_the_layout_that_was_there(desk):
    desk.layout.SetViewArrangement(desk.layout.SlicerLayoutConventionalView)
    desk.side_by_side()
    assert put_back(desk.layout)
    assert desk.layout.GetViewArrangement() == desk.layout.SlicerLayoutConventionalView
    assert "Red" in desk.window.shown


def test_side_by_side_twice_still_knows_the_layout_that_was_there(desk):
    desk.layout.SetViewArrangement(desk.layout.SlicerLayoutOneUpRedSliceView)
    desk.side_by_side()
    desk.side_by_side()
    put_back(desk.layout)
    assert desk.layout.GetViewArrangement() == desk.layout.SlicerLayoutOneUpRedSliceView


@pytest.mark.parametrize("former", ["SlicerLayoutConventionalView", "SlicerLayoutFourUpView"])
def test_three_planes_with_3d_go_back_to_where_they_were_opened_from(desk, former):
    own = getattr(desk.layout, former)
    desk.layout.SetViewArrangement(own)
    desk.side_by_side()
    four_up(desk.layout)
    assert desk.layout.GetViewArrangement() == desk.layout.SlicerLayoutFourUpView
    assert is_arranged(desk.layout)
    assert put_back(desk.layout)
    assert desk.window.shown == OWN
    assert put_back(desk.layout)
    assert desk.layout.GetViewArrangement() == own
    assert not is_arranged(desk.layout)
    four_up(desk.layout)
    assert put_back(desk.layout)
    assert desk.layout.GetViewArrangement() == own


def test_what_the_three_planes_showed_comes_back_also_from_a_saved_scene(desk, tmp_path):
    red = desk.views["Red"].composite
    red.SetBackgroundVolumeID(desk.t1.GetID())
    red.SetForegroundVolumeID(desk.flair.GetID())
    red.SetForegroundOpacity(0.3)
    red.SetCompositing(red.Add)
    four_up(desk.layout)
    show_volumes(red, desk.flair, desk.score, 0.5)
    desk.scene.SetURL(str(tmp_path / "scene.mrml"))
    assert desk.scene.Commit()
    desk.window.close()

    opened = Desk(make_scene())
    opened.scene.SetURL(str(tmp_path / "scene.mrml"))
    opened.scene.Import()  # of volumes only the nodes, which is all that views refer to
    assert put_back(opened.layout)
    red = opened.views["Red"].composite
    shown = [
        opened.scene.GetNodeByID(red.GetBackgroundVolumeID()),
        opened.scene.GetNodeByID(red.GetForegroundVolumeID()),
    ]
    assert [node.GetName() for node in shown] == ["T1", "FLAIR"]
    assert red.GetForegroundOpacity() == pytest.approx(0.3)
    assert red.GetCompositing() == red.Add
    opened.window.close()


def test_a_layout_that_the_user_chose_since_stays(desk):
    desk.side_by_side()
    desk.layout.SetViewArrangement(desk.layout.SlicerLayoutOneUp3DView)
    assert not put_back(desk.layout)
    assert desk.layout.GetViewArrangement() == desk.layout.SlicerLayoutOneUp3DView
    desk.side_by_side()
    put_back(desk.layout)
    assert desk.layout.GetViewArrangement() == desk.layout.SlicerLayoutOneUp3DView


def test_back_to_a_layout_that_nobody_knows_any_more_is_four_up(desk):
    desk.layout.AddLayoutDescription(987654, desk.layout.GetLayoutDescription(3))
    desk.layout.SetViewArrangement(987654)
    desk.side_by_side()
    desk.layout.SetLayoutDescription(987654, "")
    put_back(desk.layout)
    assert desk.layout.GetViewArrangement() == desk.layout.SlicerLayoutFourUpView


def test_both_views_see_the_same_place_at_the_same_size(desk):
    desk.side_by_side(at=(1.0, 2.0, 7.0))
    t1, flair = desk.node(T1_VIEW), desk.node(FLAIR_VIEW)
    assert np.allclose(matrix(t1), matrix(flair))
    assert t1.GetFieldOfView() == flair.GetFieldOfView()
    width, height, _ = flair.GetFieldOfView()
    assert width >= 49.9 and height >= 59.9  # noqa: PT018  # the whole of 50 x 60 mm
    assert matrix(flair)[2, 3] == pytest.approx(6.0)  # the slice that holds 7: slices at 2, 6, 10


def test_a_larger_window_is_filled_when_fitted_again(desk):
    desk.side_by_side()
    for name in OWN:
        desk.views[name].resize(900, 300)
    fit(desk.scene, desk.application, desk.flair)
    width, height, _ = desk.node(FLAIR_VIEW).GetFieldOfView()
    assert (width, height) == pytest.approx((180, 60))


def test_the_views_lie_in_the_slices_of_an_oblique_flair_under_a_transform(desk):
    tilt, turn = rigid((15, -8, 5))[:3, :3], rigid((0, 0, 20))
    flair = volume(desk.scene, "oblique", tilt @ np.diag([-1, -1, 1]))
    under(desk.scene, turn, flair)
    desk.side_by_side(flair=flair)
    for name in OWN:
        normal = matrix(desk.node(name))[:3, 2]
        assert abs(normal @ (turn[:3, :3] @ tilt)[:, 2]) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("directions", "spacing", "orientation"),
    [
        (np.diag([-1, -1, 1]), (1, 1, 4), "Axial"),
        (np.diag([-1, -1, 1]), (1, 1, 1.2), "Axial"),
        (np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]]), (0.5, 0.5, 5), "Sagittal"),
        (np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]]), (1, 1, 1), "Axial"),
        (np.array([[-1, 0, 0], [0, 0, 1], [0, -1, 0]]), (0.5, 0.5, 5), "Coronal"),
    ],
)
def test_slices_are_shown_as_they_were_acquired(desk, directions, spacing, orientation):
    assert slice_orientation(volume(desk.scene, "some", directions, spacing)) == orientation


def test_the_layout_that_was_there_survives_saving_and_opening(desk, tmp_path):
    desk.layout.SetViewArrangement(desk.layout.SlicerLayoutConventionalView)
    desk.side_by_side()
    desk.scene.SetURL(str(tmp_path / "scene.mrml"))
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode", desk.scene):
        desk.scene.RemoveNode(node)  # no data needed
    assert desk.scene.Commit()
    desk.window.close()

    opened = Desk(make_scene())
    register(opened.layout)
    opened.scene.SetURL(str(tmp_path / "scene.mrml"))
    assert opened.scene.Import()
    assert is_side_by_side(opened.layout)
    assert opened.window.shown == OWN
    assert put_back(opened.layout)
    assert opened.layout.GetViewArrangement() == opened.layout.SlicerLayoutConventionalView
    opened.window.close()


def test_a_scene_opened_before_the_layout_was_known_shows_it_then(desk):
    desk.layout.SetViewArrangement(SIDE_BY_SIDE)  # unknown still: Slicer shows nothing
    assert desk.window.shown != OWN
    register(desk.layout)
    assert desk.window.shown == OWN


def test_a_t1_that_is_gone_leaves_its_view_empty(desk):
    desk.side_by_side(t1=None)
    assert desk.views[T1_VIEW].composite.GetBackgroundVolumeID() is None
    assert desk.views[FLAIR_VIEW].composite.GetBackgroundVolumeID() == desk.flair.GetID()


def test_without_a_window_the_layout_changes_and_nothing_breaks(a_slicer_scene):
    scene, application = a_slicer_scene.scene, a_slicer_scene.logics.application
    layout = scene.AddNewNodeByClass("vtkMRMLLayoutNode")
    side_by_side(scene, application, layout, t1=volume(scene, "T1"), flair=volume(scene, "FLAIR"))
    assert is_side_by_side(layout)
    assert put_back(layout)
