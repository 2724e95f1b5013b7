"""Find the acquired slices, without the copies made by nearest-neighbour resampling."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

from .voxels import voxels_of


def acquired_slices(image: sitk.Image) -> np.ndarray:
    """The indices of the acquired slices (third axis): int (n,), the middle of each run of identical slices.

    All slices are returned if there are no copies, or if the runs differ in length by more than one slice: runs of
    empty slices beyond the head do, and they do not show how the scan was acquired. The runs at both ends are
    not compared, since the field of view cuts them off or they are empty.
    """
    array = voxels_of(image)
    all_slices = np.arange(len(array))
    differs = np.array([True, *(not np.array_equal(a, b) for a, b in itertools.pairwise(array))])
    starts = np.flatnonzero(differs)
    lengths = np.diff([*starts, len(array)])
    inner = lengths[1:-1]
    if len(inner) < 4 or inner.max() < 2 or inner.max() - inner.min() > 1:
        return all_slices
    middles: np.ndarray = starts + (lengths - 1) // 2
    return middles


def only_slices(image: sitk.Image, kept: np.ndarray) -> sitk.Image:
    """Some slices of an image, evenly spaced as close as possible to their positions. `image`: slices along its
    third axis. `kept`: ascending indices of slices, at least two."""
    if len(kept) == image.GetSize()[2]:
        return image
    array = sitk.GetArrayFromImage(image)[kept]
    step, start = np.polyfit(np.arange(len(kept)), kept, 1)
    lengths = np.diff(kept)[1:-1]
    if lengths.size and (lengths == lengths[0]).all() and lengths[0] % 2 == 0:
        start += 0.5  # the middle of an even number of copies lies between two of them
    result = sitk.GetImageFromArray(array)
    spacing = image.GetSpacing()
    result.SetSpacing((spacing[0], spacing[1], spacing[2] * float(step)))
    result.SetDirection(image.GetDirection())
    result.SetOrigin(image.TransformContinuousIndexToPhysicalPoint((0.0, 0.0, float(start))))
    return result
