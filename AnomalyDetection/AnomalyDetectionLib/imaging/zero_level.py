"""Shift grey values so that 0 means no signal, as in MR magnitude images.

Programs write scans whose values begin at -1024 or 32768, are z-scores, or have a constant or no number beyond the
head. The brain mask and N4 (which works on logarithms) need to know where no signal is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Enough voxels to tell percentiles.
_SAMPLE = 2_000_000

#: Fewer voxels show no head, and nothing can be said of what is usual in them.
_FEWEST = 4096

#: A constant beyond the head has this share of the voxels, and nothing near it (in terms of the range of values).
_PADDING_SHARE, _PADDING_GAP = 1e-3, 0.1

#: A background in the midst of the values, such as of z-scores of the brain alone, has this share of the voxels.
_BACKGROUND_SHARE, _BELOW_BACKGROUND = 0.2, 0.1

#: Values begin at 0 if the lowest percent of them is not further from it than this: below it in terms of the range,
#: above it in terms of the brightest. An interpolated scan undershoots by 0.02; without any air, fluid is at 0.2.
_BELOW_ZERO, _ABOVE_ZERO = 0.15, 0.35

#: The very lowest value is that of no signal if the lowest percent is no further from it, in terms of the range.
_LOWEST = 0.05


class FromZero(NamedTuple):
    """Values of which 0 is no signal.

    Attributes:
        values: float32, finite.
        unknown: bool, same shape: where there was no number; None: nowhere.
        zero: the value that was subtracted.
    """

    values: np.ndarray
    unknown: np.ndarray | None
    zero: float


def from_zero(values: np.ndarray) -> FromZero:
    """Shift values so that 0 is no signal. Values of ordinary scans are returned unchanged.

    Args:
        values: float32, at least one of them finite; not changed.
    """
    finite = np.isfinite(values)
    unknown = None if finite.all() else ~finite
    known = values[finite] if unknown is not None else values.ravel()
    known = known[:: max(1, known.size // _SAMPLE)]
    if known.size < _FEWEST and unknown is None:
        return FromZero(values, None, 0.0)
    corner = float(values.flat[0])
    replaced: list[tuple[float, float]] = []  # a value and what takes its place
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
