"""Scans of a few elements, written down: one FLAIR voxel of 1 ml in each element unless said otherwise."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from anomaly_research.evaluation.threshold_curves import CohortCurves, gather, scan_curves
from anomaly_research.evaluation.truth import ElementTruth, Lesion, ScanFacts


def lesion(number: int, volume_ml: float = 1.0, kind: str = "lacunar", region: str = "cortex") -> Lesion:
    return Lesion(number, kind, region, "left", "no", volume_ml)


def truth_of(labels: str, confounders: str = "", *, unseen: dict[int, int] | None = None) -> ElementTruth:
    """The truth of one row of elements.

    Args:
        labels: a digit, the number of the lesion, or a dot for every element.
        confounders: likewise, the class.
        unseen: voxels of a lesion that no element stands for.
    """
    unseen = unseen or {}
    at = [(place, int(c)) for place, c in enumerate(labels) if c != "."]
    numbers = sorted({n for _, n in at} | set(unseen))
    classes = [(place, int(c)) for place, c in enumerate(confounders) if c != "."]
    sizes = [sum(n == number for _, n in at) + unseen.get(number, 0) for number in numbers]
    return ElementTruth(
        shape=(1, 1, len(labels)),
        lesions=tuple(lesion(n, float(size)) for n, size in zip(numbers, sizes, strict=True)),
        lesion_voxels=np.array(sizes, int),
        voxels=np.ones(len(labels), int),
        infarcts=np.array([(p, numbers.index(n), 1) for p, n in at], int).reshape(-1, 3).T,
        confounders=np.array([(p, c, 1) for p, c in classes], int).reshape(-1, 3).T,
        voxel_ml=1.0,
        element_ml=1.0,
        brain_ml=1000.0,
    )


def scores_of(row: str) -> np.ndarray:
    """A digit is a score, a dot an element that was not scored."""
    return np.array([np.nan if c == "." else float(c) for c in row], np.float32).reshape(1, 1, -1)


def cohort_of(scans: list[tuple[str, str, str]], thresholds: np.ndarray, smallest: int = 1) -> CohortCurves:
    """Curves of scans given as patient, scores, labels."""

    def parts():
        for number, (patient, scores, labels) in enumerate(scans):
            truth = truth_of(labels)
            curve = scan_curves(scores_of(scores), truth, thresholds, smallest=(smallest,))[0]
            yield ScanFacts(f"sub-{number}", patient, truth.lesions, truth.brain_ml), curve

    return gather(parts())


def matched_by_image(lesions: np.ndarray, findings: np.ndarray, voxel_ml: float) -> SimpleNamespace:
    """What two label maps on one grid tell, by any overlap: what the counts on elements have to agree with."""
    numbers, sizes = np.unique(lesions[lesions > 0], return_counts=True)
    both = (lesions > 0) & (findings > 0)
    found = np.isin(numbers, lesions[both])
    return SimpleNamespace(
        lesions=len(numbers),
        found=int(found.sum()),
        volume_ml=float(sizes.sum()) * voxel_ml,
        found_volume_ml=float(sizes[found].sum()) * voxel_ml,  # of whole lesions
        findings=len(np.unique(findings[findings > 0])),
        true_findings=len(np.unique(findings[both])),
        flagged_ml=float((findings > 0).sum()) * voxel_ml,
    )
