"""Mark the surroundings of a tumour, where it is unknown which tissue is normal."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..imaging.preparation_settings import PreparationSettings

_MARGIN_MM = 10.0


def near_tumour(lesion: np.ndarray) -> np.ndarray:
    """Within 10 mm of a lesion in its slice, or of where it lies in the next slice."""
    reach = round(_MARGIN_MM / PreparationSettings().in_plane_mm)
    beside = ndimage.binary_dilation(lesion, np.ones((3, 1, 1), bool))
    near = [
        ndimage.distance_transform_edt(~part) <= reach if part.any() else np.zeros(part.shape, bool)
        for part in beside
    ]
    return np.stack(near)
