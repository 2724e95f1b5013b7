"""The grey values between which T1 and FLAIR are shown, so that brain is what one sees."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..imaging.prepared import IntensityScale, PreparedStudy

DARKEST, BRIGHTEST = 0.5, 99.8
"""Percentiles of the brain that become black and white; between them lie fluid and a bright lesion."""

T1_ROOM, FLAIR_ROOM = 0.3, 0.08
"""Of that range, above it. On the T1 the white matter, which is the brightest there, is a grey on which white outlines
show; on the FLAIR the brightest lesions are not all one white."""


def brain_windows(study: PreparedStudy) -> tuple[tuple[float, float], tuple[float, float]]:
    """The windows of T1 and FLAIR: lowest and highest grey value each, scanner units.

    They follow from the images that the network saw, which are the same but for the bias field.
    """
    return (
        _window(study.t1[study.brain], study.t1_scale, T1_ROOM),
        _window(study.flair[study.brain], study.flair_scale, FLAIR_ROOM),
    )


def flair_window(brain: np.ndarray) -> tuple[float, float]:
    """The same of a FLAIR by its grey values within the brain."""
    low, high = np.percentile(brain, (DARKEST, BRIGHTEST)).tolist()
    return low, high + FLAIR_ROOM * (high - low)


def show_window(volume: Any, window: tuple[float, float]) -> None:
    """Show a scalar volume node between two grey values, from now until the user chooses others.

    A range without extent, of an image that is the same everywhere, changes nothing.
    """
    if not window[1] > window[0]:
        return
    volume.CreateDefaultDisplayNodes()
    display = volume.GetScalarVolumeDisplayNode()
    modifying = display.StartModify()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(*window)
    display.EndModify(modifying)


def _window(scaled: np.ndarray, scale: IntensityScale, room: float) -> tuple[float, float]:
    low, high = scale.invert(np.percentile(scaled, (DARKEST, BRIGHTEST))).tolist()
    return low, high + room * (high - low)
