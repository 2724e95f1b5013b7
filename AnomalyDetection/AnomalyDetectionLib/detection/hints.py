"""A hint of what a finding is: the second look's calibrated probabilities, in words. Not a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model.classes import ARTEFACT, INFARCT, NORMAL, OTHER, WMH

if TYPE_CHECKING:
    import numpy as np

INFARCT_LIKE, WMH_LIKE, OTHER_ANOMALY, EDGE, UNKNOWN = (
    "infarct-like",
    "WMH-like",
    "other anomaly",
    "normal tissue or artefact",
    "unknown",
)
HINTS = (INFARCT_LIKE, WMH_LIKE, OTHER_ANOMALY, EDGE, UNKNOWN)
LEAST_PROBABILITY = 0.5  # Below this probability the hint is "unknown"
_NAMED = 0.05  # less probable kinds are left out of the evidence


@dataclass(frozen=True)
class Hint:
    """What a finding may be. `name`: one of `HINTS`. `evidence`: why, in words and numbers."""

    name: str
    evidence: str


def hint_of(probabilities: np.ndarray | None, relative: str) -> Hint:
    """The hint for a finding. `probabilities`: float (classes,), probabilities of the second look; None: nobody
    looked (paper mode). `relative`: how bright it is, for the evidence."""
    if probabilities is None:
        return Hint(UNKNOWN, relative)
    probability = {
        INFARCT_LIKE: float(probabilities[INFARCT]),
        WMH_LIKE: float(probabilities[WMH]),
        OTHER_ANOMALY: float(probabilities[OTHER]),
        EDGE: float(probabilities[NORMAL] + probabilities[ARTEFACT]),
    }
    first, *others = sorted(probability, key=lambda name: -probability[name])
    named = [first, *(name for name in others if probability[name] >= _NAMED)]
    evidence = ", ".join(f"{100 * probability[name]:.0f} % {name}" for name in named)
    return Hint(first if probability[first] >= LEAST_PROBABILITY else UNKNOWN, f"{evidence}; {relative}")
