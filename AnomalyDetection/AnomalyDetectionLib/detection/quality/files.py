"""What reading the files gave reason to doubt: where their headers place them, and what a given brain mask holds."""

from __future__ import annotations

from ...imaging.brain_mask import brain_from
from ...imaging.volume import Study
from .warning import QualityWarning


def check(study: Study) -> tuple[QualityWarning, ...]:
    """What has to be said of T1 and FLAIR as they were read, and of the mask. The sentences name no file and no person."""
    said = [QualityWarning(*remark) for volume in (study.t1, study.flair) for remark in volume.remarks]
    least = None if study.brain_mask is None else brain_from(study.brain_mask)
    if least is not None:
        sentence = f"The brain mask holds fractions, as a map of probabilities does: from {least:.3g} on was taken for brain, check the mask"
        said.append(QualityWarning("brain mask", sentence, {"from": round(least, 3)}))
    return tuple(said)
