"""Whether the image's values were cut off or made coarse before it came here."""

from __future__ import annotations

import numpy as np

from .acquired import Acquired
from .warning import QualityWarning

MOST_CUT_OFF = 0.002
"""Share of the brain at its brightest value. In good scans a voxel or two have it."""

FEWEST_STEPS = 16
"""Different values within the brain's 5th to 95th percentile. Good scans had 26 and more."""


def share_at_brightest(image: Acquired) -> float:
    """Share of the brain that has its very brightest value."""
    inside = image.cropped.values[image.cropped.brain]
    return float((inside == inside.max()).mean())


def steps_between(image: Acquired) -> int:
    """How many different values there are between the 5th and the 95th percentile of the brain."""
    inside = image.cropped.values[image.cropped.brain]
    low, high = image.range
    inside = inside[:: max(1, len(inside) // 200_000)]
    return len(np.unique(inside[(inside >= low) & (inside <= high)]))


def check(image: Acquired) -> tuple[QualityWarning, ...]:
    """Warnings of values cut off and of few grey levels."""
    said = []
    share, steps = share_at_brightest(image), steps_between(image)
    if share > MOST_CUT_OFF:
        said.append(
            QualityWarning(
                "cut off intensities",
                f"{100 * share:.1f} % of the brain on the {image.role} has the very brightest value: intensities were cut off;"
                " export the scan again with its full range",
                {"image": image.role, "share": round(share, 4)},
            )
        )
    if steps < FEWEST_STEPS:
        said.append(
            QualityWarning(
                "few grey levels",
                f"The {image.role} has only {steps} grey levels within the brain: export the scan again with its full range",
                {"image": image.role, "levels": steps},
            )
        )
    return tuple(said)
