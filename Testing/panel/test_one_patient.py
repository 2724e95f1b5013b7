"""A result belongs to its FLAIR: it is never shown over another, and goes with it."""

from __future__ import annotations

import numpy as np
import pytest
import qt
import slicer
from AnomalyDetectionLib.scene.findings_table import rows
from AnomalyDetectionLib.scene.result import results_in
from made_result_folder import result_folder

from panel.at_the_panel import a_volume, composite, detect, numbers, review_of, visible


@pytest.fixture
def second_pair(detected):
    """Another patient's volumes beside the result."""
    return a_volume("T1 of another"), a_volume("FLAIR of another")


def nothing_is_shown(result) -> bool:
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    foregrounds = {one.GetForegroundVolumeID() for one in composites}
    return (
        result.score.GetID() not in foregrounds and not result.segmentation.GetDisplayNode().GetVisibility()
    )


def test_choosing_another_pair_hides_the_result_and_its_keys_do_nothing(detected, slicer_app, second_pair):
    result, first = detected.panel.result, numbers(detected)[0]
    own = detected.ui.flairSelector.currentNode()
    detected.ui.flairSelector.choose(second_pair[1])
    assert detected.panel.result is None
    assert detected.ui.findingsTable.rowCount == 0
    assert nothing_is_shown(result)
    assert "FLAIR of another" in detected.ui.findingsSummaryLabel.text
    assert not detected.ui.inputsCollapsibleButton.collapsed
    slicer_app.type("4")
    slicer_app.type("A")
    assert all(not row_reviewed(result, number) for number in (first,))
    detected.ui.flairSelector.choose(own)
    assert detected.panel.result.score is result.score
    assert numbers(detected)[0] == first
    assert composite("AnomalyFLAIR").GetForegroundVolumeID() == result.score.GetID()
    assert result.segmentation.GetDisplayNode().GetVisibility()


def test_another_t1_with_the_same_flair_is_another_pair(detected, second_pair):
    result, own = detected.panel.result, detected.ui.t1Selector.currentNode()
    detected.ui.t1Selector.choose(second_pair[0])
    assert detected.panel.result is None
    assert nothing_is_shown(result)
    assert "T1 of another" in detected.ui.findingsSummaryLabel.text
    detected.ui.t1Selector.choose(own)
    assert detected.panel.result.score is result.score
    assert composite("AnomalyFLAIR").GetForegroundVolumeID() == result.score.GetID()
    assert result.segmentation.GetDisplayNode().GetVisibility()


def test_a_flair_that_is_chosen_brings_the_t1_of_its_result(detected, second_pair):
    result = detected.panel.result
    detected.ui.flairSelector.choose(second_pair[1])
    detected.ui.t1Selector.choose(second_pair[0])
    detected.ui.flairSelector.choose(result.flair)
    assert detected.ui.t1Selector.currentNode() is result.t1
    assert detected.panel.result.score is result.score


def test_a_run_that_ends_takes_the_views_from_nobody_who_reads_another_patient(
    sample, engine, slicer_app, tmp_path
):
    engine("replay")
    pair = sample.ui.t1Selector.currentNode(), sample.ui.flairSelector.currentNode()
    sample.ui.detectButton.click()
    sample.panel.detect._timer.stop()  # it takes its time
    assert sample.panel.folders.open(result_folder(tmp_path / "read meanwhile"))
    read, where = sample.panel.result, composite("AnomalyFLAIR").GetBackgroundVolumeID()
    sample.panel.review.next()
    looked_at = sample.panel.review.selected
    sample.panel.detect._timer.start()
    slicer_app.wait(lambda: not sample.panel.detect.running, 240)
    assert sample.panel.result.score is read.score
    assert sample.panel.review.selected == looked_at
    assert composite("AnomalyFLAIR").GetBackgroundVolumeID() == where
    assert composite("AnomalyFLAIR").GetForegroundVolumeID() == read.score.GetID()
    assert read.segmentation.GetDisplayNode().GetVisibility()
    assert '"Simulated FLAIR" is ready' in sample.ui.outcomeLabel.text
    assert visible(sample.ui.showResultButton)
    (done,) = [one for one in results_in_the_scene() if one.score is not read.score]
    assert nothing_is_shown(done)
    sample.ui.showResultButton.click()
    assert sample.panel.result.score is done.score
    assert (sample.ui.t1Selector.currentNode(), sample.ui.flairSelector.currentNode()) == pair
    assert composite("AnomalyFLAIR").GetForegroundVolumeID() == done.score.GetID()
    assert not visible(sample.ui.showResultButton)


def test_a_run_that_ends_under_another_module_waits_for_this_one(sample, engine, slicer_app):
    engine("replay")
    layout = slicer.app.layoutManager().layout
    sample.ui.detectButton.click()
    slicer_app.leave()
    slicer_app.wait(lambda: not sample.panel.detect.running, 240)
    (done,) = results_in_the_scene()
    assert nothing_is_shown(done)
    assert slicer.app.layoutManager().layout == layout
    assert '"Simulated FLAIR" is ready' in slicer_app.app.window.statusBar().currentMessage()
    slicer_app.open(slicer_app.app.moduleManager().module("AnomalyDetection"))
    assert sample.panel.result.score is done.score
    assert composite("AnomalyFLAIR").GetForegroundVolumeID() == done.score.GetID()


def results_in_the_scene():
    return results_in(slicer.mrmlScene)


@pytest.mark.parametrize("box", ["t1Selector", "flairSelector"])
def test_nothing_that_is_there_takes_the_place_of_a_volume_that_was_deleted(box, panel, slicer_app):
    pairs = [(a_volume(f"T1 {name}"), a_volume(f"FLAIR {name}")) for name in ("a", "b")]
    slicer_app.rest(0.4)
    assert panel.ui.t1Selector.currentNode() is pairs[1][0]
    other = panel.ui.flairSelector if box == "t1Selector" else panel.ui.t1Selector
    kept = other.currentNode()
    slicer.mrmlScene.RemoveNode(getattr(panel.ui, box).currentNode())
    slicer_app.rest(0.4)
    slicer_app.leave()
    slicer_app.open(slicer_app.app.moduleManager().module("AnomalyDetection"))
    assert getattr(panel.ui, box).currentNode() is None
    assert other.currentNode() is kept
    new = a_volume("T1 b" if box == "t1Selector" else "FLAIR b")
    slicer_app.rest(0.4)
    assert getattr(panel.ui, box).currentNode() is new, "what is loaded afterwards may be meant"


def row_reviewed(result, number):
    return next(row for row in rows(result.table) if row.number == number).reviewed


def test_choosing_a_result_brings_its_pair(detected, slicer_app, second_pair):
    result = detected.panel.result
    detected.ui.t1Selector.choose(second_pair[0])
    detected.ui.flairSelector.choose(second_pair[1])
    detected.ui.resultSelector.choose(result.score)
    assert detected.ui.flairSelector.currentNode() is result.flair
    assert detected.ui.t1Selector.currentNode() is result.t1
    assert detected.panel.result.score is result.score


def test_inputs_fold_to_a_line_that_names_patient_study_and_model(detected, slicer_app):
    assert detected.ui.inputsCollapsibleButton.collapsed
    said = detected.ui.studyLabel.text
    assert visible(detected.ui.studyLabel)
    assert said.startswith("Simulated FLAIR, paper, ")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "someone")
    study = hierarchy.CreateStudyItem(patient, "a study")
    hierarchy.SetItemAttribute(patient, "DICOM.PatientName", "Doe^Jane")
    hierarchy.SetItemAttribute(study, "DICOM.StudyDate", "20210407")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(detected.panel.result.flair), study)
    detected.panel.refresh()
    assert detected.ui.studyLabel.text.startswith("Doe Jane, 2021-04-07, Simulated FLAIR, paper")


def test_several_results_are_told_apart_by_model_and_time(detected, slicer_app):
    detected.ui.addResultCheckBox.click()
    detect(detected, slicer_app)
    names = [text for text in detected.ui.resultSelector.texts() if "score" in text]
    assert len(set(names)) == 2
    assert all(name.startswith("Anomaly score (Simulated FLAIR), paper, ") for name in names)


def shown_of_results() -> list[str]:
    """The names of nodes of results that are still shown anywhere: in a slice view, as a legend, or in 3D."""
    shown = set()
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        shown |= {view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()}
    left = []
    for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode"):
        displays = [node.GetNthDisplayNode(k) for k in range(node.GetNumberOfDisplayNodes())]
        if node.IsA("vtkMRMLVolumeNode"):  # what is drawn of one is its legend
            displays = [one for one in displays if one.IsA("vtkMRMLColorLegendDisplayNode")]
        drawn = node.GetID() in shown or any(one.GetVisibility() for one in displays)
        if node.GetAttribute("AnomalyDetection.Role") and drawn:
            left.append(node.GetName())
    return left


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_deleting_the_flair_takes_its_result_along_or_leaves_it_out_of_sight(answer, detected, slicer_app):
    result = detected.panel.result
    detected.ui.threeDButton.click()  # the surfaces of brain and findings are there, too
    slicer_app.dialogs.answers = [qt.QMessageBox.Yes if answer == "yes" else qt.QMessageBox.No]
    slicer.mrmlScene.RemoveNode(result.flair)
    slicer_app.rest(0.4)
    (question,) = slicer_app.dialogs.texts
    assert "with your review" in question
    there = result.table.GetScene() is not None
    assert there == (answer == "no")
    assert shown_of_results() == []
    assert results_in(slicer.mrmlScene) == []
    slicer_app.rest(0.4)
    assert len(slicer_app.dialogs.texts) == 1, "asked once"


def test_a_deleted_score_volume_leaves_no_outline_behind(detected, slicer_app):
    result = detected.panel.result
    slicer_app.dialogs.answers = [qt.QMessageBox.Yes]
    slicer.mrmlScene.RemoveNode(result.score)
    slicer_app.rest(0.4)
    left = [
        node for node in (result.segmentation, result.table, result.record, result.brain) if node.GetScene()
    ]
    assert left == []


def test_a_t1_that_is_deleted_during_a_run_empties_its_box_and_no_other_takes_its_place(
    sample, engine, slicer_app
):
    engine("replay")
    sample.ui.detectButton.click()
    slicer.mrmlScene.RemoveNode(sample.ui.t1Selector.currentNode())
    assert sample.ui.t1Selector.currentNode() is None
    assert sample.ui.flairSelector.currentNode().GetName() == "Simulated FLAIR"
    slicer_app.wait(lambda: not sample.panel.detect.running, 240)
    assert "removed" in sample.ui.outcomeLabel.text
    assert sample.ui.t1Selector.currentNode() is None


def test_edits_in_the_segment_editor_are_noticed_while_the_panel_is_open(detected, slicer_app):
    number = detected.panel.review.selected
    detected.panel.result.segmentation.GetSegmentation().RemoveSegment(f"Segment_{number}")
    slicer_app.wait(lambda: review_of(detected, number).edited == "deleted", 5)
    assert "✎" in detected.ui.findingsTable.item(0, 0).text()
    detected.ui.undoButton.click()
    assert detected.panel.result.segmentation.GetSegmentation().GetSegment(f"Segment_{number}") is not None
    assert review_of(detected, number).edited == ""


def test_a_finding_is_added_where_the_mouse_is(detected, slicer_app):
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    count = len(numbers(detected))
    crosshair.SetCursorPositionRAS([30.0, 0.0, 20.0])
    slicer_app.type("M")
    assert len(numbers(detected)) == count + 1, detected.ui.findingsSummaryLabel.text
    added = detected.panel.review.selected
    assert review_of(detected, added).edited == "added"
    slicer_app.type("4")
    assert review_of(detected, added).category == 4
    for _ in range(2):
        detected.ui.undoButton.click()
    assert len(numbers(detected)) == count


@pytest.mark.parametrize("edit", ["changed", "added", "deleted"])
def test_as_detected_asks_before_an_outline_of_the_reader_goes(edit, panel, slicer_app, tmp_path):
    assert panel.panel.folders.open(result_folder(tmp_path / "results"))
    result, review = panel.panel.result, panel.panel.review
    number = review.selected
    segments = result.segmentation.GetSegmentation()
    if edit == "added":
        slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode").SetCursorPositionRAS([-15.0, -20.0, 0.0])
        slicer_app.type("M")
        number = review.selected
    elif edit == "deleted":
        segments.RemoveSegment(f"Segment_{number}")
    else:
        drawn = slicer.util.arrayFromVolume(result.flair) > np.inf
        drawn[2, 2:5, 2:5] = True
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            drawn.astype(np.uint8), result.segmentation, f"Segment_{number}", result.flair
        )
    panel.panel.by_hand.take()
    assert review_of(panel, number).edited == edit
    drawn = review_of(panel, number).voxels
    slicer_app.dialogs.answers = [qt.QMessageBox.No, qt.QMessageBox.Yes]
    panel.ui.asDetectedButton.click()
    if edit == "deleted":  # the detected outline takes the place of none
        assert slicer_app.dialogs.texts == []
        assert review_of(panel, number).edited == ""
        return
    assert (review_of(panel, number).edited, review_of(panel, number).voxels) == (edit, drawn)
    panel.ui.asDetectedButton.click()
    assert all(f"finding {number}" in text for text in slicer_app.dialogs.texts)
    assert review_of(panel, number).edited == ""
    panel.ui.undoButton.click()
    assert (review_of(panel, number).edited, review_of(panel, number).voxels) == (edit, drawn)


def test_a_run_that_would_lose_a_review_asks_first_and_others_keep_it(detected, slicer_app):
    number, before = detected.panel.review.selected, detected.panel.result.score
    slicer_app.type("4")
    detect(detected, slicer_app)
    assert slicer_app.dialogs.texts == [], "nothing is lost where the voxels are the same"
    assert review_of(detected, number).category == 4
    flair = detected.panel.result.flair
    slicer.util.updateVolumeFromArray(flair, slicer.util.arrayFromVolume(flair)[1:].copy())
    slicer_app.dialogs.answers = [qt.QMessageBox.Cancel]
    detected.ui.detectButton.click()
    assert not detected.panel.detect.running
    assert "will be lost" in slicer_app.dialogs.texts[-1]
    assert detected.panel.result.score is before
    assert review_of(detected, number).category == 4
