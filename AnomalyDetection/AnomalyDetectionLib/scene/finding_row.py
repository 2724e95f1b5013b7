"""One finding with its review, as a row of a table node.

Slicer saves tables as tab-separated text without quoting: characters of a note that would break a line or a cell
are written with a backslash.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from ..detection.hints import UNKNOWN
from ..detection.reviewed_findings import CATEGORIES, DECISIONS, ReviewedFinding

CHANGED, DELETED, ADDED = "changed", "deleted", "added"  # kinds of edits by the reader
EDITS = ("", CHANGED, DELETED, ADDED)

CENTROID = ("centroid_r_mm", "centroid_a_mm", "centroid_s_mm")


@dataclass(frozen=True)
class FindingRow:
    """One finding with its review.

    Attributes:
        number: of the finding; it does not change with the threshold.
        volume_ml, peak_score, mean_score, patches, side, region, t1_relative, flair_relative: as in `Finding`.
        hint, hint_evidence: as in `Finding`; "unknown" and "" if the table lacks them.
        centroid_ras: mm, at the position of the FLAIR when the result was made.
        per_normal_scan: findings in a normal scan that are as unusual or more; None: not known.
        category: 1 to 8 of `CATEGORIES`, 0 unreviewed.
        decision: "", "accepted" or "rejected".
        note: any text.
        edited: the reader's edit of the outline: "", `CHANGED`, `DELETED` or `ADDED` (the whole finding).
        name: of its segment, if the reader has given it one; "": that of `segment_name`.
        voxels: the voxels of a changed or added finding as text (see `mask_text`).
        detected: the voxels of a changed or deleted finding before the edit; detections there at other thresholds
            belong to it and are not shown again.
        present: False if the finding has vanished at this threshold and is kept only for its review.
    """

    number: int
    volume_ml: float
    peak_score: float
    mean_score: float
    patches: int
    side: str
    region: str
    centroid_ras: tuple[float, float, float]
    t1_relative: float
    flair_relative: float
    per_normal_scan: float | None = None
    hint: str = UNKNOWN
    hint_evidence: str = ""
    category: int = 0
    decision: str = ""
    note: str = ""
    name: str = ""
    edited: str = ""
    voxels: str = ""
    detected: str = ""
    present: bool = True

    @property
    def reviewed(self) -> bool:
        """Whether the finding has a category or a decision, or was deleted by the reader."""
        return self.category != 0 or self.decision != "" or self.edited == DELETED

    @property
    def by_reader(self) -> bool:
        """Whether anything on it is the reader's: a review, a note, a name or an outline."""
        return self.reviewed or bool(self.note or self.name or self.edited)

    def as_reviewed(self) -> ReviewedFinding:
        """The finding for reports, without the fields that only the table needs."""
        common = shared_fields(self, ReviewedFinding)
        return ReviewedFinding(**common, corrected=self.edited == CHANGED, added=self.edited == ADDED)


def shared_fields(thing: Any, kind: type) -> dict[str, Any]:
    """The values of the fields that a data object has in common with a data class, by name."""
    own = {field.name for field in fields(thing)}
    return {field.name: getattr(thing, field.name) for field in fields(kind) if field.name in own}


COLUMNS: dict[str, type] = {
    "number": int,
    "volume_ml": float,
    "peak_score": float,
    "mean_score": float,
    "patches": int,
    "side": str,
    "region": str,
    "centroid_r_mm": float,
    "centroid_a_mm": float,
    "centroid_s_mm": float,
    "t1_relative": float,
    "flair_relative": float,
    "hint": str,
    "hint_evidence": str,
    "per_normal_scan": float,
    "category": str,
    "decision": str,
    "note": str,
    "name": str,
    "edited": str,
    "voxels": str,
    "detected": str,
    "present": str,
}


_MEASURED = (*tuple(COLUMNS)[:7], "t1_relative", "flair_relative")
"""The columns of every version that hold what the detection measured, besides the centroid."""


def category_name(category: int) -> str:
    """A category (1 to 8 of `CATEGORIES`, 0 unreviewed) in words."""
    return CATEGORIES[category - 1] if category else "unreviewed"


def column_of(name: str, written: list[FindingRow]) -> Iterable[Any]:
    """The values of a column for these findings."""
    if name in CENTROID:
        return [row.centroid_ras[CENTROID.index(name)] for row in written]
    if name in ("category", "note", "name", "present"):
        return [cell_of(name, getattr(row, name)) for row in written]
    if name == "per_normal_scan":
        return [math.nan if row.per_normal_scan is None else row.per_normal_scan for row in written]
    return [getattr(row, name) for row in written]


def cell_of(field: str, value: Any) -> str:
    """A field of the review as the text of its cell."""
    if field == "category":
        return category_name(value)
    if field in ("note", "name"):
        return _escaped(value)
    if field == "present":
        return "yes" if value else "no"
    return str(value)


def row_of(cells: dict[str, Any]) -> FindingRow:
    """A row from its cells, which are all text if the table was opened without column types."""
    category = cells["category"]
    centroid_r, centroid_a, centroid_s = (float(cells[name]) for name in CENTROID)
    return FindingRow(
        **{name: COLUMNS[name](cells[name]) for name in _MEASURED},
        centroid_ras=(centroid_r, centroid_a, centroid_s),
        hint=cells.get("hint") or UNKNOWN,  # missing in earlier scenes
        hint_evidence=cells.get("hint_evidence") or "",
        per_normal_scan=_known(cells.get("per_normal_scan")),
        category=CATEGORIES.index(category) + 1 if category in CATEGORIES else 0,
        decision=cells["decision"] if cells["decision"] in DECISIONS else "",
        note=_unescaped(cells["note"]),
        name=_unescaped(cells.get("name") or ""),  # missing in earlier scenes
        edited=next((edit for edit in EDITS if edit == cells.get("edited")), ""),  # missing in earlier scenes
        voxels=cells.get("voxels") or "",
        detected=cells.get("detected") or "",
        present=cells["present"] != "no",
    )


def _known(cell: Any) -> float | None:
    """A number; None for NaN, and for a column that earlier scenes lack."""
    value = math.nan if cell in (None, "") else float(cell)
    return None if math.isnan(value) else value


_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": r"\\"}
_FROM_NAME = {escaped[1]: character for character, escaped in _NAMED.items()}


def _escaped(note: str) -> str:
    # Slicer's reader treats any double quote as the start of a quoted cell, and any # as the start of a comment.
    return re.sub(r'[\x00-\x1f\x7f"#\\]', lambda m: _NAMED.get(m[0], f"\\x{ord(m[0]):02x}"), note)


def _unescaped(cell: str) -> str:
    def character(match: re.Match[str]) -> str:
        return chr(int(match[1][1:], 16)) if match[1][0] == "x" else _FROM_NAME[match[1]]

    return re.sub(r"\\(x[0-9a-f]{2}|[nrt\\])", character, cell)
