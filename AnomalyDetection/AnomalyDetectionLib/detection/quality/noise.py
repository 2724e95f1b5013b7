"""Noise within the brain, compared with the contrast of its tissues."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .acquired import Acquired
from .warning import QualityWarning

MOST_NOISE = 0.12
"""Standard deviation in terms of the brain's 5th to 95th percentile. It was 0.030 to 0.092 on 19 good pairs. With noise of
0.1 added to the FLAIR of three of them and of the sample, the two models flagged 4 to 33 % less volume; with 0.2, 15 to
66 % less."""

_APART_MM = 0.9  # of the neighbours compared: that is what the networks see
_SLICES = 24  # are enough


def relative_noise(image: Acquired) -> float:
    """The noise's standard deviation in terms of `Acquired.contrast`.

    From the mixed difference of four neighbours, in which ramps and straight edges along an axis cancel. Its lower
    quartile counts, so that what structure is left does not.
    """
    image = image.distinct.cropped
    values, brain = image.slices
    inner = slice(len(values) // 10, len(values) - len(values) // 10, max(1, len(values) // _SLICES))
    values, brain = values[inner], ndimage.binary_erosion(brain[inner], np.ones((1, 5, 5)))
    a, b = (max(1, round(_APART_MM / mm)) for mm in image.in_plane)
    brain = brain[:, :-a, :-b]
    if not brain.any():
        return 0.0
    mixed = values[:, :-a, :-b] - values[:, a:, :-b] - values[:, :-a, b:] + values[:, a:, b:]
    # Half of it has the variance of white noise; a quarter of a normal distribution lies within 0.3186 sd.
    return float(np.quantile(np.abs(mixed[brain]) / 2, 0.25)) / 0.3186 / image.contrast


def check(image: Acquired) -> tuple[QualityWarning, ...]:
    """A warning if an image is noisy."""
    noise = relative_noise(image)
    if noise <= MOST_NOISE:
        return ()
    sentence = (
        f"The {image.role} is noisy (noise is {100 * noise:.0f} % of the brain's range of intensities, good scans have"
        f" less than {100 * MOST_NOISE:.0f} %): faint and small lesions may be missed"
    )
    return (QualityWarning("noise", sentence, {"image": image.role, "noise": round(noise, 4)}),)
