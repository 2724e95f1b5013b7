"""What reading the files gave reason to doubt: where their headers place them, and what a given brain mask holds."""

from __future__ import annotations

from ...imaging.brain_mask import is_probability
from ...imaging.volume import Study
from .warning import QualityWarning


def check(study: Study) -> tuple[QualityWarning, ...]:
    """What has to be said of T1 and FLAIR as they were read, and of the mask. The sentences name no file and no person."""
    said = [QualityWarning(*remark) for volume in (study.t1, study.flair) for remark in volume.remarks]
    mask = study.brain_mask
    if mask is not None and is_probability(mask):
        said.append(
            QualityWarning(
                "brain mask",
                "The brain mask holds fractions, as a map of probabilities does: from 0.5 on was taken for brain, check the mask",
                {"from": 0.5},
            )
        )
    return tuple(said)
