"""A result in the scene: its nodes, what the sliders do to it, a second run, and a saved scene."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.detection.stored_scores import StoredScores, read_stored, restore
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.scene import result as module
from AnomalyDetectionLib.scene.findings_table import rows, set_category, set_decision, set_note, undo
from AnomalyDetectionLib.scene.places import centre_of
from AnomalyDetectionLib.scene.result import (
    findings_of,
    provenance_of,
    rederive,
    remove_forgotten,
    remove_result,
    result_of,
    results_in,
    score_map_of,
    settings_of,
    would_lose_review,
)
from AnomalyDetectionLib.scene.volumes import ijk_to_ras as matrix
from conftest import SAMPLE
from result_in_scene import (
    SCORES,
    a_result,
    add_study,
    answered_scores,
    ijk_to_ras,
    many_findings,
    saved_and_opened,
    stored_scores,
)
from slicer_scene import add_volume
from synthetic_study import FLAIR_GRID, MODEL_GRID, rotated

from scene.in_the_scene import TURN, everything, load, under

WORKING = ("brain", "patch_scores", "candidates", "prepared_t1", "prepared_flair", "prepared_brain")


def numbers(result):
    return [row.number for row in rows(result.table)]


def peaks(result):
    return {row.number: round(row.peak_score, 3) for row in rows(result.table)}


def names_in(scene):
    return sorted(scene.GetNthNode(index).GetName() for index in range(scene.GetNumberOfNodes()))


def array(node):
    return slicer.util.arrayFromVolume(node)


def test_a_result_is_complete_and_its_names_say_what_it_is_and_of_which_volume(a_slicer_scene):
    result = a_result(a_slicer_scene)
    assert results_in(a_slicer_scene.scene) == [result]
    assert [node.GetName() for node in (result.score, result.segmentation, result.table, result.record)] == [
        "Anomaly score (FLAIR)",
        "Suspected anomalies (FLAIR)",
        "Findings (FLAIR)",
        "Anomaly detection record (FLAIR)",
    ]
    assert (result.t1.GetName(), result.flair.GetName()) == ("T1", "FLAIR")
    assert numbers(result) == [1, 2, 3]
    assert settings_of(result) == (3.0, 1)
    assert provenance_of(result) == {"model": "none"}


@pytest.mark.parametrize("degrees", [0.0, 20.0])
def test_the_scores_lie_on_the_voxels_of_the_flair(a_slicer_scene, degrees):
    grid = rotated(FLAIR_GRID, degrees)
    t1, flair = add_study(a_slicer_scene.scene, grid)
    stored = stored_scores(flair_grid=grid)
    result = a_result(a_slicer_scene, t1=t1, flair=flair, stored=stored)
    np.testing.assert_array_equal(array(result.score), sitk.GetArrayFromImage(stored.images["score"]))
    np.testing.assert_allclose(matrix(result.score), matrix(flair))
    np.testing.assert_allclose(matrix(result.prepared_flair), ijk_to_ras(MODEL_GRID), atol=1e-9)


def test_inputs_under_a_transform_have_their_result_in_the_same_place(a_slicer_scene):
    """The engine works in world space, the nodes of the result move with the FLAIR."""
    scene = a_slicer_scene.scene
    voxels = np.zeros(FLAIR_GRID.shape, np.float32)
    local = np.linalg.inv(TURN) @ ijk_to_ras(FLAIR_GRID)
    t1, flair = add_volume(scene, voxels, local, "T1"), add_volume(scene, voxels, local, "FLAIR")
    under(scene, TURN, t1, flair)
    result = a_result(a_slicer_scene, t1=t1, flair=flair)
    for node in (result.score, result.segmentation, result.brain, result.prepared_t1, result.patch_scores):
        assert node.GetParentTransformNode() is flair.GetParentTransformNode()
    np.testing.assert_allclose(TURN @ matrix(result.prepared_flair), ijk_to_ras(MODEL_GRID), atol=1e-9)
    for row in rows(result.table):
        np.testing.assert_allclose(centre_of(result, row.number), row.centroid_ras, atol=1e-6)


def test_the_working_volumes_are_out_of_the_way_unless_they_were_asked_for(a_slicer_scene):
    result = a_result(a_slicer_scene)
    assert all(getattr(result, role).GetHideFromEditors() for role in WORKING)
    kept = a_result(a_slicer_scene, keep_intermediate=True)
    assert not any(getattr(kept, role).GetHideFromEditors() for role in WORKING)
    assert not any(
        node.GetHideFromEditors() for node in (result.score, result.segmentation, result.table, result.record)
    )


def items_in(scene):
    """The names in the subject hierarchy, each with that of what it stands in."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    numbers = [items.GetId(index) for index in range(items.GetNumberOfIds())]
    return {hierarchy.GetItemName(n): hierarchy.GetItemName(hierarchy.GetItemParent(n)) for n in numbers}


def in_a_study(scene, *nodes):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study of the head")
    for node in nodes:
        hierarchy.CreateItem(study, node)


def test_a_result_stands_in_the_study_of_the_flair(a_slicer_scene):
    t1, flair = add_study(a_slicer_scene.scene)
    in_a_study(a_slicer_scene.scene, t1, flair)
    a_result(a_slicer_scene, t1=t1, flair=flair)
    items = items_in(a_slicer_scene.scene)
    names = ["Anomaly score", "Suspected anomalies", "Findings", "Anomaly detection record"]
    assert {items[f"{name} (FLAIR)"] for name in names} == {"study of the head"}
    assert not any("Prepared" in name for name in items)


def test_working_volumes_that_were_asked_for_have_a_folder_and_leave_none_behind(a_slicer_scene):
    t1, flair = add_study(a_slicer_scene.scene)
    in_a_study(a_slicer_scene.scene, t1, flair)
    before = items_in(a_slicer_scene.scene)
    result = a_result(a_slicer_scene, t1=t1, flair=flair, keep_intermediate=True)
    items = items_in(a_slicer_scene.scene)
    assert {items[getattr(result, role).GetName()] for role in WORKING} == {"Intermediate volumes"}
    remove_result(a_slicer_scene.scene, result)
    assert items_in(a_slicer_scene.scene) == before


def test_another_result_has_names_of_its_own_and_comes_second(a_slicer_scene):
    first = a_result(a_slicer_scene)
    second = a_result(a_slicer_scene, {(3, 16, 8): 5.0}, t1=first.t1, flair=first.flair)
    assert results_in(a_slicer_scene.scene) == [first, second]
    assert len({node.GetName() for node in first.own_nodes + second.own_nodes}) == 20
    assert (numbers(first), numbers(second)) == ([1, 2, 3], [1])


def test_a_result_that_has_lost_a_node_or_its_record_is_none(a_slicer_scene):
    first, second = a_result(a_slicer_scene), a_result(a_slicer_scene)
    a_slicer_scene.scene.RemoveNode(first.segmentation)
    assert result_of(first.score) is None
    assert result_of(first.flair) is None
    assert result_of(None) is None
    assert results_in(a_slicer_scene.scene) == [second]
    second.record.SetText("")
    assert results_in(a_slicer_scene.scene) == []


def test_the_sliders_work_without_the_t1(a_slicer_scene):
    result = a_result(a_slicer_scene)
    a_slicer_scene.scene.RemoveNode(result.t1)
    result = result_of(result.score)
    assert result.t1 is None
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=4.5, min_patches=1)
    assert len(numbers(result)) == 3


def test_another_threshold_finds_what_the_engine_would_find(a_slicer_scene):
    result = a_result(a_slicer_scene)
    for threshold, least in ((4.5, 1), (3.0, 2), (0.5, 1), (20.0, 1)):
        found = rederive(
            a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=threshold, min_patches=least
        )
        expected = derive_findings(restore(stored_scores()), threshold=threshold, min_patches=least)
        np.testing.assert_array_equal(
            sitk.GetArrayFromImage(found.labels) > 0, sitk.GetArrayFromImage(expected.labels) > 0
        )
        assert {replace(item, number=0) for item in found.items} == {
            replace(item, number=0) for item in expected.items
        }
        assert settings_of(result) == (threshold, least)
        assert numbers(result) == [item.number for item in found.items]
        assert findings_of(result).items == found.items
        assert list(result.segmentation.GetSegmentation().GetSegmentIDs()) == [
            f"Segment_{item.number}" for item in found.items
        ]


def test_findings_keep_number_and_review_when_the_threshold_goes_up_and_down(a_slicer_scene):
    scene, logics = a_slicer_scene.scene, a_slicer_scene.logics
    result = a_result(a_slicer_scene)
    set_category(result.table, 1, 3)
    set_note(result.table, 2, "vessel?")
    set_decision(result.table, 3, "rejected")
    first = rows(result.table)
    rederive(scene, logics, result, threshold=6.5, min_patches=1)
    assert peaks(result) == {1: 9.0, 4: 7.0}  # finding 1 has come apart, the others have vanished
    assert rows(result.table)[0].category == 3
    assert rows(result.table)[1].category == 0
    rederive(scene, logics, result, threshold=2.0, min_patches=1)
    rederive(scene, logics, result, threshold=3.0, min_patches=1)
    assert rows(result.table) == first
    rederive(scene, logics, result, threshold=6.5, min_patches=1)
    assert peaks(result) == {1: 9.0, 4: 7.0}


def test_findings_keep_number_and_review_when_the_least_size_changes(a_slicer_scene):
    result = a_result(a_slicer_scene)
    set_category(result.table, 2, 6)
    set_decision(result.table, 3, "accepted")
    first = rows(result.table)
    seen = []
    for least in (2, 3, 8, 1):
        rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=3.0, min_patches=least)
        seen.append(numbers(result))
    assert seen == [[1, 3], [1], [], [1, 2, 3]]
    assert rows(result.table) == first


def test_undo_still_works_after_the_threshold_has_moved(a_slicer_scene):
    result = a_result(a_slicer_scene)
    set_category(result.table, 2, 6)
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=6.5, min_patches=1)
    assert undo(result.table) == 2
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=3.0, min_patches=1)
    assert [row.category for row in rows(result.table)] == [0, 0, 0]


def test_a_saved_scene_has_everything_and_goes_on_where_it_was(a_slicer_scene, tmp_path):
    result = a_result(a_slicer_scene)
    set_category(result.table, 1, 3)
    set_note(result.table, 2, 'tab\t, line\n, "é"')
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=6.5, min_patches=1)
    here = [row.number for row in rows(result.table, all=True)], peaks(result)
    centres = [centre_of(result, number) for number in (1, 2, 4)]

    made = saved_and_opened(a_slicer_scene.scene, tmp_path)
    (again,) = results_in(made.scene)
    assert (again.t1.GetName(), again.flair.GetName()) == ("T1", "FLAIR")
    assert ([row.number for row in rows(again.table, all=True)], peaks(again)) == here
    assert settings_of(again) == (6.5, 1)
    assert provenance_of(again) == {"model": "none"}
    np.testing.assert_allclose([centre_of(again, number) for number in (1, 2, 4)], centres, atol=1e-3)
    assert all(getattr(again, role).GetHideFromEditors() for role in WORKING)
    assert [item.number for item in findings_of(again).items] == [1, 4]

    rederive(made.scene, made.logics, again, threshold=3.0, min_patches=1)
    assert [(row.number, row.category, row.note) for row in rows(again.table)] == [
        (1, 3, ""),
        (2, 0, 'tab\t, line\n, "é"'),
        (3, 0, ""),
    ]
    expected = derive_findings(restore(stored_scores()), threshold=3.0, min_patches=1)
    assert findings_of(again).items == expected.items
    assert [undo(again.table), undo(again.table), undo(again.table)] == [2, 1, None]


def test_a_scene_saved_with_a_difficult_name_is_found_again(a_slicer_scene, tmp_path):
    t1, flair = add_study(a_slicer_scene.scene, name='Müller/"3" %20 结果: ')
    a_result(a_slicer_scene, t1=t1, flair=flair)
    made = saved_and_opened(a_slicer_scene.scene, tmp_path)
    (again,) = results_in(made.scene)
    assert again.score.GetName() == 'Anomaly score (Müller/"3" %20 结果: FLAIR)'
    rederive(made.scene, made.logics, again, threshold=4.5, min_patches=1)
    assert numbers(again) == [1, 2, 4]


def test_two_results_and_their_reviews_survive_side_by_side(a_slicer_scene, tmp_path):
    first = a_result(a_slicer_scene)
    second = a_result(a_slicer_scene, {(3, 16, 8): 5.0}, t1=first.t1, flair=first.flair)
    set_category(first.table, 1, 2)
    set_category(second.table, 1, 7)
    made = saved_and_opened(a_slicer_scene.scene, tmp_path)
    first, second = results_in(made.scene)
    assert (rows(first.table)[0].category, rows(second.table)[0].category) == (2, 7)
    rederive(made.scene, made.logics, first, threshold=4.5, min_patches=1)
    assert (numbers(first), numbers(second)) == ([1, 2, 4], [1])


def test_a_saved_scene_can_be_added_to_one_that_has_a_result(a_slicer_scene, tmp_path):
    result = a_result(a_slicer_scene)
    set_category(result.table, 1, 2)
    made = saved_and_opened(a_slicer_scene.scene, tmp_path)
    assert made.scene.ReadFromMRB(str(tmp_path / "saved scene.mrb"), False)
    first, second = results_in(made.scene)
    assert not {node.GetID() for node in first.own_nodes} & {node.GetID() for node in second.own_nodes}
    set_category(second.table, 1, 7)
    rederive(made.scene, made.logics, second, threshold=4.5, min_patches=1)
    assert (numbers(first), numbers(second)) == ([1, 2, 3], [1, 2, 4])
    assert (rows(first.table)[0].category, rows(second.table)[0].category) == (2, 7)


def test_what_is_remembered_is_never_that_of_another_scene(a_slicer_scene):
    """The nodes of the second scene have the identifiers of the first one's."""
    scene = a_slicer_scene.scene
    first = a_result(a_slicer_scene)
    identifiers = [node.GetID() for node in first.own_nodes]
    assert len(findings_of(first).items) == 3
    scene.Clear(0)
    second = a_result(a_slicer_scene, {(3, 16, 8): 5.0})
    assert [node.GetID() for node in second.own_nodes] == identifiers
    assert len(findings_of(second).items) == 1
    assert np.nanmax(score_map_of(second).lattice) == 5.0


def test_voxels_that_were_changed_count(a_slicer_scene):
    result = a_result(a_slicer_scene)
    assert len(findings_of(result).items) == 3
    slicer.util.arrayFromVolume(result.patch_scores)[3, 16, 8] = 1.0
    slicer.util.arrayFromVolumeModified(result.patch_scores)
    assert len(findings_of(result).items) == 2


def test_running_again_uses_the_same_nodes_and_keeps_numbers_and_reviews(a_slicer_scene):
    result = a_result(a_slicer_scene)
    set_category(result.table, 2, 6)
    set_note(result.table, 3, "old")
    # Other scores, so that the order of the peaks is another, and one more finding than before.
    scores = {**{patch: score + (patch[0] == 3) * 20 for patch, score in SCORES.items()}, (7, 6, 10): 4.0}
    again = a_result(
        a_slicer_scene, scores, t1=result.t1, flair=result.flair, replace=result, provenance={"model": "2"}
    )
    assert again == result
    assert results_in(a_slicer_scene.scene) == [result]
    assert peaks(result) == {1: 9.0, 2: 25.0, 3: 3.5, 4: 4.0}
    assert [(row.category, row.note) for row in rows(result.table)] == [(0, ""), (6, ""), (0, "old"), (0, "")]
    assert provenance_of(result) == {"model": "2"}
    assert array(result.score).max() == 25.0
    assert undo(result.table) == 3


def test_a_reviewed_finding_that_the_second_run_shows_only_later_gets_its_review_back(a_slicer_scene):
    result = a_result(a_slicer_scene)
    set_category(result.table, 2, 6)
    weaker = {patch: 2.5 if patch == (3, 16, 8) else score for patch, score in SCORES.items()}
    a_result(a_slicer_scene, weaker, t1=result.t1, flair=result.flair, replace=result)
    assert numbers(result) == [1, 3]
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=2.0, min_patches=1)
    assert [(row.number, row.category) for row in rows(result.table)] == [(1, 0), (2, 6), (3, 0)]


def test_two_findings_that_a_second_run_joins_are_the_larger_one(a_slicer_scene):
    result = a_result(a_slicer_scene, threshold=4.5)
    assert peaks(result) == {1: 9.0, 2: 7.0, 3: 5.0}
    joined = {patch: 6.0 if patch[0] == 5 else score for patch, score in SCORES.items()}
    joined[(5, 10, 11)] = 8.0
    a_result(a_slicer_scene, joined, t1=result.t1, flair=result.flair, replace=result, threshold=4.5)
    assert 3 in numbers(result)
    assert len({1, 2} & set(numbers(result))) == 1


def test_nothing_is_carried_over_to_another_flair(a_slicer_scene):
    result = a_result(a_slicer_scene)
    set_category(result.table, 2, 6)
    result.segmentation.GetDisplayNode().SetSegmentVisibility("Segment_1", False)
    grid = rotated(FLAIR_GRID, 10)
    t1, flair = add_study(a_slicer_scene.scene, grid, "other ")
    scores = {(3, 16, 8): 5.0}
    result = a_result(
        a_slicer_scene, t1=t1, flair=flair, stored=stored_scores(scores, flair_grid=grid), replace=result
    )
    assert [(row.number, row.category) for row in rows(result.table, all=True)] == [(1, 0)]
    assert undo(result.table) is None
    assert result_of(result.score).flair is flair
    np.testing.assert_allclose(matrix(result.score), matrix(flair))
    assert result.segmentation.GetDisplayNode().GetSegmentVisibility("Segment_1")
    assert result.table.GetName() == "Findings (other FLAIR)"


def damaged(stored):
    lattice = stored.images["patch_scores"][:, :, 1:]
    return StoredScores({**stored.images, "patch_scores": lattice}, stored.record)


def without_record(stored):
    return StoredScores(stored.images, {})


@pytest.mark.parametrize("harm", [damaged, without_record])
@pytest.mark.parametrize("again", [False, True])
def test_scores_that_cannot_be_used_leave_the_scene_as_it_was(a_slicer_scene, harm, again):
    result = a_result(a_slicer_scene)
    set_category(result.table, 2, 6)
    before = names_in(a_slicer_scene.scene), rows(result.table), result.record.GetText()
    with pytest.raises(InputError):
        a_result(
            a_slicer_scene,
            stored=harm(stored_scores({(3, 16, 8): 5.0})),
            t1=result.t1,
            flair=result.flair,
            replace=result if again else None,
        )
    assert (names_in(a_slicer_scene.scene), rows(result.table), result.record.GetText()) == before


@pytest.mark.parametrize("again", [False, True])
def test_a_failure_in_between_leaves_the_scene_as_it_was(a_slicer_scene, again):
    result = a_result(a_slicer_scene)
    before = names_in(a_slicer_scene.scene), rows(result.table), array(result.score).copy()
    with pytest.raises(TypeError):
        a_result(
            a_slicer_scene,
            {(3, 16, 8): 5.0},
            provenance={"not a plain value": object()},
            t1=result.t1,
            flair=result.flair,
            replace=result if again else None,
        )
    assert (names_in(a_slicer_scene.scene), rows(result.table)) == before[:2]
    np.testing.assert_array_equal(array(result.score), before[2])


@pytest.mark.parametrize("number", [np.int16(-3), np.int16(4), np.float32(np.nan)])
def test_candidates_that_the_second_look_has_said_nothing_of_are_refused(a_slicer_scene, number):
    stored = answered_scores()
    images = {**stored.images, "candidates": MODEL_GRID.image(np.full(MODEL_GRID.shape, number))}
    with pytest.raises(InputError, match="damaged"):
        a_result(a_slicer_scene, stored=StoredScores(images, stored.record), threshold=0.3)


def test_a_flair_of_another_size_is_refused(a_slicer_scene):
    voxels = np.zeros((5, 5, 5), np.float32)
    small = add_volume(a_slicer_scene.scene, voxels, np.eye(4), "cropped")
    before = names_in(a_slicer_scene.scene)
    with pytest.raises(InputError, match="cropped"):
        a_result(a_slicer_scene, t1=small, flair=small)
    assert names_in(a_slicer_scene.scene) == before


def test_without_the_working_volumes_the_findings_stay_and_a_sentence_says_why(a_slicer_scene):
    """A scene saved as separate files goes without what is hidden from the user."""
    result = a_result(a_slicer_scene)
    result.patch_scores.SetAndObserveImageData(None)
    before = rows(result.table), result.record.GetText()
    with pytest.raises(InputError, match="not saved with the scene"):
        rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=4.5, min_patches=1)
    assert results_in(a_slicer_scene.scene) == [result]
    assert (rows(result.table), result.record.GetText()) == before
    row = rows(result.table)[0]
    np.testing.assert_allclose(centre_of(result, row.number), row.centroid_ras)


@pytest.mark.parametrize("rederived", [False, True])
def test_everything_follows_a_flair_that_was_moved(a_slicer_scene, rederived):
    result = a_result(a_slicer_scene)
    before = np.append(centre_of(result, 2), 1.0)
    if rederived:
        transform = under(a_slicer_scene.scene, TURN, result.flair)
        rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=3.0, min_patches=1)
    else:
        transform = under(a_slicer_scene.scene, TURN, *everything(result))
    np.testing.assert_allclose(centre_of(result, 2), (TURN @ before)[:3], atol=1e-6)
    assert result.score.GetParentTransformNode() is transform
    assert result.segmentation.GetParentTransformNode() is transform


def test_a_review_of_a_finding_below_the_threshold_can_be_lost_too(a_slicer_scene):
    result = a_result(a_slicer_scene)
    set_category(result.table, 2, 6)
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=6.5, min_patches=1)
    assert 2 not in [row.number for row in rows(result.table)]
    assert not would_lose_review(result)
    slicer.util.updateVolumeFromArray(result.flair, slicer.util.arrayFromVolume(result.flair)[1:].copy())
    assert would_lose_review(result)


def test_the_centre_of_a_bent_finding_lies_in_it(a_slicer_scene):
    ring = [(4, i, j) for i in range(8, 15) for j in range(5, 12) if max(abs(i - 11), abs(j - 8)) == 3]
    result = a_result(a_slicer_scene, dict.fromkeys(ring, 5.0))
    point = np.append(centre_of(result, 1), 1.0)
    i, j, k = np.rint(np.linalg.inv(matrix(result.score)) @ point)[:3].astype(int)
    assert array(result.score)[k, j, i] == 5.0
    (row,) = rows(result.table)
    far = np.linalg.norm(point[:3] - row.centroid_ras)
    assert far > 5  # or else the centroid itself would have done


def test_the_centre_of_a_finding_that_has_vanished_is_where_it_was(a_slicer_scene):
    result = a_result(a_slicer_scene)
    before = centre_of(result, 2)
    set_category(result.table, 2, 6)
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=6.5, min_patches=1)
    np.testing.assert_allclose(centre_of(result, 2), before, atol=1e-6)
    with pytest.raises(KeyError):
        centre_of(result, 17)


def test_a_removed_result_leaves_only_the_inputs_and_the_colours(a_slicer_scene):
    t1, flair = add_study(a_slicer_scene.scene)
    kept = a_result(a_slicer_scene, t1=t1, flair=flair)
    before = names_in(a_slicer_scene.scene)
    remove_result(a_slicer_scene.scene, a_result(a_slicer_scene, t1=t1, flair=flair))
    assert names_in(a_slicer_scene.scene) == before
    assert results_in(a_slicer_scene.scene) == [kept]


def test_hidden_volumes_go_when_the_scores_are_gone_and_those_that_were_kept_stay(a_slicer_scene):
    t1, flair = add_study(a_slicer_scene.scene)
    complete, kept = (
        a_result(a_slicer_scene, t1=t1, flair=flair, keep_intermediate=keep) for keep in (False, True)
    )
    forgotten = a_result(a_slicer_scene, t1=t1, flair=flair)
    for result in (kept, forgotten):
        a_slicer_scene.scene.RemoveNode(result.score)
    remove_forgotten(a_slicer_scene.scene)
    assert all(node.GetScene() is not None for node in complete.own_nodes)
    assert kept.prepared_t1.GetScene() is not None  # the user sees it, and can remove it
    for role in WORKING:
        assert getattr(forgotten, role).GetScene() is None, role


def test_two_hundred_findings_follow_a_slider_and_keep_their_review(a_slicer_scene):
    result = a_result(a_slicer_scene, many_findings())
    assert len(numbers(result)) > 200
    for row in rows(result.table):
        set_category(result.table, row.number, 1 + row.number % 8)
    reviewed = rows(result.table)
    for threshold in (3.5, 3.0, 6.0, 3.0):
        rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=threshold, min_patches=1)
    assert rows(result.table) == reviewed


def test_the_sample_follows_its_sliders_and_comes_back(a_slicer_scene, sample_run):
    folder = sample_run.output / "score_map"
    if not folder.exists():
        pytest.skip("the run has not kept its scores")
    record = json.loads((sample_run.output / "findings.json").read_text("utf-8"))
    own, least = record["threshold"], record["min_patches"]
    t1, flair = (load(SAMPLE / f"simulated_{name}.nii.gz", name) for name in ("T1", "FLAIR"))
    options = {"t1": t1, "flair": flair, "threshold": own, "min_patches": least}
    result = a_result(a_slicer_scene, stored=read_stored(folder), **options)
    assert [item.number for item in findings_of(result).items] == numbers(result)
    before = rows(result.table)
    for threshold in (own / 1.5, own * 1.5, own):
        rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=threshold, min_patches=least)
    assert rows(result.table) == before
    engine = sitk.GetArrayFromImage(sitk.ReadImage(str(sample_run.output / "suspected_anomalies.nii.gz")))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(findings_of(result).labels), engine)


def test_the_bridge_is_imported_without_what_slicer_may_not_have():
    """Neither the engine's own libraries, nor Slicer before it is needed."""
    modules = ["result", "segmentation", "findings_table", "overlay"]
    missing = ["torch", "deepbet", "matplotlib", "PIL", "click", "nibabel", "slicer", "vtk"]
    program = f"import sys\nfor name in {missing}: sys.modules[name] = None\n" + "\n".join(
        f"import AnomalyDetectionLib.scene.{name}" for name in modules
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_the_run_derived_is_not_derived_again(a_slicer_scene, monkeypatch):
    stored = stored_scores()
    written = derive_findings(restore(stored), threshold=3.0, min_patches=1)
    derived = []
    monkeypatch.setattr(
        module, "derive_findings", lambda *a, **k: derived.append(k) or derive_findings(*a, **k)
    )
    result = a_result(a_slicer_scene, stored=stored, written=lambda scores: written)
    assert numbers(result) == [finding.number for finding in written.items]
    findings_of(result)
    assert derived == []
    other = a_result(a_slicer_scene, stored=stored, threshold=4.0, written=lambda scores: written)
    assert [k["threshold"] for k in derived] == [4.0]
    assert settings_of(other) == (4.0, 1)
