"""How far a lesion stands out of its scan, whatever the threshold: the percentile of its peak score."""

from __future__ import annotations

import numpy as np

from ..detection.lattice import paint_cells


def on_lattice(
    truth: np.ndarray, first: tuple[int, int], stride: int, shape: tuple[int, int, int]
) -> np.ndarray:
    """The lesion, if any, that each lattice cell of stride x stride voxels touches.

    Args:
        truth: integer label map (slices, rows, columns) on the model's grid.
        first: row and column of the first patch centre.
        shape: of the lattice.

    Returns:
        Integers of the lattice's shape; of several lesions in a cell, the highest number.
    """
    numbers = np.arange(1, int(np.prod(shape)) + 1).reshape(shape)
    cell = paint_cells(numbers, first, stride, truth.shape)  # type: ignore[arg-type]
    owner = np.zeros(numbers.size + 1, truth.dtype)
    inside = truth > 0
    np.maximum.at(owner, cell[inside], truth[inside])
    return owner[1:].reshape(shape)


def peak_percentiles(scores: np.ndarray, lesions: np.ndarray) -> dict[int, float]:
    """For each lesion, the percentile of its highest score among all the scan's scores.

    Args:
        scores: float, NaN where nothing was scored.
        lesions: integers of the same shape, 0 outside lesions.

    Returns:
        Lesion number to percentile, 0 to 100: the share of the scan's scores that its peak is at least equal
        to; 0 for a lesion that no scored patch touches.
    """
    scored = np.isfinite(scores)
    ordered = np.sort(scores[scored])
    result = {}
    for number in np.unique(lesions[lesions > 0]):
        own = scores[(lesions == number) & scored]
        below = np.searchsorted(ordered, own.max(), "right") if own.size else 0
        result[int(number)] = 100.0 * below / ordered.size
    return result
