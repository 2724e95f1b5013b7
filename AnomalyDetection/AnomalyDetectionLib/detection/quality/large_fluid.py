"""Whether there is much fluid on one side alone: a cavity, a cyst, whatever the detector says of it.

The detectors look at patches, and the middle of a large cavity looks like the middle of a ventricle. Here fluid counts
where it is thick, as in no sulcus, and where the other side has none nearby, as it has for ventricles and cisterns.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ...imaging.brain_place import BrainPlace, mirrored
from ...imaging.prepared import PreparedStudy
from ..midline import MIDLINE_MM
from .warning import QualityWarning

LEAST_ML = 20.0
"""Of one piece."""

_FLUID_BELOW = 0.45
"""Of the median of the brain above its fluid, on both images."""
_THICK_MM, _NEARBY_MM = 4.0, 9.0  # half of what is thick; tilt and ventricles that differ
_STEP_MM = 1.8


def one_sided_fluid(study: PreparedStudy) -> tuple[float, tuple[float, float, float] | None]:
    """The largest piece of thick fluid without a counterpart: its volume (ml) and its centre (LPS mm)."""
    step = max(1, round(_STEP_MM / study.grid.spacing[0]))
    part = (slice(None), slice(None, None, step), slice(None, None, step))
    brain = study.brain[part]
    spacing = np.array((study.grid.spacing[2], study.grid.spacing[1] * step, study.grid.spacing[0] * step))
    # What the brain extraction leaves out of a brain is a hole in its outline.
    fluid = brain & (_by_median(study.t1[part], brain) < _FLUID_BELOW)
    fluid &= _by_median(study.flair[part], brain) < _FLUID_BELOW
    fluid = ndimage.binary_fill_holes(fluid) & brain
    if not fluid.any():
        return 0.0, None
    thick = ndimage.distance_transform_edt(np.pad(fluid, 1), sampling=spacing)[1:-1, 1:-1, 1:-1] > _THICK_MM
    if not thick.any():
        return 0.0, None
    thick = fluid & (ndimage.distance_transform_edt(~thick, sampling=spacing) <= _THICK_MM)
    other = mirrored(thick, BrainPlace.of(brain).other_side(brain.shape[2]))
    alone = (
        thick & (ndimage.distance_transform_edt(~other, sampling=spacing) > _NEARBY_MM)
        if other.any()
        else thick
    )
    pieces, count = ndimage.label(alone)
    if not count:
        return 0.0, None
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest = int(sizes.argmax())
    z, y, x = ndimage.center_of_mass(pieces == largest)
    centre = study.grid.points(np.array([[x * step, y * step, z]]))[0]
    ml = float(sizes[largest] * np.prod(spacing)) / 1000
    return ml, (float(centre[0]), float(centre[1]), float(centre[2]))


def check(study: PreparedStudy) -> tuple[QualityWarning, ...]:
    """A warning of much fluid on one side."""
    ml, centre = one_sided_fluid(study)
    if ml < LEAST_ML or centre is None:
        return ()
    middle = BrainPlace.of(study.brain).middle[2]
    across = study.grid.points(np.array([[middle, study.grid.size[1] / 2, study.grid.size[2] / 2]]))[0]
    to_left = centre[0] - float(across[0])
    side = "in the middle" if abs(to_left) < MIDLINE_MM else "on the left" if to_left > 0 else "on the right"
    return (
        QualityWarning(
            "large fluid",
            f"There is much fluid {side} ({ml:.0f} ml without a counterpart on the other side): look there for a cavity or a"
            " cyst, whatever the findings say",
            {"ml": round(ml, 1), "centre_lps_mm": [round(value, 1) for value in centre]},
        ),
    )


def _by_median(image: np.ndarray, brain: np.ndarray) -> np.ndarray:
    low, middle = np.percentile(image[brain], (5, 50))
    return np.asarray((image - low) / max(float(middle - low), 1e-6))
