"""The baseline that any claim must beat: bright FLAIR, thresholded within the brain (METHOD.md, "Baselines")."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..imaging.prepared import PreparedStudy
from .overlap import components


def flair_brightness(
    study: PreparedStudy, first: tuple[int, int], stride: int, like: np.ndarray
) -> np.ndarray:
    """Mean scaled FLAIR of each lattice cell: a score on the same lattice as the model's, NaN where that is."""
    smooth = ndimage.uniform_filter(study.flair, (1, stride, stride))
    values = smooth[:, first[0] :: stride, first[1] :: stride].astype(np.float32)
    return np.where(np.isfinite(like), values, np.nan)


def bright_findings(study: PreparedStudy, flagged_voxels: int, smallest: int = 4) -> np.ndarray:
    """Numbered components of the brightest FLAIR voxels of the brain, the small ones removed.

    Args:
        flagged_voxels: how many voxels to flag before small components go, so that a comparison can give
            the baseline the same flagged volume as the model.
        smallest: components of fewer voxels are removed.

    Returns:
        int32 label map on the model's grid.
    """
    if flagged_voxels <= 0:
        return np.zeros(study.brain.shape, np.int32)
    inside = np.sort(study.flair[study.brain])
    threshold = inside[-min(flagged_voxels, inside.size)]
    labels = components((study.flair >= threshold) & study.brain)
    small = np.bincount(labels.ravel()) < smallest
    return components(~small[labels] & (labels > 0))
