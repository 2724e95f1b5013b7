"""A result belongs to its FLAIR: it is never shown over another, and goes with it."""

from __future__ import annotations

import numpy as np
import pytest
import qt
import slicer
from AnomalyDetectionLib.dicom.identity import Identity
from AnomalyDetectionLib.scene.findings_table import rows
from AnomalyDetectionLib.scene.hierarchy import place_under_patient
from AnomalyDetectionLib.scene.result import results_in
from made_result_folder import result_folder

from panel.at_the_panel import a_volume, composite, detect, numbers, review_of, shown_in, visible


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


@pytest.mark.parametrize("box", ["flairSelector", "t1Selector"])
def test_choosing_another_volume_hides_the_result_and_its_keys_do_nothing(
    box, detected, slicer_app, second_pair
):
    result, first, selector = detected.panel.result, numbers(detected)[0], getattr(detected.ui, box)
    own, other = selector.currentNode(), second_pair[box == "flairSelector"]
    selector.choose(other)
    assert detected.panel.result is None
    assert detected.ui.findingsTable.rowCount == 0
    assert nothing_is_shown(result)
    assert other.GetName() in detected.ui.findingsSummaryLabel.text
    assert not detected.ui.inputsCollapsibleButton.collapsed
    slicer_app.type("4")
    slicer_app.type("A")
    assert not any(row.reviewed for row in rows(result.table))
    selector.choose(own)
    assert detected.panel.result.score is result.score
    assert numbers(detected)[0] == first
    assert composite("AnomalyFLAIR").GetForegroundVolumeID() == result.score.GetID()
    assert result.segmentation.GetDisplayNode().GetVisibility()


def test_why_no_result_is_shown_is_said_of_what_is_chosen_now(detected, second_pair):
    t1, flair = second_pair
    detected.ui.t1Selector.choose(t1)
    detected.ui.flairSelector.choose(flair)
    assert flair.GetName() in detected.ui.findingsSummaryLabel.text
    assert t1.GetName() not in detected.ui.findingsSummaryLabel.text


def load_as_slicer_does(volume):
    """What follows the loading of a volume: it appears in all views that take new volumes."""
    application = slicer.app.applicationLogic()
    application.GetSelectionNode().SetActiveVolumeID(volume.GetID())
    application.PropagateVolumeSelection()


def test_another_patient_who_is_loaded_appears_side_by_side_when_chosen_and_not_before(detected, second_pair):
    result, (t1, flair) = detected.panel.result, second_pair
    for volume in (t1, flair):
        load_as_slicer_does(volume)
    assert shown_in("AnomalyT1") == (result.shown_t1, None)
    assert shown_in("AnomalyFLAIR") == (result.flair, result.score)
    detected.ui.flairSelector.choose(flair)
    detected.ui.t1Selector.choose(t1)
    assert (shown_in("AnomalyT1"), shown_in("AnomalyFLAIR")) == ((t1, None), (flair, None))
    assert nothing_is_shown(result)


def test_no_view_shows_the_outlines_over_another_patient(detected, slicer_app, second_pair):
    result, scene = detected.panel.result, slicer.mrmlScene
    detected.ui.threeDButton.click()
    slicer_app.rest(0.05)
    outlines = result.segmentation.GetDisplayNode()
    red, yellow = (scene.GetSingletonNode(name, "vtkMRMLSliceNode").GetID() for name in ("Red", "Yellow"))
    for patient, nodes in (("One", [result.t1, result.flair]), ("Two", list(second_pair))):
        place_under_patient(scene, nodes, Identity(patient_id=patient))
    composite("Red").SetBackgroundVolumeID(second_pair[1].GetID())
    assert outlines.GetVisibility()
    assert not outlines.IsDisplayableInView(red)
    assert outlines.IsDisplayableInView(yellow)
    composite("Red").SetBackgroundVolumeID(result.t1.GetID())
    assert outlines.IsDisplayableInView(red)
    slicer.util.selectModule("Data")  # where data are loaded, too
    load_as_slicer_does(a_volume("third"))
    place_under_patient(scene, [third := a_volume("T1 of a third")], Identity(patient_id="Three"))
    load_as_slicer_does(third)
    slicer_app.wait(lambda: not outlines.IsDisplayableInView(red), 5.0)
    assert not outlines.IsDisplayableInView(yellow)
    composite("Red").SetBackgroundVolumeID(result.flair.GetID())
    assert outlines.IsDisplayableInView(red)
    composite("Red").SetBackgroundVolumeID(second_pair[1].GetID())
    assert not outlines.IsDisplayableInView(red)


@pytest.mark.parametrize("chosen", ["flair", "score"])
def test_a_flair_or_a_result_that_is_chosen_brings_what_belongs_to_it(chosen, detected, second_pair):
    result, ui = detected.panel.result, detected.ui
    ui.flairSelector.choose(second_pair[1])
    ui.t1Selector.choose(second_pair[0])
    (ui.flairSelector if chosen == "flair" else ui.resultSelector).choose(getattr(result, chosen))
    assert (ui.t1Selector.currentNode(), ui.flairSelector.currentNode()) == (result.t1, result.flair)
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
    (done,) = [one for one in results_in(slicer.mrmlScene) if one.score is not read.score]
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
    (done,) = results_in(slicer.mrmlScene)
    assert nothing_is_shown(done)
    assert slicer.app.layoutManager().layout == layout
    assert '"Simulated FLAIR" is ready' in slicer_app.app.window.statusBar().currentMessage()
    slicer_app.open(slicer_app.app.moduleManager().module("AnomalyDetection"))
    assert sample.panel.result.score is done.score
    assert composite("AnomalyFLAIR").GetForegroundVolumeID() == done.score.GetID()


def test_a_second_run_that_ends_under_another_module_hides_nothing_and_fills_the_table_here(
    detected, slicer_app
):
    result = detected.panel.result
    detected.ui.detectButton.click()
    slicer_app.leave()
    detected.ui.findingsTable.setRowCount(0)  # what it holds is of the first run
    slicer_app.wait(lambda: not detected.panel.detect.running, 240)
    assert result.segmentation.GetDisplayNode().GetVisibility(), "it may be open in the Segment Editor"
    slicer_app.open(slicer_app.app.moduleManager().module("AnomalyDetection"))
    assert detected.panel.result.score is result.score
    assert result.segmentation.GetDisplayNode().GetVisibility()
    assert composite("AnomalyFLAIR").GetForegroundVolumeID() == result.score.GetID()
    assert numbers(detected) == detected.panel.review.table.numbers != []
    assert not visible(detected.ui.showResultButton)


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


def test_a_deleted_score_volume_leaves_no_outline_behind_and_an_empty_review(detected, slicer_app):
    result = detected.panel.result
    slicer_app.dialogs.answers = [qt.QMessageBox.Yes]
    slicer.mrmlScene.RemoveNode(result.score)
    slicer_app.rest(0.4)
    left = (result.segmentation, result.table, result.record, result.brain)
    assert not any(node.GetScene() for node in left)
    assert detected.panel.result is None
    assert detected.ui.findingsTable.rowCount == 0
    assert not detected.ui.exportTableButton.enabled


def test_a_run_with_a_t1_that_was_loaded_again_updates_the_result_and_keeps_its_review(detected, slicer_app):
    result, number = detected.panel.result, detected.panel.review.selected
    slicer_app.type("4")
    slicer.mrmlScene.RemoveNode(result.t1)
    detected.ui.t1Selector.choose(a_volume("T1"))
    detect(detected, slicer_app)
    (updated,) = results_in(slicer.mrmlScene)
    assert updated.score is result.score
    assert updated.t1.GetName() == "T1"
    assert review_of(detected, number).category == 4


def test_deleting_all_that_is_of_a_patient_asks_nothing_and_leaves_nothing(detected, slicer_app):
    result = detected.panel.result
    detected.ui.threeDButton.click()
    for node in (result.t1, result.flair, result.score, result.segmentation, result.table, result.record):
        slicer.mrmlScene.RemoveNode(node)
    slicer_app.rest(0.4)
    assert slicer_app.dialogs.texts == []
    nodes = map(slicer.mrmlScene.GetNthNode, range(slicer.mrmlScene.GetNumberOfNodes()))
    assert [node.GetName() for node in nodes if node.GetAttribute("AnomalyDetection.Role")] == []


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
