"""The notice and the limits that are shown with every result."""

from __future__ import annotations

NOTICE = "Research use only. Not a medical device; not for diagnosis."

LIMITS = (
    "A suspected anomaly is tissue that looks unlike normal tissue to the model: besides infarcts that is white"
    " matter hyperintensity, tumour, image artefact, and normal tissue at the border of cerebrospinal fluid.",
    "Small lesions are often missed: most of those under 1 ml, nearly all of those under 0.1 ml.",
    "Scanners and sequences unlike those of the training data shift all scores; see the model's card.",
    "Sides are those of the headers: mirrored T1 and FLAIR are not noticed, as a mirrored brain is as good a brain; one of"
    " the two mirrored is.",
)
