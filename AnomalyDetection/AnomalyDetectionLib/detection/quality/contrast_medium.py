"""Whether the T1 was taken after contrast medium: thin bright structures deep in the brain, as enhanced veins and plexus."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .acquired import Acquired
from .warning import QualityWarning

MOST_BRIGHT_MM3 = 140.0
"""Two T1 after contrast medium had 165 and 268, the largest of seven others that were broken down 123; 73 more without it
stayed below the limit."""

_BRIGHTER, _STANDS_OUT = 1.5, 0.5  # in terms of white matter round about
_THIN_MM = 3.5  # half of the width that stands out
_INSIDE_MM, _DEEP_MM = 4.0, 22.0
"""Of the brain mask: at its rim it may hold fat of the skull, also where the mask is wrong by a centimetre or two. What is
enhanced in the depth, plexus and deep veins, reaches 24 mm and more."""
_UPPER = 0.3  # below, arteries are bright by their inflow
_LEAST_MM3 = 20.0
_VOXEL_MM, _DEPTH_STEP_MM = 1.0, 1.2
_STEP_MM, _SMOOTH_MM = 3.0, 15.0


def bright_structures_mm3(t1: Acquired) -> float:
    """Volume of thin structures, deep in the upper brain, that are half as bright again as the white matter round them."""
    values, brain, spacing = _averaged(t1.cropped)
    if not brain.any():
        return 0.0
    # Values need not begin at 0, as those of a z-score do not.
    values = values - min(0.0, float(values[brain].min()))
    relative = values / _white_matter(values, brain, spacing)
    candidates = brain & (relative > _BRIGHTER)
    candidates[: int(_UPPER * len(values))] = False
    shown = np.flatnonzero(candidates.any(axis=(1, 2)))
    if not len(shown):
        return 0.0
    window = [
        1 if axis == t1.across else 2 * max(1, round(_THIN_MM / mm)) + 1 for axis, mm in enumerate(spacing)
    ]
    box = slice(max(0, shown[0] - window[0]), shown[-1] + 1 + window[0])
    candidates[box] &= relative[box] - ndimage.grey_opening(relative[box], size=window) > _STANDS_OUT
    places = np.nonzero(candidates)
    depth = np.zeros(values.shape, np.float32)
    depth[places] = _depth_mm(brain, spacing, places)
    candidates &= depth > _INSIDE_MM / 2
    parts, count = ndimage.label(candidates, np.ones((3, 3, 3)))
    if not count:
        return 0.0
    numbers = np.arange(1, count + 1)
    volume = np.bincount(parts.ravel())[1:] * float(np.prod(spacing))
    deepest, outermost = ndimage.maximum(depth, parts, numbers), ndimage.minimum(depth, parts, numbers)
    deep = (deepest > _DEEP_MM) & (outermost > _INSIDE_MM)
    return float(volume[deep & (volume >= _LEAST_MM3)].sum())


def check(t1: Acquired) -> tuple[QualityWarning, ...]:
    """A warning if the T1 seems to be enhanced."""
    volume = bright_structures_mm3(t1)
    if volume <= MOST_BRIGHT_MM3:
        return ()
    sentence = (
        f"The T1 seems to be after contrast medium ({volume:.0f} mm3 of thin bright structures like vessels, without contrast"
        f" medium less than {MOST_BRIGHT_MM3:.0f}): the model learnt mostly from T1 without it, give that one if there is one"
    )
    return (QualityWarning("contrast medium", sentence, {"image": "T1", "bright_mm3": round(volume, 1)}),)


def _depth_mm(brain: np.ndarray, spacing: tuple[float, ...], places: tuple[np.ndarray, ...]) -> np.ndarray:
    """How deep in the brain some voxels lie, to a voxel of `_DEPTH_STEP_MM`."""
    steps = [max(1, round(_DEPTH_STEP_MM / mm)) for mm in spacing]
    few = np.pad(brain[tuple(slice(None, None, step) for step in steps)], 1)
    depth = ndimage.distance_transform_edt(
        few, sampling=[mm * step for mm, step in zip(spacing, steps, strict=True)]
    )
    return np.asarray(depth[tuple(at // step + 1 for at, step in zip(places, steps, strict=True))])


def _averaged(image: Acquired) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Values, brain and spacing with fine voxels averaged to nearly `_VOXEL_MM`: vessels are no finer, and it is faster."""
    values, brain, spacing = image.values, image.brain, list(image.spacing)
    for axis, mm in enumerate(spacing):
        times = min(int(_VOXEL_MM / mm), values.shape[axis])
        if times > 1:
            starts = np.arange(0, values.shape[axis] - times + 1, times)
            parts = [values.take(starts + k, axis) for k in range(times)]
            values = np.asarray(np.mean(parts, axis=0, dtype=np.float32))
            brain = brain.take(starts, axis)
            spacing[axis] = mm * times
    return values, brain, tuple(spacing)


def _white_matter(values: np.ndarray, brain: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """The level of white matter round each voxel: the bias field must not count."""
    middle, bright = np.percentile(values[brain], (60, 90))
    steps = [max(1, round(_STEP_MM / mm)) for mm in spacing]
    thin = tuple(slice(None, None, step) for step in steps)
    few = values[thin]
    white = (brain[thin] & (few > middle) & (few < 1.4 * bright)).astype(np.float32)
    sigma = [_SMOOTH_MM / (mm * step) for mm, step in zip(spacing, steps, strict=True)]
    share = np.maximum(ndimage.gaussian_filter(white, sigma), 1e-4)
    level = ndimage.gaussian_filter(white * few, sigma) / share
    zoom = [size / small for size, small in zip(values.shape, level.shape, strict=True)]
    level = ndimage.zoom(level, zoom, order=1, grid_mode=True, mode="nearest")
    return np.asarray(np.maximum(level, max(0.8 * float(middle), 1e-6)))
