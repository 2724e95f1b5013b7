"""The panel as a user meets it: the real module over the real scene, clicked and typed at."""

from __future__ import annotations

import ast
import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import REPOSITORY

MODULE = REPOSITORY / "AnomalyDetection" / "AnomalyDetection.py"
PANEL = REPOSITORY / "AnomalyDetection" / "AnomalyDetectionLib" / "panel"
FAKE_ENGINE = Path(__file__).parent / "fake_engine.py"


@pytest.fixture
def slicer_app(a_slicer_application, monkeypatch):
    """A Slicer whose Python is this one."""
    from AnomalyDetectionLib.panel import python

    monkeypatch.setattr(python, "python_command", lambda: [sys.executable])
    return a_slicer_application


@pytest.fixture
def panel(slicer_app):
    """The module's panel, open over an empty scene."""
    return slicer_app.open(slicer_app.load_module(MODULE))


@pytest.fixture
def sample(panel):
    """The panel with the sample loaded by its button."""
    panel.ui.loadSampleButton.click()
    return panel


@pytest.fixture
def engine(monkeypatch, request, tmp_path):
    """Which engine runs: `engine("replay")` gives the results that the real one left of the sample."""
    from AnomalyDetectionLib.panel import python

    def choose(what: str) -> None:
        folder = request.getfixturevalue("sample_run").output if what == "replay" else tmp_path
        command = [sys.executable, str(FAKE_ENGINE), what, str(folder)]
        monkeypatch.setattr(python, "python_command", lambda: command)

    return choose


@pytest.fixture
def detected(sample, engine, slicer_app):
    """The panel with a result of the sample."""
    engine("replay")
    detect(sample, slicer_app)
    return sample


def detect(widget, slicer_app, seconds=240.0):
    """Click, and wait for the end."""
    widget.ui.detectButton.click()
    assert widget.panel.detect.running, widget.ui.outcomeLabel.text
    slicer_app.wait(lambda: not widget.panel.detect.running, seconds)


def a_volume(name: str, shape=(12, 30, 30), spacing=5.0, value=None):
    import slicer
    from slicer_scene import add_volume

    rng = np.random.default_rng(1)
    array = (
        rng.uniform(10, 100, shape).astype(np.float32) if value is None else np.full(shape, value, np.float32)
    )
    return add_volume(slicer.mrmlScene, array, np.diag([spacing, spacing, spacing, 1]), name)


def leftovers(slicer_app) -> list[str]:
    return [path.name for path in Path(slicer_app.app.temporaryPath).glob("AnomalyDetection-*")]


def numbers(widget) -> list[int]:
    import qt

    table = widget.ui.findingsTable
    return [int(table.item(row, 0).data(qt.Qt.DisplayRole)) for row in range(table.rowCount)]


def cell(widget, column: int, number: int) -> str:
    return widget.ui.findingsTable.item(numbers(widget).index(number), column).text()


def review_of(widget, number: int):
    from AnomalyDetectionLib.scene import findings_table

    rows = findings_table.rows(widget.panel.result.table, all=True)
    return next(row for row in rows if row.number == number)


def visible(widget) -> bool:
    """Shown as far as it depends on the widget itself."""
    return not widget.isHidden()


def composite(name: str):
    import slicer

    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()


# -- before anything is run


def test_an_empty_scene_disables_detect_and_says_what_to_do(panel):
    assert not panel.ui.detectButton.enabled
    assert "Choose" in panel.ui.detectButton.toolTip
    assert "sample" in panel.ui.inputsMessageLabel.text
    assert not visible(panel.ui.progressWidget)
    assert not visible(panel.ui.detailsButton)
    for button in ("exportTableButton", "undoButton", "nextButton", "thresholdSlider", "hideOverlayButton"):
        assert not getattr(panel.ui, button).enabled, button


def test_each_slider_has_decimals_of_its_own(panel):
    """Two for the threshold, as the bundled models' own have."""
    sliders = panel.ui.thresholdSlider, panel.ui.minimumSizeSlider, panel.ui.opacitySlider
    assert [slider.decimals for slider in sliders] == [2, 0, 2]


def test_the_sample_can_be_run_at_once(sample):
    assert sample.ui.t1Selector.currentNode().GetName() == "Simulated T1"
    assert sample.ui.flairSelector.currentNode().GetName() == "Simulated FLAIR"
    assert sample.ui.detectButton.enabled
    assert "Choose" not in sample.ui.detectButton.toolTip
    assert sample.ui.inputsMessageLabel.text == ""


def test_volumes_are_guessed_by_their_names_when_the_module_is_opened(slicer_app):
    module = slicer_app.load_module(MODULE)
    flair, t1 = a_volume("3D FLAIR"), a_volume("T1 MPRAGE")
    a_volume("DWI b1000")
    widget = slicer_app.open(module)
    assert widget.ui.t1Selector.currentNode() is t1
    assert widget.ui.flairSelector.currentNode() is flair


@pytest.fixture
def a_dicom_study(slicer_app, tmp_path, monkeypatch):
    """Loads volumes as if from Slicer's DICOM database: a kind of series for each name."""
    import types

    import slicer
    from made_dicom import classic_series

    files = {}
    database = types.SimpleNamespace(isOpen=True, fileForInstance=lambda uid: files.get(uid, ""))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)

    def load(**kinds):
        nodes = []
        for name, kind in kinds.items():
            node = a_volume(name)
            uid = f"1.2.{len(files)}"
            files[uid] = str(
                classic_series(tmp_path / name, sitk.Image(8, 8, 2, sitk.sitkInt16), kind=kind)[0]
            )
            node.SetAttribute("DICOM.instanceUIDs", uid)
            nodes.append(node)
        return nodes

    return load


def test_dicom_volumes_are_guessed_by_how_they_were_taken_and_it_is_said(slicer_app, a_dicom_study):
    module = slicer_app.load_module(MODULE)
    flair, t1, other = a_dicom_study(first="FLAIR", second="T1", third="T2")
    widget = slicer_app.open(module)
    assert (widget.ui.t1Selector.currentNode(), widget.ui.flairSelector.currentNode()) == (t1, flair)
    said = widget.ui.inputsMessageLabel.text
    assert 'T1: "second" (inversion recovery, gradient echo' in said
    assert 'FLAIR: "first" (inversion recovery, spin echo' in said
    widget.ui.t1Selector.choose(other)
    assert 'T1: "second"' not in widget.ui.inputsMessageLabel.text
    assert 'FLAIR: "first"' in widget.ui.inputsMessageLabel.text


def test_two_equally_good_dicom_volumes_leave_the_box_empty_and_it_is_said(slicer_app, a_dicom_study):
    module = slicer_app.load_module(MODULE)
    (flair, t1, _) = a_dicom_study(first="FLAIR", second="T1", third="T1")
    widget = slicer_app.open(module)
    assert (widget.ui.t1Selector.currentNode(), widget.ui.flairSelector.currentNode()) == (None, flair)
    assert (
        '2 T1 series are equally good ("second", "third"): choose one.' in widget.ui.inputsMessageLabel.text
    )
    widget.ui.t1Selector.choose(t1)
    assert "equally good" not in widget.ui.inputsMessageLabel.text


def test_a_guess_never_goes_over_the_users_own_choice(panel, slicer_app):
    other = a_volume("something else")
    panel.ui.flairSelector.choose(other)
    a_volume("T1 MPRAGE")
    a_volume("3D FLAIR")
    slicer_app.leave()
    slicer_app.open(slicer_app.app.moduleManager().module("AnomalyDetection"))
    assert panel.ui.flairSelector.currentNode() is other


def test_the_same_volume_twice_stops_a_run_and_is_said(panel):
    volume = a_volume("one")
    panel.ui.t1Selector.choose(volume)
    panel.ui.flairSelector.choose(volume)
    assert not panel.ui.detectButton.enabled
    assert panel.ui.inputsMessageLabel.text
    assert panel.ui.inputsMessageLabel.text in panel.ui.detectButton.toolTip
    assert visible(panel.ui.inputsMessageLabel)


def test_swapped_volumes_are_suspected_but_may_be_run(sample):
    t1, flair = sample.ui.t1Selector.currentNode(), sample.ui.flairSelector.currentNode()
    sample.ui.t1Selector.choose(flair)
    sample.ui.flairSelector.choose(t1)
    assert (
        "swap" in sample.ui.inputsMessageLabel.text.lower() or "exchange" in sample.ui.inputsMessageLabel.text
    )
    assert sample.ui.detectButton.enabled


def test_a_result_is_no_input(detected):
    detected.ui.t1Selector.choose(detected.panel.result.score)
    assert not detected.ui.detectButton.enabled
    assert "result of an earlier detection" in detected.ui.inputsMessageLabel.text


@pytest.fixture
def two_models(slicer_app, monkeypatch, a_random_model, a_context_model):
    """A module that comes with a model of each kind; the first is its default."""
    from AnomalyDetectionLib.model import bundled
    from AnomalyDetectionLib.panel import advanced

    monkeypatch.setattr(bundled, "DEFAULT_MODEL", a_random_model.stem)
    for module in (bundled, advanced):
        monkeypatch.setattr(module, "bundled_models", lambda: [a_random_model, a_context_model])
    monkeypatch.setattr(advanced, "DEFAULT_MODEL", a_random_model.stem)


def test_models_are_chosen_by_their_titles_the_default_first(two_models, panel):
    ui = panel.ui
    assert [ui.modelSelector.itemText(place) for place in range(3)] == [
        "random", "Surroundings (random)", "A model file",
    ]  # fmt: skip
    assert ui.modelSelector.currentIndex == 0
    assert ui.modelSelector.toolTip == "random weights"
    ui.modelSelector.currentIndex = 1
    assert ui.modelSelector.toolTip == "random weights that see whole slices"
    assert panel.panel.advanced.model() == "surroundings"


def test_what_means_nothing_to_a_model_cannot_be_set_for_it(two_models, panel):
    ui, advanced = panel.ui, panel.panel.advanced
    ui.percentileSpinBox.value = 60
    ui.strideSpinBox.value = 3
    assert (advanced.percentile(), advanced.stride()) == (60, 3)
    ui.modelSelector.currentIndex = 1
    assert not ui.percentileSpinBox.enabled
    assert not ui.strideSpinBox.enabled
    assert (advanced.percentile(), advanced.stride()) == (None, None)
    ui.modelSelector.currentIndex = 0
    assert ui.percentileSpinBox.enabled
    assert (advanced.percentile(), advanced.stride()) == (60, 3)


def test_a_model_file_that_is_not_there_stops_a_run(sample):
    sample.ui.modelSelector.currentIndex = sample.ui.modelSelector.count - 1
    assert not sample.ui.detectButton.enabled
    assert "model file" in sample.ui.detectButton.toolTip
    assert visible(sample.ui.modelFileEdit)
    sample.ui.modelSelector.currentIndex = 0
    assert sample.ui.detectButton.enabled
    assert not visible(sample.ui.modelFileEdit)


# -- a run


def test_the_sample_goes_through_the_real_engine(sample, slicer_app):
    import slicer

    sample.ui.detectButton.click()
    assert visible(sample.ui.progressWidget)
    assert not sample.ui.detectButton.enabled
    assert "going on" in sample.ui.detectButton.toolTip
    stages, values = set(), []

    def ended():
        stages.add(sample.ui.stageLabel.text)
        values.append(sample.ui.progressBar.value)
        return not sample.panel.detect.running

    slicer_app.wait(ended, 240)
    assert values == sorted(values)
    assert len(stages) > 1
    assert sample.ui.outcomeLabel.text.startswith("Done")
    result = sample.panel.result
    assert result.score.GetName() == "Anomaly score (Simulated FLAIR)"
    assert sample.ui.resultSelector.currentNode() is result.score
    assert sample.ui.findingsTable.rowCount >= 5
    assert result.segmentation.GetSegmentation().GetNumberOfSegments() == sample.ui.findingsTable.rowCount
    assert composite("Red").GetBackgroundVolumeID() == result.flair.GetID()
    assert composite("Red").GetForegroundVolumeID() == result.score.GetID()
    assert slicer.util.arrayFromVolume(result.score).max() > 3
    assert leftovers(slicer_app) == []
    assert sample.ui.detectButton.enabled
    assert not visible(sample.ui.progressWidget)
    assert "unreviewed" in sample.ui.findingsSummaryLabel.text


def test_only_scalar_volumes_are_offered_and_no_result(detected):
    import slicer

    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    offered = detected.ui.flairSelector.texts()
    assert "labels" not in offered
    assert "Simulated FLAIR" in offered
    assert "labels" in detected.ui.brainMaskSelector.texts()


def test_running_again_updates_the_result(detected, slicer_app):
    import slicer
    from AnomalyDetectionLib.scene.result import results_in

    before = slicer.mrmlScene.GetNumberOfNodes()
    score = detected.panel.result.score
    detect(detected, slicer_app)
    assert detected.panel.result.score is score
    assert len(results_in(slicer.mrmlScene)) == 1
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_second_result_is_added_when_asked(detected, slicer_app):
    import slicer
    from AnomalyDetectionLib.scene.result import results_in

    assert visible(detected.ui.addResultCheckBox)
    first = detected.panel.result.score
    detected.ui.addResultCheckBox.click()
    detect(detected, slicer_app)
    assert len(results_in(slicer.mrmlScene)) == 2
    assert detected.panel.result.score is not first
    detected.ui.resultSelector.choose(first)
    assert detected.panel.result.score is first


def test_outlines_of_another_result_do_not_lie_on_the_one_that_is_shown(detected, slicer_app):
    first = detected.panel.result
    detected.ui.addResultCheckBox.click()
    detect(detected, slicer_app)
    second = detected.panel.result
    assert not first.segmentation.GetDisplayNode().GetVisibility()
    assert second.segmentation.GetDisplayNode().GetVisibility()
    detected.ui.resultSelector.choose(first.score)
    assert first.segmentation.GetDisplayNode().GetVisibility()
    assert not second.segmentation.GetDisplayNode().GetVisibility()


def test_cancel_leaves_no_process_no_file_and_no_node(sample, engine, slicer_app, tmp_path):
    import slicer

    engine("slow")
    before = slicer.mrmlScene.GetNumberOfNodes()
    sample.ui.detectButton.click()
    slicer_app.wait((tmp_path / "processes.txt").exists)
    slicer_app.wait(lambda: sample.ui.stageLabel.text == "Reading the images")
    sample.ui.cancelButton.click()
    assert not sample.panel.detect.running
    for process in (tmp_path / "processes.txt").read_text().split():
        assert not is_alive(int(process))
    assert leftovers(slicer_app) == []
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert "Cancelled" in sample.ui.outcomeLabel.text
    assert sample.ui.detectButton.enabled
    assert not visible(sample.ui.progressWidget)


def test_an_engine_that_fails_shows_its_sentence_in_the_panels_words_and_its_log(sample, engine, slicer_app):
    engine("fail")
    detect(sample, slicer_app)
    sentence = sample.ui.outcomeLabel.text
    assert '"Simulated T1" holds the same value everywhere' in sentence
    assert "--t1" not in sentence
    assert visible(sample.ui.detailsButton)
    assert not visible(sample.ui.detailsText)
    sample.ui.detailsButton.click()
    assert visible(sample.ui.detailsText)
    assert "a line of the log" in sample.ui.detailsText.plainText
    assert leftovers(slicer_app) == []
    assert sample.ui.detectButton.enabled


def test_an_engine_that_is_killed_is_said_to_be(sample, engine, slicer_app):
    engine("die")
    detect(sample, slicer_app)
    assert "memory" in sample.ui.outcomeLabel.text
    assert sample.ui.detectButton.enabled


def test_an_engine_that_cannot_be_started_is_said_to_be(sample, slicer_app, monkeypatch):
    from AnomalyDetectionLib.panel import python

    monkeypatch.setattr(python, "python_command", lambda: ["no-such-python"])
    sample.ui.detectButton.click()
    slicer_app.wait(lambda: not sample.panel.detect.running)
    assert "no-such-python" in sample.ui.outcomeLabel.text


def test_volumes_of_the_real_engine_that_hold_one_value_fail_with_a_sentence(panel, slicer_app):
    panel.ui.t1Selector.choose(a_volume("flat T1", value=7))
    panel.ui.flairSelector.choose(a_volume("flat FLAIR", value=7))
    if panel.ui.detectButton.enabled:
        detect(panel, slicer_app)
        said = panel.ui.outcomeLabel.text
    else:
        said = panel.ui.inputsMessageLabel.text
    assert "flat" in said
    assert "--" not in said


def test_a_folder_for_temporary_files_that_is_gone_is_said_for_these_volumes_only(sample, slicer_app):
    slicer_app.app.temporaryPath = "/no/such/folder"
    sample.ui.detectButton.click()
    assert not sample.panel.detect.running
    assert "temporary files" in sample.ui.outcomeLabel.text
    sample.ui.t1Selector.choose(a_volume("another T1"))
    assert sample.ui.outcomeLabel.text == ""


def test_a_result_that_cannot_be_read_is_said_and_the_button_comes_back(detected, slicer_app, monkeypatch):
    from AnomalyDetectionLib.scene import detection_job

    def damaged(folder):
        raise ValueError("score.nrrd is damaged")

    before = numbers(detected)
    monkeypatch.setattr(detection_job, "read_stored", damaged)
    detect(detected, slicer_app)
    assert "score.nrrd is damaged" in detected.ui.outcomeLabel.text
    assert "Traceback" in detected.ui.detailsText.plainText
    assert detected.ui.detectButton.enabled
    assert not visible(detected.ui.progressWidget)
    assert numbers(detected) == before


def test_an_earlier_result_stays_when_a_run_fails(detected, engine, slicer_app):
    before = numbers(detected)
    engine("fail")
    detect(detected, slicer_app)
    assert numbers(detected) == before


def test_a_run_goes_on_while_another_module_is_open(sample, engine, slicer_app):
    engine("replay")
    sample.ui.detectButton.click()
    slicer_app.leave()
    slicer_app.wait(lambda: not sample.panel.detect.running, 240)
    assert sample.panel.result is not None


def test_an_input_that_is_removed_during_the_run_is_a_sentence(sample, engine, slicer_app):
    import slicer

    engine("replay")
    sample.ui.detectButton.click()
    slicer.mrmlScene.RemoveNode(sample.ui.flairSelector.currentNode())
    slicer_app.wait(lambda: not sample.panel.detect.running, 240)
    assert "removed" in sample.ui.outcomeLabel.text
    assert sample.panel.result is None


def test_missing_packages_are_asked_for_once_and_a_no_starts_nothing(sample, slicer_app, monkeypatch):
    import qt
    from AnomalyDetectionLib.panel import first_run

    monkeypatch.setattr(first_run, "missing_requirements", lambda: ["click>=8.1"])
    slicer_app.dialogs.answers = [qt.QMessageBox.Cancel]
    sample.ui.detectButton.click()
    assert not sample.panel.detect.running
    assert len(slicer_app.dialogs.shown) == 1
    assert "Download" in slicer_app.dialogs.texts[0]
    assert sample.ui.outcomeLabel.text


def test_an_installation_that_fails_says_how_to_do_it_by_hand(sample, slicer_app, monkeypatch):
    from AnomalyDetectionLib.panel import first_run

    def fails(missing, *, ask, progress):
        raise first_run.InstallationError("No network.", "fetch these wheels")

    monkeypatch.setattr(first_run, "missing_requirements", lambda: ["click>=8.1"])
    monkeypatch.setattr(first_run, "install", fails)
    sample.ui.detectButton.click()
    assert sample.ui.outcomeLabel.text == "No network."
    sample.ui.detailsButton.click()
    assert sample.ui.detailsText.plainText == "fetch these wheels"


# -- review


def test_selecting_a_row_jumps_every_view_to_the_finding(detected):
    import slicer
    from AnomalyDetectionLib.scene.result import centre_of

    row = detected.ui.findingsTable.rowCount - 1
    detected.ui.findingsTable.selectRow(row)
    number = numbers(detected)[row]
    assert detected.panel.review.selected == number
    centre = centre_of(detected.panel.result, number)
    for name in ("Red", "Green", "Yellow"):
        node = slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()
        to_ras = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())
        assert abs((centre - to_ras[:3, 3]) @ to_ras[:3, 2]) < 3.0, name
    assert detected.ui.reviewWidget.enabled


def test_the_first_finding_is_selected_after_a_run(detected):
    assert detected.panel.review.selected == numbers(detected)[0]
    assert not detected.ui.previousButton.enabled
    assert detected.ui.nextButton.enabled


def test_n_and_p_go_through_the_findings(detected, slicer_app):
    order = numbers(detected)
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
    from AnomalyDetectionLib.panel.review import CATEGORY

    count = len(numbers(detected))
    number = detected.panel.review.selected
    slicer_app.type("4")
    assert review_of(detected, number).category == 4
    assert "infarct" in cell(detected, CATEGORY, number)
    assert f"{count - 1} unreviewed" in detected.ui.findingsSummaryLabel.text
    slicer_app.type("0")
    assert review_of(detected, number).category == 0
    assert f"{count} unreviewed" in detected.ui.findingsSummaryLabel.text


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
    import qt

    number = detected.panel.review.selected
    buttons = detected.ui.categoryButtons.findChildren(qt.QPushButton)
    assert len(buttons) == 9
    next(button for button in buttons if "bone" in button.text).click()
    assert review_of(detected, number).category == 8
    assert [button.checked for button in buttons].count(True) == 1


def test_a_note_is_kept_and_keys_typed_into_it_do_nothing_else(detected, slicer_app):
    number = detected.panel.review.selected
    detected.ui.noteEdit.setFocus()
    detected.ui.noteEdit.setText("see prior, N 4")
    detected.ui.noteEdit.editingFinished.emit()
    assert review_of(detected, number).note == "see prior, N 4"
    assert review_of(detected, number).category == 0


def test_after_enter_in_a_note_the_keys_are_keys_again(detected):
    import qt

    number = detected.panel.review.selected
    detected.ui.noteEdit.setFocus()
    qt.QTest.keyClicks(detected.ui.noteEdit, "N 4")
    qt.QTest.keyClick(detected.ui.noteEdit, qt.Qt.Key_Return)
    assert review_of(detected, number).note == "N 4"
    assert detected.ui.findingsTable.hasFocus()


def test_a_note_that_is_being_typed_is_kept_when_the_findings_change(detected, slicer_app):
    import qt

    number = detected.panel.review.selected
    detected.ui.noteEdit.setFocus()
    qt.QTest.keyClicks(detected.ui.noteEdit, "half a")
    detected.ui.thresholdSlider.value = 4.0
    detected.panel.display.rederive()
    assert review_of(detected, number).note == "half a"
    qt.QTest.keyClicks(detected.ui.noteEdit, " note")
    detect(detected, slicer_app)
    assert review_of(detected, number).note == "half a note"


def test_findings_of_a_hint_are_hidden_and_come_back(detected, slicer_app):
    from AnomalyDetectionLib.panel.review import HINT, HINT_SHORT

    result, review = detected.panel.result, detected.panel.review
    before = numbers(detected)
    hint = review_of(detected, before[0]).hint
    of_hint = [number for number in before if review_of(detected, number).hint == hint]
    assert cell(detected, HINT, before[0]) == HINT_SHORT[hint]
    assert review_of(detected, before[0]).hint_evidence in detected.ui.hintLabel.text
    slicer_app.press("3")
    review._hint_boxes[hint].click()
    assert numbers(detected) == [number for number in before if number not in of_hint]
    assert f"{len(of_hint)} more hidden" in detected.ui.findingsSummaryLabel.text
    display = result.segmentation.GetDisplayNode()
    shown = [number for number in before if display.GetSegmentVisibility(f"Segment_{number}")]
    assert shown == numbers(detected)
    slicer_app.press("N")
    assert review.selected == numbers(detected)[0]
    review._hint_boxes[hint].click()
    assert numbers(detected) == before
    assert review_of(detected, before[0]).category == 3


def test_what_is_hidden_is_remembered_with_its_result(detected, slicer_app, tmp_path):
    review = detected.panel.review
    hint = review_of(detected, numbers(detected)[0]).hint
    review._hint_boxes[hint].click()
    shown, own = numbers(detected), detected.ui.thresholdSlider.value
    detected.ui.thresholdSlider.value = own + 0.4
    detected.panel.display.rederive()
    assert hint not in {review_of(detected, number).hint for number in numbers(detected)}
    detected.ui.thresholdSlider.value = own
    detected.panel.display.rederive()
    assert numbers(detected) == shown
    assert not review._hint_boxes[hint].checked


def test_keys_do_nothing_when_another_module_is_open(detected, slicer_app):
    number = detected.panel.review.selected
    slicer_app.leave()
    slicer_app.type("N")
    slicer_app.type("4")
    assert detected.panel.review.selected == number
    assert review_of(detected, number).category == 0


# -- display


def test_the_threshold_slider_derives_anew_and_keeps_reviews(detected, slicer_app):
    from AnomalyDetectionLib.scene.result import settings_of

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


def test_the_minimum_size_says_its_volume_and_drops_small_findings(detected, slicer_app):
    from AnomalyDetectionLib.scene.result import settings_of

    before = numbers(detected)
    detected.ui.minimumSizeSlider.value = 30
    assert "ml" in detected.ui.minimumVolumeLabel.text
    slicer_app.wait(lambda: settings_of(detected.panel.result)[1] == 30, 5)
    assert len(numbers(detected)) < len(before)


def test_a_threshold_says_what_it_means_where_the_model_knows(detected):
    from AnomalyDetectionLib.model.rates import RateCurve, plain
    from AnomalyDetectionLib.panel.review import RATE
    from AnomalyDetectionLib.scene.result_record import read_record, record_text

    panel, ui = detected.panel, detected.ui

    def tell(rates):
        record = read_record(panel.result.record)
        scores = {**record.scores, "rates": rates}
        panel.result.record.SetText(record_text(dataclasses.replace(record, scores=scores)))

    tell(None)
    ui.minimumSizeSlider.value = 2.0
    ui.thresholdSlider.value = 4.5
    panel.display.rederive()
    assert ui.normalRateLabel.text == ""
    assert ui.findingsTable.isColumnHidden(RATE)
    tell(plain(RateCurve(np.array([1.0, 7.0]), np.array([64.0, 1.0]), 10, 2, 0.5)))
    ui.thresholdSlider.value = 4.0
    assert ui.normalRateLabel.text.startswith("about 8.0 findings in a normal scan")
    ui.thresholdSlider.value = 5.0
    assert ui.normalRateLabel.text.startswith("about 4.0 findings in a normal scan")
    panel.display.rederive()
    assert not ui.findingsTable.isColumnHidden(RATE)
    assert all(review_of(detected, number).per_normal_scan <= 4.0 for number in numbers(detected))
    assert "A normal scan has about" in ui.findingsTable.item(0, RATE).toolTip()
    ui.minimumSizeSlider.value = 8.0
    assert ui.normalRateLabel.text.startswith("at most about 4.0")
    ui.minimumSizeSlider.value = 1.0
    assert ui.normalRateLabel.text.startswith("more than 4.0")


def test_each_result_keeps_its_own_threshold(detected, slicer_app):
    from AnomalyDetectionLib.scene.result import settings_of

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
    from AnomalyDetectionLib.panel import display

    monkeypatch.setattr(display, "settings_of", lambda result: (3.0, 2))
    detected.panel.display.take(detected.panel.result)
    assert detected.ui.thresholdSlider.minimum == 0.5
    monkeypatch.setattr(display, "settings_of", lambda result: (0.3, 4))
    detected.panel.display.take(detected.panel.result)
    assert detected.ui.thresholdSlider.value == 0.3
    assert detected.ui.thresholdSlider.minimum < 0.1


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
    import qt

    button = detected.ui.hideOverlayButton
    qt.QTest.mousePress(button, qt.Qt.LeftButton)
    assert composite("Red").GetForegroundVolumeID() is None
    qt.QTest.mouseRelease(button, qt.Qt.LeftButton)
    assert composite("Red").GetForegroundVolumeID() == detected.panel.result.score.GetID()


def test_side_by_side_and_back(detected):
    import slicer

    manager = slicer.app.layoutManager()
    before = manager.layout
    assert not detected.ui.layoutBackButton.enabled
    detected.ui.sideBySideButton.click()
    assert manager.sliceViewNames() == ["AnomalyT1", "AnomalyFLAIR"]
    result = detected.panel.result
    assert composite("AnomalyT1").GetBackgroundVolumeID() == result.t1.GetID()
    assert composite("AnomalyT1").GetForegroundVolumeID() is None
    assert composite("AnomalyFLAIR").GetBackgroundVolumeID() == result.flair.GetID()
    assert composite("AnomalyFLAIR").GetForegroundVolumeID() == result.score.GetID()
    assert detected.ui.layoutBackButton.enabled
    detected.ui.layoutBackButton.click()
    assert manager.layout == before
    assert not detected.ui.layoutBackButton.enabled


def test_side_by_side_works_before_a_run(sample):
    import slicer

    sample.ui.sideBySideButton.click()
    assert slicer.app.layoutManager().sliceViewNames() == ["AnomalyT1", "AnomalyFLAIR"]


# -- export


def test_everything_is_exported(detected, slicer_app, tmp_path):
    folder = tmp_path / "out é"
    folder.mkdir()
    slicer_app.dialogs.paths = [folder / "a.seg.nrrd", folder / "b", folder / "c.csv", folder]
    for button in ("Segmentation", "Labels", "Table", "Pictures"):
        getattr(detected.ui, f"export{button}Button").click()
        assert detected.ui.exportMessageLabel.text.startswith("Written"), detected.ui.exportMessageLabel.text
    assert (folder / "a.seg.nrrd").stat().st_size > 1000
    assert (folder / "b.nii.gz").stat().st_size > 1000
    lines = (folder / "c.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + len(numbers(detected))
    assert len(list(folder.rglob("*.png"))) == len(numbers(detected))


def test_a_report_is_exported_with_the_review_and_without_names_if_wanted(detected, slicer_app, tmp_path):
    from AnomalyDetectionLib.scene.result import provenance_of

    detected.panel.review.select(1)
    detected.panel.review.set_category(4)
    slicer_app.dialogs.paths = [tmp_path / "open", tmp_path / "anonymous.html"]
    detected.ui.exportReportButton.click()
    assert detected.ui.exportMessageLabel.text.endswith("open.html"), detected.ui.exportMessageLabel.text
    detected.ui.anonymousReportCheckBox.click()
    detected.ui.exportReportButton.click()
    text = (tmp_path / "open.html").read_text("utf-8")
    anonymous = (tmp_path / "anonymous.html").read_text("utf-8")
    assert "infarct, not known before" in text
    name = provenance_of(detected.panel.result)["inputs"]["flair"]["volume"]
    assert name in text
    assert name not in anonymous


def test_a_report_says_whose_it_is_where_slicer_has_the_dicom_files(
    detected, slicer_app, tmp_path, monkeypatch
):
    import types

    import slicer
    from made_dicom import classic_series

    flair = detected.panel.result.flair
    image = sitk.Image(16, 16, 3, sitk.sitkFloat32)
    file = classic_series(tmp_path / "series", image)[0]
    flair.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    files = {"1.2.3": str(file), "1.2.4": str(file)}
    database = types.SimpleNamespace(isOpen=True, fileForInstance=lambda uid: files.get(uid, ""))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    slicer_app.dialogs.paths = [tmp_path / "known.html", tmp_path / "gone.html"]
    detected.ui.exportReportButton.click()
    files.pop("1.2.4")  # no longer in the database
    detected.ui.exportReportButton.click()
    assert "Doe, Jane" in (tmp_path / "known.html").read_text("utf-8")
    assert "do not say whose" in (tmp_path / "gone.html").read_text("utf-8")


def test_findings_go_out_as_dicom_objects_that_refer_to_the_flairs_images(
    detected, slicer_app, tmp_path, monkeypatch
):
    pytest.importorskip("highdicom", reason="highdicom is not installed")
    from AnomalyDetectionLib.reporting.dicom_objects import REPORT, SEGMENTATION
    from AnomalyDetectionLib.scene.volumes import image_of
    from made_dicom import classic_series

    from panel.stand_ins.dicom import DicomDatabase, use

    flair = detected.panel.result.flair
    slicer_app.dialogs.paths = [tmp_path]
    detected.ui.exportDicomButton.click()
    assert "was not loaded from Slicer's DICOM database" in detected.ui.exportMessageLabel.text

    database = DicomDatabase(classic_series(tmp_path / "flair", image_of(flair)))
    use(database, monkeypatch)
    flair.SetAttribute("DICOM.instanceUIDs", " ".join(database.files))
    slicer_app.dialogs.paths = [tmp_path, tmp_path]
    detected.ui.exportDicomButton.click()
    assert detected.ui.exportMessageLabel.text.startswith("Written"), detected.ui.exportMessageLabel.text
    (folder,) = tmp_path.glob("*_DICOM")
    assert sorted(file.name for file in folder.iterdir()) == [SEGMENTATION, REPORT]
    assert database.imported == []
    slicer_app.app.applicationLogic().GetUserInformation().SetName("Ann Reader")
    detected.panel.review.select(1)
    detected.panel.review.set_category(4)
    detected.ui.dicomDatabaseCheckBox.checked = True
    detected.ui.exportDicomButton.click()
    assert b"Ann Reader" in (folder / REPORT).read_bytes()
    assert "Added to Slicer's DICOM database" in detected.ui.exportMessageLabel.text
    assert database.imported == [(str(folder), True)]
    database.isOpen = False
    slicer_app.dialogs.paths = [tmp_path]
    detected.ui.exportDicomButton.click()
    assert "was not loaded from" in detected.ui.exportMessageLabel.text


def test_a_chooser_that_is_cancelled_writes_nothing(detected, tmp_path):
    detected.ui.exportTableButton.click()
    assert detected.ui.exportMessageLabel.text == ""


def test_an_export_that_fails_says_so(detected, slicer_app, tmp_path):
    (tmp_path / "a file").touch()
    slicer_app.dialogs.paths = [tmp_path / "a file" / "c.csv"]
    detected.ui.exportTableButton.click()
    assert detected.ui.exportMessageLabel.text
    assert not detected.ui.exportMessageLabel.text.startswith("Written")


# -- the scene and the module


def test_closing_the_scene_empties_the_panel(detected, slicer_app):
    slicer_app.close_scene()
    slicer_app.app.processEvents()
    assert detected.ui.findingsTable.rowCount == 0
    assert not detected.ui.detectButton.enabled
    assert detected.panel.result is None
    detected.ui.loadSampleButton.click()
    assert detected.ui.detectButton.enabled


def test_closing_the_scene_ends_a_run(sample, engine, slicer_app, tmp_path):
    engine("slow")
    sample.ui.detectButton.click()
    slicer_app.wait((tmp_path / "processes.txt").exists)
    slicer_app.close_scene()
    for process in (tmp_path / "processes.txt").read_text().split():
        assert not is_alive(int(process))
    assert leftovers(slicer_app) == []


def test_a_saved_scene_opens_with_result_and_review(detected, slicer_app, tmp_path):
    import slicer

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


def test_a_run_that_ends_while_another_module_is_open_brings_its_result(sample, engine, slicer_app):
    engine("replay")
    sample.ui.detectButton.click()
    slicer_app.leave()
    slicer_app.wait(lambda: not sample.panel.detect.running, 240)
    slicer_app.open(slicer_app.app.moduleManager().module("AnomalyDetection"))
    assert sample.panel.result is not None
    assert sample.ui.findingsTable.rowCount > 0


def test_opening_a_scene_leaves_its_views_as_they_were_saved(detected, slicer_app, tmp_path):
    detected.ui.showOverlayCheckBox.checked = False
    slicer_app.save_scene(tmp_path / "study.mrb")
    slicer_app.open_scene(tmp_path / "study.mrb")
    slicer_app.rest()
    assert composite("Red").GetForegroundVolumeID() is None
    assert not detected.ui.showOverlayCheckBox.checked
    assert detected.panel.review.selected is None  # nobody has gone to a finding yet


def test_the_widgets_follow_one_parameter_node_at_a_time(detected, slicer_app):
    before = detected._parameterNode
    slicer_app.close_scene()
    detected.ui.showOutlinesCheckBox.checked = False
    assert detected._parameterNode is not before
    assert detected._parameterNode.showOutlines is False
    assert not before._guis


def test_a_double_click_starts_one_run(sample, engine, slicer_app, monkeypatch):
    import slicer

    engine("slow")
    started, start = [], sample.panel.start
    monkeypatch.setattr(sample.panel, "start", lambda *a, **k: started.append(1) or start(*a, **k))
    enter = slicer.util.WaitCursor.__enter__

    def click_again(cursor):
        sample.ui.detectButton.click()
        return enter(cursor)

    monkeypatch.setattr(slicer.util.WaitCursor, "__enter__", click_again)
    sample.ui.detectButton.click()
    assert started == [1]
    sample.ui.cancelButton.click()


def test_a_scene_with_a_result_is_added_to_one_that_has_one(detected, slicer_app, tmp_path):
    import slicer
    from AnomalyDetectionLib.scene.result import results_in

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
    from AnomalyDetectionLib.scene.result import rederive, settings_of

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


def test_the_module_is_reloaded_over_a_result(detected, slicer_app):
    import slicer

    before = numbers(detected)
    slicer_app.type("4")
    slicer.util.reloadScriptedModule("AnomalyDetection")
    fresh = slicer.modules.AnomalyDetectionWidget
    assert fresh is not detected
    fresh.parent.enter()
    assert numbers(fresh) == before
    assert review_of(fresh, before[0]).category == 4
    slicer_app.type("N")  # once, not once for each panel
    assert fresh.panel.review.selected in (before[0], before[1])


def test_removing_the_result_empties_the_review(detected, slicer_app):
    import slicer

    slicer.mrmlScene.RemoveNode(detected.panel.result.score)
    slicer_app.app.processEvents()
    assert detected.panel.result is None
    assert detected.ui.findingsTable.rowCount == 0
    assert not detected.ui.exportTableButton.enabled


@pytest.mark.parametrize("part", ["segmentation", "table"])
def test_a_result_that_lost_a_part_says_so_and_can_be_run_again(part, detected, slicer_app, engine):
    import slicer

    slicer.mrmlScene.RemoveNode(getattr(detected.panel.result, part))
    slicer_app.rest()
    assert detected.panel.result is None
    assert "deleted" in detected.ui.findingsSummaryLabel.text
    assert detected.ui.detectButton.enabled
    detect(detected, slicer_app)
    assert detected.panel.result is not None
    assert detected.ui.findingsTable.rowCount > 0


def test_hidden_images_of_a_patient_go_with_the_scores(detected, slicer_app):
    import slicer

    result = detected.panel.result
    hidden = [
        result.prepared_t1,
        result.prepared_flair,
        result.patch_scores,
        result.brain,
        result.prepared_brain,
    ]
    slicer.mrmlScene.RemoveNode(result.table)  # an incomplete result can still be removed by its scores
    slicer_app.rest()
    assert all(node.GetScene() is not None for node in hidden)
    slicer.mrmlScene.RemoveNode(result.score)
    slicer_app.rest()
    assert not any(node.GetScene() for node in hidden)


def test_a_script_gets_score_and_segmentation(sample, engine):
    import slicer

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


# -- beside a finding: the most similar normal tissue


@pytest.fixture
def with_normal_tissue(detected, tmp_path):
    """The panel with a result whose model has a library of normal patches, and that model's file."""
    from AnomalyDetectionLib.model.model_file import save_model
    from normal_tissue import a_model_with_library

    path = tmp_path / "mine.safetensors"
    save_model(a_model_with_library(), path)
    made_by(detected, path)
    return detected, path


def made_by(widget, path):
    """Let the result say that this model made it."""
    import dataclasses
    import hashlib

    from AnomalyDetectionLib.scene.result_record import read_record, record_text

    node = widget.panel.result.record
    model = {"name": "mine", "file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    record = dataclasses.replace(read_record(node), provenance={"model": model})
    node.SetText(record_text(record))
    widget.panel.review.refill()


def drawn(widget):
    """The picture in the label, as Qt shows it: an array (rows, columns, 4)."""
    import qt

    label = widget.ui.nearestLabel
    document = qt.QTextDocument()
    document.setHtml(label.text)
    url = label.text.split('src="')[1].split('"')[0]
    image = document.resource(qt.QTextDocument.ImageResource, qt.QUrl(url)).toImage()
    image = image.convertToFormat(qt.QImage.Format_RGBA8888)
    return np.array(image.constBits()).reshape(image.height(), image.width(), 4)


def test_a_finding_is_shown_beside_the_most_similar_normal_tissue(with_normal_tissue):
    widget, _path = with_normal_tissue
    label = widget.ui.nearestLabel
    assert visible(label)
    assert "Most similar normal tissue" in label.text
    first = drawn(widget)
    assert first.shape[1] > 300
    assert first[..., :3].std() > 20
    widget.panel.review.next()
    assert (drawn(widget) != first).any()


def test_it_follows_the_threshold(with_normal_tissue):
    widget, _path = with_normal_tissue
    widget.ui.thresholdSlider.value = 50.0
    widget.panel.display.rederive()
    assert not visible(widget.ui.nearestLabel), "no finding, nothing beside it"
    widget.ui.thresholdSlider.value = 2.0
    widget.panel.display.rederive()
    widget.panel.review.select(numbers(widget)[-1])
    assert drawn(widget).size


def test_without_the_models_file_a_sentence_says_so(with_normal_tissue):
    widget, path = with_normal_tissue
    path.unlink()
    widget.panel.review.next()
    assert "not here any more" in widget.ui.nearestLabel.text
    assert "<img" not in widget.ui.nearestLabel.text


def test_without_a_package_that_draws_a_sentence_says_so(with_normal_tissue, monkeypatch):
    widget, _path = with_normal_tissue
    for name in [name for name in sys.modules if name == "PIL" or name.startswith("PIL.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    widget.panel.review.next()
    assert "PIL is not installed" in widget.ui.nearestLabel.text


def test_it_is_there_in_a_scene_that_was_saved_and_opened(with_normal_tissue, slicer_app, tmp_path):
    widget, _path = with_normal_tissue
    before = drawn(widget)
    slicer_app.save_scene(tmp_path / "study.mrb")
    slicer_app.open_scene(tmp_path / "study.mrb")
    slicer_app.app.processEvents()
    widget.panel.review.select_first()
    assert (drawn(widget) == before).all()


# -- what PythonQt refuses and PySide6 does not


def panel_sources():
    return [MODULE, *sorted(PANEL.glob("*.py"))]


@pytest.mark.parametrize("path", panel_sources(), ids=lambda path: path.name)
def test_no_qt_object_is_made_with_keywords(path):
    wrong = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in ("qt", "ctk") and node.keywords:
                wrong.append(f"{path.name}:{node.lineno}")
    assert not wrong


def test_no_widget_is_given_an_attribute_that_it_has_not(detected):
    import qt

    widgets = detected.parent.findChildren(qt.QWidget)
    kinds = {"qt", "PySide6.QtWidgets"}
    strange = [
        (widget.objectName, name)
        for widget in widgets
        if type(widget).__module__ in kinds
        for name, value in getattr(widget, "__dict__", {}).items()
        if type(value).__name__ != "SignalInstance"
    ]
    assert not strange


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().split(")")[-1].split()[0] == "Z")
