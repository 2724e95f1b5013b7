"""Intensity scaling by the modes of the tissues, which a large lesion shifts less than percentiles."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .intensity import refuse_flat
from .prepared import IntensityScale

_BINS = 256
_SMOOTH = 0.015
"""SD of the Gaussian that smooths the histogram, as a share of its range: wider than a grey level of 8 bits."""

_PEAK = 0.45  # A peak of the T1's histogram is a tissue if it has at least this share of the height of the highest tissue's

_NO_TISSUE = 0.25
"""What is darker than this share of the range on both images is no tissue: half a brain of fluid has the highest peak. In 84 real
scans the highest peak is of tissue, at 0.28 or more of the FLAIR's range and 0.33 of the T1's."""

_NEAR = 0.1
"""Half the width of the range averaged round a peak, as a share of white matter's level: the peak alone would jump between
bins."""

_FLUID_T1, _FLUID_FLAIR = 0.5, 0.6
"""Fluid is darker than these on both images, on the scale from the darkest voxels (0) to white matter (1)."""

_PURE = 0.25  # Quantile of a sector's fluid that is taken as its level: brighter voxels are partly tissue
_LEAST_FLUID = 30  # voxels of a sector


def mode_scales(
    t1: np.ndarray, flair: np.ndarray, brain: np.ndarray
) -> tuple[IntensityScale, IntensityScale]:
    """The maps of T1 and FLAIR that bring fluid to 0 and the mode of white matter to 1.

    White matter is the brightest tissue of the T1 whose peak in the histogram is nearly as high as the highest.
    Fluid is dark on both images; its level is the median over 16 sectors of the brain, since a lesion of 150 ml
    fills three or four of them, however dark it is. `t1`, `flair`: float32 (slices, rows, columns),
    bias-corrected, any linear scale. `brain`: bool, same shape. Raises InputError if an image is flat inside
    the brain."""
    sectors = _sectors(brain)
    a, b = t1[brain].astype(np.float64), flair[brain].astype(np.float64)
    dark_t1, span_t1 = _range(a, sectors, "T1")
    dark_flair, span_flair = _range(b, sectors, "FLAIR")
    dark = (a - dark_t1 < _NO_TISSUE * span_t1) & (b - dark_flair < _NO_TISSUE * span_flair)
    white_t1 = _brightest_mode(a, ~dark, dark_t1, span_t1)
    near = np.abs(a - white_t1) < _NEAR * (white_t1 - dark_t1)
    white_flair = _mode(b[near], dark_flair, span_flair)
    fluid = (a - dark_t1 < _FLUID_T1 * (white_t1 - dark_t1)) & (
        b - dark_flair < _FLUID_FLAIR * (white_flair - dark_flair)
    )
    levels = [
        (np.quantile(a[here], _PURE), np.quantile(b[here], _PURE))
        for here in (fluid & (sectors == number) for number in range(16))
        if np.count_nonzero(here) >= _LEAST_FLUID
    ]
    fluid_t1, fluid_flair = np.median(levels, axis=0) if levels else (dark_t1, dark_flair)
    return IntensityScale(float(fluid_t1), white_t1), IntensityScale(float(fluid_flair), white_flair)


def _sectors(brain: np.ndarray) -> np.ndarray:
    """int (voxels,): the sector of each voxel of the brain, of 16 equal ones: left and right, front and back, 4 levels."""
    s, i, j = np.nonzero(brain)
    height = np.searchsorted(np.quantile(s, (0.25, 0.5, 0.75)), s, side="right")
    return np.asarray(4 * height + 2 * (i > np.median(i)) + (j > np.median(j)))


def _range(values: np.ndarray, sectors: np.ndarray, name: str) -> tuple[float, float]:
    """The level of the darkest voxels of an image, and the distance from there to the brightest."""
    parts = [values[sectors == k] for k in range(16)]
    low = float(np.median([np.percentile(part, 1) if part.size else np.nan for part in parts]))
    high = float(np.percentile(values, 99))
    refuse_flat(low, high, f"The {name}")
    return low, high - low


def _histogram(values: np.ndarray, low: float, span: float) -> np.ndarray:
    counts = np.histogram(values, _BINS, (low - 0.2 * span, low + 1.2 * span))[0]
    return np.asarray(ndimage.gaussian_filter1d(counts.astype(np.float64), _SMOOTH * _BINS, mode="constant"))


def _refined(values: np.ndarray, place: int, low: float, span: float) -> float:
    """The mean of the values round a peak, shifted until it is stable (mean shift)."""
    level = low - 0.2 * span + 1.4 * span * (place + 0.5) / _BINS
    for _ in range(20):
        near = values[np.abs(values - level) < _NEAR * (level - low)]
        if not len(near):
            break
        level = float(near.mean())
    return float(level)


def _mode(values: np.ndarray, low: float, span: float) -> float:
    return _refined(values, int(np.argmax(_histogram(values, low, span))), low, span)


def _brightest_mode(values: np.ndarray, tissue: np.ndarray, low: float, span: float) -> float:
    counts = _histogram(values, low, span)
    peaks = np.flatnonzero((counts[1:-1] >= counts[:-2]) & (counts[1:-1] > counts[2:])) + 1
    high = peaks[counts[peaks] >= _PEAK * _histogram(values[tissue], low, span).max()]
    return _refined(values, int(high[-1]), low, span)
