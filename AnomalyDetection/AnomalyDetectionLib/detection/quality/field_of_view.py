"""Whether the field of view of the FLAIR ends within the brain. (Of the T1, `PreparedStudy.fraction_outside_t1` tells.)"""

from __future__ import annotations

import numpy as np

from .acquired import Acquired
from .warning import QualityWarning

MOST_MISSING = 0.03
"""Share of the brain beyond the field of view that is worth a doubt. A choice: clinical scans often end some millimetres
below the top of the brain, up to 2 % of it in 7 of 84, and nobody would read them otherwise for it."""

WORTH_NAMING = 0.005  # Share of the brain beyond one end from which that end is named beside others
_SIDES = (("lower end", "top"), ("front", "back"), ("right", "left"))

_ML_BY_CM4 = {
    "lower end": 0.0155,
    "top": 0.0078,
    "front": 0.032,
    "back": 0.016,
    "right": 0.0112,
    "left": 0.0112,
}
"""What lies beyond a plane grows with the square of the area that it cuts, as of any rounded end. Measured on the brain
masks of 102 people; between the 5th and the 95th percentile of them the volume beyond a cut of 60 cm2 differed by half of it."""


def cut_areas(image: Acquired) -> dict[str, float]:
    """Area of brain (cm2) at the six ends of the image, by their names. Outer slices that show nothing are no part of it.

    In a scan without skull the brain may fill its box; what is empty round it is taken for field of view there.
    """
    values, brain = image.values, image.brain
    areas = {}
    stripped = not _head_beyond(image)
    for axis, names in enumerate(_SIDES):
        others = tuple(other for other in range(3) if other != axis)
        shown = np.flatnonzero(np.ptp(values, axis=others) > 0)
        whole = stripped or not len(shown)
        first, last = (0, values.shape[axis] - 1) if whole else (int(shown[0]), int(shown[-1]))
        mm2 = float(np.prod([image.spacing[other] for other in others]))
        for name, end in zip(names, (first, last), strict=True):
            areas[name] = float(brain.take(end, axis).sum()) * mm2 / 100
    return areas


def _head_beyond(image: Acquired) -> bool:
    """Whether there is anything but one value outside the brain's box, or much of it within."""
    step = tuple(slice(None, None, max(1, size // 64)) for size in image.values.shape)
    values, brain = image.values[step], image.brain[step]
    background = values[~brain]
    return bool(background.size) and float((background != np.median(background)).mean()) > 0.02


def check(image: Acquired) -> tuple[QualityWarning, ...]:
    """A warning if much of the brain is cut off at one or more ends."""
    areas = cut_areas(image)
    missing = {name: _ML_BY_CM4[name] * area**2 for name, area in areas.items()}
    shown_ml = float(image.brain.sum()) * float(np.prod(image.spacing)) / 1000
    whole_ml = max(shown_ml + sum(missing.values()), 1e-6)
    # The brain stem goes on beyond every scan: the lower end counts only where more than that is missing.
    cut = {
        name: ml / whole_ml
        for name, ml in missing.items()
        if ml / whole_ml >= (MOST_MISSING if name == "lower end" else WORTH_NAMING)
    }
    if sum(cut.values()) < MOST_MISSING:
        return ()
    where = " and ".join(f"at the {name} (about {100 * share:.0f} % of it)" for name, share in cut.items())
    sentence = f"The {image.role}'s field of view cuts the brain {where}: what lies beyond was not looked at"
    measured = {
        "image": image.role,
        "missing": {name: round(share, 4) for name, share in cut.items()},
        "cut_cm2": {name: round(areas[name], 1) for name in cut},
    }
    return (QualityWarning("field of view", sentence, measured),)
