"""Evidence besides the score: the brightness of a finding relative to the tissue round it."""

from __future__ import annotations

import numpy as np
import scipy

from ..imaging.contrast import TISSUE_ABOVE
from ..imaging.prepared import PreparedStudy
from .lattice import windows_of

RING_MM = 10.0  # How far round a finding, within the slice, the tissue it is compared with reaches


def relative_intensities(
    cells: np.ndarray, count: int, study: PreparedStudy, suspected: np.ndarray | None = None
) -> list[tuple[float, float]]:
    """Mean T1 and FLAIR inside each finding over that of the brain round it.

    In bias-corrected scanner units, where 0 is no signal, so that the ratio means something. "Round it" is the
    tissue within `RING_MM` in the same slices that is in no finding: the brain without CSF, which is dark on
    both images, and without what is suspected but was too small for a finding.

    Returns (T1, FLAIR) for findings 1 to `count`; NaN where there is nothing to compare.

    `cells`: (slices, rows, columns) on the model's grid, the number of the finding or 0. `count`: how many
    findings there are. `study`: the prepared study on that grid. `suspected`: bool, the shape of `cells`: other
    voxels that are not to be compared with."""
    dx, dy = study.grid.spacing[0], study.grid.spacing[1]
    reach = (0, int(np.ceil(RING_MM / dy)), int(np.ceil(RING_MM / dx)))
    # Gliosis is dark on T1 alone and blood on FLAIR alone; only fluid is dark on both.
    normal = study.brain & (cells == 0) & (np.maximum(study.t1, study.flair) > TISSUE_ABOVE)
    if suspected is not None:
        normal &= ~suspected
    ratios = [(float("nan"), float("nan"))] * count
    for number, window in windows_of(cells, count, reach):
        inside = cells[window] == number
        ring = normal[window] & _within_reach(inside, (dy, dx))
        # A finding that lies outside the brain mask altogether is still compared as it is painted.
        inside_brain = inside & study.brain[window]
        inside = inside_brain if inside_brain.any() else inside
        ratios[number - 1] = (
            _ratio(study.t1_scale.invert(study.t1[window]), inside, ring),
            _ratio(study.flair_scale.invert(study.flair[window]), inside, ring),
        )
    return ratios


def _within_reach(inside: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Slice by slice, the pixels at most `RING_MM` from a pixel of the finding."""
    near = np.zeros(inside.shape, bool)
    for s in np.flatnonzero(inside.any(axis=(1, 2))):
        near[s] = scipy.ndimage.distance_transform_edt(~inside[s], sampling=spacing) <= RING_MM
    return near


def _ratio(image: np.ndarray, inside: np.ndarray, ring: np.ndarray) -> float:
    if not ring.any():
        return float("nan")
    normal = float(image[ring].mean(dtype=np.float64))
    return float(image[inside].mean(dtype=np.float64)) / normal if normal > 0 else float("nan")
