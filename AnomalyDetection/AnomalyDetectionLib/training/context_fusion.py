"""How the two heads of the context detector become one score: fitted on people that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import optimize
from torch.nn import functional

from ..model.context_network import (
    STRIDE,
    Answer,
    ContextNetwork,
    ContextSettings,
    expected,
    look,
    mahalanobis_squared,
)
from .context_lesions import ANOMALOUS, HYPERINTENSE, IGNORED, NORMAL
from .context_sampling import ContextSamples, ContextScan, Sample

SAMPLES = 240
_BATCH = 8
_Z_LIMIT = 6.0
"""Standardised residuals count up to here in the covariance: a few lesions that nobody marked must not set it."""


@dataclass(frozen=True)
class Cells:
    """Cells of painted validation slices: what the heads say of them and what they are.

    Attributes:
        probabilities: (cells, 2), of "hyperintense" and "anomalous".
        z: (cells, 2), standardised residuals of T1 and FLAIR.
        target: (cells,), as of `context_lesions`; none are IGNORED.
        weight: (cells,).
    """

    probabilities: np.ndarray
    z: np.ndarray
    target: np.ndarray
    weight: np.ndarray


def fit_fusion(
    network: ContextNetwork,
    scans: Sequence[ContextScan],
    outlines: Sequence[np.ndarray],
    *,
    seed: int,
    samples: int = SAMPLES,
) -> ContextSettings:
    """The settings of the network with covariance and fusion fitted on slices of `scans`.

    Fusion is a logistic regression on cells; both classes of lesion are positive.
    """
    cells = painted_cells(network, scans, outlines, seed=seed, samples=samples)
    z = np.clip(cells.z[cells.target == NORMAL], -_Z_LIMIT, _Z_LIMIT)
    first, both, second = (
        float(np.mean(z[:, 0] ** 2)),
        float(np.mean(z[:, 0] * z[:, 1])),
        float(np.mean(z[:, 1] ** 2)),
    )
    covariance = (first, both, second)
    zero = torch.zeros(1, 2, 1, len(cells.z))
    observed = torch.from_numpy(cells.z.T.astype(np.float32))[None, :, None]
    surprise = mahalanobis_squared(observed, Answer(zero, zero, zero), covariance)[0, 0].numpy()
    settings = network.settings
    p = np.clip(cells.probabilities[:, 1] + settings.hyperintense * cells.probabilities[:, 0], 1e-6, 1 - 1e-6)
    features = np.stack([np.ones_like(p), np.log(p / (1 - p)), np.log1p(surprise)], axis=1).astype(np.float64)
    positive = np.isin(cells.target, (HYPERINTENSE, ANOMALOUS))
    sign = np.where(positive, 1.0, -1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (features @ weights)
        slope = -sign * cells.weight / (1 + np.exp(np.clip(margin, -50, 50)))
        return float((cells.weight * np.logaddexp(0, -margin)).mean()), features.T @ slope / len(sign)

    best = optimize.minimize(loss, np.array([0.0, 1.0, 0.0]), jac=True, method="L-BFGS-B").x
    return replace(settings, covariance=covariance, fusion=(float(best[0]), float(best[1]), float(best[2])))


@torch.inference_mode()
def painted_cells(
    network: ContextNetwork,
    scans: Sequence[ContextScan],
    outlines: Sequence[np.ndarray],
    *,
    seed: int,
    samples: int,
) -> Cells:
    """The cells of slices painted with lesions and distractors."""
    drawn = ContextSamples(
        scans, outlines, samples, seed=seed, neighbours=network.settings.neighbours, one_image=0.0
    )
    parts = []
    for first in range(0, samples, _BATCH):
        batch = Sample.together([drawn[k] for k in range(first, min(first + _BATCH, samples))])

        shown = (batch.images, batch.brain, batch.place, batch.other_side)
        probabilities = look(network, *shown, (True, True)).logits.softmax(dim=1)[:, 1:]
        should = expected(network, *shown)
        observed = functional.avg_pool2d(batch.images[:, batch.images.shape[1] // 2], STRIDE)
        z = (observed - should.mean) * torch.exp(-0.5 * should.log_variance)
        counted = batch.target != IGNORED
        parts.append(
            (
                probabilities.movedim(1, -1)[counted].numpy(),
                z.movedim(1, -1)[counted].numpy(),
                batch.target[counted].numpy(),
                batch.weight[counted].numpy(),
            )
        )
    return Cells(*(np.concatenate(part) for part in zip(*parts, strict=True)))
