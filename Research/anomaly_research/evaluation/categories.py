"""What each finding is, by the truth: the categories of the paper's table 2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from AnomalyDetectionLib.detection.candidate_probabilities import CandidateProbabilities
from AnomalyDetectionLib.detection.hints import UNKNOWN, hint_of

from .groups import Sweep
from .truth import ElementTruth
from .truth_files import CONFOUNDERS

INFARCT, NORMAL = "infarct", "normal tissue"
CATEGORIES = (INFARCT, *CONFOUNDERS.values(), NORMAL)


@dataclass(frozen=True)
class Scored:
    """One scan by one method: arguments of `scan_curves`, but for one smallest size of a finding.

    `candidates` is what the second look says, on the same elements; None: nobody looked.
    """

    truth: ElementTruth
    scores: np.ndarray
    smallest: int = 1
    neighbourhood: str = "26"
    candidates: CandidateProbabilities | None = None


@dataclass(frozen=True)
class CategorisedFinding:
    """A finding and what it is.

    Attributes:
        number: as in `derive_findings`: 1 has the highest peak.
        volume_ml: of its voxels on the FLAIR's grid.
        peak_score: over its elements.
        category: one of `CATEGORIES`. An infarct, if it shares any voxel with one; else the confounder with
            which it shares most voxels (of equals, the one of the lower value); else normal tissue.
        hint: what `detect` calls it, one of `hints.HINTS`.
    """

    number: int
    volume_ml: float
    peak_score: float
    category: str
    hint: str = UNKNOWN


def categorised_findings(scored: Scored, threshold: float) -> tuple[CategorisedFinding, ...]:
    """The findings of a scan at a threshold, by the truth."""
    truth, scores, candidates = scored.truth, scored.scores, scored.candidates
    groups = Sweep(scores, truth, scored.neighbourhood).above(threshold)
    count = len(groups.sizes)
    # The first element of each group, and the first of those with its peak: the last one written stays.
    highest, first = np.zeros(count, int), np.zeros(count, int)
    rising = np.lexsort((-groups.elements, scores.ravel()[groups.elements]))
    highest[groups.owner[rising]] = groups.elements[rising]
    first[groups.owner[::-1]] = groups.elements[::-1]
    peaks = scores.ravel()[highest]
    is_infarct = np.zeros(count, bool)
    is_infarct[groups.infarct_owner] = True
    shared = np.zeros((count, max(CONFOUNDERS) + 1))
    np.add.at(shared, (groups.confounder_owner, truth.confounders[1]), truth.confounders[2])
    kept = np.flatnonzero(groups.kept(scored.smallest)).tolist()
    kept.sort(key=lambda g: (-peaks[g], -groups.sizes[g], first[g]))

    def category(group: int) -> str:
        if is_infarct[group]:
            return INFARCT
        return CONFOUNDERS[int(shared[group].argmax())] if shared[group].any() else NORMAL

    def hint(group: int) -> str:
        if candidates is None:
            return UNKNOWN
        s, i, j = map(int, np.unravel_index(highest[group], truth.shape))
        return hint_of(candidates.of_voxel((s, i, j)), "").name

    return tuple(
        CategorisedFinding(
            number, float(groups.voxels[g]) * truth.voxel_ml, float(peaks[g]), category(g), hint(g)
        )
        for number, g in enumerate(kept, start=1)
    )


def categorised_candidates(
    candidates: CandidateProbabilities, truth: ElementTruth
) -> tuple[CategorisedFinding, ...]:
    """Every candidate that the second look judged, by the truth on its elements; `peak_score` means nothing."""
    there = np.where(candidates.labels > 0, 1.0, np.nan)
    return categorised_findings(Scored(truth, there, candidates=candidates), 0.5)


def lesion_peaks(scores: np.ndarray, truth: ElementTruth) -> np.ndarray:
    """(lesions,) the highest score among the elements that hold a voxel of each; NaN where none was scored."""
    peaks = np.full(len(truth.lesions), np.nan)
    np.fmax.at(peaks, truth.infarcts[1], scores.ravel()[truth.infarcts[0]])
    return peaks
