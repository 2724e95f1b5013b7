"""The row "Earlier result": compared in the background, said of each finding, the earlier scan beside the later one."""

from __future__ import annotations

import sys

import pytest
from AnomalyDetectionLib.scene.layout import T1_VIEW
from made_result_folder import result_folder
from scene.test_comparison_in_scene import DEGREES, LATER, SCORES, head
from synthetic_study import FLAIR_GRID, rotated

from panel.at_the_panel import cell, composite


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("earlier and later")
    grid = rotated(FLAIR_GRID, DEGREES)
    earlier = {"t1": head(grid, DEGREES, 3), "flair": head(grid, DEGREES, 4)}
    later = {"t1": head(FLAIR_GRID, 0, 5), "flair": head(FLAIR_GRID, 0, 6)}
    return (
        result_folder(place / "2021" / "before", SCORES, images=earlier, degrees=DEGREES),
        result_folder(place / "2024" / "now", LATER, images=later),
    )


@pytest.fixture
def compared(panel, folders, slicer_app, monkeypatch):
    """The panel with the later result, compared with the earlier folder by the real engine."""
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
    from AnomalyDetectionLib.panel.findings_view import BEFORE

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


def test_the_earlier_scan_is_shown_beside_the_later_one_and_the_t1_again(compared):
    import slicer

    button = compared.ui.earlierBesideButton
    assert button.enabled
    button.click()
    shown = slicer.mrmlScene.GetNodeByID(composite(T1_VIEW).GetBackgroundVolumeID())
    assert shown.GetName().startswith("Earlier FLAIR")
    assert composite(T1_VIEW).GetLinkedControl()
    button.click()
    assert composite(T1_VIEW).GetBackgroundVolumeID() == compared.panel.result.shown_t1.GetID()


def test_with_another_threshold_it_is_to_be_compared_again(compared):
    compared.ui.thresholdSlider.value = 5.5
    compared.panel.display.rederive()
    compared.panel.review.select(1)
    assert "compare again" in compared.ui.changeLabel.text


def test_closing_the_patient_takes_the_earlier_scan_along(compared):
    import slicer

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


def test_a_comparison_ends_with_its_patient(panel, folders, slicer_app, monkeypatch):
    from pathlib import Path

    from AnomalyDetectionLib.panel import python

    monkeypatch.setattr(panel.panel.detect, "installed", lambda: True)
    slow = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(python, "python_command", lambda: slow)
    panel.panel.folders.open(folders[1])
    panel.panel.earlier.compare(folders[0])
    assert panel.panel.earlier.running
    panel.panel.folders.close()
    assert not panel.panel.earlier.running
    assert not list(Path(slicer_app.app.temporaryPath).glob("AnomalyDetection-*"))
