"""Find the acquired slices, without the copies made by nearest-neighbour resampling."""

from __future__ import annotations

import itertools

import numpy as np
import scipy.optimize
import SimpleITK as sitk

from .voxels import voxels_of


def acquired_slices(image: sitk.Image) -> np.ndarray:
    """The indices of the acquired slices (third axis): int (n,), the first of each run of identical slices.

    All slices are returned if there are no copies, or if the runs differ in length by more than one slice: runs of
    empty slices beyond the head do, and they do not show how the scan was acquired. The runs at both ends are
    not compared, since the field of view cuts them off or they are empty.
    """
    array = voxels_of(image)
    differs = np.array([True, *(not np.array_equal(a, b) for a, b in itertools.pairwise(array))])
    starts: np.ndarray = np.flatnonzero(differs)
    inner = np.diff(starts)[1:]
    if len(inner) < 4 or inner.max() < 2 or inner.max() - inner.min() > 1:
        return np.arange(len(array))
    return starts


def only_slices(image: sitk.Image, starts: np.ndarray) -> sitk.Image:
    """The middle slice of each run of copies, evenly spaced, so that each copy is nearest to its own run.

    `image`: slices along its third axis. `starts`: the first slice of each run, ascending, at least three.
    """
    count = image.GetSize()[2]
    if len(starts) == count:
        return image
    ends = np.append(starts[1:], count)
    result = sitk.GetImageFromArray(sitk.GetArrayFromImage(image)[(starts + ends - 1) // 2])
    start, step = _line(np.arange(1, len(starts)) - 0.5, starts[1:] - 0.5)  # through the borders between runs
    spacing = image.GetSpacing()
    result.SetSpacing((spacing[0], spacing[1], spacing[2] * step))
    result.SetDirection(image.GetDirection())
    result.SetOrigin(image.TransformContinuousIndexToPhysicalPoint((0.0, 0.0, start)))
    return result


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of the line whose largest vertical distance to the points is smallest."""
    one = np.ones_like(x)
    above, below = np.stack([one, x, -one], axis=1), np.stack([-one, -x, -one], axis=1)
    limits, ends = np.concatenate([above, below]), np.concatenate([y, -y])
    intercept, slope, _ = scipy.optimize.linprog([0, 0, 1], limits, ends, bounds=(None, None)).x
    return float(intercept), float(slope)
