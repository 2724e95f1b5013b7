"""One person's brain, made from the ICBM152 2009a maps that nilearn's wheel ships.

The maps are averages over 152 people: blurred, symmetric and with narrow sulci. A person is made of them by
a scaling, a smooth random deformation, and by sharpening: the three tissue probabilities are raised to a
power after a random tilt, and the dark lines that sulci leave in the average T1 count as evidence for CSF.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from scipy import ndimage

from .random_fields import smooth_noise


class Region(IntEnum):
    """Where in the brain a voxel lies; by rules in MNI coordinates, for placing lesions; not an atlas."""

    OUTSIDE = 0
    CORTEX = 1
    WHITE_MATTER = 2
    DEEP_GREY = 3
    BRAIN_STEM = 4
    CEREBELLUM = 5
    VENTRICLES = 6


@dataclass(frozen=True)
class Brain:
    """One person's brain on a grid; arrays of shape (slices, rows, columns).

    Attributes:
        white, grey, csf: float32 fractions of each voxel that add up to 1 in `mask` and are 0 elsewhere.
        mask: bool, the brain with the CSF in its sulci and ventricles.
        regions: uint8, values of `Region`.
        mni: float32 (3, slices, rows, columns), the template's RAS coordinates in mm of every voxel.
        grid: LPS.
    """

    white: np.ndarray
    grey: np.ndarray
    csf: np.ndarray
    mask: np.ndarray
    regions: np.ndarray
    mni: np.ndarray
    grid: Grid


def grid_along_lps(
    origin: Iterable[float], size: Iterable[float], spacing: tuple[float, float, float]
) -> Grid:
    """A grid with its axes along L, P and S."""
    x, y, z = (int(n) for n in size)
    left, posterior, superior = (float(o) for o in origin)
    return Grid((x, y, z), spacing, (left, posterior, superior), (1, 0, 0, 0, 1, 0, 0, 0, 1))


@dataclass(frozen=True)
class _Template:
    """Evidence for each tissue, 0 to about 1, and distances in mm; axes (x, y, z) in RAS, 1 mm.

    `origin` is the centre of the first voxel.
    """

    t1: np.ndarray
    white: np.ndarray
    grey: np.ndarray
    csf: np.ndarray
    brain: np.ndarray
    ventricle_distance: np.ndarray
    origin: np.ndarray


# Evidence for CSF against that for grey and white matter: the averages have far narrower sulci than a person
# of sixty.
_CSF_GAIN = 2.1
_SHARPNESS = 2.6


def individual_brain(grid: Grid, rng: np.random.Generator) -> Brain:
    """Draw a person and put their brain on a grid; without nilearn, which ships the maps, an InputError.

    Args:
        grid: axes along L, P, S (identity direction) with the anterior commissure near the LPS origin.
    """
    template = _template()
    mni = _template_coordinates(grid, rng)
    index = mni - template.origin[:, None, None, None]
    white, grey, csf, brain = (
        ndimage.map_coordinates(values, index, order=1, mode="nearest")
        for values in (template.white, template.grey, template.csf, template.brain)
    )
    mask = brain > 0.5
    spacing = grid.spacing[::-1]
    ageing = np.exp(0.30 * smooth_noise(rng, grid.shape, spacing, 22.0))
    # The ventricles of a person of sixty are wider than the average's, unevenly.
    widening = 0.8 + 0.5 * abs(rng.standard_normal()) + 0.5 * smooth_noise(rng, grid.shape, spacing, 15.0)
    inside_ventricle = np.clip(widening - ventricle_distance(mni) + 0.5, 0, 1)
    votes = []
    for evidence, gain in ((white, 0.92), (grey, 1.12), (csf, _CSF_GAIN * ageing)):
        irregular = np.exp(0.14 * smooth_noise(rng, grid.shape, spacing, 2.5))
        votes.append((np.clip(evidence, 1e-4, None) * gain * irregular) ** _SHARPNESS)
    total = votes[0] + votes[1] + votes[2]
    keep = mask * (1 - inside_ventricle) / total
    white, grey = votes[0] * keep, votes[1] * keep
    csf = np.where(mask, 1 - white - grey, 0)
    white, grey, csf = (v.astype(np.float32) for v in (white, grey, csf))
    regions = brain_regions(mni, white, grey, csf, mask, inside_ventricle > 0.5)
    return Brain(white, grey, csf, mask, regions, mni, grid)


def _template_coordinates(grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Where in the template (RAS, mm) each voxel of a person's grid comes from."""
    spacing = grid.spacing[::-1]
    lines = (
        (o + np.arange(n) * s).astype(np.float32)
        for o, n, s in zip(grid.origin[::-1], grid.shape, spacing, strict=True)
    )
    z, y, x = np.meshgrid(*lines, indexing="ij")
    # The average is larger than its 152 people.
    scale = 0.935 * rng.uniform(0.98, 1.02, 3)
    mni = np.stack([-x / scale[0], -y / scale[1], z / scale[2]])
    for axis in range(3):
        mni[axis] += 2.2 * smooth_noise(rng, grid.shape, spacing, 35.0)
        mni[axis] += 1.0 * smooth_noise(rng, grid.shape, spacing, 11.0)
    return mni


@lru_cache(maxsize=1)
def _template() -> _Template:
    """The maps as evidence for white matter, grey matter and CSF."""
    try:
        from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template
    except ImportError as error:
        raise InputError(
            "The simulation needs nilearn, which ships the ICBM152 maps; install it with "
            "pip install 'slicer-anomaly-detection[research]'."
        ) from error
    image = load_mni152_template(resolution=1)
    t1 = image.get_fdata(dtype=np.float32)
    grey = load_mni152_gm_template(resolution=1).get_fdata(dtype=np.float32)
    white = load_mni152_wm_template(resolution=1).get_fdata(dtype=np.float32)
    brain = t1 > 0
    csf = np.clip(1 - grey - white, 0, 1) * brain
    # Voxels of the mask that the maps leave empty are CSF on the brain's surface, which a person has more of.
    sulci = _sulci(t1, white, grey)
    csf = np.maximum(csf, 0.75 * sulci)
    origin = image.affine[:3, 3].astype(np.float32)
    ventricles = _lateral_ventricles(csf, origin)
    distance = ndimage.distance_transform_edt(~ventricles) - ndimage.distance_transform_edt(ventricles)
    return _Template(t1, white, grey, csf, brain.astype(np.float32), distance.astype(np.float32), origin)


def template_image() -> sitk.Image:
    """The template's T1 without its skull, in LPS."""
    template = _template()
    x, y, z = (float(v) for v in template.origin)
    image = sitk.GetImageFromArray(np.ascontiguousarray(template.t1.transpose(2, 1, 0)))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    image.SetOrigin((-x, -y, z))
    return image


def ventricle_distance(mni: np.ndarray) -> np.ndarray:
    """Distance in mm from the template's lateral and third ventricles, negative inside, at `Brain.mni`."""
    template = _template()
    index = mni - template.origin[:, None, None, None]
    return ndimage.map_coordinates(template.ventricle_distance, index, order=1, mode="nearest")


def _sulci(t1: np.ndarray, white: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """How much a voxel looks like a sulcus, 0 to 1: darker on T1 than round it, and away from white matter."""
    inside = (t1 > 0).astype(np.float32)
    near = ndimage.gaussian_filter(t1 * inside, 2.5) / np.maximum(ndimage.gaussian_filter(inside, 2.5), 1e-3)
    valley = np.clip((near - t1) / 0.12, 0, 1)
    return valley * np.clip(1 - 2.5 * white, 0, 1) * (grey + white > 0.3)


def _lateral_ventricles(csf: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """The lateral and third ventricles of the template, as a bool array."""
    lines = (np.arange(n) + o for n, o in zip(csf.shape, origin, strict=True))
    x, y, z = np.meshgrid(*lines, indexing="ij", sparse=True)
    box = (abs(x) < 32) & (y > -48) & (y < 36) & (z > -4) & (z < 33)
    # Out with the fissure in front of and behind the corpus callosum, and the insula.
    box &= ~((abs(x) < 5) & ((y > 18) | (y < -28))) & ~((abs(x) > 22) & (y > -20))
    labels, _ = ndimage.label((csf > 0.5) & box)
    ventricles = np.zeros(csf.shape, bool)
    for seed in ((9, 12, 12), (-9, 12, 12), (11, -15, 22), (-11, -15, 22), (24, -42, 6), (-24, -42, 6)):
        label = labels[tuple((np.array(seed) - origin).astype(int))]
        if label:
            ventricles |= labels == label
    return ventricles


def brain_regions(
    mni: np.ndarray,
    white: np.ndarray,
    grey: np.ndarray,
    csf: np.ndarray,
    mask: np.ndarray,
    ventricles: np.ndarray,
) -> np.ndarray:
    """Values of `Region` for every voxel."""
    x, y, z = mni
    side = abs(x)
    regions = np.zeros(mask.shape, np.uint8)
    regions[mask & (grey >= white)] = Region.CORTEX
    regions[mask & (white > grey)] = Region.WHITE_MATTER
    deep = np.zeros(mask.shape, bool)
    # Caudate head, lentiform nucleus, thalamus, and the capsules between them: ellipsoids' centres and radii.
    for a, b, c, p, q, r in ((13, 12, 8, 7, 13, 13), (25, 1, 1, 9, 21, 12), (12, -18, 8, 11, 14, 11)):
        deep |= ((side - a) / p) ** 2 + ((y - b) / q) ** 2 + ((z - c) / r) ** 2 < 1
    regions[mask & deep] = Region.DEEP_GREY
    # The tentorium falls from its apex to the sides and to the back.
    tentorium = 2 - 0.62 * np.clip(side - 10, 0, None) - 0.55 * np.clip(-62 - y, 0, None)
    behind = y < -34 - 0.12 * side
    regions[mask & (z < tentorium) & behind] = Region.CEREBELLUM
    # Midbrain, pons, medulla round a line that leans back on its way down.
    axis = np.interp(z, [-62, -45, -33, -22, -8], [-45, -37, -29, -25, -22]).astype(np.float32)
    width = np.interp(z, [-62, -50, -42, -33, -22, -8], [11, 12, 16, 18, 16, 15]).astype(np.float32)
    stem = ((side / width) ** 2 + ((y - axis) / 14) ** 2 < 1) & (z < -6)
    regions[mask & stem] = Region.BRAIN_STEM
    regions[mask & ventricles] = Region.VENTRICLES
    regions[mask & (csf > 0.5) & (regions != Region.VENTRICLES)] = Region.CORTEX
    return regions
