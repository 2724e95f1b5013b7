"""Statistics of normal patches by tissue, and the covariance that a Mahalanobis distance needs."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from anomaly_research.training import tissue as by_tissue
from anomaly_research.training.tissue import with_tissue_statistics
from AnomalyDetectionLib.calibration.latent_statistics import (
    median_and_deviation,
    tissue_statistics,
    whitening,
)
from AnomalyDetectionLib.calibration.scan_file import ScanFile
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model.anatomy_network import AnatomyModel, anatomy_network
from AnomalyDetectionLib.model.model_file import load_model, save_model
from made_training import a_scan


def correlated(count=20_000, size=6, seed=0):
    """Patches whose elements vary together, with their covariance."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(size) + 0.6 * rng.normal(size=(size, size))
    drawn = rng.normal(size=(count, size)) @ mixing + 3
    return torch.from_numpy(drawn).float(), mixing.T @ mixing


def test_hardly_shrunk_the_distance_is_mahalanobis_of_the_true_covariance():
    difference, covariance = correlated()
    statistics = median_and_deviation(difference)
    median, deviation = statistics
    got = ((difference - median) / deviation) @ whitening(difference, statistics, 1e-6)
    away = (difference - median).double().numpy()
    expected = np.sqrt(np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away))
    ratio = got.norm(dim=1).numpy() / expected
    assert ratio.std() / ratio.mean() < 0.03


def test_wholly_shrunk_it_is_the_plain_length():
    difference, _ = correlated()
    statistics = median_and_deviation(difference)
    factor = whitening(difference, statistics, 1.0)
    torch.testing.assert_close(factor, factor[0, 0] * torch.eye(6))


@pytest.mark.parametrize("shrinkage", [1e-6, 0.1, 1.0])
def test_normal_tissue_has_the_same_median_as_by_the_papers_score(shrinkage):
    difference, _ = correlated()
    median, deviation = statistics = median_and_deviation(difference)
    z = (difference - median) / deviation
    usual = z.abs().median(dim=1).values.median()
    assert (z @ whitening(difference, statistics, shrinkage)).norm(dim=1).median() == pytest.approx(
        float(usual), rel=1e-3
    )


def test_a_latent_element_that_never_varies_does_not_spoil_the_covariance():
    difference, _ = correlated()
    difference[:, 2] = 1.5
    statistics = median_and_deviation(difference)
    assert torch.isfinite(whitening(difference, statistics, 0.1)).all()


def test_each_tissue_has_statistics_of_its_own_and_one_with_few_patches_those_of_all():
    difference, _ = correlated(6000)
    tissue = torch.tensor([1, 4, 4, 4, 4, 7]).repeat_interleave(1000)
    tissue[:5] = 2
    difference[tissue == 4] = 2 * difference[tissue == 4] + 5
    overall = torch.zeros(6), torch.ones(6)
    got = tissue_statistics(difference, tissue, overall, least=500)
    for label in (1, 4, 7):
        median, deviation = median_and_deviation(difference[tissue == label])
        assert torch.equal(got.median[label], median)
        assert torch.equal(got.deviation[label], deviation)
    for label in (0, 2, 3, 5, 6):
        assert torch.equal(got.median[label], overall[0])
        assert torch.equal(got.deviation[label], overall[1])
        assert torch.equal(got.whitening[label], got.whitening[0])
    assert not torch.equal(got.whitening[4], got.whitening[1])


@pytest.mark.parametrize("held_out", [["B"], []])
def test_a_model_gets_them_from_the_scans_that_it_was_trained_on(
    held_out, a_random_model, monkeypatch, tmp_path
):
    asked = []

    def halves(_model, t1, _flair, brain, slice_mm):
        asked.append(slice_mm)
        scores = np.zeros((8, *brain.shape), np.float32)
        scores[3, :, :30], scores[4, :, 30:] = 1, 1  # cortex in front, white matter behind
        return scores

    network = anatomy_network((4, 6))
    monkeypatch.setattr(by_tissue, "anatomy_model", lambda: AnatomyModel(network.state_dict(), (4, 6), {}))
    monkeypatch.setattr(by_tissue, "class_scores", halves)
    monkeypatch.setattr(by_tissue, "PATCHES_A_SCAN", 6000)
    card = {"trained on": {"scans": ["A0", "A1"], "held out for training-validation": held_out}}
    model = dataclasses.replace(load_model(str(a_random_model)), card=card)
    scans = [
        dataclasses.replace(a_scan(patient, seed), slice_mm=3.0)
        for seed, patient in enumerate(("A", "A", "B", "C"))
    ]
    made = with_tissue_statistics(model, ScanFile(tuple(scans), PreparationSettings(), ""))
    assert asked == [3.0, 3.0]
    note = made.card["statistics by tissue"]
    assert note["scans"] == ["A0", "A1"]
    assert note["patches"]["cortex"] + note["patches"]["white matter"] == 12_000
    assert abs(note["patches"]["cortex"] - 6000) < 500, "half of the brain lies in front of row 30"
    json.dumps(made.card)
    statistics = made.tissue_statistics
    assert torch.equal(statistics.median[0], model.median)
    assert torch.equal(statistics.median[1], model.median)
    assert not torch.equal(statistics.median[3], statistics.median[4])
    save_model(made, tmp_path / "made.safetensors")
    assert load_model(str(tmp_path / "made.safetensors")).fingerprint == model.fingerprint
