"""A small head made of formulas, on any grid: T1, FLAIR and brain mask with known geometry."""

from __future__ import annotations

import numpy as np
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.volume import Study, Volume


class SyntheticHead:
    """A head as functions of physical space (LPS, mm), so that it can be had on any grid.

    Scalp, skull, a folded cortex, white matter, two ventricles and one bright lesion; without symmetry
    between left and right, so that flips show.
    """

    def tissues(self, grid: Grid) -> np.ndarray:
        """Labels (slices, rows, columns): 0 air, 1 scalp, 2 skull, 3 CSF, 4 grey, 5 white, 6 lesion."""
        points = grid.points(np.argwhere(np.ones(grid.shape, bool))[:, ::-1])
        x, y, z = points.T.reshape(3, *grid.shape)
        radius = np.sqrt((x / 66) ** 2 + (y / 82) ** 2 + (z / 62) ** 2)
        fold = 0.05 * np.sin(x / 4.1 + y / 17 + 1) * np.sin(y / 5.3 - z / 23) + 0.06 * np.sin(z / 9 + x / 14)
        labels = np.zeros(grid.shape, np.uint8)
        labels[radius < 1.22] = 1
        labels[radius < 1.14] = 2
        labels[radius < 1.02] = 3
        labels[radius < 0.96 + fold] = 4
        labels[radius < 0.80 + 1.5 * fold] = 5
        for side in (-1, 1):
            labels[((x - side * 13) / 7) ** 2 + ((y - 5) / 26) ** 2 + ((z - 8) / 12) ** 2 < 1] = 3
        labels[(x - 30) ** 2 + (y + 20) ** 2 + (z - 14) ** 2 < 36] = 6
        return labels

    def study(self, t1_grid: Grid, flair_grid: Grid) -> Study:
        """T1 and FLAIR of the head with a little noise, and the true brain mask."""
        random = np.random.default_rng(0)

        def image(name: str, grid: Grid, levels: tuple[int, ...]) -> Volume:
            values = np.array(levels, np.float32)[self.tissues(grid)] + random.normal(0, 6, grid.shape)
            return Volume(grid.image(np.abs(values).astype(np.float32)), description=name)

        t1 = image("T1", t1_grid, (3, 900, 40, 130, 400, 520, 380))
        flair = image("FLAIR", flair_grid, (2, 120, 15, 30, 320, 260, 520))
        inside = (self.tissues(flair_grid) >= 3).astype(np.float32)
        return Study(t1, flair, Volume(flair_grid.image(inside), description="mask"))


def axial_grid(spacing: tuple[float, float, float], size: tuple[int, int, int]) -> Grid:
    """A grid along L, P, S whose middle is the origin of the coordinates."""
    origin = tuple(-(n - 1) / 2 * mm for n, mm in zip(size, spacing, strict=True))
    return Grid(size, spacing, origin, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
