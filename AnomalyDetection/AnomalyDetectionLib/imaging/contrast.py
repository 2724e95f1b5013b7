"""Which of two images is the T1 and which the FLAIR, by their contrast inside the brain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from ..errors import InputError

TISSUE_ABOVE = (
    0.35  # Below this scaled intensity, in either image, a voxel counts as CSF or its partial volume
)

#: From this correlation within the brain, two images are the same one, perhaps resampled. It was at most 0.75 in
#: the 74 correct pairs that were measured.
SAME_IMAGE_FROM = 0.98

#: In units of the brain's median above its fluid: voxels between these two are tissue without a lesion.
_TISSUE = (0.5, 1.6)
_INNER = 0.6
_DEEPEST_MM, _RIM_MM = 12.0, 3.0
_FEWEST = 2000


@dataclass(frozen=True)
class ContrastOrder:
    """Evidence that T1 and FLAIR are not swapped; swapping them inverts every sign."""

    # white matter lies deeper in the tissue than grey matter; it is brighter on T1 and darker on FLAIR.
    # Correlation (-1 to 1) of depth with T1 minus FLAIR, in normal tissue only.
    depth: float
    # the brain's intensities have their long tail on the dark side on T1 (grey matter, lesions) and on the bright
    # side on FLAIR (cortex, lesions). Skewness by percentiles (-1 to 1) of the FLAIR minus that of the T1; a
    # large lesion increases it.
    tails: float

    @property
    def score(self) -> float:
        """The sum of both measures: above 0 if T1 and FLAIR are right, below 0 if they are swapped."""
        return self.depth + self.tails

    @classmethod
    def of(
        cls, t1: np.ndarray, flair: np.ndarray, brain: np.ndarray, in_plane_mm: Sequence[float]
    ) -> ContrastOrder:
        """Compute it for two images of one head; (0, 0) if there is too little tissue.

        `t1`, `flair`: (slices, rows, columns), in any units. `brain`: bool, same shape. `in_plane_mm`: distance
        between rows, and between columns."""
        if np.count_nonzero(brain) < _FEWEST:
            return cls(0.0, 0.0)
        t, f = by_median(t1, brain), by_median(flair, brain)
        darker, brighter = np.minimum(t, f), np.maximum(t, f)
        tissue = brain & (darker > _TISSUE[0])
        depth = _depth_mm(tissue, in_plane_mm)
        usual = tissue & (brighter < _TISSUE[1])
        inner = (_depth_mm(brain, in_plane_mm) > _RIM_MM) & (darker > _INNER)
        if min(np.count_nonzero(usual), np.count_nonzero(inner)) < _FEWEST:
            return cls(0.0, 0.0)
        deep, difference = np.minimum(depth[usual], _DEEPEST_MM), t[usual] - f[usual]
        if np.ptp(deep) == 0 or np.ptp(difference) == 0:
            return cls(0.0, 0.0)
        return cls(float(np.corrcoef(deep, difference)[0, 1]), _skewness(f[inner]) - _skewness(t[inner]))


def refuse_the_same(
    t1: np.ndarray, flair: np.ndarray, brain: np.ndarray, *, t1_name: str, flair_name: str
) -> None:
    """Refuse a study whose two images are the same one.

    Raises InputError where they are the same image.

    `t1`, `flair`: float32 (slices, rows, columns). `brain`: bool, same shape. `t1_name`, `flair_name`: for the
    message."""
    if float(np.corrcoef(t1[brain], flair[brain])[0, 1]) > SAME_IMAGE_FROM:
        raise InputError(
            f"{t1_name} and {flair_name} show the same image: give a T1 and a FLAIR.", see=("t1", "flair")
        )


def by_median(image: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """The image scaled to 0 for fluid and 1 for the brain's median, which a lesion hardly moves."""
    low, middle = np.percentile(image[brain], (5, 50))
    return np.asarray((image - low) / max(float(middle - low), 1e-6), np.float32)


def _depth_mm(mask: np.ndarray, in_plane_mm: Sequence[float]) -> np.ndarray:
    """The depth of each voxel in a mask (mm), slice by slice."""
    depth = np.zeros(mask.shape, np.float32)
    for number in np.flatnonzero(mask.any(axis=(1, 2))):
        padded = np.pad(mask[number], 1)
        depth[number] = scipy.ndimage.distance_transform_edt(padded, sampling=in_plane_mm)[1:-1, 1:-1]
    return depth


def _skewness(values: np.ndarray) -> float:
    """Skewness by percentiles: -1 (long tail below the median) to 1 (above it)."""
    low, middle, high = np.percentile(values, (5, 50, 95))
    return float((high + low - 2 * middle) / max(high - low, 1e-6))
