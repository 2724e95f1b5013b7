"""Grow a lesion that the software missed from one point: the surrounding tissue of similar grey value."""

from __future__ import annotations

import numpy as np
import scipy

REACH_MM = 40.0  # maximum distance from the point, mm
MOST_ML = 60.0
"""A larger lesion has leaked into normal tissue; the limit is then moved towards the grey value of the point."""

NOTICEABLE = 1.0
"""Difference from the surrounding tissue on FLAIR, in robust standard deviations, that makes a point bright or dark; else the
scores decide."""

EDGES = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Limits between the grey values of the surrounding tissue (0) and the point (1), tried in this order."""

LEAST_RADIUS_MM = 2.0
"""Radius, in mm, of the ball that is drawn where neither FLAIR nor scores show an edge; the reader can correct it."""


def grow_lesion(
    flair: np.ndarray,
    scores: np.ndarray,
    brain: np.ndarray,
    spacing: tuple[float, float, float],
    seed: tuple[int, int, int],
) -> np.ndarray:
    """The lesion at a point.

    Args:
        flair: grey values (slices, rows, columns).
        scores: anomaly scores, same shape.
        brain: bool, same shape.
        spacing: mm, of columns, rows and slices (x, y, z).
        seed: (slice, row, column).

    Returns a bool array of the same shape; True at least at the seed.
    """
    mm = np.array(spacing[::-1])
    reach = np.ceil(REACH_MM / mm).astype(int)
    low = np.maximum(np.array(seed) - reach, 0)
    high = np.minimum(np.array(seed) + reach + 1, flair.shape)
    place = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    z, y, x = (np.array(seed) - low).tolist()
    here = (z, y, x)
    away = np.linalg.norm((np.indices(tuple(high - low)).reshape(3, -1).T - here) * mm, axis=1)
    away = away.reshape(tuple(high - low))
    values = flair[place].astype(np.float64)
    known = np.isfinite(values)
    tissue = brain[place] & (away <= REACH_MM) & known
    grown = _by_image(np.where(known, values, 0.0), tissue, here, mm)
    if grown is None:
        grown = _by_image(scores[place].astype(np.float64), tissue, here, mm, bright_only=True)
    if grown is None:
        grown = away <= LEAST_RADIUS_MM
    grown[here] = True
    mask = np.zeros(flair.shape, bool)
    mask[place] = grown
    return mask


def _by_image(
    image: np.ndarray,
    tissue: np.ndarray,
    here: tuple[int, int, int],
    mm: np.ndarray,
    *,
    bright_only: bool = False,
) -> np.ndarray | None:
    """The voxels connected to the point whose values are nearer to its value than to the surrounding tissue's; None: none."""
    if not tissue.any():
        return None
    usual = float(np.median(image[tissue]))
    spread = 1.4826 * float(np.median(np.abs(image[tissue] - usual)))
    near = tuple(slice(max(0, v - reach), v + reach + 1) for v, reach in zip(here, (0, 1, 1), strict=True))
    value = float(np.median(image[near]))  # include the neighbours, as a single voxel may be noise
    if abs(value - usual) < max(NOTICEABLE * spread, 1e-6) or (bright_only and value < usual):
        return None
    for edge in EDGES:
        border = usual + edge * (value - usual)
        alike = tissue & ((image >= border) if value > usual else (image <= border))
        alike[here] = True
        labels, _ = scipy.ndimage.label(alike)
        grown = labels == labels[here]
        if grown.sum() * float(np.prod(mm)) / 1000 <= MOST_ML:
            break
    return np.stack([scipy.ndimage.binary_fill_holes(plane) for plane in grown])
