"""Whether the brain that was found is as large as brains are."""

from __future__ import annotations

from ...imaging.prepared import PreparedStudy
from .warning import QualityWarning

# Of an adult, with the fluid round it. Masks of 25 real scans had 1256 to 1875 ml.
USUAL_ML = (900.0, 2200.0)


def check(study: PreparedStudy) -> tuple[QualityWarning, ...]:
    """A warning of an unusual volume."""
    volume_ml = float(study.flair_brain.sum()) * study.flair_grid.voxel_ml
    if USUAL_ML[0] <= volume_ml <= USUAL_ML[1]:
        return ()
    # Towards a cut at the top the mask gets smaller than the brain, and so does what the field of view tells of the part beyond.
    size, advice = (
        (
            "small",
            "much of it may lie beyond the field of view, more than a cut shows, or be left out by the brain mask; look at both, doubt"
            " findings at a border, and those of a child, whose brain the model does not know",
        )
        if volume_ml < USUAL_ML[0]
        else ("large", "check the brain mask")
    )
    sentence = f"The brain that was found is {size} ({volume_ml:.0f} ml, usually {USUAL_ML[0]:.0f} to {USUAL_ML[1]:.0f}): {advice}"
    return (QualityWarning("brain volume", sentence, {"ml": round(volume_ml, 1)}),)
