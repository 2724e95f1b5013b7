"""What a newcomer sees first: the built-in sample, its infarcts and what each of the bundled models finds of them."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import SAMPLE


def read(path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.fixture(params=["default_run", "sample_run"], ids=["context", "paper"])
def run(request):
    """The default model's run, and the paper's."""
    done = request.getfixturevalue(request.param)
    assert done.code == 0, done.stderr
    return done


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as content:
        return list(csv.DictReader(content))


def test_every_infarct_of_a_millilitre_or_more_is_found(run):
    truth = read(SAMPLE / "simulated_truth.nii.gz")
    findings = read(run.output / "suspected_anomalies.nii.gz")
    lesions = rows_of(SAMPLE / "simulated_lesions.csv")
    large = {int(row["number"]) for row in lesions if float(row["volume_ml"]) >= 1}
    assert len(large) >= 4
    found = {int(number) for number in np.unique(truth[findings > 0]) if number}
    assert large <= found, f"missed: {sorted(large - found)}"


def test_most_of_the_brain_is_left_alone(run):
    scores, findings = (
        read(run.output / name) for name in ("anomaly_score.nii.gz", "suspected_anomalies.nii.gz")
    )
    assert (findings > 0).sum() < 0.1 * (scores > 0).sum()
    assert np.median(scores[scores > 0]) < 1.5


def test_the_default_model_scores_in_probabilities_and_outlines_most_of_the_lesions(default_run):
    truth = read(SAMPLE / "simulated_truth.nii.gz") > 0
    findings = read(default_run.output / "suspected_anomalies.nii.gz") > 0
    scores = read(default_run.output / "anomaly_score.nii.gz")
    assert 0 <= scores.min() <= np.median(scores[scores > 0]) < 0.01 < 0.9 < scores.max() <= 1
    dice = 2 * (truth & findings).sum() / (truth.sum() + findings.sum())
    assert dice > 0.6  # 0.73 when this was written


def test_the_default_model_calls_the_large_infarcts_infarct_like_and_the_papers_says_nothing(
    default_run, sample_run
):
    truth = read(SAMPLE / "simulated_truth.nii.gz")
    findings = read(default_run.output / "suspected_anomalies.nii.gz")
    hints = {int(row["number"]): row["hint"] for row in rows_of(default_run.output / "findings.csv")}
    # Voxels, of which 300 are a millilitre
    over_infarcts = [hints[number] for number in hints if np.count_nonzero(truth[findings == number]) >= 200]
    assert len(over_infarcts) >= 4
    assert set(over_infarcts) == {"infarct-like"}
    assert {row["hint"] for row in rows_of(sample_run.output / "findings.csv")} == {"unknown"}
