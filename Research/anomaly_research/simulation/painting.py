"""Lesions blended into the voxels of a scan: at its own contrast, bias field, resolution and noise."""

from __future__ import annotations

import numpy as np
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.nifti import NiftiScan

from .host import Host, HostImage
from .rendering import Projection
from .signals import Tissue

#: A voxel that a lesion fills less than this is left as it is, to the last bit.
LEAST_FILLED = 0.01


class Canvas:
    """The two images of a host while lesions are put into them.

    Args:
        host: not changed.
        rng: the noise of what is painted comes from it.
    """

    def __init__(self, host: Host, rng: np.random.Generator) -> None:
        """Start from the images as they are."""
        self._host = host
        self._sheets = tuple(_Sheet(image, host) for image in (host.t1, host.flair))
        self._rng = rng

    def paint(self, grid: Grid, layers: list[tuple[Tissue, np.ndarray]]) -> None:
        """Let tissues take the place of what is there.

        Args:
            grid: in FLAIR space.
            layers: of each tissue the fraction of every voxel, float32 on the grid; together at most 1.
        """
        for sheet in self._sheets:
            sheet.paint(grid, layers, self._host, self._rng)

    def scans(self) -> tuple[NiftiScan, NiftiScan]:
        """T1 and FLAIR; voxels that nothing was painted on keep every bit."""
        t1, flair = (sheet.image.scan.with_values(sheet.values, sheet.changed) for sheet in self._sheets)
        return t1, flair


class _Sheet:
    """One image while lesions are put into it."""

    def __init__(self, image: HostImage, host: Host) -> None:
        self.image = image
        self.values = image.scan.values
        self.changed = np.zeros(self.values.shape, bool)
        self._positive = bool(self.values.min() >= 0)
        self._bias = Projection(host.brain.grid, image.scan.grid, image.from_flair)

    def paint(
        self, grid: Grid, layers: list[tuple[Tissue, np.ndarray]], host: Host, rng: np.random.Generator
    ) -> None:
        image = self.image
        projection = Projection(grid, image.scan.grid, image.from_flair)
        if projection.window is None:
            return
        box = projection.window.box
        filled = np.zeros(projection.window.shape, np.float32)
        wanted = np.zeros_like(filled)
        for tissue, amount in layers:
            seen = projection.seen(amount, image.noise.blur)
            filled += seen
            wanted += np.float32(host.levels.of(tissue, image.channel)) * seen
        bias = self._bias.interpolated(image.bias, projection.window)
        # What is left of the voxel brings its part of the noise along.
        noise = image.noise.draw(rng, filled.shape) * np.sqrt(1 - (1 - np.clip(filled, 0, 1)) ** 2)
        new = self.values[box] * (1 - filled) + wanted * bias + noise
        where = filled >= LEAST_FILLED
        if self._positive:
            new = np.abs(new)
        self.values[box] = np.where(where, new, self.values[box])
        self.changed[box] |= where
