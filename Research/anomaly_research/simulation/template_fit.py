"""Where the voxels of a real brain lie in the ICBM152 template: an affine registration."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.voxels import voxels_of

from .simulated_brain import template_image

#: Voxel size (mm) that the registration works at.
_COARSE_MM = 3.0


def template_coordinates(t1: np.ndarray, brain: np.ndarray, grid: Grid) -> np.ndarray:
    """Where the voxels of a scan lie in the template: float32 (3, slices, rows, columns), RAS in mm.

    Args:
        t1: float32 (slices, rows, columns) on `grid` (axes along L, P and S), bias-corrected.
        brain: bool, same shape.
    """
    affine = _template_affine(t1, brain, grid)
    lines = (
        np.arange(n, dtype=np.float32) * s + o
        for n, s, o in zip(grid.shape, grid.spacing[::-1], grid.origin[::-1], strict=True)
    )
    z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)
    return np.stack([a * x + b * y + c * z + d for a, b, c, d in affine[:3]]).astype(np.float32)


def _template_affine(t1: np.ndarray, brain: np.ndarray, grid: Grid) -> np.ndarray:
    """The affine map, 4 x 4, from LPS points of the scan's space to the template's RAS points, both in mm."""
    template = template_image()
    fixed = grid.image(np.where(brain, t1, 0).astype(np.float32))
    shrink = [max(1, round(_COARSE_MM / s)) for s in grid.spacing]
    fixed, moving = sitk.BinShrink(fixed, shrink), sitk.BinShrink(template, [3, 3, 3])
    level = float(np.percentile(t1[brain], 90))
    fixed = sitk.Clamp(fixed / level, sitk.sitkFloat32, 0.0, 1.3)
    start = sitk.AffineTransform(3)
    points = grid.points(np.argwhere(brain)[::97, ::-1])
    target = Grid.of(template).points(np.argwhere(voxels_of(template) > 0)[::97, ::-1])
    scale = target.std(axis=0) / points.std(axis=0)
    start.SetMatrix(np.diag(scale).ravel().tolist())
    start.SetTranslation((target.mean(axis=0) - scale * points.mean(axis=0)).tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfWorkUnits(1)  # sums over threads depend on their order, and results must not
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.NONE)
    mask = sitk.BinaryDilate(sitk.Cast(fixed > 0.05, sitk.sitkUInt8), [2, 2, 2])
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(0.1, 0.001, 120, 0.6, 1e-7)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, moving)
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(start.GetMatrix()).reshape(3, 3)
    affine[:3, 3] = start.TransformPoint((0.0, 0.0, 0.0))
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
