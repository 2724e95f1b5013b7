"""Class probabilities of the context detector's candidates; without torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CandidateProbabilities:
    """Class probabilities of each candidate, from the second look.

    `labels`: int32 (slices, rows, columns) on the model's grid: 0, or the candidate's number from 1.
    `probabilities`: float32 (candidates, classes), calibrated probabilities of `classes.CLASSES`."""

    labels: np.ndarray
    probabilities: np.ndarray

    def of_voxel(self, voxel: tuple[int, int, int]) -> np.ndarray | None:
        """The probabilities (classes,) of the candidate that a voxel (slice, row, column) belongs to."""
        number = int(self.labels[voxel])
        return self.probabilities[number - 1] if number else None
