"""The report among the results of a run: whose it is, from DICOM images, and a run that is not to say so."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.commands.detect import detect
from AnomalyDetectionLib.detection.detection_settings import DetectionRequest, DetectionSettings
from AnomalyDetectionLib.detection.findings import Findings
from AnomalyDetectionLib.detection.pipeline import run_detection
from AnomalyDetectionLib.model.false_positive_curve import FalsePositiveCurve
from AnomalyDetectionLib.reporting.dicom_objects import REPORT, dicom_source
from AnomalyDetectionLib.reporting.results import header_of, summary, write_results
from click.testing import CliRunner
from made_dicom import classic_series
from made_reports import parsed
from synthetic_head import SyntheticHead, axial_grid


@pytest.fixture(scope="module")
def detection(tmp_path_factory, a_random_model):
    """A run on DICOM images of Jane Doe, whose name is in the paths as well."""
    folder = tmp_path_factory.mktemp("Doe_Jane")
    grid = axial_grid((2.5, 2.5, 8.0), (70, 84, 20))
    study = SyntheticHead().study(grid, grid)
    classic_series(folder / "T1", study.t1.image, kind="T1")
    classic_series(folder / "FLAIR", study.flair.image, kind="FLAIR")
    mask = folder / "mask_of_Doe.nii.gz"
    sitk.WriteImage(study.brain_mask.image, str(mask))
    plain = {"device": "cpu", "register": False, "bias_correction": False}
    settings = DetectionSettings(model=str(a_random_model), **plain)
    return run_detection(DetectionRequest(folder / "T1", folder / "FLAIR", mask, settings=settings))


def told(folder):
    """All that the files of a folder say in words, without pictures and voxels."""
    told_of = {}
    for path in folder.rglob("*"):
        if path.suffix in (".html", ".json", ".csv", ".nrrd"):
            text = re.sub(r"base64,[^\"]+", "", path.read_bytes().decode("utf-8", "replace"))
            told_of[path.name] = text.partition("\n\n" if path.suffix == ".nrrd" else "\0\0")[0]
    return told_of


def test_a_rate_that_is_only_known_to_be_low_is_not_called_about(detection):
    curve = FalsePositiveCurve(np.array([0.1, 0.2]), np.array([1.0, 0.5]), 50, 1, 0.3)
    scores = replace(detection.scores, false_positive_curve=curve)
    rare = replace(detection, scores=scores, findings=Findings((), detection.findings.labels, 1e9, 1))
    assert "(a normal scan has under 0.01 findings besides WMH)" in summary(rare, Path("results"))


def test_the_report_of_dicom_images_says_whose_they_are(detection, tmp_path):
    write_results(detection, tmp_path / "results")
    page = parsed((tmp_path / "results" / "report.html").read_text("utf-8"))
    about = page.all("dl", "about")[0].text
    assert "Doe, Jane" in about
    assert "female" in about
    assert "dark-fluid" in page.all("p", "images")[0].text
    assert "Doe, Jane" in page.all("footer")[0].text


def test_an_anonymous_run_names_nobody_in_any_file(detection, tmp_path):
    write_results(detection, tmp_path / "results", anonymous=True)
    texts = told(tmp_path / "results")
    assert {"report.html", "findings.json", "findings.csv"} <= set(texts)
    assert "still show the patient's head" in html.unescape(texts["report.html"])
    secrets = ("doe", "jane", "anon-1", "1950", "a-17", "dark-fluid", "mprage", str(tmp_path.parent).lower())
    assert not [(name, secret) for name in texts for secret in secrets if secret in texts[name].lower()]
    assert detection.study.flair.sha256 in texts["findings.json"]
    assert not [line for line in header_of(detection, anonymous=True) if "FLAIR" in line]
    assert [line for line in header_of(detection) if "FLAIR" in line]


@pytest.mark.parametrize("option", ["--dicom", "--keep-scores"])
def test_dicom_objects_and_kept_scores_cannot_be_anonymous(option, tmp_path):
    """The images that go with the scores show the face."""
    arguments = ["--t1", "a", "--flair", "b", "--output", str(tmp_path / "r"), "--anonymous", option]
    done = CliRunner().invoke(detect, arguments)
    assert done.exit_code == 2
    assert f"leave out --anonymous, or {option}" in " ".join(done.output.split())


FELL_BACK = "The memory of the GPU was not enough. The brain extraction went to the CPU"


def test_what_did_not_fit_into_the_memory_is_in_the_report(detection, tmp_path):
    short = replace(detection, fallbacks=(FELL_BACK,))
    assert short.remarks == (*detection.remarks, FELL_BACK)
    write_results(short, tmp_path / "results")
    page = parsed((tmp_path / "results" / "report.html").read_text("utf-8"))
    assert f"{FELL_BACK}." in [item.text for item in page.all("li")]


def test_what_did_not_fit_into_the_memory_is_in_the_dicom_report(detection, tmp_path):
    pytest.importorskip("highdicom", reason="highdicom is not installed")
    short = replace(detection, fallbacks=(FELL_BACK,))
    write_results(short, tmp_path / "results", dicom=dicom_source(detection.study.flair.files))
    assert FELL_BACK in pydicom.dcmread(tmp_path / "results" / REPORT).to_json()
