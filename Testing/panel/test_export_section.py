"""What the Export section writes."""

from __future__ import annotations

import qt
import SimpleITK as sitk
from AnomalyDetectionLib.reporting.dicom_objects import REPORT, SEGMENTATION
from AnomalyDetectionLib.scene.result import provenance_of
from AnomalyDetectionLib.scene.volumes import image_of
from made_dicom import classic_series

from panel.at_the_panel import numbers
from panel.stand_ins.dicom import DicomDatabase, use


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


def test_pictures_of_two_patients_whose_scans_have_the_same_name_are_not_mixed(
    detected, slicer_app, tmp_path
):
    place = tmp_path / "exports"
    place.mkdir()
    slicer_app.dialogs.paths = [place] * 3
    detected.ui.exportPicturesButton.click()
    (folder,) = place.iterdir()
    own = {"mine.txt", "finding_001_arrow.png"}
    for name in own:
        (folder / name).touch()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    detected.ui.thresholdSlider.value = 6.0  # stands for another patient with fewer findings
    detected.panel.display.rederive()
    slicer_app.dialogs.answers.append(qt.QMessageBox.Cancel)
    detected.ui.exportPicturesButton.click()
    assert f"{folder} already exists" in slicer_app.dialogs.texts[-1]
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    detected.ui.exportPicturesButton.click()
    assert 0 < len(numbers(detected)) < len(before) - len(own)
    pictures = {f"finding_{number:03d}.png" for number in numbers(detected)}
    assert {path.name for path in folder.iterdir()} == pictures | own


def test_names_of_any_length_in_any_script_give_files(detected, slicer_app, tmp_path):
    detected.ui.thresholdSlider.value = 6.0  # fewer findings, fewer pictures
    detected.panel.display.rederive()
    names = ["脑部" * 200, "Ä" * 300 + ".", 'a"b/c\\d\n', "... ", "CT?*|<>:"]
    for place, name in enumerate(names):
        detected.panel.result.segmentation.SetName(name)
        folder = tmp_path / str(place)
        folder.mkdir()
        slicer_app.dialogs.paths = [folder]
        detected.ui.exportPicturesButton.click()
        assert detected.ui.exportMessageLabel.text.startswith("Written"), detected.ui.exportMessageLabel.text
        (made,) = folder.iterdir()
        assert not set('"/\\?*|<>:\n ') & set(made.name)
        assert not made.name.endswith(".")
        assert len(list(made.iterdir())) == len(numbers(detected))


def test_a_part_of_the_ending_that_was_typed_is_not_there_twice(detected, slicer_app, tmp_path):
    slicer_app.dialogs.paths = [tmp_path / "a.nrrd", tmp_path / "b.nii", tmp_path / "c.gz"]
    for button in ("Segmentation", "Labels", "Labels"):
        getattr(detected.ui, f"export{button}Button").click()
    assert sorted(path.name for path in tmp_path.glob("?.*")) == ["a.seg.nrrd", "b.nii.gz", "c.nii.gz"]


def test_a_report_is_exported_with_the_review_and_without_names_if_wanted(detected, slicer_app, tmp_path):
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
    flair = detected.panel.result.flair
    image = sitk.Image(16, 16, 3, sitk.sitkFloat32)
    file = classic_series(tmp_path / "series", image)[0]
    flair.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    database = DicomDatabase()
    database.files = {"1.2.3": str(file), "1.2.4": str(file)}
    use(database, monkeypatch)
    slicer_app.dialogs.paths = [tmp_path / "known.html", tmp_path / "gone.html"]
    detected.ui.exportReportButton.click()
    database.files.pop("1.2.4")  # no longer in the database
    detected.ui.exportReportButton.click()
    assert "Doe, Jane" in (tmp_path / "known.html").read_text("utf-8")
    assert "do not identify the patient" in (tmp_path / "gone.html").read_text("utf-8")


def test_findings_go_out_as_dicom_objects_that_refer_to_the_flairs_images(
    detected, slicer_app, tmp_path, monkeypatch
):
    flair = detected.panel.result.flair
    slicer_app.dialogs.paths = [tmp_path]
    assert not detected.ui.exportDicomButton.enabled
    assert "was not loaded from DICOM images" in detected.ui.exportDicomButton.toolTip

    database = DicomDatabase(classic_series(tmp_path / "flair", image_of(flair)))
    use(database, monkeypatch)
    flair.SetAttribute("DICOM.instanceUIDs", " ".join(database.files))
    detected.panel.refresh()
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
    assert "was not loaded from DICOM images" in detected.ui.exportMessageLabel.text


def test_a_chooser_that_is_cancelled_writes_nothing(detected, tmp_path):
    detected.ui.exportTableButton.click()
    assert detected.ui.exportMessageLabel.text == ""


def test_an_export_that_fails_says_so(detected, slicer_app, tmp_path):
    (tmp_path / "a file").touch()
    slicer_app.dialogs.paths = [tmp_path / "a file" / "c.csv"]
    detected.ui.exportTableButton.click()
    assert detected.ui.exportMessageLabel.text
    assert not detected.ui.exportMessageLabel.text.startswith("Written")
