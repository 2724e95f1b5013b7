"""`series`, and `detect --study`: what people see of a DICOM study, and that it gives what NIfTI gives."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import run_command
from made_dicom import MadeStudy, classic_series, drop, enhanced_series
from synthetic_study import FLAIR_GRID, rotated
from synthetic_study import heads as made_heads

TWICE = {name: tuple(2 * mm for mm in getattr(FLAIR_GRID, name)) for name in ("spacing", "origin")}
LARGE = replace(FLAIR_GRID, **TWICE)


@pytest.fixture(scope="module")
def heads() -> dict[str, sitk.Image]:
    """T1, FLAIR and brain mask of a small oblique head, in whole numbers."""
    images = made_heads(rotated(LARGE, 12.0)).items()
    whole = {name: np.rint(sitk.GetArrayFromImage(image)).astype(np.int16) for name, image in images}
    return {name: rotated(LARGE, 12.0).image(array) for name, array in whole.items()}


@pytest.fixture(scope="module")
def studies(heads, tmp_path_factory) -> Path:
    """A classic and an enhanced study, each with a T1, a FLAIR, and series that are neither."""
    folder = tmp_path_factory.mktemp("studies é")
    for form, make in (("classic", classic_series), ("enhanced", enhanced_series)):
        study = MadeStudy()
        make(folder / form / "a", heads["T1"][30:60, 30:60, 2:5], kind="localiser", study=study, number=1)
        make(folder / form / "b", heads["T1"], kind="T1 spin echo", study=study, number=2)
        make(folder / form / "c", heads["FLAIR"], study=study, number=4)
        make(
            folder / form / "d", heads["T1"], kind="T1", study=study, number=7, ContrastBolusAgent="Gadovist"
        )
    return folder


@pytest.mark.parametrize("form", ["classic", "enhanced"])
def test_series_lists_all_and_says_what_detect_would_take(call, studies, form) -> None:
    code, out, err = call("series", studies / form)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "Study 2024-01-31, Head, patient ANON-1"
    rows = {line.split()[0]: line for line in lines[4:8]}
    assert set(rows) == {"1", "2", "4", "7"}
    assert "localiser" in rows["1"]
    assert "t2_tirm_tra_dark-fluid  FLAIR" in rows["4"]
    assert "100 x 110 x 12 of 1.60 x 1.70 x 8.00 mm" in rows["4"]
    assert "post-contrast T1" in rows["7"]
    assert "  T1: series 2 't1_se_tra', 12 images (" in out
    assert "  FLAIR: series 4 't2_tirm_tra_dark-fluid', 12 images (" in out


def test_series_lists_every_study_of_a_folder(call, studies) -> None:
    code, out, _ = call("series", studies)
    assert code == 0
    assert out.count("\n  UID ") == out.count("detect --study --study-uid ") == 2
    assert call("detect", "--study", studies, "--output", "never")[0] == 2


def test_names_with_letters_that_the_output_does_not_know_are_written_all_the_same(heads, tmp_path) -> None:
    classic_series(tmp_path / "series", heads["FLAIR"], SeriesDescription="头 FLAIR")
    western = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = run_command("series", tmp_path / "series", output=tmp_path, env=western)
    assert (done.code, done.stderr) == (0, "")
    assert r"\u5934 FLAIR" in done.stdout


def test_series_says_why_detect_could_not_choose(call, tmp_path, heads) -> None:
    study = MadeStudy()
    classic_series(tmp_path / "t1", heads["T1"], kind="T1", study=study, number=2)
    files = classic_series(tmp_path / "flair", heads["FLAIR"], study=study, number=3)
    drop(files, 5)
    code, out, _ = call("series", tmp_path)
    assert code == 0
    assert "detect --study cannot choose. Of the study" in out
    assert "has a gap: slices 5 and 6 are 16.0 mm apart" in out
    code, out, err = call("detect", "--study", tmp_path, "--output", tmp_path / "results")
    assert (code, out) == (2, "")
    assert "has a gap" in err
    assert not (tmp_path / "results").exists()


def test_a_study_gives_what_the_same_voxels_as_nifti_give(
    call, studies, heads, tmp_path, a_random_model
) -> None:
    for name, image in heads.items():
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    settings = ["--brain-mask", tmp_path / "brain.nii.gz", "--model", a_random_model, "--device", "cpu"]
    settings += ["--no-registration", "--no-bias-correction"]
    inputs = {
        "nifti": ["--t1", tmp_path / "T1.nii.gz", "--flair", tmp_path / "FLAIR.nii.gz"],
        "classic": ["--study", studies / "classic"],
        "enhanced": ["--study", studies / "enhanced", "--progress", "json"],
    }
    outputs, records = {}, {}
    for name, given in inputs.items():
        code, out, err = call("detect", *given, "--output", tmp_path / name, *settings)
        assert code == 0, err
        outputs[name] = (out, err)
        records[name] = json.loads((tmp_path / name / "findings.json").read_text("utf-8"))
    assert "FLAIR: series 4 't2_tirm_tra_dark-fluid', 12 images (inversion recovery" in outputs["classic"][1]
    said = [json.loads(line)["message"] for line in outputs["enhanced"][0].splitlines()]
    assert any(
        "T1: series 2" in message and "preferred to the other T1: no contrast medium named" in message
        for message in said
    )
    score = {name: sitk.ReadImage(str(tmp_path / name / "anomaly_score.nii.gz")) for name in inputs}
    for name in ("classic", "enhanced"):
        flair = records[name]["inputs"]["flair"]
        assert "TI 2500 ms" in flair["chosen"]
        assert flair["description"] == "t2_tirm_tra_dark-fluid"
        assert np.allclose(score[name].GetOrigin(), score["nifti"].GetOrigin(), atol=1e-3)
        # NIfTI keeps its geometry in 32 bits: a voxel half-way between two of the model's may go to the other.
        one, other = (sitk.GetArrayFromImage(score[kind]) for kind in (name, "nifti"))
        assert np.mean(np.abs(one - other) > 0.02) < 1e-4
    assert records["nifti"]["inputs"]["flair"]["chosen"] is None


def test_folders_of_two_patients_are_refused_in_one_line(call, heads, tmp_path) -> None:
    classic_series(tmp_path / "t1", heads["T1"], kind="T1", study=MadeStudy(patient_id="A", patient_name=""))
    classic_series(tmp_path / "flair", heads["FLAIR"], study=MadeStudy(patient_id="B"))
    code, out, err = call(
        "detect", "--t1", tmp_path / "t1", "--flair", tmp_path / "flair", "--output", tmp_path / "results"
    )
    assert (code, out) == (2, "")
    assert "T1 and FLAIR are of different patients (PatientID 'A' and 'B'" in err
    assert not (tmp_path / "results").exists()


def test_what_the_headers_say_against_a_scan_reaches_the_reader_without_dates(
    call, heads, tmp_path, a_random_model
) -> None:
    t1_study, flair_study = MadeStudy(date="20210305"), MadeStudy(date="20210307")
    classic_series(
        tmp_path / "t1", heads["T1"], kind="T1", study=t1_study, number=2, ContrastBolusAgent="Gadovist"
    )
    classic_series(tmp_path / "flair", heads["FLAIR"], study=flair_study)
    sitk.WriteImage(heads["brain"], str(tmp_path / "brain.nii.gz"))
    given = [
        "--t1",
        tmp_path / "t1",
        "--flair",
        tmp_path / "flair",
        "--brain-mask",
        tmp_path / "brain.nii.gz",
    ]
    settings = ["--model", a_random_model, "--device", "cpu", "--no-registration", "--no-bias-correction"]
    code, out, err = call("detect", *given, *settings, "--output", tmp_path / "results", "--anonymous")
    assert code == 0, err
    record = (tmp_path / "results" / "findings.json").read_text("utf-8")
    quality = [warning["sentence"] for warning in json.loads(record)["quality"]]
    said = (
        "T1 and FLAIR are of different studies, 2 days apart",
        "The T1 was taken after contrast medium by its header (contrast medium: Gadovist)",
    )
    for sentence in said:
        assert any(warning.startswith(sentence) for warning in quality)
        assert sentence in out
        assert sentence in (tmp_path / "results" / "report.html").read_text("utf-8")
    assert not any(date in record for date in ("202103", "2021-03"))


def test_the_user_can_name_the_series_of_a_study(call, studies, tmp_path, monkeypatch) -> None:
    from AnomalyDetectionLib.detection import pipeline as detection

    asked = []

    def caught(request, _report):
        asked.append(request)
        raise KeyboardInterrupt

    monkeypatch.setattr(detection, "run_detection", caught)
    call("detect", "--study", studies / "classic", "--t1-series", "7", "--output", tmp_path / "results")
    assert [asked[0].t1_series.number, asked[0].flair_series.number] == ["7", "4"]
    assert asked[0].t1_series.chosen == "named by the user"
    assert asked[0].t1 == studies / "classic" / "d"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--t1", "a.nii"], "Option '--flair' is missing: give --t1 and --flair, or --study"),
        (["--study", "b", "--t1", "a.nii"], "--study chooses T1 and FLAIR itself"),
        (
            ["--t1", "a.nii", "--flair", "b.nii", "--study-uid", "1.2"],
            "--study-uid chooses among the studies",
        ),
        (["--study", "nowhere"], "does not exist"),
    ],
)
def test_inputs_that_do_not_go_together_are_refused_in_one_sentence(call, tmp_path, options, said) -> None:
    code, out, err = call("detect", *options, "--output", tmp_path / "results")
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
