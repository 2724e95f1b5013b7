"""Describe roughly where in the brain a point lies, in words, without an atlas.

The anatomical part comes from the images (see `brain_parts`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from ..grid import Grid
from ..imaging.prepared import PreparedStudy
from .brain_parts import NO_THIRDS
from .midline import Midline

SUPERFICIAL_MM = 10.0
"""A point nearer than this to the outer surface of the brain mask is called "superficial", else "deep"."""

_COARSE_MM = 3.6


@dataclass(frozen=True)
class BrainRegions:
    """The brain mask cut into thirds, front to back and bottom to top, and its depth.

    No atlas: thirds of the brain that the mask shows. Front and back are measured along the brain's own
    midsagittal plane, up and down across the slices. A scan of a part of the brain has the thirds of that part.
    """

    # anterior, superior: unit vectors (LPS)
    anterior: np.ndarray
    superior: np.ndarray
    # front_mm, height_mm: along them, where the middle third begins and ends
    front_mm: tuple[float, float]
    height_mm: tuple[float, float]
    # (slices, rows, columns) mm below the outer surface, on a coarse sampling of the model's grid with a border
    # of one sample of outside
    depth_mm: np.ndarray
    # grid, step: that grid, and how many of its voxels (slice, row, column) make a sample
    grid: Grid
    step: np.ndarray

    @classmethod
    def of(cls, study: PreparedStudy, midline: Midline) -> BrainRegions:
        """The regions of a brain whose midsagittal plane is known."""
        left = np.array(midline.normal)
        slices_up = np.array(study.grid.direction).reshape(3, 3)[:, 2]
        superior = slices_up - (slices_up @ left) * left
        superior /= np.linalg.norm(superior)
        anterior = np.cross(left, superior)  # LPS: left x superior is front
        step = np.array([max(1, round(_COARSE_MM / mm)) for mm in study.grid.spacing[::-1]])
        brain = study.brain[:: step[0], :: step[1], :: step[2]]
        places = np.argwhere(brain) * step
        points = study.grid.points(places[:, ::-1]) if len(places) else np.zeros((1, 3))
        return cls(
            anterior,
            superior,
            _middle_third(points @ anterior),
            _middle_third(points @ superior),
            _depth(study, brain, step),
            study.grid,
            step,
        )

    def name(self, lps: np.ndarray, part: str | None = None) -> str:
        """Where a point (LPS mm) lies, such as "anterior superior, deep" or "central, superficial".

        The middle third of either direction is left out; "central" is the middle of both. `part`: the part of
        the brain (see `brain_parts`), which is said instead of the depth: "anterior superior, cortex", or
        "cerebellum" alone. None: not known."""
        if part in NO_THIRDS:
            return part
        thirds = [
            _third(float(lps @ self.anterior), self.front_mm, "posterior", "anterior"),
            _third(float(lps @ self.superior), self.height_mm, "inferior", "superior"),
        ]
        where = " ".join(third for third in thirds if third) or "central"
        if part is not None:
            return f"{where}, {part}"
        index = self.grid.indices(np.asarray(lps)[None])[0][::-1] / self.step + 1
        (depth,) = scipy.ndimage.map_coordinates(self.depth_mm, index[:, None], order=1, mode="nearest")
        return f"{where}, {'superficial' if depth < SUPERFICIAL_MM else 'deep'}"


def _middle_third(along: np.ndarray) -> tuple[float, float]:
    low, high = float(along.min()), float(along.max())
    return low + (high - low) / 3, high - (high - low) / 3


def _third(along: float, middle: tuple[float, float], below: str, above: str) -> str:
    if along < middle[0]:
        return below
    return above if along > middle[1] else ""


def _depth(study: PreparedStudy, brain: np.ndarray, step: np.ndarray) -> np.ndarray:
    """mm from the outer surface; where the scan ends inside the brain there is no surface."""
    solid = scipy.ndimage.binary_fill_holes(np.pad(brain, 1))
    spacing = np.array(study.grid.spacing[::-1]) * step
    for border, last, beyond in ((0, 1, -1.0), (-1, -2, float(study.grid.shape[0]))):
        middle = np.array([[(study.grid.size[0] - 1) / 2, (study.grid.size[1] - 1) / 2, beyond]])
        index = study.flair_grid.indices(study.grid.points(middle))[0]
        if np.any(index < -0.5) or np.any(index > np.array(study.flair_grid.size) - 0.5):
            solid[border] = solid[last]
    depth = scipy.ndimage.distance_transform_edt(solid, sampling=spacing)
    return np.maximum(depth - spacing.min() / 2, 0.0).astype(np.float32)
