"""Window and level of T1 and FLAIR, chosen for the brain."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..imaging.prepared import IntensityScale, PreparedStudy
from .nodes import one_change

DARKEST, BRIGHTEST = 0.5, 99.8
"""Percentiles of the brain that are shown black and white; the range includes fluid and bright lesions."""

T1_ROOM, FLAIR_ROOM = 0.3, 0.08
"""Extension of the range at its upper end, as a fraction. White outlines then stand out against white matter on the T1,
and the brightest lesions on the FLAIR are not saturated."""


def brain_windows(study: PreparedStudy) -> tuple[tuple[float, float], tuple[float, float]]:
    """The windows of T1 and FLAIR: lowest and highest grey value each, scanner units.

    They are computed from the prepared images, which differ only by the bias field.
    """
    return (
        _window(study.t1[study.brain], study.t1_scale, T1_ROOM),
        _window(study.flair[study.brain], study.flair_scale, FLAIR_ROOM),
    )


def flair_window(brain: np.ndarray) -> tuple[float, float]:
    """The window of a FLAIR, computed from its grey values within the brain."""
    low, high = np.percentile(brain, (DARKEST, BRIGHTEST)).tolist()
    return low, high + FLAIR_ROOM * (high - low)


def show_window(volume: Any, window: tuple[float, float]) -> None:
    """Set the window of a scalar volume node to two grey values, until the user changes it.

    An empty range, of a constant image, changes nothing.
    """
    if not window[1] > window[0]:
        return
    volume.CreateDefaultDisplayNodes()
    display = volume.GetScalarVolumeDisplayNode()
    with one_change(display):
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(*window)


def _window(scaled: np.ndarray, scale: IntensityScale, room: float) -> tuple[float, float]:
    low, high = scale.invert(np.percentile(scaled, (DARKEST, BRIGHTEST))).tolist()
    return low, high + room * (high - low)
