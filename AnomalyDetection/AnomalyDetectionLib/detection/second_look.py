"""The context detector's scores: candidates of one network, each judged by another in its surroundings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..imaging.prepared import PreparedStudy
from ..model.candidate_network import CandidateNetwork
from ..model.classes import ANOMALIES, CLASSES
from ..model.context_model import ContextModel
from .candidate_probabilities import CandidateProbabilities
from .candidates import (
    LEVELS,
    Candidates,
    Surroundings,
    anomaly_of,
    find_candidates,
    surroundings_of,
)
from .context import class_probabilities
from .lattice import peaks_of

BACKGROUND = 0.02
"""Scores outside candidates lie below this: the first network's probability, scaled down."""

PEAK_POWER = 2
"""Of the first network's highest probability in a candidate, a factor of the candidate's score."""

_BATCH = 64


def judge_candidates(
    study: PreparedStudy,
    model: ContextModel,
    *,
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
) -> tuple[np.ndarray, CandidateProbabilities]:
    """Find and classify the candidates of a brain.

    Args:
        study: prepared with the model's preparation settings.
        device: "cpu", "cuda" or "mps".
        progress: called with "scoring" and the fraction done.

    Returns:
        float32 (slices, rows, columns): on a candidate its probability of being an anomaly; and the class probabilities of each.
    """
    probabilities = class_probabilities(
        study.t1, study.flair, study.brain, model.context_network(), device=device, progress=progress
    )
    candidates = find_candidates(probabilities)
    surroundings = surroundings_of(
        candidates, study.t1, study.flair, study.brain, probabilities, study.grid.spacing
    )
    classified = classify(model.candidate_network(), surroundings)
    scores = scores_of(candidates, classified, anomaly_of(probabilities))
    return scores, CandidateProbabilities(candidates.labels, classified)


@torch.inference_mode()
def classify(network: CandidateNetwork, surroundings: Surroundings) -> np.ndarray:
    """Calibrated probabilities: float32 (candidates, classes). On the processor: there are few."""
    parts = [
        network.probabilities(
            *(
                torch.from_numpy(part[first : first + _BATCH])
                for part in (surroundings.near, surroundings.wide, surroundings.features)
            )
        )
        for first in range(0, len(surroundings.features), _BATCH)
    ]
    return torch.cat(parts).numpy() if parts else np.zeros((0, len(CLASSES)), np.float32)


def scores_of(candidates: Candidates, probabilities: np.ndarray, anomaly: np.ndarray) -> np.ndarray:
    """How sure both networks are of each candidate, and small values elsewhere.

    The second network learns from painted scans, where every fifth candidate is a lesion; in a patient few are. The first
    one's highest probability in the candidate makes up for that: `PEAK_POWER` was chosen on people of whom neither network
    had learnt, where it halved the negative log-likelihood (docs/evidence.md).

    Args:
        probabilities: of the second network, float32 (candidates, classes).
        anomaly: of the first network, float32 (slices, rows, columns).

    Returns:
        float32 (slices, rows, columns).
    """
    peaks = peaks_of(candidates.labels, candidates.count, anomaly)
    sure = np.concatenate([[0.0], probabilities[:, list(ANOMALIES)].sum(axis=1)]) * peaks**PEAK_POWER
    faint = BACKGROUND * np.clip(anomaly / LEVELS[-1], 0, 1)
    return np.where(candidates.labels > 0, sure[candidates.labels], faint).astype(np.float32)
