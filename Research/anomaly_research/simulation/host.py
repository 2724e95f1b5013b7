"""A scan that lesions can be put into: its anatomy, its contrast, its bias field, its noise, its lesions.

What is read off a scan here is read once and serves every subject that is made from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.calibration.prepare_scans import bright_clusters
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.bias_field import correct_bias
from AnomalyDetectionLib.imaging.brain_mask import extract_brain, given_brain
from AnomalyDetectionLib.imaging.intensity import intensity_scale
from AnomalyDetectionLib.imaging.nifti import NiftiScan, nifti_scan
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.registration import align, transform_of
from AnomalyDetectionLib.imaging.resampling import covered_by_t1
from AnomalyDetectionLib.imaging.same_voxels import placed_on
from AnomalyDetectionLib.imaging.volume import Study, Volume, name_of
from scipy import ndimage

from .confounders import HYPERINTENSITY
from .simulated_brain import Brain, brain_regions, grid_along_lps, template_coordinates, ventricle_distance
from .tissue_levels import Noise, TissueLevels, measure_noise, tissue_levels

#: The grid that anatomy is looked at on: mm, and how far it reaches beyond the brain.
FINE_MM, _MARGIN_MM = 1.0, 8.0

#: Lesions keep this far away from known lesions and bright FLAIR clusters.
AWAY_MM = 3.0


@dataclass(frozen=True)
class HostImage:
    """One image of a host."""

    scan: NiftiScan  # as it was given
    channel: int  # 0 T1, 1 FLAIR
    from_flair: np.ndarray  # 4 x 4, LPS points of FLAIR space to LPS points of this image's space
    bias: np.ndarray  # float32 on the brain's grid, what the image was multiplied by
    noise: Noise  # of the image as it was given


@dataclass(frozen=True)
class Host:
    """A scan and all that has to be known to put lesions into it."""

    t1: HostImage
    flair: HostImage
    brain: Brain  # on a grid of 1 mm in FLAIR space
    levels: TissueLevels  # bias-corrected
    # bool on the brain's grid: known lesions and bright FLAIR clusters, widened by `AWAY_MM`
    avoid: np.ndarray
    known: np.ndarray  # bool on the FLAIR's grid: the known lesions
    mask: np.ndarray  # bool on the FLAIR's grid: the brain
    known_class: int = HYPERINTENSITY  # what the known lesions are, as of `truth_files.CONFOUNDERS`


def analyse(study: Study, lesions: Volume | None = None, anatomy: Brain | None = None) -> Host:
    """Read off a scan what is needed to put lesions into it.

    Args:
        study: T1 and FLAIR; the brain mask in the FLAIR's space, or it is found by deepbet.
        lesions: known lesions, not 0, in the FLAIR's physical space.
        anatomy: the brain, where it is known because the scan was simulated; its grid in FLAIR space.

    Raises:
        InputError: if the two cannot be the same head, show no brain or have no contrast, the mask does not
            fit, or nilearn is not installed.
    """
    # ITK on one thread: sums over several depend on their order, and the same seed is to give the same bytes.
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        return _analyse(study, lesions, anatomy)
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def _analyse(study: Study, lesions: Volume | None, anatomy: Brain | None) -> Host:
    flair_grid = Grid.of(study.flair.image)
    given = study.brain_mask
    mask = extract_brain(study.flair) if given is None else given_brain(given, study.flair)
    settings = PreparationSettings(register="auto" if anatomy is None else "off")
    alignment = align(study.t1, study.flair, mask, settings)
    to_t1 = transform_of(alignment)
    matrix = np.asarray(alignment.matrix).reshape(4, 4)

    grid = anatomy.grid if anatomy is not None else _fine_grid(flair_grid, mask)
    inside = sitk.GetArrayFromImage(grid.resampled(flair_grid.image(mask.astype(np.uint8)))) > 0
    inside &= covered_by_t1(Grid.of(study.t1.image), grid, to_t1)
    images = [_on_grid(study.t1.image, grid, to_t1), _on_grid(study.flair.image, grid, sitk.Transform())]
    even = [correct_bias(image, inside, grid) for image in images]
    biases = [_bias(image, corrected, inside) for image, corrected in zip(images, even, strict=True)]
    levels = tissue_levels(even[0], even[1], inside)
    brain = anatomy or _brain(even[0], levels, inside, grid)
    levels = levels.with_fluid(even[0], even[1], brain.csf > 0.9)

    known: np.ndarray = np.zeros(flair_grid.shape, bool)
    if lesions is not None:
        marked = placed_on(lesions, flair_grid, study.flair.header)
        known = sitk.GetArrayFromImage(flair_grid.resampled(sitk.Cast(marked != 0, sitk.sitkUInt8))) > 0
    scale = intensity_scale(even[1], inside, 5.0, 95.0, name=name_of(study.flair, "the FLAIR"))
    bright = bright_clusters(scale.apply(even[1]), inside)
    lesion = _on_grid(flair_grid.image(known.astype(np.float32)), grid, sitk.Transform()) > 0.05
    avoid = bright | lesion
    if avoid.any():
        avoid = ndimage.distance_transform_edt(~avoid, sampling=grid.spacing[::-1]) <= AWAY_MM

    flair_scan, t1_scan = nifti_scan(study.flair), nifti_scan(study.t1)
    # Noise is measured where the tissue is all white matter, in voxels as they were acquired.
    white = ((brain.white > 0.9) & ~avoid).astype(np.float32)
    t1_noise, flair_noise = (
        measure_noise(scan.values, _on_grid(grid.image(white), scan.grid, transform) > 0.95)
        for scan, transform in ((t1_scan, to_t1.GetInverse()), (flair_scan, sitk.Transform()))
    )
    t1 = HostImage(t1_scan, 0, matrix, biases[0], t1_noise)
    flair = HostImage(flair_scan, 1, np.eye(4), biases[1], flair_noise)
    return Host(t1, flair, brain, levels, avoid, known, mask)


def _fine_grid(flair: Grid, mask: np.ndarray) -> Grid:
    """A grid along L, P and S round the brain."""
    points = flair.points(np.argwhere(mask)[:, ::-1])
    low, high = points.min(axis=0) - _MARGIN_MM, points.max(axis=0) + _MARGIN_MM
    return grid_along_lps(low, np.ceil((high - low) / FINE_MM), (FINE_MM,) * 3)


def _on_grid(image: sitk.Image, grid: Grid, transform: sitk.Transform) -> np.ndarray:
    """The image on another grid, linear, 0 where it does not reach; the transform leads to the image."""
    there = sitk.Resample(image, grid.empty_image(), transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(there)


def _bias(image: np.ndarray, corrected: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """What the image was multiplied by, carried on beyond the brain."""
    usable = inside & (corrected > 0) & (image > 0)
    ratio = np.divide(image, corrected, out=np.zeros_like(image), where=usable)
    weight = usable.astype(np.float32)
    smooth, near = (ndimage.gaussian_filter(a, 6.0 / FINE_MM) for a in (ratio * weight, weight))
    return np.where(near > 1e-3, smooth / np.maximum(near, 1e-3), 1.0).astype(np.float32)


def _brain(t1: np.ndarray, levels: TissueLevels, inside: np.ndarray, grid: Grid) -> Brain:
    """Tissues by the T1 alone, regions by an affine fit to the template."""
    smooth = ndimage.gaussian_filter(t1, 0.6 / FINE_MM)
    fluid, grey_level, white_level = (pair[0] for pair in (levels.csf, levels.grey, levels.white))

    def ramp(low: float, high: float, start: float, stop: float) -> np.ndarray:
        return np.clip(((smooth - low) / (high - low) - start) / (stop - start), 0, 1)

    white = ramp(grey_level, white_level, 0.25, 0.75) * inside
    csf = (1 - ramp(fluid, grey_level, 0.3, 0.7)) * inside
    grey = np.clip(inside - white - csf, 0, 1)
    mni = template_coordinates(t1, inside, grid)
    ventricles = (csf > 0.5) & (ventricle_distance(mni) < 7.0)
    regions = brain_regions(mni, white, grey, csf, inside, ventricles)
    white, grey, csf = (v.astype(np.float32) for v in (white, grey, csf))
    return Brain(white, grey, csf, inside, regions, mni, grid)
