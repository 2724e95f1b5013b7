"""A person's head from a whole-head label map: FreeSurfer's labels inside the brain, SimNIBS charm's outside.

Such maps come with SynthSeg (Billot et al., Med Image Anal 2023).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.reading import read_volume
from scipy import ndimage

from . import signals
from .shapes import closed_with_ball, largest_piece, smooth_noise
from .signals import Tissue
from .simulated_brain import Brain, Region, brain_regions, grid_along_lps, template_coordinates
from .surrounding_tissues import SurroundingTissues

# FreeSurfer's colour table. 25 and 57 are lesions of the white matter, which are made white matter here.
_WHITE = (2, 41, 7, 46, 16, 28, 60, 25, 57, 85)
_GREY = (3, 42, 8, 47, 10, 11, 12, 13, 17, 18, 26, 49, 50, 51, 52, 53, 54, 58)
_CSF = (4, 43, 14, 5, 44, 72, 136, 137, 163, 164, 15, 24, 30, 62)
_INNER_VENTRICLES = (4, 43, 14)
_REGIONS = {
    Region.CEREBELLUM: (7, 8, 46, 47),
    Region.BRAIN_STEM: (16,),
    Region.DEEP_GREY: (10, 11, 12, 13, 26, 49, 50, 51, 52, 58),
}

# What is round the brain, from 500 by SimNIBS charm's labels. Flow leaves arteries and veins half empty.
_AROUND: tuple[tuple[tuple[int, ...], Tissue, float], ...] = (
    (_CSF, signals.CSF, 1.0),
    (_WHITE, signals.WHITE_MATTER, 1.0),
    (_GREY, signals.GREY_MATTER, 1.0),
    ((506,), signals.VITREOUS, 1.0),
    ((508,), signals.MUSCLE, 1.0),
    ((502, 514), signals.MUSCLE, 0.5),
    ((509, 511), signals.SKIN, 1.0),
    ((512, 530), signals.WHITE_MATTER, 1.0),
    ((515,), signals.CORTICAL_BONE, 1.0),
    ((516,), signals.MARROW, 1.0),
)
#: Soft tissue this near to the skin is fat; deeper, muscle with fat in it.
_SOFT, _FAT_MM = 507, 9.0
#: The field of view beyond the brain: to the sides, and below and above it.
_SIDE_MM, _BELOW_MM, _ABOVE_MM = 30.0, 6.0, 20.0


def head_of_labels(path: Path, rng: np.random.Generator) -> tuple[Brain, SurroundingTissues]:
    """A person like the one of a label map, a little deformed and perhaps mirrored.

    An InputError if the map cannot be read, or has no white or grey matter, or nilearn is not installed.
    """
    image = read_volume(path, role="label map", mask=True).image
    image = sitk.DICOMOrient(sitk.Cast(image, sitk.sitkInt16), "LPS")
    labels = sitk.GetArrayFromImage(image)
    if not (np.isin(labels, _WHITE).any() and np.isin(labels, _GREY).any()):
        raise InputError(
            f"The label map {path} has no labels of white and grey matter as of FreeSurfer: leave it out."
        )
    native = Grid.of(image)
    grid = _field_of_view(labels, native)
    labels = _deformed(labels, native, grid, rng)
    tissue = np.isin(labels, (*_WHITE, *_GREY, *_INNER_VENTRICLES))
    # The brain with the fluid in its sulci, not the cistern between it and the skull: closed by 3 voxels.
    closed = closed_with_ball(np.pad(tissue, 5), (1.0, 1.0, 1.0), 3.1)[(slice(5, -5),) * 3]
    mask = tissue | (closed & np.isin(labels, (*_CSF, 502, 514)))
    mask = largest_piece(ndimage.binary_opening(mask, iterations=2))

    white, grey, fluid = (
        ndimage.gaussian_filter(np.isin(labels, which).astype(np.float32), 0.6)
        for which in (_WHITE, _GREY, _CSF)
    )
    # The brain's tissues add up to 1 in its mask; whatever else the blur brought in goes.
    total = np.maximum(white + grey + fluid, 1e-3)
    white, grey = (np.where(mask, v / total, 0).astype(np.float32) for v in (white, grey))
    csf = np.where(mask, np.clip(1 - white - grey, 0, 1), 0).astype(np.float32)

    like_t1 = white + 0.8 * grey + 0.25 * csf
    mni = template_coordinates(like_t1, mask, grid)
    regions = brain_regions(mni, white, grey, csf, mask, np.isin(labels, _INNER_VENTRICLES))
    for region, which in _REGIONS.items():
        regions[np.isin(labels, which) & mask] = region
    # Rules may have put a cerebellum or a brain stem where the map has the forebrain.
    misplaced = np.isin(labels, (2, 41, 3, 42)) & np.isin(regions, (Region.CEREBELLUM, Region.BRAIN_STEM))
    regions[misplaced] = np.where(white > grey, Region.WHITE_MATTER, Region.CORTEX)[misplaced]
    brain = Brain(white, grey, csf, mask, regions, mni, grid)
    return brain, _surroundings(labels, brain, rng)


def _field_of_view(labels: np.ndarray, native: Grid) -> Grid:
    """A grid of 1 mm along L, P, S round the brain."""
    inside = np.isin(labels, (*_WHITE, *_GREY)) & (labels != 85)
    points = native.points(np.argwhere(inside)[:, ::-1])
    low = points.min(axis=0) - np.array([_SIDE_MM, _SIDE_MM, _BELOW_MM])
    high = points.max(axis=0) + np.array([_SIDE_MM, _SIDE_MM, _ABOVE_MM])
    return grid_along_lps(low, np.ceil(high - low), (1.0, 1.0, 1.0))


def _deformed(labels: np.ndarray, native: Grid, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """The labels on another grid, scaled, deformed smoothly, and mirrored for half of the persons."""
    spacing = grid.spacing[::-1]
    scale = rng.uniform(0.97, 1.03, 3)
    mirrored = rng.random() < 0.5
    index = []
    for axis, (n, step) in enumerate(zip(grid.shape, native.spacing[::-1], strict=True)):
        middle = (n - 1) / 2
        place = (np.arange(n, dtype=np.float32) - middle) * scale[axis] + middle
        if axis == 2 and mirrored:
            place = place[::-1]
        # Both grids run along L, P, S; only their origins and steps differ.
        start = (grid.origin[2 - axis] - native.origin[2 - axis]) / step
        line = (place / step + start).astype(np.float32)
        field = 2.0 * smooth_noise(rng, grid.shape, spacing, 35.0)
        field = field + 0.8 * smooth_noise(rng, grid.shape, spacing, 11.0)
        index.append(line.reshape([-1 if a == axis else 1 for a in range(3)]) + field / step)
    return ndimage.map_coordinates(labels, np.stack(index), order=0, mode="nearest")


def _surroundings(labels: np.ndarray, brain: Brain, rng: np.random.Generator) -> SurroundingTissues:
    """What lies round the brain."""
    free = 1 - (brain.white + brain.grey + brain.csf)
    body = ndimage.binary_fill_holes(labels > 0)
    depth = ndimage.distance_transform_edt(~body) - ndimage.distance_transform_edt(body)
    parts: list[tuple[Tissue, np.ndarray]] = []

    def put(tissue: Tissue, mask: np.ndarray, share: float | np.ndarray) -> None:
        soft = ndimage.gaussian_filter((mask & ~brain.mask).astype(np.float32), 0.5)
        parts.append((tissue, (soft * free * share).astype(np.float32)))

    for which, tissue, share in _AROUND:
        put(tissue, np.isin(labels, which), share)
    shallow = np.clip((_FAT_MM + depth) / 3, 0, 1)
    streaks = 0.1 + 0.8 * (smooth_noise(rng, labels.shape, brain.grid.spacing[::-1], 7.0) > 1.0)
    fatty = np.maximum(shallow, streaks).astype(np.float32)
    put(signals.FAT, labels == _SOFT, fatty)
    put(signals.MUSCLE, labels == _SOFT, 1 - fatty)
    return SurroundingTissues(tuple(parts), body, depth.astype(np.float32))
