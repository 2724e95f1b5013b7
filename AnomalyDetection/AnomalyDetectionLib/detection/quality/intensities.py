"""Whether the image's values were cut off or made coarse before it came here."""

from __future__ import annotations

import numpy as np

from .acquired import Acquired
from .warning import QualityWarning

MOST_CUT_OFF = 0.002  # Share of the brain at its brightest value. In good scans a voxel or two have it.
FEWEST_STEPS = 16  # Different values within the brain's 5th to 95th percentile. Good scans had 26 and more.


def check(image: Acquired) -> tuple[QualityWarning, ...]:
    """Warnings of values cut off and of few grey levels."""
    inside = image.cropped.values[image.cropped.brain]
    share = float((inside == inside.max()).mean())
    some, (low, high) = inside[:: max(1, len(inside) // 200_000)], image.range
    steps = len(np.unique(some[(some >= low) & (some <= high)]))
    said = []
    if share > MOST_CUT_OFF:
        sentence = (
            f"{100 * share:.1f} % of the brain on the {image.role} has the very brightest value: intensities were cut off;"
            " export the scan again with its full range"
        )
        said.append(
            QualityWarning("cut off intensities", sentence, {"image": image.role, "share": round(share, 4)})
        )
    if steps < FEWEST_STEPS:
        sentence = f"The {image.role} has only {steps} grey levels within the brain: export the scan again with its full range"
        said.append(QualityWarning("few grey levels", sentence, {"image": image.role, "levels": steps}))
    return tuple(said)
