"""Linear intensity scaling by percentiles within the brain (paper, "Preprocessing")."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InputError
from .prepared import IntensityScale, PreparedStudy


def intensity_scale(
    array: np.ndarray, brain: np.ndarray, low_percentile: float, high_percentile: float, *, name: str
) -> IntensityScale:
    """The map that brings the low percentile of the brain's voxels to 0 and the high one to 1.

    Raises InputError if the image is flat inside the brain.

    `array`: float32, bias-corrected. `brain`: bool, same shape. `name`: of the image, for the error message."""
    low, high = (float(value) for value in np.percentile(array[brain], (low_percentile, high_percentile)))
    refuse_flat(low, high, name)
    return IntensityScale(low, high)


def refuse_flat(low: float, high: float, name: str) -> None:
    """Raise InputError if nearly all of an image's values in the brain are the same."""
    if not high - low > 1e-4 * max(abs(low), abs(high)):
        raise InputError(
            f"{name} has no contrast inside the brain (nearly all voxels are {low:g}): check that it is the "
            "original scan and covers the brain."
        )


def percentile_scaled(study: PreparedStudy) -> PreparedStudy:
    """The study with both images scaled as in the paper, 5th percentile of the brain at 0 and 95th at 1.

    For what was set or learnt on that scale: the anatomy network and the checks of quality.
    """
    t1, t1_scale = _percentile_scaled(study.t1, study.t1_scale, study.brain)
    flair, flair_scale = _percentile_scaled(study.flair, study.flair_scale, study.brain)
    return replace(study, t1=t1, t1_scale=t1_scale, flair=flair, flair_scale=flair_scale)


def _percentile_scaled(
    image: np.ndarray, scale: IntensityScale, brain: np.ndarray
) -> tuple[np.ndarray, IntensityScale]:
    low, high = (float(value) for value in np.percentile(image[brain], (5.0, 95.0)))
    if not high > low or (abs(low) < 1e-4 and abs(high - 1) < 1e-4):  # flat, or scaled so already
        return image, scale
    ends = scale.invert(np.array([low, high]))
    return IntensityScale(low, high).apply(image), IntensityScale(float(ends[0]), float(ends[1]))
