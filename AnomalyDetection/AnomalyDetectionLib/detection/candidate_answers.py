"""What was said of the context detector's candidates; without torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CandidateAnswers:
    """What the second look says of each candidate.

    Attributes:
        labels: int32 (slices, rows, columns) on the model's grid: 0, or the candidate's number from 1.
        answers: float32 (candidates, classes), calibrated probabilities of `classes.CLASSES`.
    """

    labels: np.ndarray
    answers: np.ndarray

    def at(self, voxel: tuple[int, int, int]) -> np.ndarray | None:
        """The probabilities (classes,) of the candidate that a voxel (slice, row, column) belongs to."""
        number = int(self.labels[voxel])
        return self.answers[number - 1] if number else None
