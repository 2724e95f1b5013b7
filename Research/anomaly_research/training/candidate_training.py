"""The training of the second look, and its calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from AnomalyDetectionLib.model.candidate_network import SLICES, CandidateNetwork, CandidateSettings
from AnomalyDetectionLib.model.classes import CLASSES
from torch import Tensor
from torch.nn import functional

from .candidate_examples import Examples, as_tensors

_MIRRORED, _WITHOUT_PROBABILITIES = 0.5, 0.25
"""Shares of the batches. Of people whom the first network knows its probabilities are better than of others; without them,
the images have to do."""

_GAIN, _OFFSET, _NOISE, _FEATURE_NOISE = 0.08, 0.03, 0.05, 0.1
"""SD of changes to the images (factor and level of each, noise of a voxel) and to the features."""

_T1 = [4 * s for s in range(SLICES)] + [4 * SLICES]
_FLAIR = [4 * s + 1 for s in range(SLICES)] + [4 * SLICES + 1]
_PROBABILITIES = [4 * s + 2 for s in range(SLICES)] + [4 * SLICES + 2 + k for k in range(len(CLASSES) - 1)]
_OF_PROBABILITIES = slice(2, 3 + len(CLASSES))  # of the features: the highest, and the mean of each class


@dataclass(frozen=True)
class CandidateTrainingSettings:
    """How the second look is trained.

    Attributes:
        network: the architecture.
        epochs: over the examples.
        batch_size: candidates a step.
        learning_rate: at its highest.
        weight_decay: of AdamW.
        seed: of weights and order.
    """

    network: CandidateSettings = field(default_factory=CandidateSettings)
    epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-3
    seed: int = 1


def train_second_look(
    examples: Examples,
    settings: CandidateTrainingSettings,
    *,
    device: str = "cpu",
    report: Callable[[int, float], None] | None = None,
) -> CandidateNetwork:
    """Train on candidates; each painted scan counts alike, however many it has.

    Args:
        report: called with the epoch and its mean loss.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    network = CandidateNetwork(settings.network).to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = settings.epochs * -(-len(examples.label) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    for epoch in range(settings.epochs):
        order, losses = rng.permutation(len(examples.label)), []
        network.train()
        for first in range(0, len(order), settings.batch_size):
            chosen = order[first : first + settings.batch_size]
            if len(chosen) < 2:
                schedule.step()
                continue
            near, wide, features = (part.to(device) for part in varied(*as_tensors(examples, chosen), rng))
            target = torch.from_numpy(examples.label[chosen].astype(np.int64)).to(device)
            with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
                logits = network(near, wide, features).float()
            loss = functional.cross_entropy(logits, target, label_smoothing=0.02)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        if report is not None:
            report(epoch + 1, float(np.mean(losses)))
    return network.cpu().eval()


def varied(
    near: Tensor, wide: Tensor, features: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A batch mirrored or not, with other grey values, and now and then without what the first network said."""
    if rng.random() < _MIRRORED:
        near, wide = near.flip(-1), wide.flip(-1)
    for channels in (_T1, _FLAIR):
        gain, offset = 1 + _GAIN * rng.standard_normal((2, len(near), 1, 1, 1)).astype(np.float32)
        offset = (offset - 1) * _OFFSET / _GAIN
        for crop in (near, wide):
            shown = crop[:, channels]
            noise = (
                _NOISE * float(rng.random()) * torch.from_numpy(rng.standard_normal(shown.shape, np.float32))
            )
            crop[:, channels] = torch.where(
                shown != 0, shown * torch.from_numpy(gain) + torch.from_numpy(offset) + noise, shown
            )
    features = features + _FEATURE_NOISE * torch.from_numpy(rng.standard_normal(features.shape, np.float32))
    if rng.random() < _WITHOUT_PROBABILITIES:
        near[:, _PROBABILITIES], wide[:, _PROBABILITIES] = 0, 0
        features[:, _OF_PROBABILITIES] = 0
    return near, wide, features


@torch.inference_mode()
def logits_of(network: CandidateNetwork, examples: Examples, batch: int = 128) -> np.ndarray:
    """Uncalibrated logits: float32 (candidates, classes)."""
    network.eval()
    parts = [
        network(*as_tensors(examples, np.arange(first, min(first + batch, len(examples.label)))))
        for first in range(0, len(examples.label), batch)
    ]
    return torch.cat(parts).numpy() if parts else np.zeros((0, len(CLASSES)), np.float32)


def calibrated(settings: CandidateSettings, logits: np.ndarray, label: np.ndarray) -> CandidateSettings:
    """Temperature and biases that make the probabilities true on people that nothing was trained on.

    Fitted by maximum likelihood (temperature scaling, Guo et al. 2017, with a bias a class).
    """
    scores, target = torch.from_numpy(logits.astype(np.float64)), torch.from_numpy(label.astype(np.int64))
    parameters = torch.zeros(1 + len(CLASSES), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.cross_entropy((scores + parameters[1:]) / parameters[0].exp(), target)
        loss = loss + 1e-3 * (parameters**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    values = parameters.detach().numpy()
    bias = tuple(float(value) for value in values[1:])
    return replace(settings, temperature=float(np.exp(values[0])), bias=bias)
