"""The training of the context detector: what it learns, how it goes on, how the second look learns and is calibrated."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from anomaly_research.training.candidate_examples import Examples, draw_examples
from anomaly_research.training.candidate_training import (
    CandidateTrainingSettings,
    calibrated,
    logits_of,
    train_second_look,
    with_score,
)
from anomaly_research.training.context_loop import CHECKPOINT, ContextTrainingSettings, train_context
from anomaly_research.training.lesion_scan import LesionScan
from anomaly_research.training.mining import mine_false_alarms
from AnomalyDetectionLib.calibration.scan_file import TrainingScan
from AnomalyDetectionLib.detection.candidates import MEANS, PEAK, T1_CONTRAST
from AnomalyDetectionLib.detection.second_look import score_terms
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.candidate_network import FEATURES, CandidateSettings
from AnomalyDetectionLib.model.classes import INFARCT, NORMAL
from AnomalyDetectionLib.model.context_network import ContextNetwork, ContextSettings
from AnomalyDetectionLib.model.model_file import load_model
from scipy.special import softmax

SMALL = ContextSettings(neighbours=1, widths=(8, 8))


@pytest.fixture(scope="module")
def scans():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:120, :100]
    brain = np.repeat((np.hypot((y - 60) / 50, (x - 50) / 42) < 1)[None], 5, axis=0)
    t1, flair = ((1 + rng.normal(0, 0.02, brain.shape)) * brain for _ in range(2))
    nothing = np.zeros(brain.shape, bool)
    one = TrainingScan("one", "one", t1.astype(np.float32), flair.astype(np.float32), brain, brain, nothing)
    return [LesionScan.of(one)]


def settings(**changes):
    return ContextTrainingSettings(
        network=SMALL, **{"steps": 6, "batch_size": 2, "seed": 4, "mined_at": (0.5,), **changes}
    )


def test_a_run_that_was_stopped_ends_where_it_would_have_ended(scans, tmp_path, monkeypatch):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    stopped.mkdir()
    monkeypatch.setattr("anomaly_research.training.context_loop._SAVED_EVERY_S", -1.0)
    expected, _ = train_context(scans, [], whole, settings(), workers=0)

    class KilledError(Exception):
        pass

    def stop(step):
        if step.number == 4:
            raise KilledError

    with pytest.raises(KilledError):
        train_context(scans, [], stopped, settings(), workers=0, report=stop, report_every=1)
    assert (stopped / CHECKPOINT).exists()
    weights, history = train_context(scans, [], stopped, settings(), workers=0, report_every=1)

    assert history[-1].number == 6
    for name, tensor in expected.items():
        assert torch.allclose(tensor.float(), weights[name].float(), atol=1e-5), name


def test_a_folder_of_another_run_is_refused(scans, tmp_path):
    train_context(scans, [], tmp_path, settings(steps=1, mined_at=()), workers=0)

    with pytest.raises(InputError, match="other settings"):
        train_context(scans, [], tmp_path, settings(steps=2, mined_at=()), workers=0)


def test_it_learns_to_tell_lesions_from_plain_tissue(scans, tmp_path):
    _, history = train_context(
        scans, [], tmp_path, settings(steps=30, batch_size=4, learning_rate=0.02), workers=0, report_every=10
    )
    assert history[-1].loss < 0.8 * history[0].loss


def test_false_alarms_are_mined_where_tissue_is_normal_and_taken_for_a_lesion(scans):
    network = ContextNetwork(SMALL).eval()
    with torch.no_grad():
        network.unet.last.weight.zero_()
        network.unet.last.bias.zero_()
    alarms = mine_false_alarms(network, scans)  # all classes alike: everything is taken for a lesion

    assert alarms
    assert mine_false_alarms(network, scans, workers=2) == alarms
    for number, s, i, j in alarms:
        assert scans[number].brain[s, i, j]
    with torch.no_grad():
        network.unet.last.bias[:4] = 9.0
    assert mine_false_alarms(network, scans) == []


def examples(count=120, seed=0):
    """Candidates of which lesions are brighter."""
    rng = np.random.default_rng(seed)
    label = rng.choice([NORMAL, INFARCT], count).astype(np.uint8)
    near, wide = (
        rng.normal(0, 1, (count, 31, 40, 40)).astype(np.float16) * np.float16(0.1) for _ in range(2)
    )
    near += (label == INFARCT)[:, None, None, None].astype(np.float16) * np.float16(0.2)
    features = rng.normal(size=(count, 14)).astype(np.float32)
    return Examples(near, wide, features, label, 1)


def test_the_second_look_learns_what_parts_lesions_from_tissue():
    training = CandidateTrainingSettings(CandidateSettings(width=4), epochs=10, batch_size=16)
    network = train_second_look(examples(), training)
    others = examples(seed=1)

    said = logits_of(network, others).argmax(axis=1)
    assert (said == others.label).mean() > 0.9


def test_calibrated_probabilities_are_true():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1.5, (4000, 5))
    probability = softmax(true, axis=1)
    label = np.array([rng.choice(5, p=p) for p in probability])
    over_sure = 3 * true + np.array([1.0, 0, 0, -1.0, 0])

    fitted = calibrated(CandidateSettings(), over_sure.astype(np.float32), label)
    again = softmax((over_sure + np.array(fitted.bias)) / fitted.temperature, axis=1)

    assert fitted.temperature == pytest.approx(3.0, rel=0.1)
    assert np.abs(again - probability).mean() < 0.02


def test_the_score_learns_what_each_of_its_terms_says_about_lesions():
    rng = np.random.default_rng(3)
    features = np.abs(rng.normal(0, 0.6, (6000, FEATURES)))
    features[:, PEAK] = rng.uniform(0.35, 1, 6000)
    features[:, MEANS] = rng.dirichlet(np.ones(5), 6000)
    logits = rng.normal(0, 1.5, (6000, 5)).astype(np.float32)
    terms = score_terms(softmax(logits, axis=1), features)
    true = np.array([-1.0, 0.6, 0.3, -0.4, 2.0, 0.5])
    lesion = rng.random(6000) < 1 / (1 + np.exp(-(true[0] + terms @ true[1:])))
    label = np.where(lesion, INFARCT, NORMAL).astype(np.uint8)

    fitted = with_score(CandidateSettings(), logits, replace(examples(1), features=features, label=label))

    np.testing.assert_allclose(fitted.score, true, atol=0.3)


def test_too_few_candidates_for_a_score_are_said_to_be_too_few():
    features = np.full((4, FEATURES), 0.5)
    features[:, T1_CONTRAST] = 0.5, 0.5, 0.5, 0.501
    label = np.array([NORMAL, NORMAL, NORMAL, INFARCT], np.uint8)
    few = replace(examples(1), features=features, label=label)
    with pytest.raises(InputError, match=r"4 candidates in 1 painted scans .* raise --painted-scans"):
        with_score(CandidateSettings(), np.zeros((4, 5), np.float32), few)


def test_examples_are_drawn_from_painted_scans_and_are_the_same_again(scans, a_context_model):
    network = load_model(str(a_context_model)).context_network()
    first, second = (draw_examples(network, scans, [], 3, seed=2) for _ in range(2))

    assert first.scans == 3
    assert len(first.label) == len(first.near) == len(first.features) > 0
    assert set(np.unique(first.label)) <= set(range(5))
    np.testing.assert_array_equal(first.near, second.near)
    np.testing.assert_array_equal(first.label, second.label)
