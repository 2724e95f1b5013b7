"""Whether the T1 alone is mirrored: its left is the FLAIR's right, under a header that says otherwise.

If both are mirrored nothing can be seen: a mirrored brain is as good a brain. But no two halves of a brain are alike.
"""

from __future__ import annotations

from ...imaging.prepared import PreparedStudy
from ...imaging.registration import mirror_fit
from ...imaging.volume import Study
from .warning import QualityWarning

LEAST_BETTER = 1.1
"""So many times the mutual information of T1 and FLAIR the exchange of the T1's sides must bring. In 77 right pairs it brought at
most 0.84 times as much, where the T1 alone was mirrored 1.41 times and more."""


def check(study: Study, prepared: PreparedStudy) -> tuple[QualityWarning, ...]:
    """A warning if the T1 fits the FLAIR better with its sides exchanged."""
    fit = mirror_fit(study.t1.image, study.flair.image, prepared.flair_brain, prepared.alignment)
    if fit is None or fit[1] < LEAST_BETTER * fit[0]:
        return ()
    own, mirrored = fit
    sentence = (
        f"The T1 seems to be mirrored, left and right exchanged: so it fits the FLAIR {mirrored / max(own, 1e-6):.1f}"
        " times as well. One of the two is wrong, and sides and findings are worth little then: compare both in a viewer with"
        " the patient's other images, and export the wrong one again"
    )
    return (QualityWarning("mirrored", sentence, {"own": round(own, 3), "mirrored": round(mirrored, 3)}),)
