"""The row "Earlier result": compared in the background, said of each finding, the earlier scan beside the later one."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import qt
import slicer
from AnomalyDetectionLib.panel import comparison_section, slicer_python
from AnomalyDetectionLib.panel.findings_view import BEFORE
from AnomalyDetectionLib.scene.comparison_nodes import comparison_of
from AnomalyDetectionLib.scene.view_layout import FLAIR_VIEW, T1_VIEW
from result_in_scene import a_result
from scene.test_comparison_in_scene import two_results
from slicer_scene import SlicerScene

from panel.at_the_panel import cell, composite


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    before, now = two_results(tmp_path_factory.mktemp("earlier and later"))
    return whose(before, study_date="20210407"), whose(now, study_date="20240131")


def whose(folder, **identity):
    """A result that says so, as one of DICOM images would."""
    record = json.loads((folder / "findings.json").read_text("utf-8"))
    record["identity"] = {"patient_id": "4711", "name": "Doe^Jane", **record.get("identity", {}), **identity}
    (folder / "findings.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


@pytest.fixture
def compared(panel, folders, slicer_app, monkeypatch):
    """The panel with the later result, compared with the earlier folder by the real engine."""
    find = comparison_section.find_image

    def waits(*arguments):
        assert qt.QApplication.overrideCursor() is not None, "hashing an image takes a second"
        return find(*arguments)

    monkeypatch.setattr(comparison_section, "find_image", waits)
    monkeypatch.setattr(panel.panel.detect, "installed", lambda: True)
    assert panel.panel.folders.open(folders[1])
    slicer_app.dialogs.paths.append(str(folders[0]))
    selector = panel.ui.earlierSelector
    selector.currentIndex = selector.count - 1
    assert panel.panel.earlier.running
    assert "being aligned" in panel.ui.changeLabel.text
    slicer_app.wait(lambda: not panel.panel.earlier.running, 120)
    return panel


def test_each_finding_reads_what_has_become_of_it_with_both_volumes(compared):
    assert cell(compared, BEFORE, 1).startswith("= ")
    assert cell(compared, BEFORE, 2).startswith("new")
    assert not compared.ui.findingsTable.isColumnHidden(BEFORE)
    compared.panel.review.select(2)
    first, second, *_ = compared.ui.changeLabel.text.splitlines()
    assert first.startswith("New: ")
    assert second == "Since 2021/before: 1 new, 2 known, 1 gone"
    compared.panel.review.select(1)
    text = compared.ui.changeLabel.text
    assert text.startswith("Known: ")
    assert " ml, before " in text


def label_of(view):
    return slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLSliceNode").GetLayoutLabel()


def test_the_earlier_scan_is_there_beside_the_later_one_by_itself_and_the_t1_again(compared):
    result, button = compared.panel.result, compared.ui.earlierBesideButton
    assert button.enabled
    assert button.checked
    shown = slicer.mrmlScene.GetNodeByID(composite(T1_VIEW).GetBackgroundVolumeID())
    assert shown.GetName().startswith("Earlier FLAIR 2021-04-07")
    assert composite(T1_VIEW).GetLinkedControl()
    assert composite(T1_VIEW).GetForegroundVolumeID() is None
    assert (label_of(T1_VIEW), label_of(FLAIR_VIEW)) == ("2021-04-07", "2024-01-31")
    assert not shown.GetScalarVolumeDisplayNode().GetAutoWindowLevel()
    button.click()
    assert not button.checked
    assert composite(T1_VIEW).GetBackgroundVolumeID() == result.shown_t1.GetID()
    assert (label_of(T1_VIEW), label_of(FLAIR_VIEW)) == ("T1", "FL")
    button.click()
    assert composite(T1_VIEW).GetBackgroundVolumeID() == shown.GetID()
    compared.panel.show(result)  # with its T1
    assert not button.checked
    assert label_of(T1_VIEW) == "T1"


def test_in_a_layout_that_is_kept_it_waits_to_be_asked_for(panel, folders, slicer_app, monkeypatch):
    monkeypatch.setattr(panel.panel.detect, "installed", lambda: True)
    panel.ui.keepLayoutCheckBox.click()
    layout = slicer.app.layoutManager().layout
    assert panel.panel.folders.open(folders[1])
    panel.panel.earlier.compare(folders[0])
    slicer_app.wait(lambda: not panel.panel.earlier.running, 120)
    assert slicer.app.layoutManager().layout == layout
    assert not panel.ui.earlierBesideButton.checked
    panel.ui.earlierBesideButton.click()
    assert label_of(T1_VIEW) == "2021-04-07"


def test_another_patients_result_is_no_earlier_one(panel, folders, slicer_app, monkeypatch, tmp_path):
    monkeypatch.setattr(panel.panel.detect, "installed", lambda: True)
    other = whose(shutil.copytree(folders[0], tmp_path / "other"), patient_id="99")
    assert panel.panel.folders.open(folders[1])
    panel.panel.earlier.compare(other)
    slicer_app.wait(lambda: not panel.panel.earlier.running, 120)
    assert "different patients (PatientID '99' and '4711')" in panel.ui.changeLabel.text


def test_with_another_threshold_it_is_to_be_compared_again(compared):
    compared.ui.thresholdSlider.value = 5.5
    compared.panel.display.rederive()
    compared.panel.review.select(1)
    assert "compare again" in compared.ui.changeLabel.text


def test_closing_the_patient_takes_the_earlier_scan_along(compared):
    compared.panel.folders.close()
    assert not slicer.util.getNodesByClass("vtkMRMLVolumeNode")
    assert compared.ui.changeLabel.text == ""


def test_what_cannot_be_compared_is_said(panel, folders, slicer_app, tmp_path, monkeypatch):
    monkeypatch.setattr(panel.panel.detect, "installed", lambda: True)
    panel.panel.folders.open(folders[1])
    panel.panel.earlier.compare(tmp_path)
    slicer_app.wait(lambda: not panel.panel.earlier.running, 120)
    assert "holds no result" in panel.ui.changeLabel.text
    assert "holds no result" in panel.ui.detailsText.plainText


def test_a_comparison_with_findings_that_were_detected_anew_meanwhile_is_not_kept(
    panel, folders, slicer_app, monkeypatch
):
    monkeypatch.setattr(panel.panel.detect, "installed", lambda: True)
    assert panel.panel.folders.open(folders[1])
    result = panel.panel.result
    panel.panel.earlier.compare(folders[0])
    inputs = {"t1": result.t1, "flair": result.flair, "replace": result}
    a_result(SlicerScene(slicer_app.scene, slicer_app.logics), {(3, 16, 8): 5.0}, **inputs)
    slicer_app.wait(lambda: not panel.panel.earlier.running, 120)
    assert "compare again" in panel.ui.changeLabel.text
    assert comparison_of(result) is None


def test_a_comparison_ends_with_its_patient(panel, folders, slicer_app, monkeypatch):
    monkeypatch.setattr(panel.panel.detect, "installed", lambda: True)
    slow = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(slicer_python, "python_command", lambda: slow)
    panel.panel.folders.open(folders[1])
    panel.panel.earlier.compare(folders[0])
    assert panel.panel.earlier.running
    panel.panel.folders.close()
    assert not panel.panel.earlier.running
    assert not list(Path(slicer_app.app.temporaryPath).glob("AnomalyDetection-*"))
