"""The panel follows the scene: closed, saved, opened, merged, reloaded, with parts deleted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import qt
import slicer
from AnomalyDetectionLib.panel.remarks import remarks
from AnomalyDetectionLib.scene.findings_table import rows
from AnomalyDetectionLib.scene.places import centre_of
from AnomalyDetectionLib.scene.result import rederive, results_in, settings_of
from AnomalyDetectionLib.scene.result_nodes import stands_with_flair
from AnomalyDetectionLib.scene.view_layout import FLAIR_VIEW
from conftest import REPOSITORY
from scene.in_the_scene import TURN, bent, rigid, under

from panel.at_the_panel import clone, composite, detect, is_alive, leftovers, numbers, review_of

MODULE = REPOSITORY / "AnomalyDetection" / "AnomalyDetection.py"


def test_closing_the_scene_empties_the_panel(detected, slicer_app):
    slicer_app.close_scene()
    slicer_app.app.processEvents()
    assert detected.ui.findingsTable.rowCount == 0
    assert not detected.ui.detectButton.enabled
    assert detected.panel.result is None
    detected.ui.loadSampleButton.click()
    assert detected.ui.detectButton.enabled


def test_an_undo_of_the_whole_scene_shows_the_findings_of_then_and_a_redo_those_of_now(detected, slicer_app):
    """Slicer has it switched off; scripts switch it on, for the scene and its nodes."""
    scene, before, own = slicer_app.scene, numbers(detected), detected.ui.thresholdSlider.value
    scene.SetUndoOn()
    for index in range(scene.GetNumberOfNodes()):
        scene.GetNthNode(index).UndoEnabledOn()
    scene.SaveStateForUndo()
    slicer_app.type("3")
    detected.ui.thresholdSlider.value = 6.0
    slicer_app.wait(lambda: settings_of(detected.panel.result)[0] == 6.0, 5)
    after = numbers(detected)
    scene.Undo()
    slicer_app.rest()
    assert (numbers(detected), detected.ui.thresholdSlider.value) == (before, own)
    assert "0 of" in detected.panel.review._summary_line.text
    scene.Redo()
    slicer_app.rest()
    assert (numbers(detected), detected.ui.thresholdSlider.value) == (after, 6.0)
    assert "1 of" in detected.panel.review._summary_line.text


def test_closing_the_scene_ends_a_run(sample, engine, slicer_app, tmp_path):
    engine("slow")
    sample.ui.detectButton.click()
    slicer_app.wait((tmp_path / "processes.txt").exists)
    slicer_app.close_scene()
    for process in (tmp_path / "processes.txt").read_text().split():
        assert not is_alive(int(process))
    assert leftovers(slicer_app) == []


def test_a_saved_scene_opens_with_result_and_review(detected, slicer_app, tmp_path):
    slicer_app.type("4")
    slicer_app.type("N")
    detected.ui.acceptButton.click()
    before, first = numbers(detected), numbers(detected)[0]
    summary = detected.ui.findingsSummaryLabel.text
    slicer_app.save_scene(tmp_path / "study.mrb")
    slicer_app.open_scene(tmp_path / "study.mrb")
    slicer_app.app.processEvents()
    assert detected.panel.result is not None
    assert numbers(detected) == before
    assert review_of(detected, first).category == 4
    assert detected.ui.findingsSummaryLabel.text == summary
    assert detected.ui.flairSelector.currentNode().GetName() == "Simulated FLAIR"
    assert detected.ui.undoButton.enabled
    detected.ui.thresholdSlider.value = 6.0
    slicer_app.wait(lambda: len(numbers(detected)) < len(before), 5)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_opening_a_scene_leaves_its_views_as_they_were_saved(detected, slicer_app, tmp_path):
    detected.ui.showOverlayCheckBox.checked = False
    detected.panel.review.next()
    looked_at = detected.panel.review.selected
    slicer_app.save_scene(tmp_path / "study.mrb")
    slicer_app.open_scene(tmp_path / "study.mrb")
    slicer_app.rest()
    assert composite("Red").GetForegroundVolumeID() is None
    assert not detected.ui.showOverlayCheckBox.checked
    assert detected.panel.review.selected == looked_at  # marked, and no view moved


def test_the_widgets_follow_one_parameter_node_at_a_time(detected, slicer_app):
    before = detected._parameterNode
    slicer_app.close_scene()
    detected.ui.showOutlinesCheckBox.checked = False
    assert detected._parameterNode is not before
    assert detected._parameterNode.showOutlines is False
    assert not before._guis


def test_a_double_click_starts_one_run(sample, engine, slicer_app, monkeypatch):
    engine("slow")
    started, start = [], sample.panel.logic.start
    monkeypatch.setattr(sample.panel.logic, "start", lambda *a, **k: started.append(1) or start(*a, **k))
    enter = slicer.util.WaitCursor.__enter__

    def click_again(cursor):
        sample.ui.detectButton.click()
        return enter(cursor)

    monkeypatch.setattr(slicer.util.WaitCursor, "__enter__", click_again)
    sample.ui.detectButton.click()
    assert started == [1]
    sample.ui.cancelButton.click()


def test_a_scene_with_a_result_is_added_to_one_that_has_one(detected, slicer_app, tmp_path):
    before = numbers(detected)
    slicer_app.save_scene(tmp_path / "study.mrb")
    slicer.util.loadScene(str(tmp_path / "study.mrb"), {"clear": False})
    slicer_app.rest()
    assert len(results_in(slicer.mrmlScene)) == 2
    for result in results_in(slicer.mrmlScene):
        detected.ui.resultSelector.choose(result.score)
        assert numbers(detected) == before


def test_a_scene_that_was_opened_under_another_module_is_there_when_this_one_is(
    detected, slicer_app, tmp_path
):
    before = numbers(detected)
    slicer_app.save_scene(tmp_path / "study.mrb")
    slicer_app.leave()
    slicer_app.open_scene(tmp_path / "study.mrb")
    slicer_app.open(slicer_app.app.moduleManager().module("AnomalyDetection"))
    assert numbers(detected) == before
    assert detected.ui.flairSelector.currentNode().GetName() == "Simulated FLAIR"


def test_settings_beyond_the_sliders_are_shown_all_the_same(detected, slicer_app):
    result = detected.panel.result
    rederive(slicer_app.scene, slicer_app.logics, result, threshold=25.0, min_patches=60)
    slicer_app.leave()
    slicer_app.save_scene(Path(slicer_app.app.temporaryPath) / "far.mrb")
    slicer_app.open_scene(Path(slicer_app.app.temporaryPath) / "far.mrb")
    slicer_app.open(slicer_app.app.moduleManager().module("AnomalyDetection"))
    slicer_app.rest(0.3)
    errors = list(slicer_app.errors)
    slicer_app.errors.clear()
    assert settings_of(detected.panel.result) == (25.0, 60)  # nobody has moved a slider
    assert not errors


def test_the_module_is_reloaded_over_a_result_without_leaving_it(detected, slicer_app):
    before = numbers(detected)
    slicer_app.type("4")
    slicer.util.reloadScriptedModule("AnomalyDetection")
    fresh = slicer.modules.AnomalyDetectionWidget
    assert fresh is not detected
    assert numbers(fresh) == before
    assert review_of(fresh, before[0]).category == 4
    fresh.panel.review.select(before[0])
    slicer_app.type("N")
    assert fresh.panel.review.selected == before[1], "once, not once for each panel"


@pytest.mark.parametrize("part", ["segmentation", "table"])
def test_outlines_or_table_that_were_deleted_are_made_again_and_the_review_stays(
    part, detected, slicer_app, engine
):
    slicer_app.type("4")
    before, result = numbers(detected), detected.panel.result
    slicer.mrmlScene.RemoveNode(getattr(result, part))
    slicer_app.dialogs.answers.append(qt.QMessageBox.No)
    slicer_app.rest()
    assert "were deleted" in slicer_app.dialogs.texts[-1]
    for _ in range(2):  # and after another run
        assert numbers(detected) == before
        assert detected.panel.result.score is result.score
        assert review_of(detected, before[0]).category == (4 if part == "segmentation" else 0)
        segments = detected.panel.result.segmentation
        assert segments.GetSegmentation().GetNumberOfSegments() == len(before)
        assert segments.GetDisplayNode().GetVisibility()
        assert composite(FLAIR_VIEW).GetForegroundVolumeID() == result.score.GetID()
        detect(detected, slicer_app)
    assert len(slicer_app.dialogs.texts) == 1


@pytest.mark.parametrize("part", ["segmentation", "table"])
def test_outlines_and_table_that_cannot_be_made_again_are_not_shown_as_a_scan_without_findings(
    part, detected, slicer_app
):
    result = detected.panel.result
    result.patch_scores.SetAndObserveImageData(None)  # as in a scene that was saved without its volumes
    slicer.mrmlScene.RemoveNode(getattr(result, part))
    slicer_app.dialogs.answers.append(qt.QMessageBox.No)
    slicer_app.rest()
    assert detected.panel.result is None
    assert "A part of this result was deleted" in detected.ui.findingsSummaryLabel.text
    assert composite(FLAIR_VIEW).GetForegroundVolumeID() is None
    slicer_app.rest()
    assert len(slicer_app.dialogs.texts) == 1


def test_scores_do_not_stay_over_the_image_when_their_outlines_were_deleted(detected, slicer_app):
    slicer.mrmlScene.RemoveNode(detected.panel.result.segmentation)
    slicer_app.dialogs.answers.append(qt.QMessageBox.Yes)
    slicer_app.rest()
    assert composite(FLAIR_VIEW).GetForegroundVolumeID() is None
    assert results_in(slicer.mrmlScene) == []
    left = map(slicer.mrmlScene.GetNthNode, range(slicer.mrmlScene.GetNumberOfNodes()))
    assert not [node.GetName() for node in left if node.GetAttribute("AnomalyDetection.Role")]
    assert detected.ui.detectButton.enabled


def test_hidden_images_of_a_patient_go_with_the_scores(detected, slicer_app):
    result = detected.panel.result
    hidden = [
        result.prepared_t1,
        result.prepared_flair,
        result.patch_scores,
        result.candidates,
        result.brain,
        result.prepared_brain,
    ]
    slicer.mrmlScene.RemoveNode(result.record)  # an incomplete result can still be removed by its scores
    slicer_app.dialogs.answers.append(qt.QMessageBox.No)
    slicer_app.rest()
    assert all(node.GetScene() is not None for node in hidden)
    slicer.mrmlScene.RemoveNode(result.score)
    slicer_app.rest()
    assert not any(node.GetScene() for node in hidden)


def test_a_script_gets_score_and_segmentation(sample, engine):
    engine("replay")
    stages = []
    logic = sample.logic
    t1, flair = sample.ui.t1Selector.currentNode(), sample.ui.flairSelector.currentNode()
    score, segmentation = logic.process(t1, flair, onProgress=stages.append)
    assert score.IsA("vtkMRMLScalarVolumeNode")
    assert segmentation.GetSegmentation().GetNumberOfSegments() >= 5
    assert stages
    assert slicer.mrmlScene.GetNodeByID(score.GetID()) is score


def test_the_modules_own_test_passes_here_too(slicer_app, engine):
    module = slicer_app.load_module(MODULE)
    engine("replay")
    module.source.AnomalyDetectionTest().runTest()


@pytest.mark.parametrize("hardened", [False, True])
def test_findings_stay_on_a_flair_that_is_moved_alone(detected, slicer_app, hardened):
    result, number = detected.panel.result, detected.panel.review.selected
    before = np.append(centre_of(result, number), 1.0)
    under(slicer_app.scene, TURN, result.flair)
    if hardened:
        result.flair.HardenTransform()
    slicer_app.wait(lambda: stands_with_flair(result))
    slicer_app.rest()
    np.testing.assert_allclose(centre_of(result, number), (TURN @ before)[:3], atol=1e-3)
    bounds = {name: np.zeros(6) for name in ("score", "flair", "segmentation")}
    for name, found in bounds.items():
        getattr(result, name).GetRASBounds(found)
    np.testing.assert_allclose(bounds["score"], bounds["flair"], atol=1e-3)
    assert result.segmentation.GetTransformNodeID() == result.flair.GetTransformNodeID()
    assert detected.panel.by_hand.take() is None
    assert not any(row.edited for row in rows(result.table))
    assert "changed" not in detected.panel.detect.outcome.text


def test_a_t1_that_is_moved_away_from_its_flair_is_said_and_moving_both_is_not(detected, slicer_app):
    t1, flair = detected.panel.pair
    both = under(slicer_app.scene, TURN, t1, flair)
    slicer_app.rest()
    assert "apart" not in detected.panel.detect.outcome.text
    under(slicer_app.scene, rigid(shift=(0, 0, 4)), t1).SetAndObserveTransformNodeID(both.GetID())
    slicer_app.wait(lambda: "moved apart" in detected.panel.detect.outcome.text)
    assert any("moved apart" in remark for remark in remarks(detected.panel.result))
    under(slicer_app.scene, TURN, t1)
    assert not any("apart" in remark for remark in remarks(detected.panel.result))


def test_findings_bend_with_the_flair_and_hardening_that_is_said(detected, slicer_app):
    result = detected.panel.result
    bending = bent(slicer_app.scene)
    result.flair.SetAndObserveTransformNodeID(bending.GetID())
    slicer_app.wait(lambda: stands_with_flair(result))
    assert result.segmentation.GetParentTransformNode() is bending
    result.flair.HardenTransform()
    changed = 'The voxels of "Simulated FLAIR" were changed'
    slicer_app.wait(lambda: changed in detected.panel.detect.outcome.text)
    assert not any(row.edited for row in rows(result.table))


def test_voxels_of_the_flair_that_are_changed_after_the_detection_are_said(detected, slicer_app):
    flair = detected.panel.result.flair
    slicer.util.updateVolumeFromArray(flair, slicer.util.arrayFromVolume(flair)[:, ::-1].copy())
    changed = 'The voxels of "Simulated FLAIR" were changed'
    slicer_app.wait(lambda: changed in detected.panel.detect.outcome.text)


def test_a_flair_that_was_cropped_in_place_does_not_take_the_findings_to_another_place(detected, slicer_app):
    result = detected.panel.result
    before = centre_of(result, 1)
    slicer.util.updateVolumeFromArray(result.flair, slicer.util.arrayFromVolume(result.flair)[5:].copy())
    result.flair.SetOrigin(*np.add(result.flair.GetOrigin(), (0, 0, 20)).tolist())
    slicer_app.wait(lambda: "no longer has the size" in detected.panel.review._summary_line.text)
    np.testing.assert_allclose(centre_of(result, 1), before)


@pytest.mark.parametrize("role", ["segmentation", "table", "score", "record"])
def test_a_copy_that_the_reader_makes_of_a_node_is_the_readers_own(detected, slicer_app, role):
    """Nothing is asked, hidden or suggested because of it, and it stays when the result goes."""
    slicer_app.rest()
    result, before = detected.panel.result, numbers(detected)
    copy = clone(getattr(result, role))
    slicer_app.rest()
    assert slicer_app.dialogs.texts == []
    if role == "segmentation":
        assert copy.GetDisplayNode().GetVisibility()
    assert [found.score for found in results_in(slicer.mrmlScene)] == [result.score]
    assert detected.panel.result.score is result.score
    assert numbers(detected) == before
    slicer.mrmlScene.RemoveNode(result.score)
    slicer_app.dialogs.answers.append(qt.QMessageBox.Yes)
    slicer_app.rest()
    assert slicer.mrmlScene.IsNodePresent(copy)
    assert not slicer.mrmlScene.IsNodePresent(result.segmentation)
    assert results_in(slicer.mrmlScene) == []
    assert detected.ui.flairSelector.currentNode().GetName() == "Simulated FLAIR"


def test_a_copy_is_the_readers_own_also_beside_the_rest_of_a_result_that_was_kept(detected, slicer_app):
    first = detected.panel.result
    detected.panel.parameters.addResult = True
    slicer_app.dialogs.answers.append(qt.QMessageBox.No)
    slicer.mrmlScene.RemoveNode(first.record)
    slicer_app.rest()
    detect(detected, slicer_app)
    slicer_app.rest()
    copy = clone(detected.panel.result.score)
    slicer_app.rest()
    assert [found.score for found in results_in(slicer.mrmlScene)] == [detected.panel.result.score]
    assert slicer.mrmlScene.IsNodePresent(copy)
