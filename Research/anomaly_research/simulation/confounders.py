"""What looks like an infarct and is none: hyperintensities, perivascular spaces, widened sulci."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .shapes import ellipsoid, lowest, offsets_mm, pick, random_blob, rotation_of, smooth_noise
from .simulated_brain import Brain, Region

HYPERINTENSITY, PERIVASCULAR_SPACE, SULCUS, ARTEFACT, TUMOUR = 1, 2, 3, 4, 5


def white_matter_hyperintensities(
    brain: Brain, volume_ml: float, foci: int, taken: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Caps and bands round the ventricles and spots in the deep white matter, as a bool array.

    `volume_ml`: of the caps and bands together; `foci`: number of spots, 0.01 to 0.15 ml each; `taken`: bool,
    voxels of other lesions, which are left free.
    """
    spacing = brain.grid.spacing[::-1]
    _, y, z = brain.mni
    white = (brain.white > 0.6) & (brain.regions == Region.WHITE_MATTER) & (z > -2) & ~taken
    elsewhere = brain.regions[::2, ::2, ::2] != Region.VENTRICLES
    distance = ndimage.distance_transform_edt(elsewhere, sampling=[2 * s for s in spacing])
    index = np.meshgrid(*(np.arange(n, dtype=np.float32) / 2 for n in white.shape), indexing="ij")
    distance = ndimage.map_coordinates(distance.astype(np.float32), index, order=1, mode="nearest")
    # Caps sit on the frontal and occipital horns, bands along the body.
    horns = np.exp(-(((y - 34) / 12) ** 2)) + np.exp(-(((y + 44) / 14) ** 2))
    reluctance = distance / (2.2 + 4.5 * horns) * np.exp(0.55 * smooth_noise(rng, white.shape, spacing, 8.0))
    found = lowest(reluctance, white & (distance < 14), round(volume_ml / brain.grid.voxel_ml))
    sites = white & (ndimage.uniform_filter(brain.white, 7) > 0.85) & (z > 5) & (distance > 4)
    for _ in range(foci):
        volume_ml = float(np.exp(rng.uniform(np.log(0.01), np.log(0.15))))
        _paste(found, random_blob(rng, volume_ml, spacing, elongation=1.8), pick(rng, sites))
    return found & white


def perivascular_spaces(brain: Brain, number: int, taken: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tubes of fluid, 1.5 to 3 mm wide, in the lower basal ganglia and the centrum semiovale (bool)."""
    spacing = brain.grid.spacing[::-1]
    x, y, z = brain.mni
    room = brain.mask & (brain.csf < 0.3) & ~taken
    basal = (abs(abs(x) - 23) < 6) & (abs(y - 6) < 10) & (abs(z + 3) < 5)
    semiovale = (brain.white > 0.97) & (ndimage.uniform_filter(brain.white, 9) > 0.95) & (abs(z - 38) < 6)
    found = np.zeros(room.shape, bool)
    for k in range(number):
        radius, length = rng.uniform(0.75, 1.5), rng.uniform(3, 7)
        box = tuple(slice(-int(np.ceil(length / s)) - 1, int(np.ceil(length / s)) + 2) for s in spacing)
        tilt = rotation_of(np.eye(3) + 0.3 * rng.standard_normal((3, 3)))
        tube = ellipsoid(offsets_mm(box, (0, 0, 0), spacing), np.array([length, radius, radius]), tilt) < 1
        _paste(found, tube, pick(rng, room & (semiovale if k % 3 == 2 else basal)))
    return found & room


def widened_sulci(brain: Brain, number: int, taken: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the cortex has lost where its sulci are wide: patches of 12 to 22 mm radius (bool).

    In each, the fluid of sulci and surface spreads by up to 0.8 to 1.8 mm, less towards the patch's border.
    """
    spacing = brain.grid.spacing[::-1]
    x, _, z = brain.mni
    found = np.zeros(brain.mask.shape, bool)
    fluid = (brain.csf > 0.5) & (brain.regions == Region.CORTEX)
    sites = fluid & (z > -10) & (abs(x) > 8) & ~taken
    for _ in range(number):
        centre = pick(rng, sites)
        if centre is None:
            break
        radius, spread = rng.uniform(12, 22), rng.uniform(0.8, 1.8)
        box = tuple(
            slice(max(0, int(c - radius / s)), min(n, int(c + radius / s) + 1))
            for c, s, n in zip(centre, spacing, brain.grid.shape, strict=True)
        )
        lines = zip(np.ogrid[box], centre, spacing, strict=True)
        away = np.sqrt(sum(((line - c) * s) ** 2 for line, c, s in lines))
        distance = ndimage.distance_transform_edt(~fluid[box], sampling=spacing)
        irregular = np.exp(0.3 * smooth_noise(rng, away.shape, spacing, 6.0))
        reach = spread * np.clip(1.2 - (away / radius) ** 2, 0, 1) * irregular
        # Distances lead from voxel centre to voxel centre; the fluid's edge lies half a voxel nearer.
        found[box] |= (distance - 0.5 * min(spacing) < reach) & (distance > 0) & (away < radius)
    return found & brain.mask & (brain.regions == Region.CORTEX) & ~taken


def _paste(target: np.ndarray, shape: np.ndarray, centre: tuple[int, ...] | None) -> None:
    """Add a small shape to a mask, centred on a voxel; what falls outside is lost. None: do nothing."""
    if centre is None:
        return
    start = np.subtract(centre, np.floor_divide(shape.shape, 2))
    low, high = np.maximum(start, 0), np.minimum(start + shape.shape, target.shape)
    target[tuple(map(slice, low, high))] |= shape[tuple(map(slice, low - start, high - start))]
