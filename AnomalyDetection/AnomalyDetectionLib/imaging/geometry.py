"""Voxel axes and the model's grid: how the slices of a FLAIR become slices of the network's size."""

from __future__ import annotations

import numpy as np
import scipy
import SimpleITK as sitk

from ..grid import Grid
from .preparation_settings import PreparationSettings

#: Voxels kept round the brain within a slice, so that every 15 x 15 patch centred in it is complete.
IN_PLANE_MARGIN = 12

#: Spacings closer than this (relative) count as equal, since headers store them in single precision.
SPACING_TOLERANCE = 1e-3


def lps_axes(grid: Grid) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """The order and the flips that bring a grid's axes closest to left, posterior and superior.

    Returns order: the axis (0 x, 1 y, 2 z) nearest to the patient's L, P and S direction, each axis once.
    flips: for each axis in that order, whether it runs the other way."""
    cosines = np.asarray(grid.direction).reshape(3, 3)  # column i: where axis i points, LPS
    _, axes = scipy.optimize.linear_sum_assignment(-np.abs(cosines))
    x, y, z = (int(axis) for axis in axes)
    return (x, y, z), (bool(cosines[0, x] < 0), bool(cosines[1, y] < 0), bool(cosines[2, z] < 0))


def to_lps_axes(image: sitk.Image) -> sitk.Image:
    """The image with axes as close as possible to L, P, S; every voxel keeps its position and value."""
    order, flips = lps_axes(Grid.of(image))
    if order != (0, 1, 2):
        image = sitk.PermuteAxes(image, order)
    if any(flips):
        image = sitk.Flip(image, flips)
    return image


def slices_to_average(slice_spacing_mm: float, slice_mm: float) -> int:
    """The number of whole slices (at least one) whose total comes closest to `slice_mm`; the smaller number if tied."""
    fewer = max(1, int(slice_mm / slice_spacing_mm + 1e-9))
    with_fewer = abs(fewer * slice_spacing_mm - slice_mm)
    with_more = abs((fewer + 1) * slice_spacing_mm - slice_mm)
    return fewer + 1 if with_more < with_fewer - 1e-9 else fewer


def model_grid(native: Grid, brain: np.ndarray, settings: PreparationSettings) -> Grid:
    """The model's grid over a brain.

    Its slices are groups of whole native slices. Its in-plane spacing is exactly `settings.in_plane_mm` (a
    native spacing within 0.1 % of that is kept, so that such a scan is not resampled). Its field of view is the
    brain's bounding box with a margin of `IN_PLANE_MARGIN` voxels within the slice. `native`: the FLAIR's grid
    with axes as of `to_lps_axes`. `brain`: bool (slices, rows, columns) on `native`, not empty."""
    bounds = (np.flatnonzero(brain.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    (first_z, last_z), (first_y, last_y), (first_x, last_x) = ((int(b[0]), int(b[-1])) for b in bounds)
    averaged = slices_to_average(native.spacing[2], settings.slice_mm)
    averaged = min(averaged, native.size[2])
    # As many groups as the brain needs. If the last one would extend beyond the volume, all move down; a brain that
    # fills the volume to both ends loses the few slices that do not make up a whole group.
    groups = min(-(-(last_z - first_z + 1) // averaged), native.size[2] // averaged)
    first_slice = min(first_z, native.size[2] - groups * averaged)

    start = [0.0, 0.0, first_slice + (averaged - 1) / 2]  # centre of the first model voxel, native indices
    size = [0, 0, groups]
    spacing = [0.0, 0.0, averaged * native.spacing[2]]
    for axis, (first, last) in enumerate(((first_x, last_x), (first_y, last_y))):
        step = settings.in_plane_mm / native.spacing[axis]
        if abs(step - 1) < SPACING_TOLERANCE:
            step = 1.0
        # Both grids share the outer corner of voxel 0; the model's is cropped from there.
        whole = max(1, round(native.size[axis] / step))
        low = max(0, int(np.floor(first / step)) - IN_PLANE_MARGIN)
        high = min(whole, int(np.ceil((last + 1) / step)) + IN_PLANE_MARGIN)
        start[axis] = (low + 0.5) * step - 0.5
        size[axis] = high - low
        spacing[axis] = native.spacing[axis] if step == 1.0 else settings.in_plane_mm

    origin = native.points(np.asarray([start]))[0].tolist()
    return Grid(tuple(size), tuple(spacing), tuple(origin), native.direction)  # type: ignore[arg-type]
