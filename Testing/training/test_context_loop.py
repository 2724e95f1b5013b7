"""The training of the context detector: what it learns, how it goes on, how its heads become one score."""

import numpy as np
import pytest
import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.context_network import ContextNetwork, ContextSettings
from AnomalyDetectionLib.training.context_fusion import fit_fusion
from AnomalyDetectionLib.training.context_loop import CHECKPOINT, ContextTrainingSettings, train_context
from AnomalyDetectionLib.training.context_sampling import ContextScan
from AnomalyDetectionLib.training.scan_file import TrainingScan

SMALL = ContextSettings(neighbours=1, widths=(8, 8))


@pytest.fixture(scope="module")
def scans():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:120, :100]
    brain = np.repeat((np.hypot((y - 60) / 50, (x - 50) / 42) < 1)[None], 5, axis=0)
    t1, flair = ((level + rng.normal(0, 0.02, brain.shape)) * brain for level in (0.9, 0.6))
    nothing = np.zeros(brain.shape, bool)
    one = TrainingScan(
        "one", "one", t1.astype(np.float32), flair.astype(np.float32), brain, brain, nothing, 4.0, nothing
    )
    return [ContextScan.of(one)]


def settings(**changes):
    return ContextTrainingSettings(network=SMALL, **{"steps": 6, "batch_size": 2, "seed": 4, **changes})


def test_a_run_that_was_stopped_ends_where_it_would_have_ended(scans, tmp_path, monkeypatch):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    stopped.mkdir()
    monkeypatch.setattr("AnomalyDetectionLib.training.context_loop._SAVED_EVERY_S", -1.0)
    expected, _ = train_context(scans, [], whole, settings(), workers=0)

    class KilledError(Exception):
        pass

    def stop(step):
        if step.number == 3:
            raise KilledError

    with pytest.raises(KilledError):
        train_context(scans, [], stopped, settings(), workers=0, report=stop, report_every=1)
    assert (stopped / CHECKPOINT).exists()
    weights, history = train_context(scans, [], stopped, settings(), workers=0, report_every=1)

    assert history[-1].number == 6
    for name, tensor in expected.items():
        assert torch.allclose(tensor.float(), weights[name].float(), atol=1e-5), name


def test_a_folder_of_another_run_is_refused(scans, tmp_path):
    train_context(scans, [], tmp_path, settings(steps=1), workers=0)

    with pytest.raises(InputError, match="other settings"):
        train_context(scans, [], tmp_path, settings(steps=2), workers=0)


def test_it_learns_to_tell_lesions_from_plain_tissue_and_what_an_image_should_look_like(scans, tmp_path):
    weights, history = train_context(
        scans, [], tmp_path, settings(steps=60, batch_size=4, learning_rate=0.02), workers=0, report_every=20
    )

    assert history[-1].anomaly_loss < 0.9 * history[0].anomaly_loss
    assert history[-1].normative_loss < history[0].normative_loss
    network = ContextNetwork(SMALL)
    network.load_state_dict(weights)
    fitted = fit_fusion(network.eval(), scans, [], seed=9, samples=16)
    assert fitted.fusion[1] > 0.2
    first, both, second = fitted.covariance
    assert first * second > both * both
