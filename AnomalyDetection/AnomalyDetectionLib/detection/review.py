"""A finding with what a reader has decided about it: what reports and DICOM objects are made of."""

from __future__ import annotations

from dataclasses import dataclass

from .findings import Finding

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


@dataclass(frozen=True)
class ReviewedFinding:
    """One finding, and the reader's word on it.

    Attributes:
        number: of the finding; a voxel's value in the label map that goes with it.
        volume_ml, peak_score, mean_score, side, region, centroid_ras, hint, hint_evidence, rate: as of `Finding`.
            Where a reader has corrected the voxels by hand, volume and centroid are still those of the detection.
        category: 1 to 8 of `CATEGORIES`, 0 unreviewed.
        decision: one of `DECISIONS`.
        note: any text.
    """

    number: int
    volume_ml: float
    peak_score: float
    mean_score: float
    side: str
    region: str
    centroid_ras: tuple[float, float, float]
    hint: str
    hint_evidence: str
    rate: float | None = None
    category: int = 0
    decision: str = ""
    note: str = ""

    @classmethod
    def of(cls, finding: Finding) -> ReviewedFinding:
        """A finding that nobody has reviewed yet."""
        return cls(
            number=finding.number,
            volume_ml=finding.volume_ml,
            peak_score=finding.peak_score,
            mean_score=finding.mean_score,
            side=finding.side,
            region=finding.region,
            centroid_ras=finding.centroid_ras,
            hint=finding.hint,
            hint_evidence=finding.hint_evidence,
            rate=finding.rate,
        )

    @property
    def category_name(self) -> str:
        """In words; "unreviewed" for none."""
        return CATEGORIES[self.category - 1] if self.category else "unreviewed"
