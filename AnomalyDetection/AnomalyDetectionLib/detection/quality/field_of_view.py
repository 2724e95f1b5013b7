"""Whether the field of view of the FLAIR ends within the brain. (Of the T1, `PreparedStudy.fraction_outside_t1` tells.)"""

from __future__ import annotations

import numpy as np

from .acquired import Acquired
from .warning import QualityWarning

MOST_CUT_CM2 = 25.0
"""Area of brain in the outermost slice. A cut of that area takes about 6 mm off the brain, some 0.5 % of it."""

MOST_CUT_BELOW_CM2 = 45.0
"""At the lower end: the brain stem goes on beyond every scan. On real scans the lowest 15 mm of the brain mask, brain stem
and tips of the cerebellum, had 26 to 42 cm2 at most."""

_SIDES = (("lower end", "top"), ("front", "back"), ("right", "left"))


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
    """A warning if brain is cut off at one or more ends."""
    cut = {
        name: area
        for name, area in cut_areas(image).items()
        if area > (MOST_CUT_BELOW_CM2 if name == "lower end" else MOST_CUT_CM2)
    }
    if not cut:
        return ()
    where = " and ".join(f"at the {name} ({area:.0f} cm2)" for name, area in cut.items())
    return (
        QualityWarning(
            "field of view",
            f"The {image.role}'s field of view cuts the brain {where}: what lies beyond was not looked at",
            {"image": image.role, "cut_cm2": {name: round(area, 1) for name, area in cut.items()}},
        ),
    )
