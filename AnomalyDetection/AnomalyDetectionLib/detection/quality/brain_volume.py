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
    size, advice = "large", "check the brain mask"
    if volume_ml < USUAL_ML[0]:  # towards a cut at the top the mask tapers, so that less seems to be cut off
        size = "small"
        advice = (
            "a part of it may lie outside the field of view or the brain mask, so check both and doubt findings at"
            " their borders; or it is a child's, which the model does not know"
        )
    sentence = f"The brain that was found is {size} ({volume_ml:.0f} ml, usually {USUAL_ML[0]:.0f} to {USUAL_ML[1]:.0f}): {advice}"
    return (QualityWarning("brain volume", sentence, {"ml": round(volume_ml, 1)}),)
