"""Experiment 2 (paper, "Suspected anomaly classification", table 2): what the suspected anomalies turn out to be.

The categories come from the truth of a simulated cohort, as `evaluate` writes them, or from a radiologist, as the
module for 3D Slicer exports them; either gives the same table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from AnomalyDetectionLib.errors import InputError

from ..evaluation import published
from ..evaluation.csv_rows import Row, read_rows, rows_of_method

UNREVIEWED = "unreviewed"

FROM_TRUTH: Mapping[str, str] = {
    "infarct": "infarct, known",
    "enlarged perivascular space": "normal tissue",
    "widened sulcus": "normal tissue",
}
"""What the truth calls by other names than the paper. Perivascular spaces and wide sulci are normal for it."""

TUMOUR = "tumour"
"""Of the real scans that infarcts are put into; the paper has none, so that it has a line only where there is one."""


@dataclass(frozen=True)
class CategoryCounts:
    """The suspected anomalies of a cohort by category.

    Attributes:
        scans: how many scans they come from, those without any included.
        counts: findings by the paper's names of categories; a category that is missing has none.
        unreviewed: findings that nobody has given a category.
    """

    scans: int
    counts: Mapping[str, int] = field(default_factory=dict)
    unreviewed: int = 0

    @property
    def total(self) -> int:
        """All findings that have a category."""
        return sum(self.counts.values())


def from_evaluation(folder: Path, method: str | None = None) -> CategoryCounts:
    """The categories by the truth, from what `evaluate` wrote; method and errors as of `rows_of_method`."""
    findings, scans = rows_of_method(folder, method, findings=("subject", "category"), scans=("subject",))
    return counted((row["category"] for row in findings), len({row["subject"] for row in scans}), str(folder))


def from_readers_tables(tables: Sequence[Path]) -> CategoryCounts:
    """The categories that a reader gave, from tables that the module for 3D Slicer exported, one a scan.

    An `InputError` if a table is missing, is none of findings, or names a category that there is not.
    """
    parts = [
        counted((row["category"] or "" for row in read_rows(table, ("number", "category"))), 1, str(table))
        for table in tables
    ]
    together = sum((Counter(part.counts) for part in parts), Counter())
    return CategoryCounts(len(parts), dict(together), sum(part.unreviewed for part in parts))


def counted(labels: Iterable[str], scans: int, where: str) -> CategoryCounts:
    """Count categories as the truth or a reader names them.

    Args:
        where: what the labels were read from, for people.

    Raises:
        InputError: a label is none of the paper's categories, and stands for none.
    """
    counts = Counter(FROM_TRUTH.get(label, label) for label in labels)
    unreviewed = counts.pop(UNREVIEWED, 0)
    unknown = sorted(set(counts) - {*published.CATEGORIES, TUMOUR})
    if unknown:
        raise InputError(
            f"{where} has the category '{unknown[0][:100]}': use those of the paper ({'; '.join(published.CATEGORIES)})."
        )
    return CategoryCounts(scans, dict(counts), unreviewed)


def rows(categories: CategoryCounts) -> list[Row]:
    """The paper's table 2 with its own figures beside ours, one row a category, and their total; unreviewed findings
    have a row of their own after it, and no share.
    """
    total, scans = categories.total, categories.scans

    def row(name: str, count: int, paper: int) -> Row:
        return {
            "category": name,
            "findings": count,
            "share_percent": _ratio(100 * count, total, 1),
            "findings_a_scan": _ratio(count, scans, 2),
            "paper_findings": paper,
            "paper_share_percent": _ratio(100 * paper, published.FINDINGS, 1),
            "paper_findings_a_scan": _ratio(paper, published.PATIENTS, 2),
        }

    ours = categories.counts
    result = [row(name, ours.get(name, 0), count) for name, count in published.CATEGORIES.items()]
    if ours.get(TUMOUR):
        result.append(row(TUMOUR, ours[TUMOUR], 0))
    result.append(row("total", total, published.FINDINGS))
    if categories.unreviewed:
        result.append({**dict.fromkeys(result[0]), "category": UNREVIEWED, "findings": categories.unreviewed})
    return result


def _ratio(value: float, of: int, digits: int) -> str:
    return f"{value / of:.{digits}f}" if of else ""
