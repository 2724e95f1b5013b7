"""Lesions blended into the voxels of a scan: at its own contrast, bias field, resolution and noise."""

from __future__ import annotations

import numpy as np
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.nifti import NiftiScan

from .host import Host, HostImage
from .rendering import Projection, shape_of
from .signals import Tissue

#: A voxel that a lesion fills less than this is left as it is, to the last bit.
LEAST_FILLED = 0.01


class Sheet:
    """One image of a host, which is not changed itself, while lesions are put into it."""

    def __init__(self, host: Host, image: HostImage) -> None:
        self._levels, self._image = host.levels, image
        self._values = image.scan.values
        self._changed = np.zeros(self._values.shape, bool)
        self._positive = bool(self._values.min() >= 0)
        self._bias = Projection(host.brain.grid, image.scan.grid, image.from_flair)

    def paint(self, grid: Grid, layers: list[tuple[Tissue, np.ndarray]], rng: np.random.Generator) -> None:
        """Let tissues take the place of what is there.

        Args:
            grid: in FLAIR space.
            layers: of each tissue the fraction of every voxel, float32 on the grid; together at most 1.
            rng: the noise of what is painted comes from it.
        """
        image = self._image
        projection = Projection(grid, image.scan.grid, image.from_flair)
        box = projection.box
        filled, wanted = np.zeros((2, *shape_of(box)), np.float32)
        for tissue, amount in layers:
            seen = projection.seen(amount, image.noise.blur)
            filled += seen
            wanted += np.float32(self._levels.of(tissue, image.channel)) * seen
        # What is left of the voxel brings its part of the noise along.
        noise = image.noise.draw(rng, filled.shape) * np.sqrt(1 - (1 - np.clip(filled, 0, 1)) ** 2)
        new = self._values[box] * (1 - filled) + wanted * self._bias.interpolated(image.bias, box) + noise
        where = filled >= LEAST_FILLED
        self._values[box] = np.where(where, np.abs(new) if self._positive else new, self._values[box])
        self._changed[box] |= where

    def scan(self) -> NiftiScan:
        """The image; voxels that nothing was painted on keep every bit."""
        return self._image.scan.with_values(self._values, self._changed)
