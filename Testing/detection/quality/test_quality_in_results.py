"""Where the warnings of a scan end up."""

import json
from dataclasses import replace

import degraded_scans as made
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.detector import score
from AnomalyDetectionLib.detection.pipeline import remarks
from AnomalyDetectionLib.detection.quality.warning import QualityWarning, from_plain
from AnomalyDetectionLib.detection.stored_scores import StoredScores, read_stored, restore, store
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.reporting.report import NAME as REPORT
from conftest import SAMPLE, run_command
from synthetic_study import empty_lattice, prepared_study, scored

NOISE = QualityWarning("noise", "The FLAIR is noisy (noise is 20 % of it)", {"image": "FLAIR", "noise": 0.2})


@pytest.fixture(scope="module")
def scores():
    study = prepared_study()
    return replace(scored(study, empty_lattice(study)), quality=(NOISE,))


def test_a_warning_survives_json():
    assert from_plain(json.loads(json.dumps([NOISE.plain]))) == (NOISE,)


def test_stored_scores_bring_their_warnings_back(scores):
    assert restore(store(scores)).quality == (NOISE,)


@pytest.mark.parametrize(
    "damaged", [3, ["noise"], [{"name": "noise"}], [{**NOISE.plain, "measured": 3}], None]
)
def test_damaged_warnings_are_a_damaged_record(damaged, scores):
    stored = store(scores)
    with pytest.raises(InputError, match="damaged"):
        restore(StoredScores(stored.images, {**stored.record, "quality": damaged}))


def test_doubts_of_the_images_stand_before_what_was_done_with_them(scores):
    moved = replace(scores.study, alignment=replace(scores.study.alignment, registered=True))
    first, second = remarks(moved, scores.quality)
    assert first == NOISE.sentence
    assert second.startswith("T1 and FLAIR did not line up")


def test_warnings_are_among_the_remarks(scores):
    assert NOISE.sentence in remarks(scores.study, scores.quality)
    assert NOISE.sentence not in remarks(scores.study)


def test_the_checks_are_a_stage_of_the_run_and_find_nothing_in_the_sample(sample_run):
    stages = [json.loads(line)["stage"] for line in sample_run.stdout.splitlines() if line.startswith("{")]
    assert stages.index("quality") < stages.index("anatomy")
    record = json.loads((sample_run.output / "findings.json").read_text("utf-8"))
    assert record["quality"] == []
    assert "quality" in record["run"]["seconds"]


def quick_run(sample_run, model, tmp_path, t1, flair, *, progress):
    """`detect` with the sample's brain mask and a random model, as quick as it can be."""
    study = restore(read_stored(sample_run.output / "score_map")).study
    mask, output = tmp_path / "mask.nii.gz", tmp_path / "out"
    sitk.WriteImage(study.flair_grid.image(study.flair_brain.astype("uint8")), str(mask))
    inputs = ["--t1", t1, "--flair", flair, "--brain-mask", mask, "--output", output]
    settings = [
        "--model",
        model,
        "--device",
        "cpu",
        "--stride",
        8,
        "--no-bias-correction",
        "--no-registration",
    ]
    done = run_command("detect", *inputs, *settings, "--progress", progress, output=output)
    assert done.code == 0, done.stderr
    return done


def test_swapped_images_are_analysed_and_what_stands_first_is_that_they_seem_to_be(
    sample_run, a_random_model, tmp_path
):
    t1, flair = (SAMPLE / f"simulated_{name}.nii.gz" for name in ("FLAIR", "T1"))
    done = quick_run(sample_run, a_random_model, tmp_path, t1, flair, progress="none")
    first = "T1 and FLAIR seem to be swapped"
    assert done.stdout.startswith(first)
    assert "exchange them and run again" in done.stdout.splitlines()[0]
    record = json.loads((done.output / "findings.json").read_text("utf-8"))
    assert record["quality"][0]["name"] == "swapped"
    assert list(record)[:2] == ["notice", "quality"]
    report = (done.output / REPORT).read_text("utf-8")
    assert report.index(first) < report.index('class="result"')


def test_a_noisy_scan_is_warned_of_while_it_runs_and_in_its_results(sample_run, a_random_model, tmp_path):
    study = restore(read_stored(sample_run.output / "score_map")).study
    noisy = tmp_path / "FLAIR.nii.gz"
    flair = sitk.ReadImage(str(SAMPLE / "simulated_FLAIR.nii.gz"))
    sitk.WriteImage(made.noisy(flair, study.flair_brain, 0.2), str(noisy))
    t1 = SAMPLE / "simulated_T1.nii.gz"
    done = quick_run(sample_run, a_random_model, tmp_path, t1, noisy, progress="json")
    output = done.output
    told = next(json.loads(line) for line in done.stdout.splitlines() if "The FLAIR is noisy" in line)
    assert told["stage"] == "scoring"
    warning, *_ = json.loads((output / "findings.json").read_text("utf-8"))["quality"]
    assert warning["name"] == "noise"
    assert warning["measured"]["image"] == "FLAIR"
    assert "The FLAIR is noisy" in (output / REPORT).read_text("utf-8")


def test_scores_without_images_have_no_warnings(a_random_model):
    from AnomalyDetectionLib.model.model_file import load_model

    assert score(prepared_study(), load_model(str(a_random_model))).quality == ()
