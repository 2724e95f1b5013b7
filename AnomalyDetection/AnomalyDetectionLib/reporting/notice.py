"""What has to be said wherever a result is shown."""

from __future__ import annotations

NOTICE = "Research use only. Not a medical device; not for diagnosis."

LIMITS = (
    "A suspected anomaly is tissue that the model did not learn as normal: besides infarcts that is white"
    " matter hyperintensity, image artefact, and normal tissue at the border of cerebrospinal fluid.",
    "Small lesions are often missed: in the original publication nearly all missed infarcts were under 1 ml.",
    "Scanners and sequences unlike those of the training data shift all scores; see the model's card.",
)
