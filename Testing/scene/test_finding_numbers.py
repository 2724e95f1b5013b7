"""The numbers of the findings stand beside their outlines, in the slice that is looked at."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.scene.finding_numbers import number_places, show_numbers, slice_in_view
from AnomalyDetectionLib.scene.places import centre_of, finding_at, slices_of
from AnomalyDetectionLib.scene.result import findings_of, remove_result
from AnomalyDetectionLib.scene.volumes import ijk_to_ras
from result_in_scene import a_result, add_study, stored_scores
from slice_rendering import SliceView
from synthetic_study import FLAIR_GRID, rotated


def test_every_finding_has_its_number_in_every_slice_that_it_is_in(a_slicer_scene):
    result = a_result(a_slicer_scene)
    findings = findings_of(result)
    labels = sitk.GetArrayFromImage(findings.labels)
    places = number_places(result)
    expected = {k: set(np.unique(labels[k])) - {0} for k in range(len(labels)) if labels[k].any()}
    assert {k: set(numbers) for k, numbers in places.items()} == expected
    to_index = np.linalg.inv(ijk_to_ras(result.score))
    for k, numbers in places.items():
        for number, ras in numbers.items():
            i, j, slice_ = (to_index @ [*ras, 1])[:3]
            rows, columns = np.nonzero(labels[k] == number)
            assert round(slice_) == k
            assert (round(j), round(i)) == (rows.min(), columns.min()), "upper left, as it is seen"


def test_the_label_is_drawn_beside_the_finding_and_does_not_catch_clicks(a_slicer_scene):
    result = a_result(a_slicer_scene)
    view = SliceView(a_slicer_scene.scene, a_slicer_scene.logics.application)
    k, numbers = next(iter(number_places(result).items()))
    view.fit()
    centre = next(iter(numbers.values()))
    view.node.JumpSliceByCentering(*centre)
    assert slice_in_view(result, [view.node]) == k
    bare = view.render().astype(int)
    node = show_numbers(a_slicer_scene.scene, result, numbers, next(iter(numbers)))
    assert node.GetLocked()
    drawn = view.render().astype(int)
    changed = np.argwhere(np.abs(drawn - bare).max(axis=2) > 50)
    assert len(changed) > 20
    assert np.abs(changed.mean(axis=0) - 200).max() < 60
    assert np.ptp(drawn, axis=2).max() > 100, (
        "the number of the selected finding is coloured, as its outline is"
    )
    show_numbers(a_slicer_scene.scene, result, numbers, None)
    assert np.ptp(view.render().astype(int), axis=2).max() < 40, "of others it is white"
    show_numbers(a_slicer_scene.scene, result, {}, None)
    assert np.array_equal(view.render(), bare.astype(np.uint8))
    remove_result(a_slicer_scene.scene, result)
    assert node.GetScene() is None


def test_a_view_in_another_plane_is_in_no_slice(a_slicer_scene):
    result = a_result(a_slicer_scene)
    application = a_slicer_scene.logics.application
    coronal = SliceView(a_slicer_scene.scene, application, "Coronal", name="Green")
    axial = SliceView(a_slicer_scene.scene, application, "Axial", name="Red")
    assert slice_in_view(result, [coronal.node]) is None
    assert slice_in_view(result, [coronal.node, axial.node]) is not None


def test_a_point_on_or_beside_a_finding_is_that_finding(a_slicer_scene):
    grid = rotated(FLAIR_GRID, 15.0)
    t1, flair = add_study(a_slicer_scene.scene, grid)
    result = a_result(a_slicer_scene, t1=t1, flair=flair, stored=stored_scores(flair_grid=grid))
    findings = findings_of(result)
    labels = sitk.GetArrayFromImage(findings.labels)
    k, j, i = np.argwhere(labels == 1)[0]
    matrix = ijk_to_ras(flair)
    assert finding_at(result, (matrix @ [i, j, k, 1])[:3].tolist()) == 1
    assert finding_at(result, (matrix @ [i, j - 1, k, 1])[:3].tolist()) == 1
    assert finding_at(result, (matrix @ [i, j - 12, k, 1])[:3].tolist()) is None
    assert finding_at(result, (900.0, 0.0, 0.0)) is None


def test_slices_are_counted_from_the_lowest_on_the_head(a_slicer_scene):
    result = a_result(a_slicer_scene)
    findings = findings_of(result)
    for item in findings.items:
        voxels = np.argwhere(sitk.GetArrayFromImage(findings.labels) == item.number)
        assert abs(slices_of(result)[item.number] - 1 - voxels[:, 0].mean()) <= 0.51
    assert slicer.util.arrayFromVolume(result.flair).shape[0] >= max(slices_of(result).values())


ISOTROPIC = [  # columns, rows and slices run to the patient's ...
    ("left, back, top", (80, 94, 48), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
    ("back, bottom, left", (94, 48, 80), (0, 0, 1, 1, 0, 0, 0, -1, 0)),
    ("left, bottom, back", (80, 48, 94), (1, 0, 0, 0, 0, 1, 0, -1, 0)),
]


@pytest.mark.parametrize(
    ("size", "direction"), [case[1:] for case in ISOTROPIC], ids=[case[0] for case in ISOTROPIC]
)
def test_of_a_flair_without_thick_slices_numbers_and_slices_are_those_of_the_transversal_view(
    a_slicer_scene, size, direction
):
    """A 3D FLAIR is mostly acquired in sagittal slices, and shown in transversal ones."""
    axes = np.array(direction, float).reshape(3, 3)
    first = np.where(axes.sum(axis=1) > 0, (-40.0, -47.0, -24.0), (40.0, 47.0, 24.0))
    grid = Grid(size, (1.0, 1.0, 1.0), tuple(first.tolist()), direction)
    t1, flair = add_study(a_slicer_scene.scene, grid)
    result = a_result(a_slicer_scene, t1=t1, flair=flair, stored=stored_scores(flair_grid=grid))
    view = SliceView(a_slicer_scene.scene, a_slicer_scene.logics.application)
    places, lowest = (
        number_places(result),
        float(grid.points(np.array([[0, 0, 0], np.array(size) - 1]))[:, 2].min()),
    )
    labels = sitk.GetArrayFromImage(findings_of(result).labels)
    for number in np.unique(labels[labels > 0]).tolist():
        centre = centre_of(result, number)
        view.node.JumpSliceByOffsetting(*centre.tolist())
        index = slice_in_view(result, [view.node])
        ijk = np.argwhere(labels == number)[:, ::-1]
        right, front, top = (np.c_[ijk, np.ones(len(ijk))] @ ijk_to_ras(flair).T)[:, :3].T
        here = np.abs(top - centre[2]) < 0.5
        assert np.allclose(
            places[index][number], (right[here].max(), front[here].max(), centre[2]), atol=0.01
        )
        assert slices_of(result)[number] == round(centre[2] - lowest) + 1
        beside = right[here].max() + 2.0, front[here][np.argmax(right[here])], centre[2]
        assert finding_at(result, beside) == number
