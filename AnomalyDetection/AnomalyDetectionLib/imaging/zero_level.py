"""Shift grey values so that 0 means no signal, as in MR magnitude images.

Programs write scans whose values begin at -1024 or 32768, are z-scores, or are constant or NaN beyond the head. The brain mask and N4 (which works on logarithms) need to know where no signal is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_SAMPLE = 2_000_000  # Number of voxels that is enough to estimate percentiles
_FEWEST = 4096  # Fewer voxels than this show no head, and tell nothing about usual values

#: A constant beyond the head has at least this share of the voxels, and no values this close to it (as a share of the
#: range).
_PADDING_SHARE, _PADDING_GAP = 1e-3, 0.1

#: A background in the middle of the range, as in z-scores of the brain alone, has at least this share of the voxels.
_BACKGROUND_SHARE, _BELOW_BACKGROUND = 0.2, 0.1

#: A bright frame burnt into the slices has at least this share of the voxels, and is brighter than this percentile of the others.
_FRAME_SHARE, _FRAME_ABOVE = 1e-3, 99.0

#: Values begin at 0 if the lowest percent of them is no farther from it than this: below 0 as a share of the range,
#: above 0 as a share of the brightest. An interpolated scan undershoots by 0.02; without any air, fluid is at 0.2.
_BELOW_ZERO, _ABOVE_ZERO = 0.15, 0.35

#: The lowest value means no signal if the lowest percent is no farther from it than this share of the range.
_LOWEST = 0.05


class FromZero(NamedTuple):
    """Values in which 0 means no signal."""

    values: np.ndarray  # float32, finite
    unknown: np.ndarray | None  # bool, same shape: voxels without a number; None if there are none
    zero: float  # the value that was subtracted


def from_zero(values: np.ndarray) -> FromZero:
    """Shift values so that 0 means no signal; those of ordinary scans are returned unchanged. `values`:
    float32, at least one of them finite; not changed."""
    finite = np.isfinite(values)
    unknown = None if finite.all() else ~finite
    if values.size < _FEWEST and unknown is None:
        return FromZero(values, None, 0.0)
    if (frame := _bright_frame(values)) is not None:
        values = np.where(frame, values[finite & ~frame].min(), values)
    known = values[finite] if unknown is not None else values.ravel()
    known = known[:: max(1, known.size // _SAMPLE)]
    corner = float(values.flat[0])
    replaced: list[tuple[float, float]] = []  # a value and its replacement
    low = float(known.min())
    if low < 0 and np.count_nonzero(known == low) > _PADDING_SHARE * known.size:
        others = known[known > low]
        if others.size and others.min() - low > _PADDING_GAP * (np.percentile(others, 99) - others.min()):
            replaced.append((low, float(others.min())))
            known = others
    if np.isfinite(corner) and np.count_nonzero(known == corner) > _BACKGROUND_SHARE * known.size:
        others = known[known != corner]
        if others.size:
            dark, bright = np.percentile(others, (1, 99))
            if dark < corner - _BELOW_BACKGROUND * (bright - dark):
                replaced.append((corner, float(dark)))
                known = others
    dark, bright = (float(value) for value in np.percentile(known, (1, 99)))
    low, zero = float(known.min()), 0.0
    if dark < -_BELOW_ZERO * (bright - dark) or dark > _ABOVE_ZERO * bright > 0:
        zero = low if dark - low < _LOWEST * (bright - dark) else dark
    if unknown is None and not replaced and zero == 0.0:
        return FromZero(values, None, 0.0)
    values = values.copy()
    for old, new in replaced:
        values[values == old] = new
    if unknown is not None:
        values[unknown] = min(low, float(values[finite].min()))
    return FromZero((values - np.float32(zero)).astype(np.float32), unknown, zero)


def _bright_frame(values: np.ndarray) -> np.ndarray | None:
    """The voxels (bool) of a constant frame that is brighter than the head; None if there is none."""
    corner = values.flat[0]
    sample = values.ravel()[:: max(1, values.size // _SAMPLE)]
    others = sample[np.isfinite(sample) & (sample != corner)]
    if not np.isfinite(corner) or not others.size or corner <= np.percentile(others, _FRAME_ABOVE):
        return None
    import scipy.ndimage  # takes long to load, and Slicer starts with this module

    labels, _ = scipy.ndimage.label(values == corner)
    frame = np.asarray(labels == labels.flat[0])  # elsewhere the value may be that of saturated tissue
    return frame if np.count_nonzero(frame) > _FRAME_SHARE * values.size else None
