"""From the model's grid back to the FLAIR's own; without torch, so that findings can be derived without it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .prepared import PreparedStudy


def to_flair_grid(array: np.ndarray, prepared: PreparedStudy, *, nearest: bool = True) -> sitk.Image:
    """An array on the model's grid as an image on the FLAIR's own grid, 0 outside the brain.

    `array`: (slices, rows, columns) on `prepared.grid`; bool becomes uint8, other types stay. `nearest`:
    interpolate by nearest neighbour, which makes no new values; else linearly."""
    image = prepared.grid.image(array.astype(np.uint8) if array.dtype == bool else array)
    reference = prepared.flair_grid
    back = reference.resampled(image, sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear)
    values = sitk.GetArrayFromImage(back)
    values[~prepared.flair_brain] = 0
    return reference.image(values)
