"""Going through the findings with keys and mouse."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import qt
import SimpleITK as sitk
import slicer
from AnomalyDetectionLib.panel.findings_view import CATEGORY, SLICE, SYMBOL
from AnomalyDetectionLib.panel.labels import HINT_SHORT
from AnomalyDetectionLib.scene.export import export_labels
from AnomalyDetectionLib.scene.findings_table import rows
from AnomalyDetectionLib.scene.places import centre_of
from AnomalyDetectionLib.scene.segment_voxels import segment_voxels
from AnomalyDetectionLib.scene.volumes import ijk_to_ras, oriented_image
from made_result_folder import result_folder
from scene.in_the_scene import BINARY

from panel.at_the_panel import cell, detect, numbers, review_of


def test_selecting_a_row_brings_its_slice_into_the_views_that_are_shown(detected):
    row = detected.ui.findingsTable.rowCount - 1
    detected.ui.findingsTable.selectRow(row)
    number = numbers(detected)[row]
    assert detected.panel.review.selected == number
    centre = centre_of(detected.panel.result, number)
    for name in ("AnomalyT1", "AnomalyFLAIR"):
        node = slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()
        to_ras = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())
        assert abs((centre - to_ras[:3, 3]) @ to_ras[:3, 2]) < 3.0, name
    assert detected.ui.reviewWidget.enabled


def test_both_views_show_the_same_plane_in_the_middle_of_a_slice_of_the_flair(detected, slicer_app):
    manager, flair, t1 = (
        slicer.app.layoutManager(),
        detected.panel.result.flair,
        detected.panel.result.shown_t1,
    )
    t1.SetOrigin(*np.add(t1.GetOrigin(), (0, 0, 0.37)))  # its slices lie anywhere between those of the FLAIR
    detected.panel.views.side_by_side()
    slicer_app.rest(0.05)
    nodes = [manager.sliceWidget(name).mrmlSliceNode() for name in ("AnomalyT1", "AnomalyFLAIR")]
    for number in numbers(detected):
        detected.panel.review.select(number)
        beside, other = (slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS()) for node in nodes)
        assert np.allclose(beside[:3, 2], other[:3, 2])
        assert abs((beside[:3, 3] - other[:3, 3]) @ other[:3, 2]) < 0.01
        k = (np.linalg.inv(ijk_to_ras(flair)) @ other[:, 3])[2]
        assert abs(k - round(k)) < 0.01, "between two thick slices both would be mixed"


def test_what_the_default_model_finds_takes_at_most_twenty_keys_and_no_mouse(
    panel, slicer_app, default_run, tmp_path
):
    shutil.copytree(default_run.output, tmp_path / "results")
    assert panel.panel.folders.open(tmp_path / "results")
    order, keys = numbers(panel), 0
    assert len(order) > 10, "two keys for each would be too many"
    assert f"0 of {len(order)} reviewed" in panel.ui.findingsSummaryLabel.text
    while panel.ui.nextUnreviewedButton.enabled:
        assert panel.panel.review.selected == order[keys]
        slicer_app.type("3")
        keys += 1
    assert keys <= 20
    assert all(review_of(panel, number).category == 3 for number in order)
    assert f"{len(order)} of {len(order)} reviewed" in panel.ui.findingsSummaryLabel.text


def test_a_category_goes_on_unless_it_is_corrected_or_the_reader_wants_to_stay(detected, slicer_app):
    order, review = numbers(detected), detected.panel.review
    slicer_app.type("A")
    assert review.selected == order[0], "there is still a category to give"
    slicer_app.type("3")
    assert review.selected == order[1]
    review.select(order[0])
    for key in ("4", "0"):
        slicer_app.type(key)
        assert review.selected == order[0]
    detected.ui.goOnCheckBox.click()
    slicer_app.type("4")
    assert review.selected == order[0]
    slicer.util.reloadScriptedModule("AnomalyDetection")
    assert not slicer.modules.AnomalyDetectionWidget.ui.goOnCheckBox.checked


def test_a_deleted_finding_is_done_with(panel, slicer_app, tmp_path):
    folder = result_folder(tmp_path / "results")
    assert panel.panel.folders.open(folder)
    deleted, *order = numbers(panel)
    panel.panel.result.segmentation.GetSegmentation().RemoveSegment(f"Segment_{deleted}")
    panel.panel.by_hand.take()
    assert panel.ui.findingsSummaryLabel.toolTip.startswith("2 findings, ")
    assert "0 of 2 reviewed" in panel.ui.findingsSummaryLabel.toolTip
    for number in order:
        slicer_app.type("U")
        assert panel.panel.review.selected == number
        slicer_app.type("A")
    assert not panel.ui.nextUnreviewedButton.enabled
    assert panel.panel.folders.save()
    saved = json.loads((folder / "review.json").read_text("utf-8"))
    assert (saved["findings"], saved["reviewed"]) == (2, 2)
    panel.ui.undoButton.click()
    panel.ui.undoButton.click()
    panel.ui.undoButton.click()
    assert "0 of 3 reviewed" in panel.ui.findingsSummaryLabel.toolTip


def test_table_and_label_map_agree_where_a_painted_outline_overlaps_another(detected, slicer_app, tmp_path):
    """As with "Allow overlap" in the Segment Editor."""
    result = detected.panel.result
    lower, higher = sorted(numbers(detected))[:2]
    both = segment_voxels(result, [lower, higher]) > 0
    slicer_app.leave()
    segment = result.segmentation.GetSegmentation().GetSegment(f"Segment_{higher}")
    segment.RemoveAllRepresentations()  # a label map of its own
    segment.SetLabelValue(1)
    segment.AddRepresentation(BINARY, oriented_image(both.astype(np.uint8), ijk_to_ras(result.flair)))
    slicer_app.rest(0.5)
    slicer_app.app.window.moduleSelector().selectModule("AnomalyDetection")
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(export_labels(result, tmp_path / "labels.nii.gz"))))
    voxel_ml = np.prod(result.flair.GetSpacing()) / 1000
    for row in rows(result.table):
        assert (labels == row.number).sum() * voxel_ml == pytest.approx(row.volume_ml, rel=1e-3)


def test_when_all_are_reviewed_the_line_says_so(panel, slicer_app, tmp_path):
    assert panel.panel.folders.open(result_folder(tmp_path / "results"))
    summary = panel.ui.findingsSummaryLabel
    for _ in numbers(panel):
        assert "done" not in summary.toolTip
        slicer_app.type("3")
    assert summary.toolTip.startswith("3 of 3 reviewed, ")
    assert summary.toolTip.endswith(": done.")
    assert summary.styleSheet
    panel.panel.review.tell("something else")
    slicer_app.type("U")
    assert summary.toolTip.endswith(": done.")


def test_it_is_not_done_while_an_unreviewed_finding_is_hidden(detected_with_hints, slicer_app):
    detected_with_hints.panel.review.hints.button("unknown").click()
    summary = detected_with_hints.ui.findingsSummaryLabel
    for _ in numbers(detected_with_hints):
        slicer_app.type("3")
    assert "more hidden" in summary.toolTip
    assert "done" not in summary.toolTip
    assert not summary.styleSheet


def test_next_unreviewed_passes_over_what_is_reviewed_and_comes_round(detected, slicer_app):
    order = numbers(detected)
    detected.panel.review.select(order[1])
    slicer_app.type("R")
    detected.panel.review.select(order[-1])
    slicer_app.type("U")
    assert detected.panel.review.selected == order[0]
    slicer_app.type("U")
    assert detected.panel.review.selected == order[2]


def test_findings_are_gone_through_by_score_or_from_the_top_of_the_head(detected):
    rows = [review_of(detected, number) for number in numbers(detected)]
    assert [row.peak_score for row in rows] == sorted((row.peak_score for row in rows), reverse=True)
    chosen = detected.panel.review.selected
    detected.ui.orderSelector.currentIndex = 1
    rows = [review_of(detected, number) for number in numbers(detected)]
    heights = [row.centroid_ras[2] for row in rows]
    slices = [int(cell(detected, SLICE, row.number)) for row in rows]
    assert slices == sorted(slices, reverse=True)
    assert heights[0] > heights[-1] + 20
    assert detected.panel.review.selected == chosen


def test_n_and_p_go_through_the_findings_from_the_first(detected, slicer_app):
    order = numbers(detected)
    assert detected.panel.review.selected == order[0]
    assert not detected.ui.previousButton.enabled
    assert detected.ui.nextButton.enabled
    slicer_app.type("N")
    assert detected.panel.review.selected == order[1]
    slicer_app.type("N")
    slicer_app.type("P")
    assert detected.panel.review.selected == order[1]
    detected.ui.nextButton.click()
    assert detected.panel.review.selected == order[2]
    for _ in order:
        slicer_app.type("N")
    assert detected.panel.review.selected == order[-1]
    assert not detected.ui.nextButton.enabled


def test_a_digit_gives_the_category_and_0_takes_it_back(detected, slicer_app):
    count = len(numbers(detected))
    number = detected.panel.review.selected
    slicer_app.type("4")
    assert review_of(detected, number).category == 4
    assert "infarct" in cell(detected, CATEGORY, number)
    assert f"1 of {count} reviewed" in detected.ui.findingsSummaryLabel.text
    detected.panel.review.select(number)
    slicer_app.type("0")
    assert review_of(detected, number).category == 0
    assert f"0 of {count} reviewed" in detected.ui.findingsSummaryLabel.text


def test_accept_reject_and_undo(detected, slicer_app):
    number = detected.panel.review.selected
    detected.ui.acceptButton.click()
    assert review_of(detected, number).decision == "accepted"
    assert detected.ui.acceptButton.checked
    slicer_app.type("R")
    assert review_of(detected, number).decision == "rejected"
    assert not detected.ui.acceptButton.checked
    slicer_app.type("N")
    detected.ui.undoButton.click()
    assert review_of(detected, number).decision == "accepted"
    assert detected.panel.review.selected == number  # where the undone step was
    detected.ui.undoButton.click()
    assert review_of(detected, number).decision == ""
    assert not detected.ui.undoButton.enabled


def test_a_click_on_a_category_button_is_the_same_as_its_key(detected):
    number = detected.panel.review.selected
    buttons = detected.ui.categoryButtons.findChildren(qt.QPushButton)
    assert len(buttons) == 9
    next(button for button in buttons if "bone" in button.text).click()
    assert review_of(detected, number).category == 8
    assert [button.checked for button in buttons].count(True) == 1


def test_a_note_is_kept_and_keys_typed_into_it_do_nothing_else_until_enter(detected):
    number = detected.panel.review.selected
    detected.ui.noteEdit.setFocus()
    qt.QTest.keyClicks(detected.ui.noteEdit, "see prior, N 4")
    qt.QTest.keyClick(detected.ui.noteEdit, qt.Qt.Key_Return)
    assert review_of(detected, number).note == "see prior, N 4"
    assert review_of(detected, number).category == 0
    assert detected.ui.findingsTable.hasFocus()


@pytest.mark.parametrize("name", ["acceptButton", "nextButton"])
def test_a_note_is_kept_where_a_click_on_a_button_takes_no_focus_as_on_macos(name, panel, tmp_path):
    assert panel.panel.folders.open(result_folder(tmp_path / "results"))
    number, button = panel.panel.review.selected, getattr(panel.ui, name)
    panel.ui.noteEdit.setFocus()
    qt.QTest.keyClicks(panel.ui.noteEdit, "see prior")
    button.click()  # by the program, which moves no focus
    assert review_of(panel, number).note == "see prior"


def test_a_note_that_is_being_typed_is_kept_when_the_findings_change(detected, slicer_app):
    number = detected.panel.review.selected
    detected.ui.noteEdit.setFocus()
    qt.QTest.keyClicks(detected.ui.noteEdit, "half a")
    detected.ui.thresholdSlider.value = 4.0
    detected.panel.display.rederive()
    assert review_of(detected, number).note == "half a"
    qt.QTest.keyClicks(detected.ui.noteEdit, " note")
    detect(detected, slicer_app)
    assert review_of(detected, number).note == "half a note"


def test_findings_of_a_hint_are_hidden_and_come_back(detected_with_hints, slicer_app):
    detected = detected_with_hints
    result, review = detected.panel.result, detected.panel.review
    before = numbers(detected)
    hint = review_of(detected, before[0]).hint
    assert {review_of(detected, number).hint for number in before} == set(HINT_SHORT)
    of_hint = [number for number in before if review_of(detected, number).hint == hint]
    assert cell(detected, SYMBOL, before[0]) == HINT_SHORT[hint][0]
    assert review_of(detected, before[0]).hint_evidence in detected.ui.hintLabel.text
    slicer_app.press("3")
    review.select(before[0])
    review.hints.button(hint).click()
    assert numbers(detected) == [number for number in before if number not in of_hint]
    assert f"{len(of_hint)} more hidden" in detected.ui.findingsSummaryLabel.text
    display = result.segmentation.GetDisplayNode()
    shown = [number for number in before if display.GetSegmentVisibility(f"Segment_{number}")]
    assert shown == numbers(detected)
    slicer_app.press("N")
    assert review.selected == numbers(detected)[0]
    review.hints.button(hint).click()
    assert numbers(detected) == before
    assert review_of(detected, before[0]).category == 3


def test_a_new_finding_has_its_row_also_while_unknown_ones_are_hidden(detected_with_hints, slicer_app):
    detected = detected_with_hints
    button = detected.panel.review.hints.button("unknown")
    button.click()
    before, counted = numbers(detected), button.text
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCursorPositionRAS([30.0, 0.0, 20.0])
    slicer_app.type("M")
    (added,) = set(numbers(detected)) - set(before)
    assert detected.panel.review.selected == added
    assert review_of(detected, added).hint == "unknown"
    display = detected.panel.result.segmentation.GetDisplayNode()
    assert display.GetSegmentVisibility(f"Segment_{added}")
    assert button.text == counted, "the button hides and shows those of the detection"


def test_what_is_hidden_is_remembered_with_its_result(detected_with_hints, slicer_app):
    detected = detected_with_hints
    review = detected.panel.review
    hint = review_of(detected, numbers(detected)[0]).hint
    review.hints.button(hint).click()
    shown, own = numbers(detected), detected.ui.thresholdSlider.value
    detected.ui.thresholdSlider.value = own + 0.05
    detected.panel.display.rederive()
    assert hint not in {review_of(detected, number).hint for number in numbers(detected)}
    detected.ui.thresholdSlider.value = own
    detected.panel.display.rederive()
    assert numbers(detected) == shown
    assert not review.hints.button(hint).checked


def test_keys_do_nothing_when_another_module_is_open(detected, slicer_app):
    number = detected.panel.review.selected
    slicer_app.leave()
    slicer_app.type("N")
    slicer_app.type("4")
    assert detected.panel.review.selected == number
    assert review_of(detected, number).category == 0


def test_a_note_that_is_being_typed_is_saved_with_the_scene(detected, slicer_app, tmp_path):
    """Ctrl+S in the field: Qt does not say that the editing has ended. The cursor stays, and typing goes on."""
    first, field = numbers(detected)[0], detected.ui.noteEdit
    field.setFocus()
    qt.QTest.keyClicks(field, "see MRI")
    for _ in "MRI":
        qt.QTest.keyClick(field, qt.Qt.Key_Left)
    slicer_app.wait(lambda: review_of(detected, first).note == "see MRI", 5)
    qt.QTest.keyClicks(field, "prior ")
    assert field.text == "see prior MRI"
    slicer_app.wait(lambda: review_of(detected, first).note == "see prior MRI", 5)
    slicer_app.save_scene(tmp_path / "study.mrb")
    slicer_app.open_scene(tmp_path / "study.mrb")
    assert review_of(detected, first).note == "see prior MRI"
