"""Count false positives of normal scans by threshold; smooth the tail where they are few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..detection.findings import NEIGHBOURS
from ..errors import InputError
from ..model.false_positive_curve import FalsePositiveCurve
from ..model.model_settings import ScoringSettings

THRESHOLDS = 192
TAIL = 10
"""Findings, of all scans together, that the exponential tail is fitted to: above the threshold that leaves so many."""
USUAL_VARIATION, USUAL_SCANS = 0.6, 3.0
"""What is assumed of how much people differ, and as how many scans it counts beside those at hand."""
_BRAIN = 0.5  # share of the patches above the lowest threshold
_POINTS = 64


@dataclass(frozen=True, eq=False)
class NormalScan:
    """A scored scan of someone without the lesions that are searched for."""

    name: str  # of the scan
    # float32 (slices, lattice rows, lattice columns), scores; NaN where no patch was scored
    lattice: np.ndarray
    # bool of its shape, the patches whose cell holds a voxel of a lesion that is known: findings that touch one
    # are not counted. None: none is known.
    lesion: np.ndarray | None = None


def findings_above(scan: NormalScan, thresholds: np.ndarray, scoring: ScoringSettings) -> np.ndarray:
    """int64 (thresholds,): findings, by the rules of `connected_patches`, that touch no known lesion."""
    scored = np.isfinite(scan.lattice)
    box = (ndimage.find_objects(scored.astype(np.uint8)) or [(slice(0, 0),) * 3])[0]
    scores = np.where(scored[box], scan.lattice[box], -np.inf)
    lesion = None if scan.lesion is None else scan.lesion[box]
    counts = np.zeros(len(thresholds), np.int64)
    for k, threshold in enumerate(thresholds):
        above = scores > np.float32(threshold)
        labels, groups = ndimage.label(above, NEIGHBOURS[scoring.neighbourhood])
        if groups:
            owner = labels[above]
            counted = np.bincount(owner, minlength=groups + 1) >= scoring.min_patches
            counted[0] = False
            if lesion is not None:
                counted[labels[lesion]] = False
            counts[k] = counted.sum()
    return counts


def false_positive_curve(scans: Sequence[NormalScan], scoring: ScoringSettings) -> FalsePositiveCurve:
    """The mean number of findings of normal scans by threshold, never rising.

    Where the threshold falls, findings grow together, and there are fewer again; there the curve stays at its
    highest. Above the threshold that leaves ten findings in all scans together, single findings would decide:
    there the rate falls exponentially with the mean excess of those ten, which is also how it goes on beyond
    the last of them. `scans`: at least one. `scoring`: of the model; says what makes a finding. Raises
    InputError where the scans have no finding at any threshold."""
    thresholds = _thresholds(scans)
    counts = np.stack([findings_above(scan, thresholds, scoring) for scan in scans])
    rates = np.maximum.accumulate(counts.mean(axis=0)[::-1])[::-1]
    if not rates[0] > 0:
        raise InputError(
            "The normal scans have no finding at any threshold, so false positives per scan cannot be estimated: give more scans."
        )
    lowest = int(np.flatnonzero(rates == rates[0])[-1])
    few = np.flatnonzero((rates * len(scans) <= TAIL) & (rates > 0))
    u = int(few[0]) if len(few) else int(np.flatnonzero(rates > 0)[-1])
    u = max(u, lowest)
    excess = float(np.sum(rates[u:-1] * np.diff(thresholds[u:]))) / rates[u]
    end = thresholds[u] + max(excess, 1e-3 * abs(thresholds[u]) + 1e-6) * math.log(10)
    kept = _thinned(thresholds[lowest : u + 1], rates[lowest : u + 1])
    return FalsePositiveCurve(
        scores=np.append(thresholds[lowest : u + 1][kept], end),
        per_scan=np.append(rates[lowest : u + 1][kept], rates[u] / 10),
        scans=len(scans),
        min_patches=scoring.min_patches,
        variation=_variation(counts),
    )


def _thresholds(scans: Sequence[NormalScan]) -> np.ndarray:
    """The highest, second, third ... score of all scans, in equal steps of the logarithm; ascending.

    Beside known lesions, where nothing is counted, and each score once: all voxels of a candidate have the same, and a large
    one would otherwise leave hardly a threshold below its own.
    """
    beside = [scan.lattice[... if scan.lesion is None else ~scan.lesion].ravel() for scan in scans]
    pooled = np.unique(np.concatenate(beside))
    pooled = pooled[np.isfinite(pooled)]
    if not len(pooled):
        raise InputError("The normal scans hold no patch beside their lesions.")
    ranks = np.geomspace(1, max(2.0, _BRAIN * len(pooled)), THRESHOLDS).astype(np.int64)
    return np.unique(pooled[-np.minimum(ranks, len(pooled))]).astype(np.float64)


def _thinned(scores: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Indices of some `_POINTS` of the curve, the ends among them, at equal steps of the rate's logarithm."""
    steps = np.log(rates[0] / rates) / max(math.log(rates[0] / rates[-1]), 1e-9) * (_POINTS - 1)
    _, first = np.unique(np.floor(steps), return_index=True)
    kept = np.unique([*first.tolist(), len(rates) - 1])
    apart = np.diff(scores[kept], prepend=-np.inf) > 1e-4
    return kept[apart]


def _variation(counts: np.ndarray) -> float:
    """SD from person to person as a share of the mean, beyond that of chance (Poisson), at 1 to 20 a scan."""
    mean = counts.mean(axis=0)
    at = (mean >= 1) & (mean <= 20)
    assumed = USUAL_VARIATION**2
    if len(counts) < 2 or not at.any():
        return USUAL_VARIATION
    beyond = (counts[:, at].var(axis=0, ddof=1) - mean[at]) / mean[at] ** 2
    observed = max(0.0, float(beyond.mean()))
    weight = len(counts) - 1
    return math.sqrt((weight * observed + USUAL_SCANS * assumed) / (weight + USUAL_SCANS))
