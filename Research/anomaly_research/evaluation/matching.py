"""One finding to one lesion: the strictest of the three ways to count a lesion as found."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

LEAST_IOU = 0.1
"""Least intersection over union of a finding and a lesion that are matched (docs/method.md, "Left open")."""


def one_to_one(overlap: np.ndarray, lesion_voxels: np.ndarray, finding_voxels: np.ndarray) -> np.ndarray:
    """The finding that each lesion gets for its own: index, int64 (lesions,), -1 for none.

    As many pairs as possible; of equally many, those of the greatest total intersection over union (as
    picai_eval matches, with which the tests compare).

    Args:
        overlap: (lesions, findings) shared voxels.
        lesion_voxels, finding_voxels: whole sizes.
    """
    match = np.full(len(lesion_voxels), -1, np.int64)
    union = lesion_voxels[:, None] + finding_voxels[None, :] - overlap
    iou = np.divide(overlap, union, out=np.zeros(overlap.shape), where=union > 0)
    possible = (iou >= LEAST_IOU) & (overlap > 0)
    rows, columns = np.flatnonzero(possible.any(axis=1)), np.flatnonzero(possible.any(axis=0))
    if len(rows) == 0:
        return match
    # A pair counts more than any overlap can: first as many as possible, then the best of these.
    gain = np.where(possible, 1.0 + iou / (1 + min(overlap.shape)), 0.0)[np.ix_(rows, columns)]
    chosen = np.stack(linear_sum_assignment(gain, maximize=True))
    row, column = chosen[:, gain[tuple(chosen)] > 0]
    match[rows[row]] = columns[column]
    return match
