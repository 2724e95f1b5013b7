"""A study made ready for the network: aligned, masked, bias-corrected, scaled, on the model's grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..grid import Grid


@dataclass(frozen=True)
class Alignment:
    """How T1 and FLAIR were aligned.

    Attributes:
        registered: whether a rigid registration was applied; False: the headers were trusted.
        shift_mm: mean distance over the brain (mm) between the T1's position by the headers and its aligned position.
        rotation_deg: the rotation angle of the registration.
        matrix: 4 x 4, row by row, LPS to LPS, from FLAIR space to T1 space (ITK resampling transform).
    """

    registered: bool
    shift_mm: float
    rotation_deg: float
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
    """The second of the four values of a detection (`Study`, `PreparedStudy`, `ScoreMap`, `Findings`).

    Attributes:
        t1, flair: float32 (slices, rows, columns) on `grid`, bias-corrected and scaled (see
            `IntensityScale`). The skull is still there.
        brain: bool, same shape.
        grid: the model's grid; slices are transversal, columns run to the patient's left (L), rows to
            the back (P), slices upwards (S), each along the FLAIR axis nearest to that direction.
        flair_grid: the FLAIR's own grid, on which all results are given.
        flair_brain: bool (slices, rows, columns) on `flair_grid`.
        t1_scale, flair_scale: the linear maps that were applied.
        alignment: how the T1 was aligned with the FLAIR.
        seconds: duration of each stage.
        fraction_outside_t1: share of the brain outside the T1's field of view; excluded from `brain` and `flair_brain`.
    """

    t1: np.ndarray
    flair: np.ndarray
    brain: np.ndarray
    grid: Grid
    flair_grid: Grid
    flair_brain: np.ndarray
    t1_scale: IntensityScale
    flair_scale: IntensityScale
    alignment: Alignment
    seconds: dict[str, float] = field(default_factory=dict)
    fraction_outside_t1: float = 0.0
