"""N4 bias field correction on the model's grid (Tustison et al., IEEE Trans Med Imaging 2010)."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..grid import Grid
from .voxels import voxels_of

#: The field is estimated on voxels of about this size (mm): it is smooth, and finer voxels left more of it uncorrected.
IN_PLANE_MM, SLICE_MM = 5.4, 8.0

ITERATIONS = (25, 25, 25)


def correct_bias(array: np.ndarray, brain: np.ndarray, grid: Grid) -> np.ndarray:
    """The image divided by its bias field.

    Returns float32, same shape, corrected everywhere; its median over the brain is that of the input.

    `array`: float32 (slices, rows, columns) on `grid`. `brain`: bool, same shape: the voxels that the field is
    estimated from. `grid`: the model's grid."""
    level = float(np.median(array[brain]))
    if level <= 0:
        return array
    # N4 works on logarithms, which voxels at or below zero do not have. Scaling to the median makes it independent of
    # the scanner's units.
    positive = np.maximum(array / level, 1e-3).astype(np.float32)
    image, mask = grid.image(positive), grid.image(brain.astype(np.uint8))
    aims_mm = (IN_PLANE_MM, IN_PLANE_MM, SLICE_MM)
    # At least four samples remain along an axis, for the cubic spline.
    shrink = [
        max(1, min(round(aim / spacing), size // 4))
        for aim, spacing, size in zip(aims_mm, grid.spacing, grid.size, strict=True)
    ]
    small_mask = sitk.Shrink(mask, shrink)
    if not voxels_of(small_mask).any():
        return array
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(ITERATIONS)
    n4.Execute(sitk.Shrink(image, shrink), small_mask)
    log_field = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image))
    log_field -= np.median(log_field[brain])
    corrected = array / np.exp(log_field)
    return (corrected * (level / float(np.median(corrected[brain])))).astype(np.float32)
