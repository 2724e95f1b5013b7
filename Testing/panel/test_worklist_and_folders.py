"""Result folders and the worklist in the panel: opened, reviewed, saved, the next patient, the table of all."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import qt
import slicer
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.panel import result_folders, slicer_python
from AnomalyDetectionLib.panel.worklist_section import WorklistSection
from AnomalyDetectionLib.reporting.dicom_objects import REPORT, SEGMENTATION
from AnomalyDetectionLib.reporting.worklist_file import Worklist, WorklistEntry, write_worklist
from AnomalyDetectionLib.scene.findings_table import CATEGORIES, rows
from made_dicom import MadeStudy
from made_result_folder import engine_files, result_folder, with_dicom_images
from PySide6 import QtCore, QtTest

from panel.at_the_panel import numbers, visible

ENGINE = Path(__file__).parent / "fake_worklist.py"


@pytest.fixture
def folder(tmp_path):
    return result_folder(tmp_path / "one" / "results")


@pytest.fixture
def studies(tmp_path):
    """Three studies that are analysed and one that is not, listed."""
    results = tmp_path / "studies" / "anomaly-detection"
    entries = []
    for name in ("a", "b", "c"):
        place, images = results / f"sub-{name}", tmp_path / "studies" / name
        patches = {} if name == "b" else {(5, 10, 6): 9.0, (5, 10, 7): 8.0}
        result_folder(place, patches, scan=f"sub-{name}", image_folder=images)
        t1, flair = (str(images / f"sub-{name}_{kind}.nii.gz") for kind in ("T1w", "FLAIR"))
        entries.append(
            WorklistEntry(
                name, f"sub-{name}", f"sub-{name}", t1, flair, "done", findings=0 if name == "b" else 1
            )
        )
    entries.append(WorklistEntry("d", "sub-d", "sub-d", state="failed", reason="no file is called FLAIR"))
    entries.append(WorklistEntry("e", "sub-e", "sub-e"))
    write_worklist(Worklist(tuple(entries), True), results)
    return results


@pytest.fixture
def listed(panel, studies, monkeypatch, slicer_app):
    """The panel with that list."""
    monkeypatch.setattr(slicer_python, "python_command", lambda: [sys.executable, str(ENGINE)])
    slicer_app.dialogs.paths.append(str(studies.parent))
    panel.ui.worklistFolderButton.click()
    slicer_app.wait(lambda: not panel.panel.worklist.running)
    return panel


def states(widget):
    table = widget.ui.worklistTable
    return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount)}


def volumes():
    return {node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLVolumeNode")}


def test_a_folder_is_reviewed_at_once_and_the_review_is_saved_by_itself(panel, folder, slicer_app):
    before = engine_files(folder)
    slicer_app.dialogs.paths.append(str(folder))
    panel.ui.openResultButton.click()
    assert numbers(panel) == [1, 2, 3]
    assert panel.panel.review.selected == 1
    assert panel.ui.thresholdSlider.enabled
    slicer_app.type("3")
    slicer_app.wait(lambda: (folder / "review.json").exists())
    assert json.loads((folder / "review.json").read_text())["reviewed"] == 1
    assert engine_files(folder) == before
    panel.panel.folders.close()
    assert volumes() == set()
    panel.panel.folders.open(folder)
    assert panel.panel.review._row().category == 3


def test_without_the_score_map_the_sliders_are_off_and_say_why(panel, tmp_path):
    panel.panel.folders.open(result_folder(tmp_path / "results", keep_scores=False))
    for slider in (panel.ui.thresholdSlider, panel.ui.minimumSizeSlider):
        assert not slider.enabled
        assert "--keep-scores" in slider.toolTip
    assert "--keep-scores" in panel.ui.worklistMessageLabel.text
    assert numbers(panel) == [1, 2, 3]


def test_what_is_to_be_known_of_an_opened_result_is_said_above_its_findings(panel, folder):
    record = json.loads((folder / "findings.json").read_text("utf-8"))
    record["quality"] = [{"code": "noise", "severity": "warning", "sentence": "The FLAIR is very noisy"}]
    (folder / "findings.json").write_text(json.dumps(record), "utf-8")
    assert panel.panel.folders.open(folder)
    assert "The FLAIR is very noisy." in panel.panel.detect.outcome.text


def test_an_opened_result_of_dicom_images_names_its_patient_and_goes_out_as_dicom(
    panel, folder, tmp_path, slicer_app
):
    with_dicom_images(folder, tmp_path / "DICOM", MadeStudy())
    assert panel.panel.folders.open(folder)
    assert panel.ui.studyLabel.text.startswith("Doe Jane, 2024-01-31, 4: ax FLAIR, paper, ")
    assert panel.ui.exportDicomButton.enabled
    slicer_app.type("3")
    (tmp_path / "out").mkdir()
    slicer_app.dialogs.paths.append(str(tmp_path / "out"))
    panel.ui.exportDicomButton.click()
    (written,) = (tmp_path / "out").glob("*_DICOM")
    assert {path.name for path in written.iterdir()} == {SEGMENTATION, REPORT}, (
        panel.ui.exportMessageLabel.text
    )
    assert pydicom.dcmread(written / SEGMENTATION, stop_before_pixels=True).PatientID == "ANON-1"


def test_without_dicom_images_the_button_says_that_they_are_what_is_missing(panel, folder):
    assert panel.panel.folders.open(folder)
    assert not panel.ui.exportDicomButton.enabled
    assert "was not loaded from DICOM images" in panel.ui.exportDicomButton.toolTip


def test_an_image_that_is_gone_is_asked_for(panel, folder, tmp_path, slicer_app):
    picked = tmp_path / "elsewhere.nii.gz"
    shutil.move(folder.parent / "FLAIR.nii.gz", picked)
    slicer_app.dialogs.paths.append(str(picked))
    assert panel.panel.folders.open(folder)
    assert "FLAIR of this result was moved or deleted" in slicer_app.dialogs.texts[-1]
    assert numbers(panel) == [1, 2, 3]


def test_who_does_not_pick_it_has_the_scene_as_it_was(panel, folder, tmp_path):
    (folder.parent / "FLAIR.nii.gz").unlink()
    assert not panel.panel.folders.open(folder)
    assert volumes() == set()


def test_what_is_no_result_is_said_where_one_looks(panel, tmp_path):
    panel.ui.worklistCollapsibleButton.collapsed = True
    assert not panel.panel.folders.open(tmp_path)
    assert "holds no result" in panel.ui.worklistMessageLabel.text
    assert not panel.ui.worklistCollapsibleButton.collapsed


def test_closing_the_scene_saves_the_review(panel, folder, slicer_app):
    panel.panel.folders.open(folder)
    slicer_app.type("4")
    slicer_app.close_scene()
    assert json.loads((folder / "review.json").read_text())["reviewed"] == 1
    assert panel.panel.folders.folder is None


def review_on_disk(folder):
    rows_there = json.loads((folder / "review.json").read_text())["rows"]
    return [("unreviewed", *CATEGORIES).index(row["category"]) for row in rows_there]


@pytest.mark.parametrize("how", ["opened", "reloaded", "outlines made again", "table made again"])
def test_the_review_of_a_folder_goes_on_being_saved_there_from_a_scene(
    how, panel, folder, slicer_app, tmp_path
):
    panel.panel.folders.open(folder)
    slicer_app.type("3")
    slicer_app.wait((folder / "review.json").exists)
    if how == "opened":
        slicer_app.save_scene(tmp_path / "study.mrb")
        slicer_app.open_scene(tmp_path / "study.mrb")
    elif how == "reloaded":
        slicer.util.reloadScriptedModule("AnomalyDetection")
        panel = slicer.modules.AnomalyDetectionWidget
    else:
        slicer_app.dialogs.answers.append(qt.QMessageBox.No)
        part = "table" if how == "table made again" else "segmentation"
        slicer_app.scene.RemoveNode(getattr(panel.panel.result, part))
    slicer_app.rest()
    before = engine_files(folder)
    panel.panel.review.select(2)
    slicer_app.type("4")
    slicer_app.wait(lambda: review_on_disk(folder) == [3, 4, 0])
    assert panel.panel.folders.folder == folder
    assert not list(folder.glob("review_*"))
    assert engine_files(folder) == before


def test_a_scene_shows_the_review_that_was_saved_in_its_folder_after_it(panel, folder, slicer_app, tmp_path):
    panel.panel.folders.open(folder)
    slicer_app.type("3")
    assert panel.panel.folders.save()
    slicer_app.save_scene(tmp_path / "monday.mrb")
    panel.panel.review.select(2)
    slicer_app.type("4")
    slicer_app.open_scene(tmp_path / "monday.mrb")
    slicer_app.rest()
    assert [row.category for row in rows(panel.panel.result.table)] == [3, 4, 0]
    slicer_app.close_scene()
    assert review_on_disk(folder) == [3, 4, 0]


@pytest.mark.parametrize("what", ["gone", "of a later run"])
def test_a_scene_whose_result_folder_is_no_longer_its_own_says_that_its_review_is_not_saved_there(
    what, panel, folder, slicer_app, tmp_path
):
    panel.panel.folders.open(folder)
    slicer_app.save_scene(tmp_path / "study.mrb")
    slicer_app.close_scene()
    if what == "gone":
        folder.rename(tmp_path / "elsewhere")
    else:
        result_folder(folder, {(5, 10, 6): 9.0})
    slicer_app.open_scene(tmp_path / "study.mrb")
    slicer_app.rest()
    assert "no longer saved in the result folder" in panel.panel.detect.outcome.text
    slicer_app.type("4")
    slicer_app.close_scene()
    assert not list(tmp_path.rglob("review.json"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is unwritable to root")
def test_a_folder_that_may_not_be_written_is_said(panel, folder, slicer_app):
    panel.panel.folders.open(folder)
    folder.chmod(0o500)
    try:
        slicer_app.type("4")
        assert not panel.panel.folders.save()
        assert "cannot be saved" in panel.ui.worklistMessageLabel.text
    finally:
        folder.chmod(0o700)


def test_what_was_drawn_under_another_module_is_in_the_review_when_the_scene_is_closed(
    panel, folder, slicer_app
):
    panel.panel.folders.open(folder)
    result = panel.panel.result
    slicer_app.leave()
    segment = result.segmentation.GetSegmentation().AddEmptySegment("", "missed", [1, 0, 0])
    drawn = np.zeros(slicer.util.arrayFromVolume(result.flair).shape, np.uint8)
    drawn[2, 2:5, 2:5] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(drawn, result.segmentation, segment, result.flair)
    slicer_app.close_scene()
    saved = json.loads((folder / "review.json").read_text())
    assert [row["edited"] for row in saved["rows"]].count("added") == 1


def test_a_review_that_cannot_be_saved_is_not_lost_without_a_question(panel, folder, slicer_app, monkeypatch):
    def refuse(*_, **__):
        raise InputError("The review cannot be saved.")

    panel.panel.folders.open(folder)
    slicer_app.type("4")
    monkeypatch.setattr(result_folders, "save_review", refuse)
    slicer_app.dialogs.answers.append(qt.QMessageBox.No)
    assert not panel.panel.folders.close()
    assert numbers(panel) == [1, 2, 3]
    slicer_app.dialogs.answers.append(qt.QMessageBox.Yes)
    assert panel.panel.folders.close()
    assert volumes() == set()


def test_the_list_says_how_far_each_study_is(listed):
    assert states(listed) == {
        "a": "1 finding",
        "b": "0 findings",
        "c": "1 finding",
        "d": "failed",
        "e": "waiting",
    }
    assert "FLAIR" in listed.ui.worklistTable.item(3, 1).toolTip()
    assert visible(listed.ui.worklistTable)


def test_the_next_patient_opens_with_one_key_and_the_one_before_is_saved_and_gone(listed, slicer_app):
    def shift_n():
        QtTest.QTest.keyClick(slicer_app.app.window, QtCore.Qt.Key_N, QtCore.Qt.ShiftModifier)
        slicer_app.app.processEvents()

    shift_n()
    assert listed.panel.result.flair.GetName() == "sub-a FLAIR"
    assert listed.ui.studyLabel.text.startswith("a, sub-a FLAIR, paper, "), "the study as the list calls it"
    slicer_app.type("3")
    assert listed.ui.findingsSummaryLabel.toolTip.endswith(": done. Shift+N: next patient.")
    shift_n()
    assert listed.panel.result.flair.GetName() == "sub-b FLAIR"
    assert not any(name.startswith("sub-a") for name in volumes())
    assert states(listed)["a"] == "reviewed (1)"
    shift_n()  # nothing was found in b: looked at is reviewed
    assert listed.panel.result.flair.GetName() == "sub-c FLAIR"
    assert states(listed)["b"] == "reviewed (0)"
    slicer_app.type("A")
    shift_n()
    assert "still to be analysed: 1" in listed.ui.worklistMessageLabel.text
    assert states(listed)["c"] == "reviewed (1)"


def test_a_study_whose_results_are_gone_is_said_and_does_not_bar_the_way_to_those_after_it(listed, studies):
    shutil.rmtree(studies / "sub-a")
    listed.panel.worklist.next()
    assert "sub-a is not a folder" in listed.ui.worklistMessageLabel.text
    for name in ("b", "c"):
        listed.panel.worklist.next()
        assert listed.panel.result.flair.GetName() == f"sub-{name} FLAIR"


def test_a_double_click_opens_a_study_or_says_why_there_is_none(listed):
    listed.ui.worklistTable.cellDoubleClicked.emit(2, 0)
    assert listed.panel.result.flair.GetName() == "sub-c FLAIR"
    listed.ui.worklistTable.cellDoubleClicked.emit(3, 0)
    assert listed.ui.worklistMessageLabel.text == "no file is called FLAIR"


def test_the_scene_does_not_grow_with_the_list(listed, slicer_app):
    worklist = listed.panel.worklist
    counts = []
    for _ in range(2):
        for entry in worklist.entries[:3]:
            assert worklist.open_study(entry)
            slicer_app.app.processEvents()
            counts.append(slicer.mrmlScene.GetNumberOfNodes())
    assert max(counts[3:]) <= max(counts[:3])


def test_all_reviews_become_a_table(listed, slicer_app, tmp_path):
    listed.panel.worklist.next()
    slicer_app.type("8")
    slicer_app.dialogs.paths.append(str(tmp_path / "all"))
    listed.ui.worklistTableButton.click()
    with (tmp_path / "all.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["study"], row["status"], row["category"]) for row in rows] == [
        ("a", "reviewed", "bone"),
        ("b", "not reviewed", ""),
        ("c", "not reviewed", ""),
        ("d", "failed", ""),
        ("e", "waiting", ""),
    ]


def test_detection_runs_in_the_background_and_can_be_stopped_and_gone_on_with(listed, slicer_app, studies):
    (studies.parent / "slow").touch()
    listed.ui.worklistRunButton.click()
    slicer_app.wait(lambda: states(listed)["e"] == "running")
    assert listed.ui.worklistRunButton.text == "Stop"
    assert listed.panel.worklist.open_study(listed.panel.worklist.entries[0])  # meanwhile one reads
    listed.ui.worklistRunButton.click()
    assert states(listed)["e"] == "waiting"
    assert "kept" in listed.ui.worklistMessageLabel.text
    (studies.parent / "slow").unlink()
    listed.ui.worklistRunButton.click()
    slicer_app.wait(lambda: not listed.panel.worklist.running)
    assert states(listed)["e"] == "failed"
    assert not list(Path(slicer_app.app.temporaryPath).glob("AnomalyDetection-*"))


def test_yesterdays_list_is_there_again(listed, slicer_app):
    listed.panel.worklist.stop()
    listed.ui.worklistTable.setRowCount(0)
    again = WorklistSection(listed.panel)
    assert again.entries == ()
    again._collapsed(False)
    assert len(again.entries) == 5


def test_an_engine_that_fails_is_said(panel, slicer_app, tmp_path, monkeypatch):
    monkeypatch.setattr(slicer_python, "python_command", lambda: [sys.executable, str(ENGINE)])
    (tmp_path / "fail").touch()
    panel.panel.worklist.open(tmp_path, tmp_path / "out")
    slicer_app.wait(lambda: not panel.panel.worklist.running)
    assert "holds no study" in panel.ui.worklistMessageLabel.text
    assert "a line of the log" in panel.ui.detailsText.plainText


def test_without_a_database_that_is_said(panel):
    panel.ui.worklistDatabaseButton.click()
    assert "no MR study" in panel.ui.worklistMessageLabel.text


class Database:
    """Slicer's DICOM database, as far as it is asked."""

    isOpen = True  # noqa: N815 (Slicer's name)

    def __init__(self, folder):
        self._folder = folder
        self.asked: set[str] = set()

    def patients(self):
        self.waited = qt.QApplication.overrideCursor() is not None
        return ["1"]

    def studiesForPatient(self, patient):  # noqa: N802
        return ["1.2.3", "1.2.4"]

    def seriesForStudy(self, study):  # noqa: N802
        return [f"{study}.1", f"{study}.2"]

    def filesForSeries(self, series):  # noqa: N802
        return [str(self._folder / series[:5] / series / f"{number}.dcm") for number in range(2)]

    def fileValue(self, file, tag):  # noqa: N802
        self.asked.add(Path(file).name)
        study = Path(file).parts[-3]
        values = {
            "0008,0060": "MR" if study == "1.2.3" else "CT",
            "0010,0010": "Doe^Jane",
            "0008,0020": "20240305",
        }
        return values.get(tag, "")


def test_the_mr_studies_of_slicers_database_become_a_list(panel, slicer_app, tmp_path, monkeypatch):
    database = Database(tmp_path / "dicom")
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    monkeypatch.setattr(slicer_python, "python_command", lambda: [sys.executable, str(ENGINE)])
    slicer_app.dialogs.paths.append(str(tmp_path / "results"))
    panel.ui.worklistDatabaseButton.click()
    slicer_app.wait(lambda: not panel.panel.worklist.running)
    assert json.loads((tmp_path / "results" / ".work" / "studies.json").read_text()) == [
        {"name": "Doe Jane 20240305", "folder": str(tmp_path / "dicom" / "1.2.3"), "study_uid": "1.2.3"}
    ]
    assert database.waited, "a large database takes seconds"
    assert database.asked == {"0.dcm"}, "a series has hundreds of files, and each takes a moment"
