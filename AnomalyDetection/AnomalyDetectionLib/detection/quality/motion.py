"""Motion while a slice is taken: copies of the head in the air beside it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .acquired import Acquired
from .warning import QualityWarning

MOST_GHOST = 0.03  # Of the brain's intensity. It was at most 0.018 in 59 images of good pairs.

ENOUGH_SLICES, MOST_GHOST_OF_FEW = 6, 0.06
"""With fewer slices that show air, as in a tight field of view, only the corners beside the top of the head are seen, where
little is enough. In 72 such images of good pairs it was at most 0.049, but 0.073 in one; ghosts of half the lines 50 % weaker had
0.105 and more."""

_AIR_FROM_MM = 32.0  # from the brain, upper half of the head: beyond thick scalps
_LEAST_MM2 = 300.0
_SLICES = 24


def ghost(image: Acquired) -> tuple[float, int] | None:
    """How much brighter the air is on two opposite sides of the head than elsewhere, in terms of the brain.

    Motion and pulsation leave copies and streaks along the phase-encoding direction on both sides. Noise is as
    bright everywhere, and the nose is on one side alone. Returns that, and in how many slices it was seen. None
    where there is no air round the head, as in scans without skull, with a tight field of view, or with one
    value in the place of the air."""
    brain = image.brain
    tissue = float(np.median(image.values[brain]))
    if tissue <= 0:
        return None
    with_brain = np.flatnonzero(brain.any(axis=(1, 2)))
    upper = with_brain[len(with_brain) // 2 : int(0.92 * len(with_brain))]
    found = []
    for s in upper[:: max(1, len(upper) // _SLICES)]:
        levels = _air_levels(image.values[s], brain[s], image.spacing[1:])
        if len(levels) > 1:
            found.append((max(levels) - min(levels)) / tissue)
    # Of a 2D scan, only a package of slices may be spoiled.
    return (float(np.quantile(found, 0.75)), len(found)) if len(found) >= 3 else None


def _air_levels(plane: np.ndarray, brain: np.ndarray, spacing: tuple[float, float]) -> list[float]:
    """Mean intensity of the air in front of and behind the head, left and right of it, and in the corners.

    Of two sides and of the corners the darker one, none where there is too little air.
    """
    if brain.sum() < 100 or brain.all() or np.ptp(plane[~brain]) == 0:
        return []
    far = ndimage.distance_transform_edt(~brain, sampling=spacing) > _AIR_FROM_MM
    filled = _filled(plane)
    (before, beside_r, behind), (left, beside_c, right) = (
        (slice(None, at[0]), slice(at[0], at[-1] + 1), slice(at[-1] + 1, None))
        for at in (np.flatnonzero(brain.any(axis=axis)) for axis in (1, 0))
    )

    def level(r: slice, c: slice) -> float | None:
        beyond, real = far[r, c], far[r, c] & ~filled[r, c]
        if 2 * real.sum() < beyond.sum():
            return None
        air = plane[r, c][real]
        return float(air.mean()) if air.size * spacing[0] * spacing[1] > _LEAST_MM2 else None

    opposite = (
        (level(before, beside_c), level(behind, beside_c)),
        (level(beside_r, left), level(beside_r, right)),
    )
    levels = [min(a, b) for a, b in opposite if a is not None and b is not None]
    corners = [level(r, c) for r in (before, behind) for c in (left, right)]
    known = [corner for corner in corners if corner is not None]
    return levels + ([min(known)] if known else [])


def _filled(plane: np.ndarray) -> np.ndarray:
    """Which pixels were filled in: areas of one exact value. They lack the noise of real air, and would seem darker.

    Defacing, the correction of gradients and reslicing leave them.
    """
    brightest, darkest = (
        f(plane, 3, mode="nearest") for f in (ndimage.maximum_filter, ndimage.minimum_filter)
    )
    return ndimage.binary_dilation(brightest == darkest, np.ones((3, 3)))


def check(image: Acquired) -> tuple[QualityWarning, ...]:
    """A warning of copies of the head beside it."""
    found = ghost(image)
    if found is None:
        return ()
    ghosts, slices = found
    most = MOST_GHOST if slices >= ENOUGH_SLICES else MOST_GHOST_OF_FEW
    if ghosts <= most:
        return ()
    sentence = (
        f"The {image.role} has streaks or copies of the head in the air beside it ({100 * ghosts:.0f} % of the brain's"
        f" intensity, good scans have less than {100 * most:.0f} %): look for motion before believing findings"
    )
    return (
        QualityWarning(
            "motion", sentence, {"image": image.role, "ghost": round(ghosts, 4), "slices": slices}
        ),
    )
