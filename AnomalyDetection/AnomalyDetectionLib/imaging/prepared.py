"""A study made ready for the network: aligned, masked, bias-corrected, scaled, on the model's grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..grid import Grid


@dataclass(frozen=True)
class Alignment:
    """How T1 and FLAIR were aligned."""

    registered: bool  # whether a rigid registration was applied; False: the headers were trusted
    # mean distance over the brain (mm) between the T1's position by the headers and its aligned position
    shift_mm: float
    rotation_deg: float  # the rotation angle of the registration
    # 4 x 4, row by row, LPS to LPS, from FLAIR space to T1 space (ITK resampling transform)
    matrix: tuple[float, ...]


@dataclass(frozen=True)
class IntensityScale:
    """The linear map of one image that brings `low` to 0 and `high` to 1.

    With scaling by percentiles (paper) these are the 5th and the 95th percentile in the brain; with scaling by modes, the
    levels of fluid and white matter.
    """

    low: float
    high: float

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Scanner units to scaled units."""
        return ((array - self.low) / (self.high - self.low)).astype(np.float32)

    def invert(self, array: np.ndarray) -> np.ndarray:
        """Scaled units back to (bias-corrected) scanner units."""
        return (array * (self.high - self.low) + self.low).astype(np.float32)


@dataclass(frozen=True)
class PreparedStudy:
    """The second of the four values of a detection (`Study`, `PreparedStudy`, `ScoreMap`, `Findings`)."""

    # t1, flair: float32 (slices, rows, columns) on `grid`, bias-corrected and scaled (see `IntensityScale`). The
    # skull is still there.
    t1: np.ndarray
    flair: np.ndarray
    brain: np.ndarray  # bool, same shape
    # the model's grid; slices are transversal, columns run to the patient's left (L), rows to the back (P),
    # slices upwards (S), each along the FLAIR axis nearest to that direction
    grid: Grid
    flair_grid: Grid  # the FLAIR's own grid, on which all results are given
    flair_brain: np.ndarray  # bool (slices, rows, columns) on `flair_grid`
    # t1_scale, flair_scale: the linear maps that were applied
    t1_scale: IntensityScale
    flair_scale: IntensityScale
    alignment: Alignment  # how the T1 was aligned with the FLAIR
    seconds: dict[str, float] = field(default_factory=dict)  # duration of each stage
    # share of the brain outside the T1's field of view; excluded from `brain` and `flair_brain`
    fraction_outside_t1: float = 0.0
