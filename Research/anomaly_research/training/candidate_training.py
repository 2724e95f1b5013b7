"""The training of the second look, and its calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from AnomalyDetectionLib.detection.second_look import score_terms
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.candidate_network import CandidateNetwork, CandidateSettings
from AnomalyDetectionLib.model.classes import CLASSES, INFARCT, OTHER, WMH
from scipy.special import softmax
from torch import Tensor
from torch.nn import functional

from .candidate_examples import Examples, as_tensors

_MIRRORED, _RIDGE = 0.5, 0.005


@dataclass(frozen=True)
class CandidateTrainingSettings:
    """How the second look is trained."""

    network: CandidateSettings = field(default_factory=CandidateSettings)
    epochs: int = 12
    batch_size: int = 64  # candidates a step
    learning_rate: float = 1.5e-3  # at its highest
    weight_decay: float = 1e-3  # of AdamW
    seed: int = 1  # of weights and order


def train_second_look(
    examples: Examples,
    settings: CandidateTrainingSettings,
    *,
    device: str = "cpu",
    report: Callable[[int, float], None] | None = None,
) -> CandidateNetwork:
    """Train on candidates. `report`: called with the epoch and its mean loss."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    network = CandidateNetwork(settings.network).to(device)
    rate = settings.learning_rate
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * -(-len(examples.label) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for epoch in range(settings.epochs):
        order, losses = rng.permutation(len(examples.label)), []
        network.train()
        for first in range(0, len(order), settings.batch_size):
            chosen = order[first : first + settings.batch_size]
            if len(chosen) < 2:
                schedule.step()
                continue
            near, wide, features = (part.to(device) for part in as_tensors(examples, chosen))
            if rng.random() < _MIRRORED:
                near, wide = near.flip(-1), wide.flip(-1)
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


@torch.inference_mode()
def logits_of(network: CandidateNetwork, examples: Examples) -> np.ndarray:
    """Uncalibrated logits: float32 (candidates, classes)."""
    network.eval()
    batches = torch.arange(len(examples.label)).split(128)
    return torch.cat([network(*as_tensors(examples, batch.numpy())) for batch in batches]).numpy()


def calibrated(settings: CandidateSettings, logits: np.ndarray, label: np.ndarray) -> CandidateSettings:
    """Temperature and biases that make the probabilities true on people that nothing was trained on.

    Fitted by maximum likelihood (temperature scaling, Guo et al. 2017, with a bias a class).
    """
    scores, target = torch.from_numpy(logits.astype(np.float64)), torch.from_numpy(label.astype(np.int64))

    def loss(parameters: Tensor) -> Tensor:
        entropy = functional.cross_entropy((scores + parameters[1:]) / parameters[0].exp(), target)
        return entropy + 1e-3 * (parameters**2).sum()

    logarithm, *bias = _least(loss, 1 + len(CLASSES))
    return replace(settings, temperature=float(np.exp(logarithm)), bias=tuple(bias))


def with_score(settings: CandidateSettings, logits: np.ndarray, examples: Examples) -> CandidateSettings:
    """The logistic regression that makes the scores, fitted to candidates of people that nothing was trained on.

    It tells infarcts and other anomalies from all that is none; white matter hyperintensities are left out, as neither.

    `settings`: calibrated. `logits`: of `logits_of` the examples. An InputError if these are too few or too alike.
    """
    scaled = (logits.astype(np.float64) + np.array(settings.bias)) / settings.temperature
    terms = score_terms(softmax(scaled, axis=1), examples.features)
    middle, spread = terms.mean(axis=0), np.maximum(terms.std(axis=0), 1e-6)
    fitted = examples.label != WMH
    columns = torch.from_numpy(((terms - middle) / spread)[fitted])
    target = torch.from_numpy(np.isin(examples.label, (INFARCT, OTHER))[fitted].astype(np.float64))

    def loss(parameters: Tensor) -> Tensor:
        logit = columns @ parameters[1:] + parameters[0]
        entropy = functional.binary_cross_entropy_with_logits(logit, target)
        return entropy + _RIDGE * (parameters[1:] ** 2).sum()

    constant, *values = _least(loss, 1 + terms.shape[1])
    weights = np.array(values) / spread
    try:
        return replace(settings, score=(constant - float(weights @ middle), *weights.tolist()))
    except ValueError as error:
        found = f"{len(examples.label)} candidates in {examples.scans} painted scans"
        raise InputError(
            f"{found} are too few for the second look's score: raise --painted-scans."
        ) from error


def _least(loss: Callable[[Tensor], Tensor], count: int) -> list[float]:
    """The parameters, float64 (count,), at which a smooth loss is least."""
    parameters = torch.zeros(count, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(parameters)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return [float(value) for value in parameters.detach()]
