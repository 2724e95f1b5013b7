"""The findings as a table node: what was measured, and what the radiologist decided.

The node is the only place where a review is kept, so that it is saved with the scene and outlives the
module. Slicer saves tables as tab-separated text without quoting: characters of a note that would break a line
or a cell are written with a backslash.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..detection.findings import Finding, Findings
from ..detection.hints import UNKNOWN
from ..detection.review import CATEGORIES, DECISIONS, ReviewedFinding
from ..errors import InputError

MOST_STEPS = 200
"""So many changes can be undone."""

_HISTORY = "AnomalyDetection.History"
_UNREVIEWED = "unreviewed"
_CENTROID = ("centroid_r_mm", "centroid_a_mm", "centroid_s_mm")


@dataclass(frozen=True)
class Row:
    """One finding with its review.

    Attributes:
        number: of the finding; it stays when the threshold changes.
        volume_ml, peak_score, mean_score, patches, side, region, t1_relative, flair_relative: as of `Finding`.
        hint, hint_evidence: as of `Finding`; "unknown" and "" in tables of earlier versions.
        centroid_ras: mm, where it was when the result was made.
        per_normal_scan: the finding's rate: findings like it, or more unusual, in a normal scan; None: not known.
        category: 1 to 8 of `CATEGORIES`, 0 unreviewed.
        decision: "", "accepted" or "rejected".
        note: any text.
        present: False for a finding that has vanished at this threshold and is kept for its review.
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
    present: bool = True

    @property
    def reviewed(self) -> bool:
        """Whether someone has given it a category or a decision."""
        return self.category != 0 or self.decision != ""

    def as_reviewed(self) -> ReviewedFinding:
        """The same for reports, without what only the table needs."""
        return ReviewedFinding(
            number=self.number,
            volume_ml=self.volume_ml,
            peak_score=self.peak_score,
            mean_score=self.mean_score,
            side=self.side,
            region=self.region,
            centroid_ras=self.centroid_ras,
            hint=self.hint,
            hint_evidence=self.hint_evidence,
            rate=self.per_normal_scan,
            category=self.category,
            decision=self.decision,
            note=self.note,
        )


def rows(table_node: Any, *, all: bool = False) -> list[Row]:
    """The findings in the table by number; with `all` also those that have vanished at this threshold.

    Raises:
        InputError: the table, which may be another person's, is damaged.
    """
    table = table_node.GetTable()
    columns = {
        name: table.GetColumnByName(name)
        for name in (table.GetColumnName(index) for index in range(table.GetNumberOfColumns()))
    }
    if "number" not in columns:
        return []
    try:
        found = [
            _row({name: column.GetValue(index) for name, column in columns.items()})
            for index in range(table.GetNumberOfRows())
        ]
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f'"{table_node.GetName()}" is damaged: detect anomalies again.') from error
    return sorted((row for row in found if all or row.present), key=lambda row: row.number)


def unreviewed(table_node: Any) -> int:
    """How many of the findings that are there have neither category nor decision."""
    return sum(not row.reviewed for row in rows(table_node))


def set_category(table_node: Any, number: int, category: int) -> None:
    """Say what a finding is: 1 to 8 of `CATEGORIES`, or 0 for unreviewed.

    Raises:
        ValueError: there is no such category.
        KeyError: there is no such finding.
    """
    if not 0 <= category <= len(CATEGORIES):
        raise ValueError(f"categories are 0 to {len(CATEGORIES)}, not {category}")
    _change(table_node, number, "category", category)


def set_decision(table_node: Any, number: int, decision: str) -> None:
    """Accept or reject a finding: "accepted", "rejected", or "" for neither.

    Raises:
        ValueError: there is no such decision.
        KeyError: there is no such finding.
    """
    if decision not in DECISIONS:
        raise ValueError(f"a decision is one of {DECISIONS}, not {decision!r}")
    _change(table_node, number, "decision", decision)


def set_note(table_node: Any, number: int, note: str) -> None:
    """Write a note to a finding.

    Raises:
        KeyError: there is no such finding.
    """
    _change(table_node, number, "note", note)


def undo(table_node: Any) -> int | None:
    """Take back the last change of category, decision or note; the finding's number, None if there is none."""
    history = _history(table_node)
    known = {row.number for row in rows(table_node, all=True)}
    while history:
        number, field, old, _ = history.pop()
        if number in known:
            _write(table_node, number, field, old, history)
            return number
    return None


def can_undo(table_node: Any) -> bool:
    """Whether there is a change to take back."""
    return bool(_history(table_node))


def write_rows(table_node: Any, findings: Findings) -> None:
    """Bring the table to these findings. A finding whose number is known keeps its review.

    A finding that is no longer there leaves the table, unless it has a review, or had one that can be
    brought back with `undo`.
    """
    known = {row.number: row for row in rows(table_node, all=True)}
    touched = {number for number, *_ in _history(table_node)}
    written = []
    for finding in findings.items:
        before = known.pop(finding.number, None)
        row = _unreviewed_row(finding)
        if before is not None:
            row = replace(row, category=before.category, decision=before.decision, note=before.note)
        written.append(row)
    written += [
        replace(row, present=False)
        for row in known.values()
        if row.reviewed or row.note or row.number in touched
    ]
    _write_table(table_node, sorted(written, key=lambda row: row.number))


def forget_all(table_node: Any) -> None:
    """Empty the table, reviews and history too: for a result that has nothing to do with the one before."""
    modifying = table_node.StartModify()
    table_node.RemoveAttribute(_HISTORY)
    _write_table(table_node, [])
    table_node.EndModify(modifying)


def _unreviewed_row(finding: Finding) -> Row:
    return Row(
        number=finding.number,
        volume_ml=finding.volume_ml,
        peak_score=finding.peak_score,
        mean_score=finding.mean_score,
        patches=finding.patches,
        side=finding.side,
        region=finding.region,
        centroid_ras=finding.centroid_ras,
        t1_relative=finding.t1_relative,
        flair_relative=finding.flair_relative,
        hint=finding.hint,
        hint_evidence=finding.hint_evidence,
        per_normal_scan=finding.rate,
    )


def _change(table_node: Any, number: int, field: str, new: int | str) -> None:
    row = next((row for row in rows(table_node, all=True) if row.number == number), None)
    if row is None:
        raise KeyError(f"there is no finding {number} in {table_node.GetName()}")
    old = getattr(row, field)
    if old != new:
        _write(table_node, number, field, new, [*_history(table_node), (number, field, old, new)])


def _write(table_node: Any, number: int, field: str, value: int | str, history: list[Any]) -> None:
    """One cell and the history, as one modification of the node."""
    modifying = table_node.StartModify()
    numbers = table_node.GetTable().GetColumnByName("number")
    index = next(k for k in range(numbers.GetNumberOfTuples()) if int(numbers.GetValue(k)) == number)
    table_node.SetCellText(index, table_node.GetColumnIndex(field), _cell(field, value))
    table_node.SetAttribute(_HISTORY, json.dumps(history[-MOST_STEPS:]))
    table_node.EndModify(modifying)


def _history(table_node: Any) -> list[Any]:
    """The changes so far: number, field, old and new value of each; none where that is damaged."""
    try:
        history = json.loads(table_node.GetAttribute(_HISTORY) or "[]")
        return history if all(_is_change(*change) for change in history) else []
    except (ValueError, TypeError, RecursionError):
        return []


def _is_change(number: Any, field: Any, old: Any, new: Any) -> bool:
    if type(number) is not int:
        return False
    if field == "category":
        return all(type(value) is int and 0 <= value <= len(CATEGORIES) for value in (old, new))
    if field == "decision":
        return old in DECISIONS and new in DECISIONS
    return field == "note" and isinstance(old, str) and isinstance(new, str)


def _write_table(table_node: Any, written: list[Row]) -> None:
    import vtk

    table = vtk.vtkTable()
    for name, kind in _COLUMNS.items():
        column = {int: vtk.vtkIntArray, float: vtk.vtkDoubleArray, str: vtk.vtkStringArray}[kind]()
        column.SetName(name)
        for value in _column(name, written):
            column.InsertNextValue(value)
        table.AddColumn(column)
    modifying = table_node.StartModify()
    table_node.SetAndObserveTable(table)
    table_node.SetLocked(True)  # only the setters above keep history and table together
    table_node.EndModify(modifying)


_COLUMNS: dict[str, type] = {
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
    "present": str,
}


def _column(name: str, written: list[Row]) -> Iterable[Any]:
    if name in _CENTROID:
        return [row.centroid_ras[_CENTROID.index(name)] for row in written]
    if name in ("category", "note", "present"):
        return [_cell(name, getattr(row, name)) for row in written]
    if name == "per_normal_scan":
        return [math.nan if row.per_normal_scan is None else row.per_normal_scan for row in written]
    return [getattr(row, name) for row in written]


def _cell(field: str, value: Any) -> str:
    """A value of the review as the text of its cell."""
    if field == "category":
        return CATEGORIES[value - 1] if value else _UNREVIEWED
    if field == "note":
        return _escaped(value)
    if field == "present":
        return "yes" if value else "no"
    return str(value)


def _row(cells: dict[str, Any]) -> Row:
    """A row from its cells, which may all be text: a table that was opened without its types is."""
    category = cells["category"]
    return Row(
        number=int(cells["number"]),
        volume_ml=float(cells["volume_ml"]),
        peak_score=float(cells["peak_score"]),
        mean_score=float(cells["mean_score"]),
        patches=int(cells["patches"]),
        side=cells["side"],
        region=cells["region"],
        centroid_ras=(float(cells[_CENTROID[0]]), float(cells[_CENTROID[1]]), float(cells[_CENTROID[2]])),
        t1_relative=float(cells["t1_relative"]),
        flair_relative=float(cells["flair_relative"]),
        hint=cells.get("hint") or UNKNOWN,  # earlier scenes have none
        hint_evidence=cells.get("hint_evidence") or "",
        per_normal_scan=_known(cells.get("per_normal_scan")),
        category=CATEGORIES.index(category) + 1 if category in CATEGORIES else 0,
        decision=cells["decision"] if cells["decision"] in DECISIONS else "",
        note=_unescaped(cells["note"]),
        present=cells["present"] != "no",
    )


def _known(cell: Any) -> float | None:
    """A number; None for NaN, and for the column that earlier scenes do not have."""
    value = math.nan if cell in (None, "") else float(cell)
    return None if math.isnan(value) else value


_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": r"\\"}
_FROM_NAME = {escaped[1]: character for character, escaped in _NAMED.items()}


def _escaped(note: str) -> str:
    # Slicer's reader takes a double quote anywhere for the start of a quoted cell, and # for that of a remark.
    return re.sub(r'[\x00-\x1f\x7f"#\\]', lambda m: _NAMED.get(m[0], f"\\x{ord(m[0]):02x}"), note)


def _unescaped(cell: str) -> str:
    def character(match: re.Match[str]) -> str:
        return chr(int(match[1][1:], 16)) if match[1][0] == "x" else _FROM_NAME[match[1]]

    return re.sub(r"\\(x[0-9a-f]{2}|[nrt\\])", character, cell)
