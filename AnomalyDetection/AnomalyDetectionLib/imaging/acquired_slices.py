"""Find the acquired slices, without the copies made by nearest-neighbour resampling."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

from .voxels import voxels_of


def acquired_slices(image: sitk.Image) -> np.ndarray:
    """Which slices (third axis) were acquired: int (n,), the middle one of each run of identical slices.

    All slices where there are no copies, or where the runs differ in length by more than one slice, as runs of
    empty slices beyond the head do: they do not show how the scan was acquired. Runs at both ends are
    not compared, since they are cut by the field of view or hold nothing.
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
    """Some slices of an image, at the even spacing that comes nearest to where they lie.

    Args:
        image: slices along its third axis.
        kept: ascending indices of slices, at least two.
    """
    if len(kept) == image.GetSize()[2]:
        return image
    array = sitk.GetArrayFromImage(image)[kept]
    step, start = np.polyfit(np.arange(len(kept)), kept, 1)
    result = sitk.GetImageFromArray(array)
    spacing = image.GetSpacing()
    result.SetSpacing((spacing[0], spacing[1], spacing[2] * float(step)))
    result.SetDirection(image.GetDirection())
    result.SetOrigin(image.TransformContinuousIndexToPhysicalPoint((0.0, 0.0, float(start))))
    return result
