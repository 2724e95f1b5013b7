"""Shapes known finely in physical space, as the partial volumes of a scan's voxels.

A scan's voxel averages what lies in it over its slice profile and its in-plane resolution; both are applied
here to a shape, not to the scan, whose own voxels have been through them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from AnomalyDetectionLib.grid import Grid
from scipy import ndimage

#: Standard deviation in voxels of the in-plane point spread where the scan's noise shows no wider one.
POINT_SPREAD = 0.45
#: The same through the slices, beside the average over the slice: neighbours share a little.
SLICE_SPREAD = 0.2
#: An axis is taken to run through the slices where its spacing is so many times the smallest.
_THICK = 1.5
_MOST_SAMPLES = 12

Box = tuple[slice, ...]
"""Slices into an array of (slices, rows, columns)."""


def shape_of(box: Box) -> tuple[int, ...]:
    """The shape of what a box cuts out."""
    return tuple(b.stop - b.start for b in box)


def widened(box: Box, margins: Sequence[int], shape: tuple[int, ...]) -> Box:
    """A box with a margin along each axis, as far as the array goes."""
    return tuple(
        slice(max(0, b.start - m), min(n, b.stop + m)) for b, m, n in zip(box, margins, shape, strict=True)
    )


def box_round(centre: Sequence[int], reach: Sequence[int], shape: tuple[int, ...]) -> Box:
    """The box that reaches so many voxels to either side of one, as far as the array goes."""
    return widened(tuple(slice(c, c + 1) for c in centre), reach, shape)


class Projection:
    """From a fine grid, where shapes are known, to the voxels of a scan near it.

    `box`: the scan's voxels that the fine grid reaches; ValueError if it reaches none.
    """

    def __init__(self, fine: Grid, scan: Grid, to_scan: np.ndarray) -> None:
        """`to_scan`: 4 x 4, LPS points of the fine grid's space to LPS points of the scan's."""
        corners = np.asarray(list(np.ndindex(2, 2, 2))) * (np.asarray(fine.size) - 1)
        points = fine.points(corners) @ to_scan[:3, :3].T + to_scan[:3, 3]
        index = scan.indices(points)[:, ::-1]
        low = np.clip(np.floor(index.min(axis=0)).astype(int) - 2, 0, None)
        high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 3, None, scan.shape)
        if (high <= low).any():
            raise ValueError("the shape lies outside the scan")
        self.box: Box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        spacing = np.asarray(scan.spacing[::-1])
        self._samples = np.clip(np.round(spacing / min(fine.spacing)), 1, _MOST_SAMPLES).astype(int)
        self._thick = spacing > _THICK * spacing.min()
        # Array index of the scan to array index of the fine grid, an affine map: read it off four points.
        back = np.linalg.inv(to_scan)
        probes = scan.points(np.vstack([np.zeros(3), np.eye(3)])[:, ::-1])
        found = fine.indices(probes @ back[:3, :3].T + back[:3, 3])[:, ::-1]
        self._offset = found[0]
        self._matrix = (found[1:] - found[0]).T

    def fractions(self, shape: np.ndarray) -> np.ndarray:
        """How much of each voxel in the box a shape (float32 0 to 1, fine) fills: geometry, no point spread."""
        return self._average(self._sampled(shape))

    def seen(self, shape: np.ndarray, blur: float) -> np.ndarray:
        """The same as the scanner sees it, blurred by `blur` voxels (SD) in the plane."""
        spread = np.where(self._thick, SLICE_SPREAD, max(blur, POINT_SPREAD))
        return self._average(ndimage.gaussian_filter(self._sampled(shape), spread * self._samples))

    def interpolated(self, field: np.ndarray, box: Box) -> np.ndarray:
        """A smooth field of the fine grid at the centres of a box's voxels, carried on beyond the grid."""
        offset = self._matrix @ np.asarray([b.start for b in box]) + self._offset
        return ndimage.affine_transform(
            field, self._matrix, offset, shape_of(box), np.float32, order=1, mode="nearest"
        )

    def _sampled(self, shape: np.ndarray) -> np.ndarray:
        start = np.asarray([b.start for b in self.box]) + 0.5 / self._samples - 0.5
        return ndimage.affine_transform(
            shape.astype(np.float32, copy=False),
            self._matrix / self._samples,
            self._matrix @ start + self._offset,
            tuple(np.asarray(shape_of(self.box)) * self._samples),
            np.float32,
            order=1,
        )

    def _average(self, sampled: np.ndarray) -> np.ndarray:
        (z, y, x), (sz, sy, sx) = shape_of(self.box), self._samples
        return sampled.reshape(z, sz, y, sy, x, sx).mean((1, 3, 5), dtype=np.float32)


def most_filled(fractions: np.ndarray, volume: float) -> np.ndarray:
    """The voxels that a shape fills most, as many as its volume (in voxels) is worth, but at least one: bool.

    For a shape much larger than a voxel these are the voxels that it fills by half or more. Counting out
    keeps the volume of the small ones, which half-filled voxels would not.
    """
    count = min(max(1, round(volume)), int((fractions > 0).sum()))
    chosen = np.zeros(fractions.shape, bool)
    # A stable order: equal fractions come in the order of the voxels.
    chosen.ravel()[np.argsort(-fractions, axis=None, kind="stable")[:count]] = True
    return chosen
