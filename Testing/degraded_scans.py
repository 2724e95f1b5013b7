"""Scans with known faults, made from good ones: what the quality checks are tested and measured on."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.grid import Grid
from scipy import ndimage

MIDDLE_LINES = 5


def like(image: sitk.Image, values: np.ndarray) -> sitk.Image:
    """Voxels (slices, rows, columns) with an image's geometry."""
    return Grid.of(image).image(values.astype(np.float32))


def cropped(image: sitk.Image, axis: int, below: int, above: int) -> sitk.Image:
    """Without so many voxels at the two ends of an axis (0 x, 1 y, 2 z); every other voxel keeps its place."""
    start, end = [0, 0, 0], list(image.GetSize())
    start[axis], end[axis] = below, end[axis] - above
    return image[start[0] : end[0], start[1] : end[1], start[2] : end[2]]


def without_slices(image: sitk.Image, first: int, count: int = 1) -> sitk.Image:
    """The z slices from `first` are missing, and the header does not know: what lies above comes down."""
    values = sitk.GetArrayFromImage(image)
    kept = sitk.GetImageFromArray(np.delete(values, range(first, first + count), axis=0))
    kept.CopyInformation(image[:, :, : kept.GetSize()[2]])
    return kept


def emptied(image: sitk.Image, first: int, count: int = 1) -> sitk.Image:
    """The z slices from `first` are 0."""
    values = sitk.GetArrayFromImage(image)
    values[first : first + count] = 0
    return like(image, values)


def zero_margins(image: sitk.Image, axis: int, voxels: int) -> sitk.Image:
    """The outermost voxels at both ends of an axis (0 x, 1 y, 2 z) are 0, as defacing and reslicing leave them."""
    values = np.moveaxis(sitk.GetArrayFromImage(image), 2 - axis, 0)
    values[:voxels] = values[len(values) - voxels :] = 0
    return like(image, np.moveaxis(values, 0, 2 - axis))


def noisy(image: sitk.Image, brain: np.ndarray, level: float, seed: int = 0) -> sitk.Image:
    """Rician noise; its standard deviation in terms of the 5th to 95th percentile of the brain."""
    values = sitk.GetArrayFromImage(image).astype(np.float32)
    low, high = np.percentile(values[brain], [5, 95])
    rng, sd = np.random.default_rng(seed), level * (high - low)
    real = values + sd * rng.standard_normal(values.shape, np.float32)
    return like(image, np.hypot(real, sd * rng.standard_normal(values.shape, np.float32)))


def lines_of(values: np.ndarray, phase: int) -> np.ndarray:
    """The lines of k-space along an array axis, the middle of k-space in the middle."""
    return np.fft.fftshift(np.fft.fft(values, axis=phase), axes=phase)


def from_lines(lines: np.ndarray, phase: int) -> np.ndarray:
    """The magnitude image of such lines."""
    return np.abs(np.fft.ifft(np.fft.ifftshift(lines, axes=phase), axis=phase))


def moved(
    image: sitk.Image, mm: float, share: float, seed: int = 0, through: int = 0, phase: int = 1
) -> sitk.Image:
    """A head that moves while each slice is encoded: parts of the lines are from another place.

    Args:
        mm: how far it moves at most; it turns by as many degrees.
        share: of the lines that are from elsewhere; the `MIDDLE_LINES` to both sides of the middle never are.
        through, phase: array axes of the slices and of the phase encoding.
    """
    values = sitk.GetArrayFromImage(image).astype(np.float32)
    rng = np.random.default_rng(seed)
    frequency = 3 - through - phase
    spacing = np.array(image.GetSpacing()[::-1])
    lines = values.shape[phase]
    away = np.abs(np.arange(lines) - lines // 2)
    free = np.flatnonzero(away > MIDDLE_LINES)
    spectrum = np.moveaxis(lines_of(values, phase), phase, 0)
    # The lines that are from elsewhere come in blocks, as the head rests between movements.
    width = max(2, lines // 24)
    blocks = np.array_split(free, max(2, len(free) // width))
    chosen = rng.permutation(len(blocks))[: max(1, round(share * len(blocks)))]
    for group in filter(len, np.array_split(chosen, 4)):
        shift = np.zeros(3)
        shift[[phase, frequency]] = rng.uniform(-mm, mm, 2) / spacing[[phase, frequency]]
        degrees = float(rng.uniform(-mm, mm))
        turned = ndimage.rotate(values, degrees, (phase, frequency), reshape=False, order=1)
        other = lines_of(ndimage.shift(turned, shift, order=1), phase)
        rows = np.concatenate([blocks[k] for k in group])
        spectrum[rows] = np.moveaxis(other, phase, 0)[rows]
    return like(image, from_lines(np.moveaxis(spectrum, 0, phase), phase))


def ghosted(image: sitk.Image, weaker: float, every: int = 2, phase: int = 1) -> sitk.Image:
    """Every so many lines are weaker by a share of their signal: copies of the head along the phase encoding."""
    values = sitk.GetArrayFromImage(image).astype(np.float32)
    spectrum = np.moveaxis(lines_of(values, phase), phase, 0)
    spectrum[(len(spectrum) // 2 + 1) % every :: every] *= 1 - weaker
    return like(image, from_lines(np.moveaxis(spectrum, 0, phase), phase))


def moved_between_slices(image: sitk.Image, mm: float, seed: int = 0) -> sitk.Image:
    """Every other z slice is from a time when the head lay elsewhere within the slice."""
    values = sitk.GetArrayFromImage(image).astype(np.float32)
    x, y, _ = image.GetSpacing()
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    values[1::2] = ndimage.shift(values[1::2], (0, mm * np.sin(angle) / y, mm * np.cos(angle) / x), order=1)
    return like(image, values)


def scattered_slices(image: sitk.Image, mm: float, seed: int = 0) -> sitk.Image:
    """Every z slice is from a time of its own; `mm` is the standard deviation along x and along y."""
    values = sitk.GetArrayFromImage(image).astype(np.float32)
    x, y, _ = image.GetSpacing()
    at = np.random.default_rng(seed).normal(0, mm, (len(values), 2)) / (y, x)
    return like(image, np.stack([ndimage.shift(*each, order=1) for each in zip(values, at, strict=True)]))


def coarse(image: sitk.Image, spacing: tuple[float, float, float]) -> sitk.Image:
    """The same field of view at other spacings (mm), averaged over the larger voxels."""
    old = np.array(image.GetSpacing())
    sigma = [0.4 * max(new - was, 0.01) for new, was in zip(spacing, old, strict=True)]
    smooth = sitk.SmoothingRecursiveGaussian(sitk.Cast(image, sitk.sitkFloat32), sigma)
    size = [max(5, int(n * was / new)) for n, was, new in zip(image.GetSize(), old, spacing, strict=True)]
    return sitk.Resample(
        smooth, size, sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), spacing, image.GetDirection()
    )


def clipped(image: sitk.Image, brain: np.ndarray, percentile: float) -> sitk.Image:
    """Brighter than a percentile of the brain is cut off."""
    values = sitk.GetArrayFromImage(image)
    return like(image, np.minimum(values, np.percentile(values[brain], percentile)))


def of_another_sequence(t1: np.ndarray, brain: np.ndarray, signals: tuple[float, float, float]) -> np.ndarray:
    """What a head looks like to another sequence, judged by its T1 alone.

    Args:
        t1: (slices, rows, columns), any units.
        brain: bool, same shape.
        signals: of CSF, grey matter and white matter; beyond the brain as on the T1.
    """
    levels = np.percentile(t1[brain], [3, 42, 88])
    inside = np.interp(t1, levels, signals)
    return np.where(brain, inside, t1 / levels[2] * max(signals) * 0.6).astype(np.float32)


def spin_echo(tissue, tr: float, te: float) -> float:
    """S = PD (1 - exp(-TR / T1)) exp(-TE / T2); times in ms, `tissue` one of simulation.signals."""
    return float(tissue.pd * (1 - np.exp(-tr / tissue.t1)) * np.exp(-te / tissue.t2))


def after_contrast(
    t1: np.ndarray, brain: np.ndarray, spacing: tuple[float, float, float], strength: float, seed: int = 0
) -> np.ndarray:
    """A T1 after contrast medium: bright sagittal sinus, deep veins and plexus of the ventricles.

    Args:
        t1: (S, P, L), any units.
        brain: bool, same shape.
        spacing: mm along S, P, L.
        strength: of the vessels, in terms of white matter.
    """
    white = np.percentile(t1[brain], 88)
    places = np.argwhere(brain)
    low, high = places.min(axis=0), places.max(axis=0)
    indices = np.indices(t1.shape, sparse=True)
    at = [(index - first) / (last - first) for index, first, last in zip(indices, low, high, strict=True)]
    outside = ndimage.distance_transform_edt(~brain, sampling=spacing)
    depth = ndimage.distance_transform_edt(brain, sampling=spacing)
    length = (high - low) * spacing
    lateral = np.abs(at[2] - 0.5) * length[2]
    sinus = np.where((at[0] > 0.4) & (outside < 6) & (depth < 3), _tube(lateral, 3.0), 0)
    # From the veins of Galen backwards, along the middle; below it the straight sinus descends a little.
    height = np.where(at[1] > 0.65, 0.47 - 0.35 * (at[1] - 0.65), 0.47)
    away = np.hypot(lateral, (at[0] - height) * length[0])
    veins = np.where((at[1] > 0.45) & (at[1] < 0.88) & (depth > 2), _tube(away, 2.0), 0)
    fluid = (depth > 20) & (t1 < np.percentile(t1[brain], 8))
    noise = np.random.default_rng(seed).standard_normal(t1.shape)
    field = ndimage.gaussian_filter(noise, [3 / mm for mm in spacing])
    plexus = np.zeros(t1.shape)
    if fluid.any():
        plexus[fluid & (field > np.percentile(field[fluid], 85))] = 0.9
    filled = np.clip(np.maximum.reduce([sinus, veins, plexus]), 0, 1)
    return ((1 - filled) * t1 + filled * np.maximum(strength * white, t1)).astype(np.float32)


def _tube(away_mm: np.ndarray, radius_mm: float) -> np.ndarray:
    """The share of a voxel that a vessel fills, with its middle so far away."""
    return np.exp(-((away_mm / radius_mm) ** 4))
