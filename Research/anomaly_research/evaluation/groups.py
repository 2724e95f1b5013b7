"""Connected elements above a falling threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from AnomalyDetectionLib.detection.findings import NEIGHBOURS
from scipy import ndimage

from .truth import ElementTruth


@dataclass(frozen=True)
class Groups:
    """Connected elements above a threshold, numbered from 1; 0 stands for none.

    Attributes:
        elements: flat indices (into the scored array) of the elements above the threshold.
        owner: their groups.
        sizes: (groups + 1,) elements of each.
        voxels: (groups + 1,) FLAIR voxels of each.
        infarct_owner, confounder_owner: groups of the elements of `truth.infarcts` and `.confounders`.
    """

    elements: np.ndarray
    owner: np.ndarray
    sizes: np.ndarray
    voxels: np.ndarray
    infarct_owner: np.ndarray
    confounder_owner: np.ndarray

    def kept(self, smallest: int) -> np.ndarray:
        """bool (groups + 1,): the groups that are findings, of so many elements at least."""
        kept = self.sizes >= smallest
        kept[0] = False
        return kept


class Sweep:
    """Finds the groups above one threshold after another, in the box that holds all scores."""

    def __init__(self, scores: np.ndarray, truth: ElementTruth, neighbourhood: str = "26") -> None:
        """Make a scan ready: arguments as of `scan_curves`."""
        if scores.shape != truth.shape:
            raise ValueError(f"scores {scores.shape} and truth {truth.shape} are on different elements")
        scored = np.isfinite(scores)
        box = ndimage.find_objects(scored.astype(np.uint8))
        self._box = box[0] if box else (slice(0, 0),) * 3
        self._structure = NEIGHBOURS[neighbourhood]
        self._scores = np.where(scored[self._box], scores[self._box], -np.inf).astype(np.float32)
        self._numbers = np.arange(scores.size).reshape(scores.shape)[self._box].ravel()
        self._voxels = truth.voxels[self._numbers].astype(np.float64)
        place = np.full(scores.size, -1, np.int64)
        place[self._numbers] = np.arange(len(self._numbers))
        self._infarcts, self._confounders = place[truth.infarcts[0]], place[truth.confounders[0]]

    def counts(self, thresholds: np.ndarray) -> np.ndarray:
        """How many elements lie above each threshold."""
        ordered = np.sort(self._scores[np.isfinite(self._scores)])
        return len(ordered) - np.searchsorted(ordered, thresholds.astype(np.float32), "right")

    def above(self, threshold: float) -> Groups:
        """The groups above a threshold."""
        above = self._scores > np.float32(threshold)
        labels, groups = ndimage.label(above, self._structure)
        labels, elements = labels.ravel(), np.flatnonzero(above)
        owner = labels[elements]
        voxels = np.bincount(owner, weights=self._voxels[elements], minlength=groups + 1)
        sizes = np.bincount(owner, minlength=groups + 1)
        owners = (np.where(at >= 0, labels[at], 0) for at in (self._infarcts, self._confounders))
        return Groups(self._numbers[elements], owner, sizes, voxels, *owners)
