"""What surrounds a brain: CSF, skull with marrow, fat, muscle, skin, orbits, air; and the signals of it all.

A plausible head for brain extraction to work on, built from distances to the brain and a few ellipsoids in
the template's coordinates; nothing here is measured anatomy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from . import signals
from .shapes import closed_with_ball, smooth_noise
from .signals import Tissue
from .simulated_brain import Brain

# Distances vary over millimetres: they are computed on a coarser grid and interpolated.
_COARSE = 2


@dataclass(frozen=True)
class SurroundingTissues:
    """The tissues round a brain; arrays of shape (slices, rows, columns)."""

    # float32 fractions of each voxel; with the brain's own they add up to at most 1, the rest is air
    fractions: tuple[tuple[Tissue, np.ndarray], ...]
    body: np.ndarray  # bool, everything inside the skin
    depth_mm: np.ndarray  # float32, distance outwards from the skin (negative inside)


def surround(brain: Brain, rng: np.random.Generator) -> SurroundingTissues:
    """Build a head round a brain."""
    shape, spacing = brain.mask.shape, brain.grid.spacing[::-1]
    x, y, z = brain.mni
    side = abs(x)

    def noise(scale_mm: float) -> np.ndarray:
        return smooth_noise(rng, shape, spacing, scale_mm)

    from_hull = _distance_from_hull(brain)
    # Thicknesses in mm from the hull outwards: fluid and dura, inner table, marrow, outer table.
    fluid = np.clip(1.6 + 0.9 * rng.uniform() + 0.6 * noise(25), 0.8, None)
    table = 1.3
    marrow = np.clip(3.2 + 0.8 * noise(20), 0.3, None)
    # The temporal squama has hardly any marrow, and a muscle on it.
    temple = np.exp(
        -(((side - 62) / 22) ** 2 + ((y - 12) / 24) ** 2 + ((z + 14) / 26) ** 2), dtype=np.float32
    )
    marrow = marrow * (1 - 0.9 * np.clip(1.6 * temple, 0, 1))
    skull = fluid + 2 * table + marrow
    outside_skull = from_hull - skull
    # The skin is smoother than the skull: the fat between them takes up the difference.
    smooth = ndimage.gaussian_filter(from_hull, [6.0 / s for s in spacing])
    # Above the base there is nothing but fat under the skin, except on the temples.
    fat = 4.0 + 8.0 * np.clip((z + 30) / 20, 0, 1) * np.clip(1 - 5 * temple, 0, 1)
    depth = np.minimum(smooth - 13.5 - 10 * temple, outside_skull - 2.0)
    for centre, radii in (
        ((0.0, 34.0, -58.0), (67.0, 64.0, 66.0)),  # the face
        ((0.0, 88.0, -58.0), (17.0, 26.0, 24.0)),  # the nose
        ((0.0, -48.0, -82.0), (66.0, 66.0, 70.0)),  # the neck
        ((0.0, -15.0, -62.0), (80.0, 62.0, 44.0)),  # the skull base between the ears
    ):
        depth = _smooth_minimum(depth, _ellipsoid_distance((x, y, z), centre, radii), 9.0)

    free = 1 - (brain.white + brain.grey + brain.csf)
    parts: dict[Tissue, np.ndarray] = {}

    def fill(tissue: Tissue | None, amount: np.ndarray) -> None:
        """Give the tissue its share of what is still free; None is air."""
        nonlocal free
        share = np.clip(amount, 0, 1) * free
        free = free - share
        if tissue is not None:
            parts[tissue] = parts.get(tissue, np.float32(0)) + share.astype(np.float32)

    def ellipsoid(centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
        return _step(-_ellipsoid_distance((x, y, z), centre, radii))

    inside = _step(-depth)
    fill(None, 1 - inside)
    fill(signals.CSF, np.maximum(_step(fluid - from_hull), ellipsoid((0, -48, -75), (13, 11, 30))))
    for sign in (-1, 1):
        fill(signals.VITREOUS, ellipsoid((sign * 31.0, 72.0, -38.0), (12.0, 12.0, 12.0)))
        fill(signals.MUSCLE, ellipsoid((sign * 26.0, 56.0, -37.0), (4.0, 22.0, 3.0)))
        orbit = ellipsoid((sign * 28.0, 62.0, -38.0), (17.0, 30.0, 17.0))
        fill(signals.FAT, orbit * _step(-3.0 - depth) * _step(outside_skull + 2))
        fill(None, ellipsoid((sign * 24.0, 62.0, -68.0), (13.0, 16.0, 14.0)))
        cells = ellipsoid((sign * 52.0, -36.0, -46.0), (14.0, 16.0, 20.0))
        fill(None, cells * np.clip(0.75 + 0.5 * noise(4), 0, 1))
        fill(None, ellipsoid((sign * 66.0, -18.0, -44.0), (14.0, 3.5, 3.5)))
    for centre, radii in (
        ((0.0, 30.0, -40.0), (13.0, 12.0, 9.0)),  # sphenoid sinus
        ((0.0, 58.0, -42.0), (9.0, 20.0, 14.0)),  # ethmoid cells
        ((0.0, 62.0, -68.0), (9.0, 30.0, 14.0)),  # nasal cavity
    ):
        fill(None, ellipsoid(centre, radii) * np.clip(0.8 + 0.4 * noise(5), 0, 1))
    in_marrow = _step(from_hull - fluid - table) * _step(fluid + table + marrow - from_hull)
    fill(signals.MARROW, in_marrow * np.clip(0.85 + 0.2 * noise(5), 0, 1))
    fill(signals.CORTICAL_BONE, _step(skull - from_hull))
    fill(signals.SKIN, _step(depth + 1.8))
    fill(signals.FAT, _step(depth + 1.8 + fat))
    # Between skull and subcutaneous fat: muscle with fat between its bundles.
    fill(signals.FAT, 0.8 * _step(3.0 * (noise(7) - 1.0)) + 0.08)
    fill(signals.MUSCLE, inside)
    return SurroundingTissues(tuple(parts.items()), depth < 0, depth.astype(np.float32))


def healthy_signals(
    brain: Brain, head: SurroundingTissues, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], tuple[Tissue, Tissue, Tissue]]:
    """The signals of a head without lesions, and the white matter, grey matter and CSF of the person.

    The signals, of "t1" and "flair", are float32 like the brain's arrays, relative to the white matter's.
    """
    white, grey, fluid = tissues = signals.vary_brain(rng)
    spacing = brain.grid.spacing[::-1]
    present = [(white, brain.white), (grey, brain.grey), (fluid, brain.csf)]
    present += [(signals.vary(t, rng, 0.15), amount) for t, amount in head.fractions]
    images = {}
    for name, equation in signals.EQUATIONS.items():
        image = np.zeros(brain.mask.shape, np.float32)
        for tissue, amount in present:
            image += np.float32(equation(tissue) / equation(white)) * amount
        # Living tissue is not of one brightness.
        texture = 0.025 * smooth_noise(rng, image.shape, spacing, 3.0)
        texture += 0.03 * smooth_noise(rng, image.shape, spacing, 25.0)
        images[name] = image * (1 + texture)
    return images, tissues


def _distance_from_hull(brain: Brain) -> np.ndarray:
    """Signed distance in mm from the brain's smoothed hull, positive outside.

    The vault is rounder than the base: there the hull bridges fissures, below it follows the fossae.
    """
    spacing = tuple(s * _COARSE for s in brain.grid.spacing[::-1])
    every = (slice(None, None, _COARSE),) * 3
    base, vault = (_distance_from_closing(brain.mask[every], spacing, reach_mm) for reach_mm in (8.0, 24.0))
    distance = np.minimum(base, vault + 0.5 * np.clip(8 - brain.mni[2][every], 0, None))
    distance = ndimage.gaussian_filter(distance, [2.0 / s for s in spacing])
    index = np.meshgrid(*(np.arange(n, dtype=np.float32) / _COARSE for n in brain.mask.shape), indexing="ij")
    return ndimage.map_coordinates(distance, index, order=1, mode="nearest")


def _distance_from_closing(mask: np.ndarray, spacing: tuple[float, ...], reach_mm: float) -> np.ndarray:
    """Signed distance in mm from the mask closed with a ball of this radius, positive outside."""
    # Padding, or the closing would stop at the border of the array.
    pad = int(reach_mm / min(spacing)) + 2
    closed = closed_with_ball(np.pad(mask, pad), spacing, reach_mm)
    distance = ndimage.distance_transform_edt(~closed, sampling=spacing)
    distance -= ndimage.distance_transform_edt(closed, sampling=spacing)
    return distance[(slice(pad, -pad),) * 3].astype(np.float32)


def _ellipsoid_distance(
    position: tuple[np.ndarray, ...], centre: tuple[float, ...], radii: tuple[float, ...]
) -> np.ndarray:
    """Roughly the distance in mm from an ellipsoid's surface, negative inside."""
    scaled = sum(((p - c) / r) ** 2 for p, c, r in zip(position, centre, radii, strict=True))
    return (np.sqrt(scaled) - 1) * min(radii)


def _smooth_minimum(a: np.ndarray, b: np.ndarray, blend_mm: float) -> np.ndarray:
    """The minimum, rounded where the two are within `blend_mm` of each other."""
    h = np.clip(blend_mm - abs(a - b), 0, None) / blend_mm
    return np.minimum(a, b) - h * h * blend_mm / 4


def _step(distance_mm: np.ndarray) -> np.ndarray:
    """The fraction of a 1 mm voxel on the positive side of a surface at this distance."""
    return np.clip(distance_mm + 0.5, 0, 1)
