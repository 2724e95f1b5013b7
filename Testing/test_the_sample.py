"""What a newcomer sees first: the built-in sample, its infarcts and what is found of them."""

import csv

import numpy as np
import SimpleITK as sitk
from conftest import SAMPLE


def read(path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_every_infarct_of_a_millilitre_or_more_is_found(sample_run):
    assert sample_run.code == 0, sample_run.stderr
    truth = read(SAMPLE / "simulated_truth.nii.gz")
    findings = read(sample_run.output / "suspected_anomalies.nii.gz")
    with (SAMPLE / "simulated_lesions.csv").open(newline="", encoding="utf-8") as content:
        large = {int(row["number"]) for row in csv.DictReader(content) if float(row["volume_ml"]) >= 1}
    assert len(large) >= 4
    found = {int(number) for number in np.unique(truth[findings > 0]) if number}
    assert large <= found, f"missed: {sorted(large - found)}"


def test_most_of_the_brain_is_left_alone(sample_run):
    scores, findings = (
        read(sample_run.output / name) for name in ("anomaly_score.nii.gz", "suspected_anomalies.nii.gz")
    )
    assert (findings > 0).sum() < 0.1 * (scores > 0).sum()
    assert np.median(scores[scores > 0]) < 1.5
