"""Linear intensity scaling by percentiles within the brain (paper, "Preprocessing")."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .prepared import IntensityScale


def intensity_scale(
    array: np.ndarray, brain: np.ndarray, low_percentile: float, high_percentile: float, *, name: str
) -> IntensityScale:
    """The map that brings the low percentile of the brain's voxels to 0 and the high one to 1.

    Args:
        array: float32, bias-corrected.
        brain: bool, same shape.
        name: of the image, for the error message.

    Raises:
        InputError: if the image is flat inside the brain.
    """
    low, high = (float(value) for value in np.percentile(array[brain], (low_percentile, high_percentile)))
    if not high - low > 1e-4 * max(abs(low), abs(high)):
        raise InputError(
            f"{name} has no contrast inside the brain (nearly all voxels are {low:g}): check that it is the "
            "original scan and covers the brain."
        )
    return IntensityScale(low, high)
