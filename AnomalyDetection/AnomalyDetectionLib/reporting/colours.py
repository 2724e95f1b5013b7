"""The colours of the scores, after the paper's figure 5, and one colour for each finding."""

from __future__ import annotations

import colorsys

import numpy as np

DARK_RED = (0.64, 0.00, 0.07)
LIGHT_RED = (1.00, 0.22, 0.20)
GREEN = (0.10, 0.72, 0.25)
YELLOW = (0.98, 0.90, 0.15)
LIGHTEST_AT = 4.0
"""The score with the lightest red, as a multiple of the threshold; 1 in 70 suspected voxels of the sample exceeds it."""


def lightest_score(threshold: float, *, probabilities: bool) -> float:
    """The score with the lightest red: 1 if scores are probabilities, else `LIGHTEST_AT` times the threshold."""
    return 1.0 if probabilities else LIGHTEST_AT * threshold


def score_colours(scores: np.ndarray, threshold: float, lightest: float | None = None) -> np.ndarray:
    """Scores as translucent colours: red above the threshold, green to yellow below, clear near zero.

    The red is dark at the threshold, beside the yellow, and gets lighter.

    Args:
        scores: any shape.
        threshold: above it a score is suspected (paper: 3).
        lightest: the score with the lightest red (see `lightest_score`); None: `LIGHTEST_AT` thresholds.

    Returns:
        float32 RGBA in 0 to 1, shape of `scores` plus (4,).
    """
    share, beyond = np.zeros((*scores.shape, 1)), np.ones((*scores.shape, 1))
    if threshold > 0:
        span = (LIGHTEST_AT * threshold if lightest is None else lightest) - threshold
        share = np.clip(scores / threshold, 0.0, 1.0)[..., None]
        beyond = np.clip((scores - threshold) / max(span, 1e-6), 0.0, 1.0)[..., None]
    # Below half the threshold nothing is drawn, so that normal tissue stays readable.
    warmth = np.clip((share - 0.5) / 0.5, 0.0, 1.0)
    colour = (1 - warmth) * np.array(GREEN) + warmth * np.array(YELLOW)
    alpha = 0.4 * warmth
    red = (1 - beyond) * np.array(DARK_RED) + beyond * np.array(LIGHT_RED)
    suspected = (scores > threshold)[..., None]
    rgba = np.concatenate([np.where(suspected, red, colour), np.where(suspected, 0.42, alpha)], axis=-1)
    return rgba.astype(np.float32)


def finding_colour(number: int) -> tuple[float, float, float]:
    """The colour of a finding, RGB in 0 to 1: fixed for each number, and different for consecutive numbers.

    The hues run from cyan to pink and avoid those of the scores, so that outlines stand out against them.
    """
    golden_ratio = 0.618033988749895
    hue = 0.47 + 0.43 * ((number - 1) * golden_ratio % 1.0)
    return colorsys.hsv_to_rgb(hue, 0.45 + 0.4 * (number % 2), 1.0)
