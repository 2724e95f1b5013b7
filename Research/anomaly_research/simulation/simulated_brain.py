"""The ICBM152 2009a maps that nilearn's wheel ships: brains made of them, and where a real one lies.

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
from AnomalyDetectionLib.imaging.voxels import voxels_of
from scipy import ndimage

from .shapes import smooth_noise

Spacing = tuple[float, float, float]
"""mm along x, y, z."""


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
    """One person's brain on a grid; arrays of shape (slices, rows, columns)."""

    # float32 fractions of each voxel that add up to 1 in `mask` and are 0 elsewhere
    white: np.ndarray
    grey: np.ndarray
    csf: np.ndarray
    mask: np.ndarray  # bool, the brain with the CSF in its sulci and ventricles
    regions: np.ndarray  # uint8, values of `Region`
    mni: np.ndarray  # float32 (3, slices, rows, columns), the template's RAS coordinates in mm of every voxel
    grid: Grid  # LPS


def grid_along_lps(origin: Iterable[float], size: Iterable[float], spacing: Spacing) -> Grid:
    """A grid with its axes along L, P and S."""
    x, y, z = (int(n) for n in size)
    left, posterior, superior = (float(o) for o in origin)
    return Grid((x, y, z), spacing, (left, posterior, superior), (1, 0, 0, 0, 1, 0, 0, 0, 1))


@dataclass(frozen=True)
class _Template:
    """Evidence for each tissue, 0 to about 1, and distances in mm; axes (x, y, z) in RAS, 1 mm."""

    t1: np.ndarray
    white: np.ndarray
    grey: np.ndarray
    csf: np.ndarray
    brain: np.ndarray
    ventricle_distance: np.ndarray
    origin: np.ndarray  # the centre of the first voxel


# Evidence for CSF against that for grey and white matter: the averages have far narrower sulci than a person
# of sixty.
_CSF_GAIN = 2.1
_SHARPNESS = 2.6

#: Voxel size (mm) that the registration to the template works at.
_COARSE_MM = 3.0


def individual_brain(grid: Grid, rng: np.random.Generator) -> Brain:
    """Draw a person and put their brain on a grid; without nilearn, which ships the maps, an InputError.

    `grid`: axes along L, P, S (identity direction) with the anterior commissure near the LPS origin.
    """
    template = _template()
    mni = _random_coordinates(grid, rng)
    evidence = [_at(mni, values) for values in (template.white, template.grey, template.csf)]
    mask = _at(mni, template.brain) > 0.5
    spacing = grid.spacing[::-1]
    ageing = np.exp(0.30 * smooth_noise(rng, grid.shape, spacing, 22.0))
    # The ventricles of a person of sixty are wider than the average's, unevenly.
    widening = 0.8 + 0.5 * abs(rng.standard_normal()) + 0.5 * smooth_noise(rng, grid.shape, spacing, 15.0)
    inside_ventricle = np.clip(widening - ventricle_distance(mni) + 0.5, 0, 1)
    votes = []
    for amount, gain in zip(evidence, (0.92, 1.12, _CSF_GAIN * ageing), strict=True):
        irregular = np.exp(0.14 * smooth_noise(rng, grid.shape, spacing, 2.5))
        votes.append((np.clip(amount, 1e-4, None) * gain * irregular) ** _SHARPNESS)
    keep = mask * (1 - inside_ventricle) / (votes[0] + votes[1] + votes[2])
    white, grey = votes[0] * keep, votes[1] * keep
    csf = np.where(mask, 1 - white - grey, 0)
    white, grey, csf = (v.astype(np.float32) for v in (white, grey, csf))
    regions = brain_regions(mni, white, grey, csf, mask, inside_ventricle > 0.5)
    return Brain(white, grey, csf, mask, regions, mni, grid)


def _random_coordinates(grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """Where in the template (RAS, mm) each voxel of a person's grid comes from."""
    spacing = grid.spacing[::-1]
    lines = (
        (o + np.arange(n) * s).astype(np.float32)
        for o, n, s in zip(grid.origin[::-1], grid.shape, spacing, strict=True)
    )
    z, y, x = np.meshgrid(*lines, indexing="ij")
    scale = 0.935 * rng.uniform(0.98, 1.02, 3)  # the average is larger than its 152 people
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
    csf = np.maximum(csf, 0.75 * _sulci(t1, white, grey))
    origin = image.affine[:3, 3].astype(np.float32)
    ventricles = _lateral_ventricles(csf, origin)
    distance = ndimage.distance_transform_edt(~ventricles) - ndimage.distance_transform_edt(ventricles)
    return _Template(t1, white, grey, csf, brain.astype(np.float32), distance.astype(np.float32), origin)


def _template_image() -> sitk.Image:
    """The template's T1 without its skull, in LPS."""
    t1 = np.ascontiguousarray(_template().t1.transpose(2, 1, 0))
    x, y, z = (float(v) for v in _template().origin)
    return Grid(t1.shape[::-1], (1.0, 1.0, 1.0), (-x, -y, z), (-1, 0, 0, 0, -1, 0, 0, 0, 1)).image(t1)


def ventricle_distance(mni: np.ndarray) -> np.ndarray:
    """Distance in mm from the template's lateral and third ventricles, negative inside, at `Brain.mni`."""
    return _at(mni, _template().ventricle_distance)


def _at(mni: np.ndarray, values: np.ndarray) -> np.ndarray:
    """One of the template's maps at the coordinates `Brain.mni`."""
    index = mni - _template().origin[:, None, None, None]
    return ndimage.map_coordinates(values, index, order=1, mode="nearest")


def template_coordinates(t1: np.ndarray, brain: np.ndarray, grid: Grid) -> np.ndarray:
    """Where the voxels of a scan lie in the template: float32 (3, slices, rows, columns), RAS in mm.

    `t1`: float32 on `grid` (axes along L, P and S), bias-corrected; `brain`: bool, same shape.
    """
    lines = (
        np.arange(n, dtype=np.float32) * s + o
        for n, s, o in zip(grid.shape, grid.spacing[::-1], grid.origin[::-1], strict=True)
    )
    z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)
    return np.stack([a * x + b * y + c * z + d for a, b, c, d in _affine(t1, brain, grid)]).astype(np.float32)


def _affine(t1: np.ndarray, brain: np.ndarray, grid: Grid) -> np.ndarray:
    """The affine map, 3 x 4, from LPS points of the scan's space to the template's RAS points, both in mm."""
    template = _template_image()
    shrink = [max(1, round(_COARSE_MM / s)) for s in grid.spacing]
    fixed = sitk.BinShrink(grid.image(np.where(brain, t1, 0).astype(np.float32)), shrink)
    fixed = sitk.Clamp(fixed / float(np.percentile(t1[brain], 90)), sitk.sitkFloat32, 0.0, 1.3)
    points = grid.points(np.argwhere(brain)[::97, ::-1])
    target = Grid.of(template).points(np.argwhere(voxels_of(template) > 0)[::97, ::-1])
    scale = target.std(axis=0) / points.std(axis=0)
    shift = target.mean(axis=0) - scale * points.mean(axis=0)
    start = sitk.AffineTransform(np.diag(scale).ravel().tolist(), shift.tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfWorkUnits(1)  # sums over threads depend on their order, and results must not
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetMetricFixedMask(sitk.BinaryDilate(sitk.Cast(fixed > 0.05, sitk.sitkUInt8), [2, 2, 2]))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(0.1, 0.001, 120, 0.6, 1e-7)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, sitk.BinShrink(template, [3, 3, 3]))
    affine = np.column_stack([np.reshape(start.GetMatrix(), (3, 3)), start.GetTranslation()])
    return affine * [[-1], [-1], [1]]


def _sulci(t1: np.ndarray, white: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """How much a voxel looks like a sulcus, 0 to 1: darker on T1 than round it, away from white matter."""
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
    seeds = [(9, 12, 12), (-9, 12, 12), (11, -15, 22), (-11, -15, 22), (24, -42, 6), (-24, -42, 6)]
    found = labels[tuple((np.array(seeds) - origin).astype(int).T)]
    return np.isin(labels, found[found > 0])


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
    regions = (np.where(white > grey, Region.WHITE_MATTER, Region.CORTEX) * mask).astype(np.uint8)
    # Caudate head, lentiform nucleus, thalamus, and the capsules between them: ellipsoids' centres and radii.
    for a, b, c, p, q, r in ((13, 12, 8, 7, 13, 13), (25, 1, 1, 9, 21, 12), (12, -18, 8, 11, 14, 11)):
        regions[mask & (((side - a) / p) ** 2 + ((y - b) / q) ** 2 + ((z - c) / r) ** 2 < 1)] = (
            Region.DEEP_GREY
        )
    # The tentorium falls from its apex to the sides and to the back.
    tentorium = 2 - 0.62 * np.clip(side - 10, 0, None) - 0.55 * np.clip(-62 - y, 0, None)
    behind = y < -34 - 0.12 * side
    regions[mask & (z < tentorium) & behind] = Region.CEREBELLUM
    # Midbrain, pons, medulla round a line that leans back on its way down.
    axis = np.interp(z, [-62, -45, -33, -22, -8], [-45, -37, -29, -25, -22]).astype(np.float32)
    width = np.interp(z, [-62, -50, -42, -33, -22, -8], [11, 12, 16, 18, 16, 15]).astype(np.float32)
    stem = ((side / width) ** 2 + ((y - axis) / 14) ** 2 < 1) & (z < -6)
    regions[mask & stem] = Region.BRAIN_STEM
    regions[mask & (csf > 0.5)] = Region.CORTEX
    regions[mask & ventricles] = Region.VENTRICLES
    return regions
