"""Sliders, overlay, outlines, the bare image, and the finding numbers in the views."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import qt
import SimpleITK as sitk
import slicer
from AnomalyDetectionLib.model.false_positive_curve import FalsePositiveCurve, plain
from AnomalyDetectionLib.panel import display_section
from AnomalyDetectionLib.panel.findings_view import RATE
from AnomalyDetectionLib.scene import editing
from AnomalyDetectionLib.scene.places import centre_of
from AnomalyDetectionLib.scene.result import findings_of, settings_of
from AnomalyDetectionLib.scene.result_record import read_record, record_text
from made_result_folder import result_folder

from panel.at_the_panel import cell, composite, detect, numbers, review_of


def test_the_threshold_slider_derives_anew_and_keeps_reviews(detected, slicer_app):
    before, own = numbers(detected), detected.ui.thresholdSlider.value
    number = detected.panel.review.selected
    slicer_app.type("3")
    detected.ui.thresholdSlider.value = 6.0
    slicer_app.wait(lambda: settings_of(detected.panel.result)[0] == 6.0, 5)
    fewer = numbers(detected)
    assert len(fewer) < len(before)
    assert set(fewer) <= set(before)
    detected.ui.thresholdSlider.value = own
    slicer_app.wait(lambda: settings_of(detected.panel.result)[0] == own, 5)
    assert numbers(detected) == before
    assert review_of(detected, number).category == 3
    segments = detected.panel.result.segmentation.GetSegmentation().GetNumberOfSegments()
    assert segments == len(before)


def test_a_new_threshold_looks_at_the_segments_for_edits_once_and_not_again_for_its_own(
    detected, slicer_app, monkeypatch
):
    slicer_app.rest(0.5)
    looked, take = [], editing.take_edits
    monkeypatch.setattr(editing, "take_edits", lambda result: looked.append(1) or take(result))
    detected.ui.thresholdSlider.value = 6.0
    slicer_app.wait(lambda: settings_of(detected.panel.result)[0] == 6.0, 5)
    slicer_app.rest(0.6)
    assert len(looked) == 1


def test_findings_are_filled_only_when_asked_for_and_it_is_remembered(detected, slicer_app, tmp_path):
    def filled():
        return bool(detected.panel.result.segmentation.GetDisplayNode().GetVisibility2DFill())

    assert not filled()
    detected.ui.fillOutlinesCheckBox.click()
    assert filled()
    slicer_app.save_scene(tmp_path / "study.mrb")
    slicer_app.open_scene(tmp_path / "study.mrb")
    assert filled()
    assert detected.ui.fillOutlinesCheckBox.checked
    detect(detected, slicer_app)
    assert filled()
    detected.ui.fillOutlinesCheckBox.click()
    assert not filled()


def test_the_minimum_size_says_its_volume_and_drops_small_findings(detected, slicer_app):
    before = numbers(detected)
    detected.ui.minimumSizeSlider.value = 30
    assert "ml" in detected.ui.minimumVolumeLabel.text
    slicer_app.wait(lambda: settings_of(detected.panel.result)[1] == 30, 5)
    assert len(numbers(detected)) < len(before)


def test_a_threshold_says_what_it_means_where_the_model_knows(detected):
    panel, ui = detected.panel, detected.ui

    def tell(rates):
        record = read_record(panel.result.record)
        scores = {**record.scores, "false_positive_curve": rates}
        panel.result.record.SetText(record_text(dataclasses.replace(record, scores=scores)))

    tell(None)
    ui.minimumSizeSlider.value = 2.0
    ui.thresholdSlider.value = 4.5
    panel.display.rederive()
    assert ui.normalRateLabel.text == ""
    assert cell(detected, RATE, numbers(detected)[0]) == ""
    tell(plain(FalsePositiveCurve(np.array([1.0, 7.0]), np.array([64.0, 1.0]), 10, 2, 0.5)))
    ui.thresholdSlider.value = 4.0
    assert ui.normalRateLabel.text.startswith("about 8.0 findings in a normal scan")
    ui.thresholdSlider.value = 5.0
    assert ui.normalRateLabel.text.startswith("about 4.0 findings in a normal scan")
    panel.display.rederive()
    assert cell(detected, RATE, numbers(detected)[0]) != ""
    assert all(review_of(detected, number).per_normal_scan <= 4.0 for number in numbers(detected))
    assert "A normal scan has about" in ui.findingsTable.item(0, RATE).toolTip()
    assert ui.findingsTable.isColumnHidden(RATE)
    ui.moreColumnsCheckBox.click()
    assert not ui.findingsTable.isColumnHidden(RATE)
    ui.minimumSizeSlider.value = 8.0
    assert ui.normalRateLabel.text.startswith("at most about 4.0")
    ui.minimumSizeSlider.value = 1.0
    assert ui.normalRateLabel.text.startswith("more than 4.0")
    tell(plain(FalsePositiveCurve(np.array([1.0, 7.0]), np.array([0.008, 0.0001]), 1000, 2, 0.5)))
    ui.minimumSizeSlider.value = 2.0
    ui.thresholdSlider.value = 4.5
    panel.display.rederive()
    assert {cell(detected, RATE, number) for number in numbers(detected)} == {"under 0.01"}


def test_each_result_keeps_its_own_threshold(detected, slicer_app):
    first, own = detected.panel.result, detected.ui.thresholdSlider.value
    detected.ui.addResultCheckBox.click()
    detect(detected, slicer_app)
    second = detected.panel.result
    detected.ui.thresholdSlider.value = 6.0
    slicer_app.wait(lambda: settings_of(second)[0] == 6.0, 5)
    detected.ui.resultSelector.choose(first.score)
    assert detected.ui.thresholdSlider.value == own
    slicer_app.rest(0.3)
    assert settings_of(first)[0] == own
    assert settings_of(second)[0] == 6.0


def test_the_threshold_slider_reaches_the_low_thresholds_of_another_kind_of_model(detected, monkeypatch):
    monkeypatch.setattr(display_section, "settings_of", lambda result: (3.0, 2))
    detected.panel.display.take(detected.panel.result)
    assert detected.ui.thresholdSlider.minimum == 0.5
    monkeypatch.setattr(display_section, "settings_of", lambda result: (0.3, 4))
    detected.panel.display.take(detected.panel.result)
    assert detected.ui.thresholdSlider.value == 0.3
    assert detected.ui.thresholdSlider.minimum < 0.1


def test_of_probabilities_the_slider_ends_at_one_and_keeps_the_models_own_threshold(
    detected_with_hints, engine, slicer_app
):
    widget = detected_with_hints
    slider, result = widget.ui.thresholdSlider, widget.panel.result
    assert slider.value == settings_of(result)[0] == 0.787
    assert (slider.maximum, slider.singleStep) == (1.0, 0.01)
    widget.ui.minimumSizeSlider.value = 1.0
    widget.panel.display.rederive()
    assert settings_of(result) == (0.787, 1)
    engine("replay")
    widget.ui.addResultCheckBox.click()
    detect(widget, slicer_app)
    assert (slider.value, slider.maximum, slider.singleStep) == (3.0, 20.0, 0.1)
    widget.ui.resultSelector.choose(result.score)
    assert (slider.value, slider.maximum) == (0.787, 1.0)
    slicer_app.rest(0.3)
    assert settings_of(result) == (0.787, 1)


def test_opacity_and_overlay_follow_the_panel(detected):
    score = detected.panel.result.score
    detected.ui.opacitySlider.value = 0.3
    assert composite("Red").GetForegroundOpacity() == pytest.approx(0.3)
    detected.ui.showOverlayCheckBox.click()
    assert composite("Red").GetForegroundVolumeID() is None
    detected.ui.showOverlayCheckBox.click()
    assert composite("Red").GetForegroundVolumeID() == score.GetID()
    detected.ui.showOutlinesCheckBox.click()
    assert not detected.panel.result.segmentation.GetDisplayNode().GetVisibility()


def test_the_bare_image_is_shown_as_long_as_h_is_held(detected, slicer_app):
    result = detected.panel.result
    slicer_app.press("H")
    assert composite("Red").GetForegroundVolumeID() is None
    assert not result.segmentation.GetDisplayNode().GetVisibility()
    slicer_app.release("H")
    assert composite("Red").GetForegroundVolumeID() == result.score.GetID()
    assert result.segmentation.GetDisplayNode().GetVisibility()


def test_what_was_hidden_before_h_stays_hidden_after_it(detected, slicer_app):
    detected.ui.showOverlayCheckBox.click()
    slicer_app.type("H")
    assert composite("Red").GetForegroundVolumeID() is None


def test_the_bare_image_button_works_with_the_mouse(detected):
    button = detected.ui.hideOverlayButton
    qt.QTest.mousePress(button, qt.Qt.LeftButton)
    assert composite("Red").GetForegroundVolumeID() is None
    qt.QTest.mouseRelease(button, qt.Qt.LeftButton)
    assert composite("Red").GetForegroundVolumeID() == detected.panel.result.score.GetID()


@pytest.mark.parametrize(
    ("stride", "unit", "one"),
    [(4, "patch", "a patch stands for 3.6 x 3.6 x 4.0 mm"), (1, "voxel", "a voxel 3.6 x 3.6 x 4.0 mm")],
)
def test_the_least_size_is_said_in_millilitres_of_what_the_model_scores(stride, unit, one, panel, tmp_path):
    assert panel.panel.folders.open(result_folder(tmp_path / "results"))
    result = panel.panel.result
    record = read_record(result.record)
    scores = {**record.scores, "lattice": {**record.scores["lattice"], "stride": stride}}
    result.record.SetText(record_text(dataclasses.replace(record, scores=scores)))
    panel.panel.display.take(result)
    panel.panel.display.refresh()
    assert panel.ui.minimumSizeSlider.suffix == f" {unit}"
    assert one in panel.ui.minimumVolumeLabel.text
    ml = np.prod(result.patch_scores.GetSpacing()) / 1000
    assert f"about {ml:.2f} ml" in panel.ui.minimumVolumeLabel.text
    panel.ui.minimumSizeSlider.value = 2
    assert panel.ui.minimumSizeSlider.suffix == {"patch": " patches", "voxel": " voxels"}[unit]
    assert f"about {2 * ml:.2f} ml" in panel.ui.minimumVolumeLabel.text


def shown_numbers(widget):
    node = widget.panel.result.score.GetNodeReference("AnomalyDetection.numbers")
    return {node.GetNthControlPointLabel(place) for place in range(node.GetNumberOfControlPoints())}


def test_the_numbers_of_the_findings_stand_in_the_slice_that_is_looked_at(detected, slicer_app):
    result, review = detected.panel.result, detected.panel.review
    labels = sitk.GetArrayFromImage(findings_of(result).labels)
    flair = slicer.app.layoutManager().sliceWidget("AnomalyFLAIR")
    for number in numbers(detected)[:3]:
        review.select(number)
        index = flair.sliceLogic().GetSliceIndexFromOffset(flair.mrmlSliceNode().GetSliceOffset()) - 1
        assert shown_numbers(detected) == {str(n) for n in np.unique(labels[index]) if n}
        assert str(number) in shown_numbers(detected)
    for name in ("AnomalyT1", "AnomalyFLAIR"):  # linked, in Slicer
        slicer.app.layoutManager().sliceWidget(name).sliceLogic().SetSliceOffset(-1000.0)
    assert shown_numbers(detected) == set()


def test_a_click_on_a_finding_selects_its_row_and_moves_no_view(detected, slicer_app):
    result, review = detected.panel.result, detected.panel.review
    other = numbers(detected)[2]
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    view = slicer.app.layoutManager().sliceWidget("AnomalyFLAIR")
    before = slicer.util.arrayFromVTKMatrix(view.mrmlSliceNode().GetSliceToRAS()).copy()
    interactor = view.sliceView().interactor()

    def click(ras, drag=0):
        crosshair.SetCursorPositionRAS(ras)
        interactor.SetEventInformation(100, 100, 0, 0)
        interactor.InvokeEvent("LeftButtonPressEvent")
        interactor.SetEventInformation(100 + drag, 100, 0, 0)
        interactor.InvokeEvent("LeftButtonReleaseEvent")

    first = review.selected
    click(centre_of(result, other).tolist(), drag=40)
    assert review.selected == first, "that was the mouse adjusting the window"
    click(centre_of(result, other).tolist())
    assert review.selected == other
    assert detected.ui.findingsTable.currentRow() == numbers(detected).index(other)
    click([200.0, 200.0, 0.0])
    assert review.selected == other
    assert np.array_equal(slicer.util.arrayFromVTKMatrix(view.mrmlSliceNode().GetSliceToRAS()), before)
