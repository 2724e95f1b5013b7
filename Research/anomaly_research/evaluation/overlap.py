"""What was found of what is there: lesions and findings matched by any overlap (docs/method.md, "Left open")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

CONNECTED = np.ones((3, 3, 3))


@dataclass(frozen=True)
class Overlap:
    """Counts of one scan; a cohort's are the sums.

    Attributes:
        lesions: how many there are.
        found: how many of them overlap a finding.
        volume_ml: of all lesions.
        found_volume_ml: of the lesions found (whole lesions, as in the paper's 97.5 %).
        findings: how many there are.
        true_findings: how many of them overlap a lesion.
        flagged_ml: of all findings; "any overlap" rewards huge ones, so it is always told.
    """

    lesions: int = 0
    found: int = 0
    volume_ml: float = 0.0
    found_volume_ml: float = 0.0
    findings: int = 0
    true_findings: int = 0
    flagged_ml: float = 0.0

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


def components(mask: np.ndarray) -> np.ndarray:
    """Number the connected components (26 neighbours) of a bool mask: int32, 0 outside."""
    return ndimage.label(mask, CONNECTED)[0].astype(np.int32)


def match(lesions: np.ndarray, findings: np.ndarray, voxel_ml: float) -> Overlap:
    """Match numbered lesions and numbered findings on one grid: any shared voxel counts.

    Args:
        lesions, findings: integer label maps of the same shape, 0 outside.
        voxel_ml: of that grid.

    Raises:
        ValueError: if the shapes differ.
    """
    if lesions.shape != findings.shape:
        raise ValueError(f"lesions {lesions.shape} and findings {findings.shape} are on different grids")
    numbers, sizes = np.unique(lesions[lesions > 0], return_counts=True)
    both = (lesions > 0) & (findings > 0)
    hit = np.isin(numbers, np.unique(lesions[both]))
    return Overlap(
        lesions=len(numbers),
        found=int(hit.sum()),
        volume_ml=float(sizes.sum()) * voxel_ml,
        found_volume_ml=float(sizes[hit].sum()) * voxel_ml,
        findings=len(np.unique(findings[findings > 0])),
        true_findings=len(np.unique(findings[both])),
        flagged_ml=float((findings > 0).sum()) * voxel_ml,
    )
