"""What a reader does to the segments by hand is kept, counted, and taken back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from AnomalyDetectionLib.detection.stored_scores import store
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.scene.editing import add_finding, adopt_segments, as_detected, take_edits
from AnomalyDetectionLib.scene.export import export_labels, export_table
from AnomalyDetectionLib.scene.findings_table import rows, set_category, set_decision, undo
from AnomalyDetectionLib.scene.places import centre_of, voxel_at
from AnomalyDetectionLib.scene.result import findings_of, rederive, result_of, results_in, show_again
from AnomalyDetectionLib.scene.segment_voxels import segment_voxels
from AnomalyDetectionLib.scene.volumes import ijk_to_ras, oriented_image
from result_in_scene import SCORES, a_result, add_study, saved_and_opened
from synthetic_study import FLAIR_GRID, empty_lattice, prepared_study, scored

from scene.in_the_scene import BINARY, paint, rigid, under


@pytest.fixture
def result(a_slicer_scene):
    return a_result(a_slicer_scene)


def mask_of_number(result, number):
    return segment_voxels(result, [number]) == number


def row_of(result, number):
    return next(row for row in rows(result.table, all=True) if row.number == number)


def a_ball(centre, radius=3):
    grid = np.indices(FLAIR_GRID.shape).reshape(3, -1).T
    return (np.linalg.norm(grid - centre, axis=1) <= radius).reshape(FLAIR_GRID.shape)


def rederived(made, result, threshold):
    return rederive(made.scene, made.logics, result, threshold=threshold, min_patches=1)


def test_a_painted_segment_is_noticed_and_its_volume_follows(a_slicer_scene, result):
    assert take_edits(result) == []
    before = row_of(result, 1)
    mask = mask_of_number(result, 1)
    mask[:, :, : mask.shape[2] // 2] |= a_ball((5, 10, 10))[:, :, : mask.shape[2] // 2]
    paint(result, 1, mask)
    assert 1 in take_edits(result)
    row = row_of(result, 1)
    assert row.edited == "changed"
    assert row.volume_ml == pytest.approx(mask.sum() * FLAIR_GRID.voxel_ml)
    assert row.volume_ml != before.volume_ml
    centre = FLAIR_GRID.points(np.argwhere(mask)[:, ::-1]).mean(axis=0)
    assert row.centroid_ras == pytest.approx((-centre[0], -centre[1], centre[2]))
    assert take_edits(result) == [], "once is enough"


def test_the_threshold_leaves_an_edited_finding_alone(a_slicer_scene, result):
    mask = a_ball((6, 40, 40))
    paint(result, 1, mask)
    take_edits(result)
    for threshold in (4.5, 20.0, 3.0):
        rederived(a_slicer_scene, result, threshold)
        assert np.array_equal(mask_of_number(result, 1), mask)
        assert row_of(result, 1).edited == "changed"
        assert row_of(result, 1).present
    assert {row.number for row in rows(result.table)} == {1, 2, 3}


def test_after_the_flair_was_moved_a_new_finding_is_where_one_points_and_no_other_counts_as_edited(
    a_slicer_scene, result
):
    centre = centre_of(result, 2)
    place = voxel_at(result.flair, centre)
    result.segmentation.GetSegmentation().RemoveSegment("Segment_2")
    take_edits(result)
    under(a_slicer_scene.scene, rigid(shift=(0, 9, 4)), result.flair)
    number = add_finding(a_slicer_scene.scene, a_slicer_scene.logics, result, np.add(centre, (0, 9, 4)))
    assert mask_of_number(result, number)[place]
    assert take_edits(result) == []
    assert [row.edited for row in rows(result.table)] == ["", "deleted", "", "added"]


def test_of_a_finding_that_grew_together_with_an_edited_one_the_rest_stays(a_slicer_scene, result):
    rederived(a_slicer_scene, result, 5.0)  # the one with two peaks is two now
    numbers = [row.number for row in rows(result.table)]
    other = max(numbers)
    assert other > 3
    mask = a_ball((5, 40, 40), 2)
    paint(result, 1, mask)
    take_edits(result)
    found = rederived(a_slicer_scene, result, 3.0)  # one again, by its patches
    assert other in {item.number for item in found.items}, "nothing that was found vanishes"
    assert np.array_equal(mask_of_number(result, 1), mask)
    assert mask_of_number(result, other).any()


def test_a_deleted_segment_stays_deleted_at_every_threshold_and_comes_back_with_undo(a_slicer_scene, result):
    before = row_of(result, 2), mask_of_number(result, 2)
    set_category(result.table, 2, 5)
    result.segmentation.GetSegmentation().RemoveSegment("Segment_2")
    assert take_edits(result) == [2]
    assert (row_of(result, 2).edited, row_of(result, 2).volume_ml) == ("deleted", 0.0)
    assert row_of(result, 2).present
    assert row_of(result, 2).category == 5
    for threshold in (2.9, 3.0):
        rederived(a_slicer_scene, result, threshold)
        assert result.segmentation.GetSegmentation().GetSegment("Segment_2") is None
    assert undo(result.table) == 2
    show_again(a_slicer_scene.scene, a_slicer_scene.logics, result)
    assert np.array_equal(mask_of_number(result, 2), before[1])
    assert row_of(result, 2).volume_ml == pytest.approx(before[0].volume_ml)
    assert row_of(result, 2).edited == ""


def test_no_part_of_a_deleted_finding_comes_back_whose_outline_lies_beside_its_highest_patch(a_slicer_scene):
    study, rng = prepared_study(), np.random.default_rng(0)
    _, row, column = np.indices(study.brain.shape)
    t1, flair = (
        image + rng.normal(0, 0.05, image.shape).astype(np.float32) for image in (study.t1, study.flair)
    )
    for middle in (24, 42):  # beside the patches of the finding's two peaks, in row 42
        flair[5, (np.hypot(row - 46, column - middle) <= 2.5)[5]] += 0.6
    study = dataclasses.replace(study, t1=t1, flair=flair)
    lattice = empty_lattice(study)
    for patch, score in SCORES.items():
        lattice[patch] = score
    result = a_result(a_slicer_scene, stored=store(scored(study, lattice)))
    assert len(rederived(a_slicer_scene, result, 5.0).items) == 2
    rederived(a_slicer_scene, result, 3.0)
    result.segmentation.GetSegmentation().RemoveSegment("Segment_1")
    assert take_edits(result) == [1]
    assert rederived(a_slicer_scene, result, 5.0).items == ()


def test_several_edits_are_undone_one_by_one(a_slicer_scene, result):
    first = mask_of_number(result, 1)
    masks = [first, a_ball((5, 20, 20)), a_ball((6, 30, 30))]
    for mask in masks[1:]:
        paint(result, 1, mask)
        take_edits(result)
    for mask in masks[1::-1]:
        assert undo(result.table) == 1
        show_again(a_slicer_scene.scene, a_slicer_scene.logics, result)
        assert np.array_equal(mask_of_number(result, 1), mask)
    assert row_of(result, 1).edited == ""


def test_an_outline_is_put_back_as_it_was_detected(a_slicer_scene, result):
    first = mask_of_number(result, 1)
    paint(result, 1, a_ball((5, 20, 20)))
    take_edits(result)
    as_detected(a_slicer_scene.scene, a_slicer_scene.logics, result, 1)
    assert np.array_equal(mask_of_number(result, 1), first)
    assert row_of(result, 1).edited == ""
    assert undo(result.table) == 1
    show_again(a_slicer_scene.scene, a_slicer_scene.logics, result)
    assert np.array_equal(mask_of_number(result, 1), a_ball((5, 20, 20)))


def test_edits_survive_saving_another_run_and_surfaces(a_slicer_scene, result, tmp_path):
    mask = a_ball((5, 20, 20))
    paint(result, 1, mask)
    take_edits(result)
    result.segmentation.CreateClosedSurfaceRepresentation()
    again = a_result(a_slicer_scene, t1=result.t1, flair=result.flair, replace=result)
    assert row_of(again, 1).edited == "changed"
    assert np.array_equal(mask_of_number(again, 1), mask)
    other = saved_and_opened(a_slicer_scene.scene, tmp_path)
    (opened,) = results_in(other.scene)
    assert take_edits(opened) == []
    rederive(other.scene, other.logics, opened, threshold=4.0, min_patches=1)
    assert np.array_equal(mask_of_number(opened, 1), mask)


def test_exports_have_what_was_edited_and_say_so(a_slicer_scene, result, tmp_path):
    mask = a_ball((5, 20, 20))
    paint(result, 1, mask)
    result.segmentation.GetSegmentation().RemoveSegment("Segment_2")
    take_edits(result)
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(export_labels(result, tmp_path / "labels.nii.gz"))))
    assert np.array_equal(labels == 1, mask)
    assert not (labels == 2).any()
    lines = export_table(result, tmp_path / "table.csv").read_text("utf-8-sig").splitlines()
    edited = {line.split(",")[0]: line.split(",")[-1] for line in lines[1:]}
    assert edited == {"1": "changed", "2": "deleted", "3": ""}


@pytest.fixture
def with_a_missed_lesion(a_slicer_scene):
    """A FLAIR with a bright ball that no score knows of."""
    rng = np.random.default_rng(2)
    t1, flair = add_study(a_slicer_scene.scene)
    brain = prepared_study().flair_brain
    voxels = np.where(brain, 100 + 5 * rng.standard_normal(brain.shape), 5).astype(np.float32)
    inside = np.argwhere(brain)
    centre = inside[np.argmin(np.linalg.norm(inside - inside.mean(axis=0) - (0, 8, 8), axis=1))]
    lesion = a_ball(centre, 3) & brain
    voxels[lesion] += 80
    slicer.util.updateVolumeFromArray(flair, voxels)
    return a_result(a_slicer_scene, t1=t1, flair=flair), lesion, centre


def world(result, index):
    return (ijk_to_ras(result.flair) @ [*index[::-1], 1.0])[:3].tolist()


def test_a_finding_that_was_missed_is_grown_from_one_point_to_its_edge(a_slicer_scene, with_a_missed_lesion):
    result, lesion, centre = with_a_missed_lesion
    made = a_slicer_scene
    known = {row.number for row in rows(result.table)}
    number = add_finding(made.scene, made.logics, result, world(result, centre))
    assert number not in known
    mask = mask_of_number(result, number)
    overlap = 2 * (mask & lesion).sum() / (mask.sum() + lesion.sum())
    assert overlap > 0.9
    row = row_of(result, number)
    assert row.edited == "added"
    assert row.volume_ml == pytest.approx(mask.sum() * FLAIR_GRID.voxel_ml)
    assert row.region
    set_category(result.table, number, 4)
    for threshold in (5.0, 2.0, 3.0):  # a row like any other, at every threshold, under its own number
        rederived(made, result, threshold)
        assert np.array_equal(mask_of_number(result, number), mask)
        assert row_of(result, number).category == 4
    assert number in {item.number for item in findings_of(result).items}
    assert np.allclose(centre_of(result, number), world(result, centre), atol=3)
    as_detected(made.scene, made.logics, result, number)
    assert number not in {row.number for row in rows(result.table)}
    assert undo(result.table) == number
    show_again(made.scene, made.logics, result)
    assert np.array_equal(mask_of_number(result, number), mask)


def test_where_nothing_sets_a_lesion_apart_a_small_ball_is_left_to_be_painted(
    a_slicer_scene, with_a_missed_lesion
):
    result, lesion, _ = with_a_missed_lesion
    plain = np.argwhere(prepared_study().flair_brain & ~lesion)[0]
    number = add_finding(a_slicer_scene.scene, a_slicer_scene.logics, result, world(result, plain))
    assert 0 < row_of(result, number).volume_ml < 1


def test_a_point_outside_or_in_a_finding_adds_nothing(a_slicer_scene, result):
    made = a_slicer_scene
    with pytest.raises(InputError, match="outside the FLAIR"):
        add_finding(made.scene, made.logics, result, (500.0, 0.0, 0.0))
    with pytest.raises(InputError, match="Finding 1 is already"):
        add_finding(made.scene, made.logics, result, centre_of(result, 1).tolist())
    assert len(rows(result.table)) == 3


@pytest.mark.parametrize("in_3d", [False, True])
def test_a_segment_that_the_reader_has_drawn_becomes_a_finding(in_3d, a_slicer_scene, result, capfd):
    mask = a_ball((6, 40, 40), 2)
    segment = slicer.vtkSegment()
    segment.SetName("seen by me")
    segment.AddRepresentation(BINARY, oriented_image(mask.astype(np.uint8), ijk_to_ras(result.flair)))
    result.segmentation.GetSegmentation().AddSegment(segment, "mine")
    if in_3d:
        result.segmentation.CreateClosedSurfaceRepresentation()
    capfd.readouterr()
    assert take_edits(result) == []
    (number,) = adopt_segments(a_slicer_scene.scene, a_slicer_scene.logics, result)
    assert row_of(result, number).edited == "added"
    assert np.array_equal(mask_of_number(result, number), mask)
    assert result.segmentation.GetSegmentation().GetSegment("mine") is None
    assert "ERR" not in capfd.readouterr().err


@pytest.mark.parametrize("where", ["elsewhere", "there"])
def test_what_is_drawn_after_a_finding_was_deleted_is_another_finding_unless_it_is_in_its_place(
    where, a_slicer_scene, result
):
    """Slicer 5.10 gives a new segment the first name that is free; the review is that of the deleted finding."""
    set_category(result.table, 2, 5)
    before = mask_of_number(result, 2)
    segmentation = result.segmentation.GetSegmentation()
    segmentation.RemoveSegment("Segment_2")
    assert take_edits(result) == [2]
    mask = a_ball((6, 40, 40)) if where == "elsewhere" else before
    segment = slicer.vtkSegment()
    segment.AddRepresentation(BINARY, oriented_image(mask.astype(np.uint8), ijk_to_ras(result.flair)))
    segmentation.AddSegment(segment, "Segment_2")
    take_edits(result)
    numbers = adopt_segments(a_slicer_scene.scene, a_slicer_scene.logics, result)
    assert numbers == ([4] if where == "elsewhere" else [])
    assert row_of(result, 2).edited == ("deleted" if where == "elsewhere" else "")
    assert row_of(result, 2).category == 5
    number = 4 if where == "elsewhere" else 2
    assert np.array_equal(mask_of_number(result, number), mask)
    assert row_of(result, number).category == (0 if where == "elsewhere" else 5)


def test_segments_that_have_only_surfaces_are_not_taken_for_deleted_ones(a_slicer_scene, result, tmp_path):
    """As after "Make source" of the closed surface in the module Segmentations."""
    before = segment_voxels(result, [1, 2, 3])
    result.segmentation.CreateClosedSurfaceRepresentation()
    result.segmentation.GetSegmentation().SetSourceRepresentationName("Closed surface")
    assert take_edits(result) == []
    with pytest.raises(InputError, match="only surfaces"):
        export_labels(result, tmp_path / "labels.nii.gz")
    assert not list(tmp_path.iterdir())
    rederived(a_slicer_scene, result, 3.1)
    assert np.array_equal(segment_voxels(result, [1, 2, 3]), before)
    assert not any(row.edited for row in rows(result.table))


def test_the_name_that_the_reader_gave_a_segment_stays_whatever_is_derived_anew(
    a_slicer_scene, result, tmp_path
):
    segment = slicer.vtkSegment()
    segment.SetName('under "my" skull\t#2')
    mask = a_ball((6, 40, 40), 2)
    segment.AddRepresentation(BINARY, oriented_image(mask.astype(np.uint8), ijk_to_ras(result.flair)))
    result.segmentation.GetSegmentation().AddSegment(segment, "mine")
    result.segmentation.GetSegmentation().GetSegment("Segment_2").SetName("old lacune, left")
    take_edits(result)
    (added,) = adopt_segments(a_slicer_scene.scene, a_slicer_scene.logics, result)
    set_decision(result.table, 2, "rejected")
    rederived(a_slicer_scene, result, 6.0)
    # Not there at this threshold.
    assert result.segmentation.GetSegmentation().GetSegment("Segment_2") is None
    rederived(a_slicer_scene, result, 3.0)
    take_edits(result)
    opened = saved_and_opened(a_slicer_scene.scene, tmp_path)
    (result,) = results_in(opened.scene)
    rederived(opened, result, 2.9)
    segments = result.segmentation.GetSegmentation()
    assert segments.GetSegment("Segment_1").GetName().startswith("Suspected anomaly 1 (")
    assert segments.GetSegment("Segment_2").GetName() == "old lacune, left, rejected"
    assert segments.GetSegment(f"Segment_{added}").GetName() == 'under "my" skull\t#2'


def test_a_scene_of_an_earlier_version_knows_no_edits_and_takes_them(a_slicer_scene, result):
    table = result.table.GetTable()
    for name in ("edited", "voxels"):
        table.RemoveColumnByName(name)
    assert result_of(result.score) is not None
    assert {row.edited for row in rows(result.table)} == {""}
    paint(result, 1, a_ball((5, 20, 20)))
    assert 1 in take_edits(result)
    assert row_of(result, 1).edited == "changed"
