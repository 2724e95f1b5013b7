"""What the tissue of a scan looks like, voxel by voxel: what hints are decided from.

Bright on FLAIR, the core of a cavity, at the brain's edge, in white matter; all relative to the scan's own tissue. It
depends on the images alone, not on scores or thresholds, so it is found once a scan.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from ..imaging.contrast import TISSUE_ABOVE
from ..imaging.prepared import PreparedStudy
from .anatomy import AnatomyLabel
from .midline import Midline

BRIGHT_ABOVE = 2.5
"""Robust standard deviations above the tissue's median on FLAIR from which a voxel is bright."""

FLUID_BELOW = {"t1": 0.65, "flair": 0.6}
"""Of the tissue's median (scaled intensities): a voxel below both holds mostly fluid."""

WHITE_ABOVE = 0.5
"""Robust standard deviations above the tissue's median on T1 from which a voxel is white matter, without anatomy."""

NEAR_MM = 4.0
"""How far round a voxel it is looked for white matter."""

# What makes fluid a cavity. Beside a sulcus the cortex is dark on T1, but no brighter than usual on FLAIR; round a
# ventricle the caps are bright on FLAIR, but not that dark on T1. Gliosis is both. In units of BRIGHT_ABOVE.
LEAST_CORE_MM2 = 6.0
RIM_FLAIR_ABOVE = 0.2
RIM_T1_BELOW = -0.9
MOST_OPEN = 0.2  # share of its border that is fluid or outside the brain
MOST_MIRRORED = 0.5  # share of it that has fluid on the other side, too
LARGE_HALF_WIDTH_MM = 3.0  # of what has none there: so wide is no sulcus, rim or not
LARGE_RIM_FLAIR_ABOVE = -0.1
MIRROR_MM = 3.0
SUPERFICIAL_MM = 8.0  # deeper, such a pool is a ventricle that is wider on one side
PARTIAL_MM, BORDER_MM, RIM_MM = 1.0, 2.6, 3.9
"""From the fluid: so far reaches partial volume, what it is open to, and its rim."""


@dataclass(frozen=True)
class Appearance:
    """How every voxel of the model's grid looks.

    Attributes:
        t1_level, flair_level: median of the tissue, scaled.
        t1_spread, flair_spread: its robust standard deviation.
        bright: bool (slices, rows, columns): tissue brighter on FLAIR than nearly all of the scan's.
        fluid: bool: dark on both images.
        core: bool: fluid that is a cavity's, not that of a sulcus or ventricle.
        enclosed: bool: what of it gliosis encloses; the rest is wide and on one side alone, whatever its rim.
        edge_mm: float32, within the slice from the nearest voxel outside the brain; 0 outside.
        white: float32 0 to 1: share of the tissue near a voxel that is white matter.
        by_anatomy: whether white matter is known from the anatomy; else it is told by T1.
        ventricle_mm: float32, from the nearest voxel of a ventricle; None where the anatomy is not known.
        first_slice, last_slice: of the brain.
    """

    t1_level: float
    t1_spread: float
    flair_level: float
    flair_spread: float
    bright: np.ndarray
    fluid: np.ndarray
    core: np.ndarray
    enclosed: np.ndarray
    edge_mm: np.ndarray
    white: np.ndarray
    by_anatomy: bool
    ventricle_mm: np.ndarray | None
    first_slice: int
    last_slice: int

    @classmethod
    def of(cls, study: PreparedStudy, midline: Midline, anatomy: np.ndarray | None = None) -> Appearance:
        """Look at a scan.

        Args:
            study: prepared.
            midline: of its brain.
            anatomy: uint8 on the same grid (`AnatomyLabel`); None: white matter is told by T1, and nothing is said of
                the ventricles.
        """
        spacing = study.grid.spacing[1], study.grid.spacing[0]
        brain = study.brain
        tissue = brain & (np.minimum(study.t1, study.flair) > TISSUE_ABOVE)
        t1_level, t1_spread = _level(study.t1[tissue])
        flair_level, flair_spread = _level(study.flair[tissue])
        bright = brain & (study.flair > flair_level + BRIGHT_ABOVE * flair_spread)
        fluid = brain & (study.t1 < FLUID_BELOW["t1"] * t1_level)
        fluid &= study.flair < FLUID_BELOW["flair"] * flair_level
        if anatomy is None:
            white = tissue & (study.t1 > t1_level + WHITE_ABOVE * t1_spread)
        else:
            white = anatomy == AnatomyLabel.WHITE_MATTER
        counted = brain & ~bright & ~fluid
        edge_mm = _distances(brain, spacing)
        other_side = _mirrored(fluid | ~brain, study, midline)
        slices = np.flatnonzero(brain.any(axis=(1, 2)))
        flair_deviation = (study.flair - flair_level) / flair_spread
        t1_deviation = (study.t1 - t1_level) / t1_spread
        core, enclosed = _cores(fluid, t1_deviation, flair_deviation, study, other_side, edge_mm)
        return cls(
            t1_level=t1_level,
            t1_spread=t1_spread,
            flair_level=flair_level,
            flair_spread=flair_spread,
            bright=bright,
            fluid=fluid,
            core=core,
            enclosed=enclosed,
            edge_mm=edge_mm,
            white=_share_near(white & counted, counted, spacing),
            by_anatomy=anatomy is not None,
            ventricle_mm=_ventricle_distance(study, anatomy),
            first_slice=int(slices[0]) if len(slices) else 0,
            last_slice=int(slices[-1]) if len(slices) else 0,
        )


def _level(values: np.ndarray) -> tuple[float, float]:
    """Median and robust standard deviation; a scan without tissue, or of one value, has an arbitrary spread."""
    if not len(values):
        return 1.0, 1.0
    median = float(np.median(values))
    return median, max(1.4826 * float(np.median(np.abs(values - median))), 0.02)


def _distances(mask: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Slice by slice, mm from the nearest voxel that is not in the mask; beyond the image is outside."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    planes = [
        ndimage.distance_transform_edt(plane, sampling=spacing)[1:-1, 1:-1].astype(np.float32)
        for plane in padded
    ]
    return np.stack(planes)


def _share_near(some: np.ndarray, of: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    size = (1, *(2 * round(NEAR_MM / mm) + 1 for mm in spacing))
    part, whole = (
        ndimage.uniform_filter(mask.astype(np.float32), size, mode="constant") for mask in (some, of)
    )
    return np.where(whole > 1e-4, part / np.maximum(whole, 1e-4), 0.0).astype(np.float32)


def _mirrored(mask: np.ndarray, study: PreparedStudy, midline: Midline) -> np.ndarray:
    """The mask as it is on the other side of the brain, widened by `MIRROR_MM` within the slices."""
    grid, normal = study.grid, np.array(midline.normal)
    corners = grid.points(np.vstack([np.zeros(3), np.eye(3)]))
    reflected = corners - 2 * (corners @ normal - midline.offset)[:, None] * normal
    index = grid.indices(reflected)[:, ::-1]  # slice, row, column of where a step along x, y, z comes from
    matrix = (index[1:] - index[0])[::-1].T
    other = ndimage.affine_transform(
        mask.astype(np.uint8), matrix, offset=index[0], order=0, mode="constant", cval=1
    )
    return _widened(other > 0, MIRROR_MM, study)


def _widened(mask: np.ndarray, mm: float, study: PreparedStudy) -> np.ndarray:
    return np.stack(
        [
            ndimage.distance_transform_edt(~plane, sampling=study.grid.spacing[1::-1]) <= mm
            if plane.any()
            else plane
            for plane in mask
        ]
    )


def _ventricle_distance(study: PreparedStudy, anatomy: np.ndarray | None) -> np.ndarray | None:
    if anatomy is None or not (anatomy == AnatomyLabel.VENTRICLES).any():
        return None
    distance = ndimage.distance_transform_edt(
        anatomy != AnatomyLabel.VENTRICLES, sampling=study.grid.spacing[::-1]
    )
    return distance.astype(np.float32)


def _cores(
    fluid: np.ndarray,
    t1: np.ndarray,
    flair: np.ndarray,
    study: PreparedStudy,
    mirrored: np.ndarray,
    edge_mm: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The fluid of cavities: pools, slice by slice, that gliosis encloses, or that are large and one-sided.

    All of it, and what gliosis encloses.
    """
    spacing = study.grid.spacing[1], study.grid.spacing[0]
    cross = ndimage.generate_binary_structure(2, 1)
    margin = int(np.ceil(RIM_MM / min(spacing))) + 2
    enclosed, wide = np.zeros(fluid.shape, bool), np.zeros(fluid.shape, bool)
    for s in range(len(fluid)):
        # Thin sulci vanish, and what hangs together only through them comes apart.
        opened = ndimage.binary_erosion(fluid[s] | ~study.brain[s], cross, border_value=1) & study.brain[s]
        pools, count = ndimage.label(opened, structure=np.ones((3, 3)))
        one_sided = np.bincount(pools[fluid[s] & ~mirrored[s]], minlength=count + 1)
        for number, box in enumerate(ndimage.find_objects(pools), start=1):
            if one_sided[number] == 0:
                continue
            window = tuple(slice(max(part.start - margin, 0), part.stop + margin) for part in box)
            pool = ndimage.binary_dilation(pools[window] == number, cross) & fluid[s][window]
            near = _Pool(
                pool,
                pool & ~mirrored[s][window],
                study.brain[s][window] & ~fluid[s][window],
                spacing,
            )
            rim = near.rim
            if pool.sum() * spacing[0] * spacing[1] < LEAST_CORE_MM2 or not rim.any():
                continue
            rim_t1, rim_flair = float(t1[s][window][rim].mean()), float(flair[s][window][rim].mean())
            if near.enclosed and rim_flair > RIM_FLAIR_ABOVE and rim_t1 < RIM_T1_BELOW:
                enclosed[s][window] |= pool
            elif (
                near.half_width_mm >= LARGE_HALF_WIDTH_MM
                and rim_flair > LARGE_RIM_FLAIR_ABOVE
                and float(edge_mm[s][window][pool].min()) < SUPERFICIAL_MM
            ):
                wide[s][window] |= near.one_sided
    return enclosed | wide, enclosed


@dataclass(frozen=True)
class _Pool:
    """Fluid in a window of a slice: the pool, its part without fluid on the other side, and the tissue of the window."""

    pool: np.ndarray
    one_sided: np.ndarray
    tissue: np.ndarray
    spacing: tuple[float, float]

    @cached_property
    def from_it_mm(self) -> np.ndarray:
        return np.asarray(ndimage.distance_transform_edt(~self.pool, sampling=self.spacing))

    @cached_property
    def rim(self) -> np.ndarray:
        """The tissue round it, beyond its partial volume."""
        return self.tissue & (self.from_it_mm > PARTIAL_MM) & (self.from_it_mm <= RIM_MM)

    @property
    def enclosed(self) -> bool:
        """By tissue, and not on both sides of the brain."""
        border = (self.from_it_mm > 0) & (self.from_it_mm <= BORDER_MM)
        closed = np.count_nonzero(self.tissue & border) >= (1 - MOST_OPEN) * np.count_nonzero(border)
        return bool(closed and self.one_sided.sum() >= (1 - MOST_MIRRORED) * self.pool.sum())

    @property
    def half_width_mm(self) -> float:
        """Of the part that has nothing like it on the other side."""
        return float(ndimage.distance_transform_edt(np.pad(self.one_sided, 1), sampling=self.spacing).max())
