"""Whether there is much fluid on one side alone: a cavity, a cyst, whatever the detector says of it.

The detectors look at patches, and the middle of a large cavity looks like the middle of a ventricle. Here fluid counts
where it is thick, as in no sulcus, and where the other side has none nearby, as it has for ventricles and cisterns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...imaging.brain_extent import BrainExtent, mirrored
from ...imaging.contrast import by_median
from ...imaging.prepared import PreparedStudy
from ..midline import MIDLINE_MM
from .warning import QualityWarning

LEAST_ML = 20.0
"""Of one piece, further than `_NEARBY_MM` from fluid opposite. On 61 real scans without a cavity it had at most 18 ml, of a
ventricle whose opposite a tumour had closed; in two with a cyst, 30 and 42."""

_FLUID_BELOW = 0.45  # Of the median of the brain above its fluid, on both images
_THICK_MM, _NEARBY_MM = 4.0, 9.0  # half of what is thick; tilt and ventricles that differ
_STEP_MM = 1.8


@dataclass(frozen=True)
class OneSidedFluid:
    """The largest piece of thick fluid without a counterpart on the other side."""

    core_ml: float = 0.0  # what has none within `_NEARBY_MM`; 0 where there is no such piece
    ml: float = 0.0  # what has none exactly opposite
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the core, LPS mm


def one_sided_fluid(study: PreparedStudy) -> OneSidedFluid:
    """Look for it in a prepared study."""
    step = max(1, round(_STEP_MM / study.grid.spacing[0]))
    part = (slice(None), slice(None, None, step), slice(None, None, step))
    brain = study.brain[part]
    spacing = np.array((study.grid.spacing[2], study.grid.spacing[1] * step, study.grid.spacing[0] * step))
    darkest = np.maximum(by_median(study.t1[part], brain), by_median(study.flair[part], brain))
    fluid = ndimage.binary_fill_holes(brain & (darkest < _FLUID_BELOW)) & brain
    if not fluid.any():
        return OneSidedFluid()
    thick = ndimage.distance_transform_edt(np.pad(fluid, 1), sampling=spacing)[1:-1, 1:-1, 1:-1] > _THICK_MM
    if not thick.any():
        return OneSidedFluid()
    thick = fluid & (ndimage.distance_transform_edt(~thick, sampling=spacing) <= _THICK_MM)
    other = mirrored(thick, BrainExtent.of(brain).other_side(brain.shape[2]))
    far = ndimage.distance_transform_edt(~other, sampling=spacing) > _NEARBY_MM if other.any() else True
    pieces, count = ndimage.label(thick & far)
    if not count:
        return OneSidedFluid()
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest = int(sizes.argmax())
    core = pieces == largest
    z, y, x = ndimage.center_of_mass(core)
    centre = study.grid.points(np.array([[x * step, y * step, z]]))[0]
    near = ndimage.distance_transform_edt(~core, sampling=spacing) <= _NEARBY_MM
    voxel_ml = float(np.prod(spacing)) / 1000
    return OneSidedFluid(
        float(sizes[largest]) * voxel_ml,
        float(np.count_nonzero(thick & near & ~other)) * voxel_ml,
        (float(centre[0]), float(centre[1]), float(centre[2])),
    )


def check(study: PreparedStudy) -> tuple[QualityWarning, ...]:
    """A warning of much fluid on one side."""
    found = one_sided_fluid(study)
    if found.core_ml < LEAST_ML:
        return ()
    middle = BrainExtent.of(study.brain).middle[2]
    across = study.grid.points(np.array([[middle, study.grid.size[1] / 2, study.grid.size[2] / 2]]))[0]
    to_left = found.centre[0] - float(across[0])
    side = "in the middle" if abs(to_left) < MIDLINE_MM else "on the left" if to_left > 0 else "on the right"
    sentence = (
        f"There is much fluid {side} ({found.ml:.0f} ml without a counterpart on the other side): look there for a cavity or a"
        " cyst, whatever the findings say"
    )
    measured = {"ml": round(found.ml, 1), "core_ml": round(found.core_ml, 1)}
    place = [round(value, 1) for value in found.centre]
    return (QualityWarning("large fluid", sentence, {**measured, "centre_lps_mm": place}),)
