"""The hints on the built-in sample, whose truth is known."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import SAMPLE


@pytest.fixture(scope="module")
def sample(sample_run):
    """Rows of findings.csv by number, and the arrays of findings, infarcts and hyperintensities."""
    with (sample_run.output / "findings.csv").open(encoding="utf-8", newline="") as file:
        rows = {int(row["number"]): row for row in csv.DictReader(file)}
    files = sample_run.output / "suspected_anomalies.nii.gz", SAMPLE / "simulated_truth.nii.gz"
    images = [
        sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
        for file in (*files, SAMPLE / "simulated_WMH.nii.gz")
    ]
    return rows, *images


@pytest.mark.parametrize("infarct", [1, 2])
def test_the_large_cavities_are_told(sample, infarct):
    rows, findings, truth, _ = sample
    number = int(np.bincount(findings[(truth == infarct) & (findings > 0)]).argmax())
    assert rows[number]["hint"] == "cavity-like"
    assert "fluid" in rows[number]["hint_evidence"]


def test_what_holds_hyperintensities_and_no_infarct_is_wmh_like(sample):
    rows, findings, truth, hyperintensities = sample
    shares = {n: float((hyperintensities[findings == n] > 0).mean()) for n in rows}
    alone = [n for n, share in shares.items() if share > 0.4 and not (truth[findings == n] > 0).any()]
    assert {rows[n]["hint"] for n in alone} <= {"WMH-like"}


def test_no_large_cortical_infarct_would_be_hidden_with_the_hyperintensities(sample):
    rows, findings, truth, _ = sample
    for infarct in (1, 3, 5):
        numbers = set(np.unique(findings[truth == infarct])) - {0}
        assert "WMH-like" not in {rows[int(n)]["hint"] for n in numbers}
