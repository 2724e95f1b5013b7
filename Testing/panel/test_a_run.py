"""A run from the click to its result, or to the sentence that says why there is none."""

from __future__ import annotations

import pytest
import qt
import slicer
from AnomalyDetectionLib.panel import first_run, slicer_python
from AnomalyDetectionLib.scene import detection_job
from AnomalyDetectionLib.scene.result import provenance_of, results_in
from scene.in_the_scene import TURN, under

from panel.at_the_panel import (
    a_volume,
    detect,
    is_alive,
    leftovers,
    numbers,
    review_of,
    shown_in,
    visible,
)


def test_the_sample_goes_through_the_real_engine(sample, slicer_app):
    sample.ui.detectButton.click()
    assert visible(sample.ui.progressWidget)
    assert not sample.ui.detectButton.enabled
    assert "is running" in sample.ui.detectButton.toolTip
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
    assert result.score.GetName().startswith("Anomaly score (Simulated FLAIR), context, ")
    assert sample.ui.resultSelector.currentNode() is result.score
    assert sample.ui.findingsTable.rowCount >= 5
    assert result.segmentation.GetSegmentation().GetNumberOfSegments() == sample.ui.findingsTable.rowCount
    assert shown_in("Red") == (result.flair, result.score)
    assert 0.5 < slicer.util.arrayFromVolume(result.score).max() <= 1  # a probability
    assert provenance_of(result)["settings"]["scores_are_probabilities"] is True
    assert "infarct-like" in {review_of(sample, number).hint for number in numbers(sample)}
    assert leftovers(slicer_app) == []
    assert sample.ui.detectButton.enabled
    assert not visible(sample.ui.progressWidget)
    assert "; 0 of " in sample.ui.findingsSummaryLabel.text


def test_only_scalar_volumes_are_offered_and_no_result(detected):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    offered = detected.ui.flairSelector.texts()
    assert "labels" not in offered
    assert "Simulated FLAIR" in offered
    assert "labels" in detected.ui.brainMaskSelector.texts()


def test_running_again_updates_the_result(detected, slicer_app):
    before = slicer.mrmlScene.GetNumberOfNodes()
    score = detected.panel.result.score
    detect(detected, slicer_app)
    assert detected.panel.result.score is score
    assert len(results_in(slicer.mrmlScene)) == 1
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_second_result_is_added_when_asked_and_only_one_is_outlined_at_a_time(detected, slicer_app):
    def outlined():
        return [bool(one.segmentation.GetDisplayNode().GetVisibility()) for one in (first, second)]

    assert visible(detected.ui.addResultCheckBox)
    first = detected.panel.result
    detected.ui.addResultCheckBox.click()
    detect(detected, slicer_app)
    second = detected.panel.result
    assert len(results_in(slicer.mrmlScene)) == 2
    assert second.score is not first.score
    assert outlined() == [False, True]
    names = [text for text in detected.ui.resultSelector.texts() if "score" in text]
    assert len(set(names)) == 2, "told apart by model and time"
    assert all(name.startswith("Anomaly score (Simulated FLAIR), paper, ") for name in names)
    detected.ui.resultSelector.choose(first.score)
    assert detected.panel.result.score is first.score
    assert outlined() == [True, False]


def test_cancel_leaves_no_process_no_file_and_no_node(sample, engine, slicer_app, tmp_path):
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


def test_an_engine_that_fails_shows_its_sentence_in_the_panels_words_and_its_log(
    detected, engine, slicer_app
):
    ui, before = detected.ui, numbers(detected)
    engine("fail")
    detect(detected, slicer_app)
    assert '"Simulated T1" holds the same value everywhere' in ui.outcomeLabel.text
    assert "--t1" not in ui.outcomeLabel.text
    assert visible(ui.detailsButton)
    assert not visible(ui.detailsText)
    ui.detailsButton.click()
    assert visible(ui.detailsText)
    assert "a line of the log" in ui.detailsText.plainText
    assert leftovers(slicer_app) == []
    assert ui.detectButton.enabled
    assert numbers(detected) == before, "the earlier result stays"


@pytest.mark.parametrize(("what", "said"), [("die", "memory"), ("no-such-python", "no-such-python")])
def test_an_engine_that_is_killed_or_cannot_be_started_is_said_to_be(
    what, said, sample, engine, slicer_app, monkeypatch
):
    engine(what)
    if what != "die":
        monkeypatch.setattr(slicer_python, "python_command", lambda: [what])
    sample.ui.detectButton.click()
    slicer_app.wait(lambda: not sample.panel.detect.running)
    assert said in sample.ui.outcomeLabel.text
    assert sample.ui.detectButton.enabled


def test_a_folder_for_temporary_files_that_is_gone_is_said_for_these_volumes_only(sample, slicer_app):
    slicer_app.app.temporaryPath = "/no/such/folder"
    sample.ui.detectButton.click()
    assert not sample.panel.detect.running
    assert "temporary files" in sample.ui.outcomeLabel.text
    sample.ui.t1Selector.choose(a_volume("another T1"))
    assert sample.ui.outcomeLabel.text == ""


def test_a_result_that_cannot_be_read_is_said_and_the_button_comes_back(detected, slicer_app, monkeypatch):
    def damaged(folder):
        raise ValueError("score.nrrd is damaged")

    before = numbers(detected)
    monkeypatch.setattr(detection_job, "read_job_results", damaged)
    detect(detected, slicer_app)
    assert "score.nrrd is damaged" in detected.ui.outcomeLabel.text
    assert "Traceback" in detected.ui.detailsText.plainText
    assert detected.ui.detectButton.enabled
    assert not visible(detected.ui.progressWidget)
    assert numbers(detected) == before


@pytest.mark.parametrize(("box", "other"), [("flairSelector", "t1Selector"), ("t1Selector", "flairSelector")])
def test_an_input_that_is_removed_during_the_run_is_a_sentence_and_empties_its_box(
    box, other, sample, engine, slicer_app
):
    removed, kept = getattr(sample.ui, box), getattr(sample.ui, other)
    before = kept.currentNode()
    engine("replay")
    sample.ui.detectButton.click()
    slicer.mrmlScene.RemoveNode(removed.currentNode())
    for _ in range(2):  # also when the run has ended
        assert removed.currentNode() is None
        assert kept.currentNode() is before
        slicer_app.wait(lambda: not sample.panel.detect.running, 240)
    assert "removed" in sample.ui.outcomeLabel.text
    assert sample.panel.result is None


@pytest.mark.parametrize(
    "answer", [qt.QMessageBox.Yes, qt.QMessageBox.No], ids=["delete the rest", "keep it"]
)
@pytest.mark.parametrize("role", ["segmentation", "table", "record", "candidates"])
def test_a_part_of_the_earlier_result_that_is_deleted_during_the_run_takes_nothing_of_the_new_one(
    role, answer, detected, engine, slicer_app
):
    slicer_app.rest()
    detected.ui.detectButton.click()
    slicer_app.dialogs.answers.append(answer)
    slicer.mrmlScene.RemoveNode(getattr(detected.panel.result, role))
    slicer_app.wait(lambda: not detected.panel.detect.running, 60)
    slicer_app.rest()
    assert "Done" in detected.panel.detect.outcome.text
    result = detected.panel.result
    assert all(slicer.mrmlScene.IsNodePresent(node) for node in result.own_nodes)
    assert len(numbers(detected)) == result.segmentation.GetSegmentation().GetNumberOfSegments() > 0


def test_missing_packages_are_asked_for_once_and_a_no_starts_nothing(sample, slicer_app, monkeypatch):
    monkeypatch.setattr(first_run, "missing_requirements", lambda: ["click>=8.1"])
    slicer_app.dialogs.answers = [qt.QMessageBox.Cancel]
    sample.ui.detectButton.click()
    assert not sample.panel.detect.running
    assert len(slicer_app.dialogs.texts) == 1
    assert "Download" in slicer_app.dialogs.texts[0]
    assert sample.ui.outcomeLabel.text


def test_an_installation_that_fails_says_how_to_do_it_by_hand(sample, slicer_app, monkeypatch):
    def fails(missing, *, ask, progress):
        raise first_run.InstallationError("No network.", "fetch these wheels")

    monkeypatch.setattr(first_run, "missing_requirements", lambda: ["click>=8.1"])
    monkeypatch.setattr(first_run, "install", fails)
    sample.ui.detectButton.click()
    assert sample.ui.outcomeLabel.text == "No network."
    sample.ui.detailsButton.click()
    assert sample.ui.detailsText.plainText == "fetch these wheels"


@pytest.mark.parametrize("role", ["t1", "flair"])
@pytest.mark.parametrize("what", ["cropped", "mirrored", "moved"])
def test_a_result_is_not_shown_over_voxels_that_were_changed_during_the_run(
    what, role, sample, engine, slicer_app
):
    """Such as by cropping in place, or by hardening a transform that bends; one that only moves does not matter."""
    engine("replay")
    sample.ui.detectButton.click()
    node = getattr(sample.panel.parameters, role)
    voxels = slicer.util.arrayFromVolume(node).copy()
    if what == "moved":
        under(slicer_app.scene, TURN, node)
        node.HardenTransform()
    else:
        changed = voxels[2:] if what == "cropped" else voxels[:, ::-1]
        slicer.util.updateVolumeFromArray(node, changed.copy())
    slicer_app.wait(lambda: not sample.panel.detect.running, 60)
    assert (sample.panel.result is None) == (what != "moved")
    if what == "moved":
        assert "moved apart" in sample.panel.detect.outcome.text
    else:
        assert f'The voxels of "{node.GetName()}" were changed during' in sample.panel.detect.outcome.text
        assert results_in(slicer.mrmlScene) == []
