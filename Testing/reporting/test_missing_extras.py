"""First the result, then what is made of it: each of those fails in turn, and costs nothing else."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.commands.detect import detect
from AnomalyDetectionLib.detection.detection_settings import DetectionRequest, DetectionSettings
from AnomalyDetectionLib.detection.pipeline import run_detection
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.reporting import extras, results
from AnomalyDetectionLib.reporting.dicom_objects import dicom_source
from AnomalyDetectionLib.reporting.result_files import files_of_result
from AnomalyDetectionLib.reporting.results import write_results
from click.testing import CliRunner
from made_dicom import classic_series
from synthetic_head import SyntheticHead, axial_grid

RESULT = {
    *("anomaly_score.nii.gz", "suspected_anomalies.nii.gz", "suspected_anomalies.seg.nrrd"),
    *("findings.csv", "findings.json"),
}
PICTURES = {"overlay.png", "nearest_normal.png", "report.html"}
DICOM = {"suspected_anomalies.seg.dcm", "suspected_anomalies.sr.dcm"}


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A T1, a FLAIR and a brain mask; the FLAIR is DICOM."""
    folder = tmp_path_factory.mktemp("scan")
    grid = axial_grid((2.5, 2.5, 8.0), (70, 84, 20))
    study = SyntheticHead().study(grid, grid)
    sitk.WriteImage(study.t1.image, str(folder / "T1.nii.gz"))
    classic_series(folder / "FLAIR", study.flair.image, kind="FLAIR")
    sitk.WriteImage(study.brain_mask.image, str(folder / "mask.nii.gz"))
    return folder


@pytest.fixture(scope="module")
def detection(scan):
    """A run with findings and a library to compare them with."""
    plain = {"device": "cpu", "register": False, "bias_correction": False}
    settings = DetectionSettings(model="paper", threshold=0.5, **plain)
    images = (scan / name for name in ("T1.nii.gz", "FLAIR", "mask.nii.gz"))
    made = run_detection(DetectionRequest(*images, settings=settings))
    assert made.findings.items
    return made


@pytest.fixture(scope="module")
def source(detection):
    """The FLAIR's DICOM images."""
    pytest.importorskip("highdicom", reason="highdicom is not installed")
    return dicom_source(detection.study.flair.files)


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def record_of(folder: Path) -> dict:
    return json.loads((folder / "findings.json").read_text("utf-8"))


def shown_in(folder: Path) -> set[str]:
    """Without what a run works on at the moment."""
    return {path for path in files_in(folder) if not path.startswith(".")}


@pytest.fixture
def fail(monkeypatch):
    """Lets a function, that which draws the report by default, raise an error."""

    def failing(error, name="AnomalyDetectionLib.reporting.report.report_html"):
        def raise_it(*_args, **_keywords):
            raise error

        monkeypatch.setattr(name, raise_it)

    return failing


PARTS = {
    "score map": (results.__name__, "write_stored", {"score_map/"}),
    "overlay": ("AnomalyDetectionLib.reporting.overlay_picture", "draw_overlay", {"overlay.png"}),
    "nearest": ("AnomalyDetectionLib.reporting.nearest_picture", "draw_nearest", {"nearest_normal.png"}),
    "report": ("AnomalyDetectionLib.reporting.report", "report_html", {"report.html"}),
    "DICOM SEG": ("AnomalyDetectionLib.reporting.dicom_segmentation", "segmentation_of", DICOM),
    "DICOM SR": ("AnomalyDetectionLib.reporting.dicom_report", "report_of", DICOM),
}
ERRORS = {
    "its own": (IndexError("too many\nindices"), "IndexError: too many indices"),
    "memory": (MemoryError(), "memory ran out"),
    "package": (ModuleNotFoundError("No module named 'PIL'", name="PIL"), "PIL is not installed"),
    "disk": (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "disk is full"),
}


@pytest.mark.parametrize("part", PARTS)
def test_what_cannot_be_made_is_missing_and_said_and_all_else_is_there(
    part, detection, source, tmp_path, monkeypatch
):
    module, name, lost = PARTS[part]
    folder, heard = tmp_path / "results", []

    def fail(*_args, **_keywords):
        assert shown_in(folder) >= RESULT, "the result is on the disk before anything of it is begun"
        raise IndexError("too many\nindices")

    monkeypatch.setattr(f"{module}.{name}", fail)

    def hear(stage, _fraction, message):
        heard.append((stage, message))

    written = write_results(detection, folder, hear, keep_scores=True, dicom=source)
    now = files_in(folder)
    assert {path for path in now if "/" not in path} == (RESULT | PICTURES | DICOM) - lost
    assert any(path.startswith("score_map/") for path in now) == (part != "score map")
    [missing] = written.missing
    assert "IndexError: too many indices" in missing.sentence
    assert {name.rstrip("/") for name in lost} == set(missing.files)
    assert "\n" not in missing.sentence
    record = record_of(folder)
    assert record["missing"] == [missing.plain]
    assert [message for stage, message in heard if stage == "missing"] == [missing.sentence]
    assert {str(path) for path in files_of_result(folder)} == now, "the record lists what is there"


@pytest.mark.parametrize("kind", ERRORS)
def test_the_sentence_says_why(kind, detection, tmp_path, fail):
    error, words = ERRORS[kind]
    fail(error)
    [missing] = write_results(detection, tmp_path / "results").missing
    assert missing.sentence.startswith("The report is missing (report.html): ")
    assert words in missing.sentence


def test_nothing_is_missing_of_a_run_that_could_make_all(detection, tmp_path):
    written = write_results(detection, tmp_path / "results")
    assert written.missing == ()
    assert record_of(tmp_path / "results")["missing"] == []
    assert files_in(tmp_path / "results") == RESULT | PICTURES


def test_a_newer_result_never_stands_beside_an_older_ones_pictures(detection, source, tmp_path, monkeypatch):
    folder = tmp_path / "results"
    write_results(detection, folder, keep_scores=True, dicom=source)
    (folder / "mine.txt").write_text("mine")

    def fail(*_args, **_keywords):
        assert shown_in(folder) == RESULT | {"mine.txt"}
        raise ValueError

    for module, name, _ in PARTS.values():
        monkeypatch.setattr(f"{module}.{name}", fail)
    written = write_results(detection, folder, keep_scores=True, dicom=source)
    assert len(written.missing) == 5
    assert files_in(folder) == RESULT | {"mine.txt"}


def test_stale_pictures_go_even_if_the_older_record_is_gone(detection, tmp_path):
    folder = tmp_path / "results"
    write_results(detection, folder)
    (folder / "findings.json").write_text("{")
    write_results(detection, folder, pictures=False)
    assert files_in(folder) == RESULT


def test_extras_that_cannot_be_brought_to_their_place_are_all_missing(detection, tmp_path):
    folder = tmp_path / "results"
    (folder / "report.html" / "mine").mkdir(parents=True)
    written = write_results(detection, folder)
    assert {name for one in written.missing for name in one.files} == PICTURES
    assert files_in(folder) == RESULT
    assert record_of(folder)["missing"] == [one.plain for one in written.missing]
    assert "cannot be written" in written.missing[0].reason


def test_a_run_stopped_while_it_draws_has_its_result_and_says_so(detection, tmp_path, fail):
    fail(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt, match="the findings are in"):
        write_results(detection, tmp_path / "results")
    assert files_in(tmp_path / "results") == RESULT
    missing = record_of(tmp_path / "results")["missing"]
    assert [one["reason"] for one in missing] == [extras.NOT_REACHED] * 3


@pytest.mark.parametrize("take", [shutil.rmtree, lambda folder: folder.rename(folder.with_name("elsewhere"))])
@pytest.mark.parametrize("output", ["overview", "report"])
def test_a_result_that_is_taken_away_while_it_is_drawn_is_no_success(detection, tmp_path, take, output):
    folder = tmp_path / "results"

    def meanwhile(stage, fraction, message):
        if stage == "writing" and output in message:
            take(folder)

    with pytest.raises(InputError, match="were moved or removed"):
        write_results(detection, folder, meanwhile)


def test_an_anonymous_record_does_not_tell_what_an_error_said(detection, tmp_path, fail):
    fail(ValueError("Doe^Jane"))
    [missing] = write_results(detection, tmp_path / "results", anonymous=True).missing
    assert "ValueError" in missing.sentence
    assert "Doe" not in missing.sentence
    assert "Doe" not in (tmp_path / "results" / "findings.json").read_text("utf-8")


def test_without_pictures_nothing_is_drawn(detection, source, tmp_path, fail):
    for place in ("PIL.Image.new", "PIL.Image.fromarray", "PIL.ImageDraw.Draw", "PIL.ImageFont.truetype"):
        fail(AssertionError("something was drawn"), place)
    written = write_results(detection, tmp_path / "results", pictures=False, dicom=source)
    assert written.missing == ()
    assert files_in(tmp_path / "results") == RESULT | DICOM


@pytest.mark.parametrize("progress", ["json", "none"])
def test_the_command_ends_well_and_says_what_is_missing(progress, scan, a_random_model, tmp_path, fail):
    fail(IndexError("no such letter"))
    arguments = ["--t1", scan / "T1.nii.gz", "--flair", scan / "FLAIR", "--brain-mask", scan / "mask.nii.gz"]
    arguments += ["--model", a_random_model, "--no-bias-correction", "--no-registration", "--device", "cpu"]
    arguments += ["--output", tmp_path / "results", "--progress", progress]
    done = CliRunner().invoke(detect, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    said = "The report is missing (report.html): something went wrong inside the program (IndexError: no such letter)"
    if progress == "json":
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [line["stage"] for line in lines][-2:] == ["missing", "done"]
        assert lines[-2]["message"].startswith(said)
    else:
        assert said in done.stdout
    assert not (tmp_path / "results" / "report.html").exists()


def test_a_wrong_option_is_refused_before_the_work(scan, a_random_model, tmp_path):
    flair, output = scan / "mask.nii.gz", tmp_path / "r"
    arguments = ["--t1", scan / "T1.nii.gz", "--flair", flair, "--output", output, "--dicom"]
    done = CliRunner().invoke(detect, list(map(str, arguments)))
    assert done.exit_code == 1  # raised to `main`, which makes a sentence of it
    assert "DICOM objects cannot refer to it" in str(done.exception)
    assert not (tmp_path / "r").exists()
