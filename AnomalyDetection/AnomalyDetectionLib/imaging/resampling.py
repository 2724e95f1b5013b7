"""Resample onto the model's grid: whole slices are averaged, with antialiasing within the slice."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..grid import Grid
from .volume import Study
from .voxels import voxels_of

FWHM = 2.3548  # Full width at half maximum of a Gaussian over its standard deviation


def _antialias_sigma_mm(native_mm: float, target_mm: float) -> float:
    """Standard deviation of the Gaussian that widens a voxel of `native_mm` to `target_mm` (FWHM); 0 if it is already wider."""
    if target_mm <= native_mm * 1.001:
        return 0.0
    return float(np.sqrt(target_mm**2 - native_mm**2)) / FWHM


def flair_to_model_grid(image: sitk.Image, grid: Grid, order: int = 3) -> np.ndarray:
    """The FLAIR (or a mask on its grid) on the model's grid that was derived from it.

    Whole slices are averaged; within the slice the image is smoothed to the model's resolution, if that is
    coarser, and interpolated. Where the spacings agree, the voxels are kept, bit for bit if no slices are
    averaged.

    Returns float32 (slices, rows, columns) on `grid`.

    `image`: axes as of `geometry.to_lps_axes`. `grid`: from `geometry.model_grid` of that image's grid.
    `order`: of the in-plane spline; 1 for masks."""
    native = Grid.of(image)
    start = native.indices(np.asarray([grid.origin]))[0]
    step = np.asarray(grid.spacing) / np.asarray(native.spacing)
    averaged = round(float(step[2]))
    first = round(float(start[2] - (averaged - 1) / 2))
    # Only the part of the slice that is needed, with a few voxels for smoothing and the spline.
    low = [max(0, int(start[axis]) - 16) for axis in (0, 1)]
    high = [int(start[axis] + grid.size[axis] * step[axis]) + 16 for axis in (0, 1)]
    array = voxels_of(image)
    array = array[first : first + grid.size[2] * averaged, low[1] : high[1], low[0] : high[0]]
    if averaged > 1:
        grouped = array.reshape(grid.size[2], averaged, *array.shape[1:])
        slices = grouped.mean(axis=1, dtype=np.float64).astype(np.float32)
    else:
        slices = array.astype(np.float32)

    offset = (start[1] - low[1], start[0] - low[0])
    if np.allclose(step[:2], 1.0, atol=1e-9) and np.allclose(offset, np.round(offset), atol=1e-4):
        row, column = round(offset[0]), round(offset[1])
        return np.ascontiguousarray(slices[:, row : row + grid.size[1], column : column + grid.size[0]])
    sigma = [_antialias_sigma_mm(native.spacing[a], grid.spacing[a]) / native.spacing[a] for a in (1, 0)]
    result = np.empty(grid.shape, np.float32)
    for number, plane in enumerate(slices):
        smooth = ndimage.gaussian_filter(plane, sigma, mode="nearest") if any(sigma) else plane
        ndimage.affine_transform(
            smooth, (step[1], step[0]), offset, grid.shape[1:], result[number], order=order, mode="nearest"
        )
    return result


def t1_to_model_grid(image: sitk.Image, grid: Grid, to_t1: sitk.AffineTransform) -> np.ndarray:
    """The T1 on the model's grid, through the alignment.

    A T1 with thinner slices than the model's is sampled at several positions through the thickness of each
    slice, and these are averaged; finer in-plane voxels are smoothed to the model's. A T1 that is already on
    the grid keeps its values. `image`: float32, any orientation. `to_t1`: maps LPS points of the FLAIR's space
    to T1 space. Returns float32 (slices, rows, columns) on `grid`; 0 outside the T1's field of view."""
    t1 = Grid.of(image)
    through = _through(t1, grid, to_t1)
    heights = _sampled_heights(t1, grid, to_t1)
    image = _crop_to(image, grid, to_t1)
    for axis in range(3):
        sigma_mm = _antialias_sigma_mm(t1.spacing[axis], grid.spacing[0]) if through[axis] < 0.7 else 0.0
        if sigma_mm > 0 and image.GetSize()[axis] > 3:
            image = sitk.DiscreteGaussian(
                image, [sigma_mm**2 if a == axis else 0.0 for a in range(3)], 32, 0.01, True
            )
    total = np.zeros(grid.shape, np.float32)
    coefficients = None
    for height in heights:
        x, y, z = grid.points(np.asarray([[0.0, 0.0, height]]))[0].tolist()
        placed = Grid(grid.size, grid.spacing, (x, y, z), grid.direction)
        if _same_voxels(Grid.of(image), placed, to_t1):
            total += _cut(image, placed)
            continue
        if coefficients is None:
            coefficients = sitk.BSplineDecomposition(image, 3)
        sampled = sitk.Resample(
            coefficients, placed.empty_image(), to_t1, sitk.sitkBSplineResampler, 0.0, sitk.sitkFloat32
        )
        total += voxels_of(sampled)
    return total / np.float32(len(heights))


def covered_by_t1(t1: Grid, grid: Grid, to_t1: sitk.AffineTransform) -> np.ndarray:
    """Where the T1 was measured: the voxels whose samples (see `t1_to_model_grid`) all lie within it.

    Returns bool (slices, rows, columns) on `grid`.

    `t1`: the T1's own grid. `grid`: the FLAIR's or the model's. `to_t1`: maps LPS points of the FLAIR's space
    to T1 space."""
    # All maps are affine: the position of voxel (0, 0, 0) in the T1 and the step along each axis suffice.
    corners = grid.points(np.concatenate((np.zeros((1, 3)), np.eye(3))))
    indices = t1.indices(np.asarray([to_t1.TransformPoint(point) for point in corners.tolist()]))
    start, steps = indices[0], indices[1:] - indices[0]
    columns, rows = np.arange(grid.size[0]), np.arange(grid.size[1])[:, None]
    heights = _sampled_heights(t1, grid, to_t1)
    covered = np.ones(grid.shape, bool)
    for number in range(grid.size[2]):
        for height in {heights[0], heights[-1]}:  # the T1 is convex, so samples between these lie in it, too
            for axis in range(3):
                along = start[axis] + steps[2, axis] * (number + height)
                place = along + steps[0, axis] * columns + steps[1, axis] * rows
                # The outermost voxels extend by half a voxel; exactly on the edge ITK returns 0.
                covered[number] &= (place > -0.5 + 1e-6) & (place < t1.size[axis] - 0.5 - 1e-6)
    return covered


def known_in_both(study: Study, to_t1: sitk.AffineTransform) -> np.ndarray:
    """Voxels that are not NaN, nor next to NaN, in T1 and FLAIR: splines reach over neighbours. Returns bool
    (slices, rows, columns) on the FLAIR's grid."""
    grid = Grid.of(study.flair.image)
    known = np.ones(grid.shape, bool)
    for volume, transform in ((study.t1, to_t1), (study.flair, sitk.Transform())):
        if volume.unknown is None:
            continue
        wide = ndimage.binary_dilation(volume.unknown, np.ones((1, 3, 3), bool))
        image = Grid.of(volume.image).image(wide.astype(np.float32))
        there = sitk.Resample(image, grid.empty_image(), transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32)
        known &= sitk.GetArrayFromImage(there) <= 0
    return known


def _through(t1: Grid, grid: Grid, to_t1: sitk.AffineTransform) -> np.ndarray:
    """How far each axis of the T1 runs through the slices of the grid: cosines (3,), without their signs."""
    matrix = np.asarray(to_t1.GetMatrix()).reshape(3, 3)
    # Element (i, j) is the cosine of T1 axis i and model axis j.
    cosines = np.asarray(t1.direction).reshape(3, 3).T @ matrix @ np.asarray(grid.direction).reshape(3, 3)
    return np.abs(cosines[:, 2])


def _sampled_heights(t1: Grid, grid: Grid, to_t1: sitk.AffineTransform) -> list[float]:
    """The heights, in slices from the middle of a slice upwards, at which the T1 is sampled: once per slice of the T1."""
    across = _through(t1, grid, to_t1) / np.asarray(t1.spacing)
    thickness_mm = 1.0 / float(np.max(across))  # thickness of a T1 slice, across the model's slices
    count = max(1, round(grid.spacing[2] / thickness_mm))
    return [(position + 0.5) / count - 0.5 for position in range(count)]


def _crop_to(image: sitk.Image, grid: Grid, to_t1: sitk.AffineTransform, margin: int = 12) -> sitk.Image:
    """The part of the T1 that the grid needs; the whole T1 if they hardly overlap."""
    corners = grid.points(np.asarray(list(np.ndindex(2, 2, 2))) * np.asarray(grid.size) - 0.5)
    indices = Grid.of(image).indices(np.asarray([to_t1.TransformPoint(point) for point in corners.tolist()]))
    low = np.clip(np.floor(indices.min(axis=0)).astype(int) - margin, 0, None)
    high = np.clip(np.ceil(indices.max(axis=0)).astype(int) + margin, None, image.GetSize())
    if np.any(high - low < 4):
        return image
    return image[int(low[0]) : int(high[0]), int(low[1]) : int(high[1]), int(low[2]) : int(high[2])]


def _same_voxels(image: Grid, grid: Grid, to_t1: sitk.AffineTransform) -> bool:
    """Whether each voxel of the grid is a voxel of the image, in the same order and at the same position."""
    start = image.indices(np.asarray([grid.origin]))[0]
    return (
        np.allclose(to_t1.GetMatrix(), np.eye(3).ravel(), atol=1e-9)
        and np.allclose(to_t1.GetTranslation(), 0.0, atol=1e-9)
        and np.allclose(image.spacing, grid.spacing, rtol=1e-5)
        and np.allclose(image.direction, grid.direction, atol=1e-5)
        and np.allclose(start, np.round(start), atol=1e-2)
        and bool(np.all(np.round(start) >= 0))
        and bool(np.all(np.round(start) + grid.size <= image.size))
    )


def _cut(image: sitk.Image, grid: Grid) -> np.ndarray:
    x, y, z = (round(float(value)) for value in Grid.of(image).indices(np.asarray([grid.origin]))[0])
    width, height, depth = grid.size
    return voxels_of(image)[z : z + depth, y : y + height, x : x + width]
