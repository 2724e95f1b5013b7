"""The context detector's scores: candidates of one network, each judged by another in its surroundings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.special import expit, logit

from ..imaging.prepared import PreparedStudy
from ..model.candidate_network import CandidateNetwork
from ..model.classes import ANOMALIES, CLASSES, INFARCT, OTHER, WMH
from ..model.context_model import ContextModel
from .candidate_probabilities import CandidateProbabilities
from .candidates import (
    LEVELS,
    MEANS,
    PEAK,
    T1_CONTRAST,
    Surroundings,
    anomaly_of,
    find_candidates,
    surroundings_of,
)
from .context import class_probabilities

BACKGROUND = 0.02  # Scores outside candidates lie below this: the first network's probability, scaled down
_BATCH = 64


def judge_candidates(
    study: PreparedStudy,
    model: ContextModel,
    *,
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
) -> tuple[np.ndarray, CandidateProbabilities]:
    """Find and classify the candidates of a brain. Returns float32 (slices, rows, columns): on a candidate its
    probability of being an anomaly; and the class probabilities of each.

    `study`: prepared with the model's preparation settings. `progress`: called with "scoring" and the fraction
    done."""
    probabilities = class_probabilities(
        study.t1, study.flair, study.brain, model.context_network(), device=device, progress=progress
    )
    candidates = find_candidates(probabilities)
    surroundings = surroundings_of(
        candidates, study.t1, study.flair, study.brain, probabilities, study.grid.spacing
    )
    classified = classify(model.candidate_network(), surroundings)
    sure = anomaly_probabilities(classified, surroundings.features, model.candidate.score)
    faint = BACKGROUND * np.clip(anomaly_of(probabilities) / LEVELS[-1], 0, 1)
    scores = np.where(candidates.labels > 0, np.concatenate([[0.0], sure])[candidates.labels], faint)
    return scores.astype(np.float32), CandidateProbabilities(candidates.labels, classified)


@torch.inference_mode()
def classify(network: CandidateNetwork, surroundings: Surroundings) -> np.ndarray:
    """Calibrated probabilities: float32 (candidates, classes). On the processor: there are few."""
    if not len(surroundings.features):
        return np.zeros((0, len(CLASSES)), np.float32)
    shown = (surroundings.near, surroundings.wide, surroundings.features)
    batches = zip(*(torch.from_numpy(part).split(_BATCH) for part in shown), strict=True)
    return torch.cat([network.probabilities(*batch) for batch in batches]).numpy()


def anomaly_probabilities(
    classified: np.ndarray, features: np.ndarray, weights: Sequence[float]
) -> np.ndarray:
    """How sure both networks and the T1 are of each candidate: a logistic regression.

    Lacunes are dark on the T1 and hardly different on the FLAIR; both networks learn too little from that.
    White matter hyperintensities, which most old brains have, count for less than infarcts and other anomalies
    (docs/trials.md). Returns float64 (candidates,).

    `classified`: probabilities by the second network, float32 (candidates, classes). `features`: of
    `surroundings_of`. `weights`: `CandidateSettings.score`."""
    constant, *others = weights
    return np.asarray(expit(constant + score_terms(classified, features) @ np.array(others)))


def score_terms(classified: np.ndarray, features: np.ndarray) -> np.ndarray:
    """What candidates are scored by, in the order of `SCORED_BY`: float64 (candidates, 5)."""
    anomalies = list(ANOMALIES)
    probabilities = [
        classified[:, anomalies].sum(axis=1),
        features[:, PEAK],
        features[:, MEANS][:, anomalies].sum(axis=1),
    ]
    logits = [logit(np.clip(values.astype(float), 1e-4, 1 - 1e-4)) for values in probabilities]
    others = classified[:, [INFARCT, OTHER]].sum(axis=1, dtype=float)
    sooner = np.log((others + 1e-3) / (classified[:, WMH] + 1e-3))
    return np.stack([*logits, np.abs(features[:, T1_CONTRAST]), sooner], axis=1)
