"""Coordinates of voxels relative to the extent of the brain, without an atlas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def mirrored(images: np.ndarray, opposite: np.ndarray) -> np.ndarray:
    """Images (..., columns) with every column taken from its opposite one; 0 where that is -1."""
    return np.where(opposite >= 0, images[..., opposite], 0).astype(images.dtype)


@dataclass(frozen=True)
class BrainExtent:
    """The extent of a brain along the axes of its grid, in voxels. `middle`, `half`: (slices, rows, columns),
    of the range that holds all but 2 % of the brain."""

    middle: tuple[float, float, float]
    half: tuple[float, float, float]

    @classmethod
    def of(cls, brain: np.ndarray) -> BrainExtent:
        """The extent of a brain mask (slices, rows, columns); the whole grid if it is empty."""
        middle, half = [], []
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            count = brain.sum(axis=others).astype(np.float64)
            total = np.cumsum(count) / max(count.sum(), 1.0)
            low, high = (float(np.searchsorted(total, share)) for share in (0.01, 0.99))
            if not count.any():
                low, high = 0.0, float(brain.shape[axis] - 1)
            middle.append((low + high) / 2)
            half.append(max((high - low) / 2, 1.0))
        return cls(tuple(middle), tuple(half))  # type: ignore[arg-type]

    def other_side(self, columns: int) -> np.ndarray:
        """For each column, the opposite one in the other half of the brain; -1 where that is outside the grid."""
        opposite = np.rint(2 * self.middle[2] - np.arange(columns)).astype(np.int64)
        return np.where((opposite >= 0) & (opposite < columns), opposite, -1)

    def coordinates(self, slices: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Positions of voxels, float32 (3, ...): height, depth from front to back, distance from the midline.

        -1 to 1 within the brain from its lowest slice to its highest and from front to back; 0 to 1 from the
        midsagittal plane sideways, the same for left and right. `slices`, `rows`, `columns`: indices of the
        same shape, or of shapes that broadcast."""
        parts = [
            (index - middle) / half
            for index, middle, half in zip((slices, rows, columns), self.middle, self.half, strict=True)
        ]
        height, depth, side = np.broadcast_arrays(*parts)
        return np.stack([height, depth, np.abs(side)]).astype(np.float32)
