"""Findings with the reader's decisions: the input of reports and DICOM objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ..grid import Grid
from ..imaging.voxels import voxels_of
from .findings import Finding, Findings, lps_to_ras
from .midline import Midline

CATEGORIES = (
    "white matter hyperintensity",
    "normal tissue",
    "infarct, known",
    "infarct, not known before",
    "image artefact",
    "blood vessel",
    "calcification",
    "bone",
)
"""What a finding may turn out to be (paper, table 2): category 1 is the first; 0 is unreviewed."""

DECISIONS = ("", "accepted", "rejected")

CORRECTED = "Outline corrected by hand; scores, hint and region are those of the detection."
ADDED = "Added by the reader, not by the detection; its scores are those that the model gave its voxels."


@dataclass(frozen=True)
class ReviewedFinding:
    """One finding with the reader's decision."""

    number: int  # of the finding; a voxel's value in the label map that goes with it
    # volume_ml, peak_score, mean_score, side, region, centroid_ras, hint, hint_evidence, per_normal_scan: as of
    # `Finding`. All are those of the detection, unless `corrected`.
    volume_ml: float
    peak_score: float
    mean_score: float
    side: str
    region: str
    centroid_ras: tuple[float, float, float]
    hint: str
    hint_evidence: str
    per_normal_scan: float | None = None
    category: int = 0  # 1 to 8 of `CATEGORIES`, 0 unreviewed
    decision: str = ""  # one of `DECISIONS`
    note: str = ""  # any text
    # whether a reader has corrected the voxels by hand; volume, centroid and side are those of the correction
    # then (see `as_corrected`)
    corrected: bool = False
    # whether a reader has added the whole finding, which the detection does not have; never with `corrected`
    added: bool = False

    @classmethod
    def of(cls, finding: Finding) -> ReviewedFinding:
        """A finding that nobody has reviewed yet."""
        shared = (one.name for one in fields(cls) if hasattr(finding, one.name))
        return cls(**{name: getattr(finding, name) for name in shared})

    @property
    def category_name(self) -> str:
        """In words; "unreviewed" for none."""
        return CATEGORIES[self.category - 1] if self.category else "unreviewed"

    @property
    def judged(self) -> bool:
        """Whether a reader has said what it is, or accepted or rejected it."""
        return bool(self.category or self.decision)

    @property
    def by_hand(self) -> str:
        """Sentence on what a reader has drawn: `ADDED`, `CORRECTED`, or "" for a finding as detected."""
        return ADDED if self.added else CORRECTED if self.corrected else ""


def as_corrected(
    reviewed: Sequence[ReviewedFinding], findings: Findings, voxels: np.ndarray, midline: Midline
) -> list[ReviewedFinding]:
    """The findings as their voxels are now: of those that differ, volume, centroid and side are those of the
    voxels.

    `findings`: as they were detected. `voxels`: (slices, rows, columns) on their grid, a voxel's value is the
    number of its finding. `midline`: of the brain, in the space of the findings' grid."""
    grid = Grid.of(findings.labels)
    detected = voxels_of(findings.labels)
    changed = voxels != detected
    numbers = set(np.unique(voxels[changed])) | set(np.unique(detected[changed]))
    now = []
    for finding in reviewed:
        if finding.number in numbers and len(index := np.argwhere(voxels == finding.number)[:, ::-1]):
            centre = grid.points(index).mean(axis=0)
            finding = replace(
                finding,
                volume_ml=len(index) * grid.voxel_ml,
                centroid_ras=lps_to_ras(centre),
                side=midline.side(centre),
                corrected=not finding.added,
            )
        now.append(finding)
    return now
