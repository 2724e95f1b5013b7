"""The findings as a table node: what was measured, and what the radiologist decided.

The review is kept in this node alone, so that it is saved with the scene and survives a reload of the module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..detection.findings import Findings
from ..detection.reviewed_findings import CATEGORIES, DECISIONS
from ..errors import InputError
from .finding_row import (
    ADDED,
    CHANGED,
    COLUMNS,
    DELETED,
    EDITS,
    FindingRow,
    cell_of,
    column_of,
    row_of,
    shared_fields,
)
from .nodes import one_change

__all__ = ["ADDED", "CHANGED"]  # beside what is made here

MOST_STEPS = 200  # number of changes that can be undone
_HISTORY = "AnomalyDetection.History"
_EDIT = "edit"
_MEASURED = ("edited", "voxels", "detected", "volume_ml", "centroid_ras", "side", "present")
"""Fields of a row that an edit of the outline changes."""

_REVIEW = ("category", "decision", "note", "name")  # fields of a row that a new detection does not change


def rows(table_node: Any, *, all: bool = False) -> list[FindingRow]:
    """The findings in the table, sorted by number; with `all` also those that have vanished at this threshold.

    Raises an InputError if the table is damaged.
    """
    found = _rows(table_node)
    return [row for row in found if all or row.present]


def _rows(table_node: Any) -> tuple[FindingRow, ...]:
    """All rows, sorted by number. They are needed at every step of a review, so they are cached until the table changes."""
    table = table_node.GetTable()
    state = table.GetMTime(), table.GetRowData().GetMTime()
    memory = getattr(table_node, "_anomaly_detection", None)  # a Python attribute exists as long as its node
    if memory is None or memory[0] != state:
        memory = table_node._anomaly_detection = (state, _read(table_node))
    return memory[1]


def _read(table_node: Any) -> tuple[FindingRow, ...]:
    table = table_node.GetTable()
    columns = {
        name: table.GetColumnByName(name)
        for name in (table.GetColumnName(index) for index in range(table.GetNumberOfColumns()))
    }
    if "number" not in columns:
        return ()
    try:
        found = [
            row_of({name: column.GetValue(index) for name, column in columns.items()})
            for index in range(table.GetNumberOfRows())
        ]
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f'"{table_node.GetName()}" is damaged: detect anomalies again.') from error
    return tuple(sorted(found, key=lambda row: row.number))


def unreviewed(table_node: Any) -> int:
    """The number of present findings that are not reviewed yet."""
    return sum(not row.reviewed for row in rows(table_node))


def set_category(table_node: Any, number: int, category: int) -> None:
    """Set the category of a finding: 1 to 8 of `CATEGORIES`, or 0 for unreviewed.

    Raises a ValueError if there is no such category. Raises a KeyError if there is no such finding.
    """
    if not 0 <= category <= len(CATEGORIES):
        raise ValueError(f"categories are 0 to {len(CATEGORIES)}, not {category}")
    _change(table_node, number, "category", category)


def set_decision(table_node: Any, number: int, decision: str) -> None:
    """Set the decision on a finding: "accepted", "rejected", or "" for neither.

    Raises a ValueError if there is no such decision. Raises a KeyError if there is no such finding.
    """
    if decision not in DECISIONS:
        raise ValueError(f"a decision is one of {DECISIONS}, not {decision!r}")
    _change(table_node, number, "decision", decision)


def set_note(table_node: Any, number: int, note: str) -> None:
    """Set the note of a finding. Raises a KeyError if there is no such finding."""
    _change(table_node, number, "note", note)


def set_names(table_node: Any, names: Mapping[int, str]) -> None:
    """Store the names that the reader has given to segments, by the finding's number; "" for none. `undo` does not know them."""
    known = rows(table_node, all=True)
    named = [replace(row, name=names.get(row.number, row.name)) for row in known]
    if named != known:
        _write_table(table_node, named)


def set_edit(table_node: Any, changed: FindingRow) -> None:
    """Store the reader's edit of a finding's outline: `edited` and `voxels`, with volume, centroid and side.

    Raises a KeyError if there is no such finding.
    """
    old = _measured(known_row(table_node, changed.number))
    new = _measured(changed)
    if old != new:
        _write_edit(
            table_node, changed.number, new, [*_history(table_node), (changed.number, _EDIT, old, new)]
        )


def add_row(table_node: Any, added: FindingRow) -> None:
    """Add a finding of the reader; `undo` hides it again in one step."""
    hidden = replace(added, edited=DELETED, present=False)
    _write_table(table_node, [*rows(table_node, all=True), hidden])
    set_edit(table_node, added)


def undo(table_node: Any) -> int | None:
    """Undo the last change of category, decision, note or outline; returns the finding's number, or None.

    A change of an outline is undone in the table only; call `result.show_again` to update the views.
    """
    history = _history(table_node)
    known = {row.number for row in rows(table_node, all=True)}
    while history:
        number, field, old, _ = history.pop()
        if number in known:
            if field == _EDIT:
                _write_edit(table_node, number, old, history)
            else:
                _write(table_node, number, field, old, history)
            return int(number)
    return None


def can_undo(table_node: Any) -> bool:
    """Whether there is a change to undo."""
    return bool(_history(table_node))


def write_rows(table_node: Any, findings: Findings) -> None:
    """Update the table to these findings. A finding whose number is known keeps its review.

    A finding that no longer exists is removed, unless it has a review or `undo` could restore one. A finding that the
    reader has edited or deleted is kept as it is.
    """
    known = {row.number: row for row in rows(table_node, all=True)}
    touched = {number for number, *_ in _history(table_node)}
    written = [row for row in known.values() if row.edited]
    edited = {row.number: known.pop(row.number) for row in written}
    for finding in findings.items:
        if finding.number in edited:
            continue
        before = known.pop(finding.number, None)
        row = FindingRow(**shared_fields(finding, FindingRow))
        if before is not None:
            row = replace(row, **{name: getattr(before, name) for name in _REVIEW})
        written.append(row)
    written += [
        replace(row, present=False) for row in known.values() if row.by_reader or row.number in touched
    ]
    _write_table(table_node, sorted(written, key=lambda row: row.number))


def replace_rows(table_node: Any, written: list[FindingRow]) -> None:
    """Replace all findings by these (any order), with their reviews; the history is cleared."""
    with one_change(table_node):
        table_node.RemoveAttribute(_HISTORY)
        _write_table(table_node, sorted(written, key=lambda row: row.number))


def known_row(table_node: Any, number: int) -> FindingRow:
    """A finding of the table, also one that has vanished. Raises a KeyError if there is none of this number."""
    row = next((row for row in rows(table_node, all=True) if row.number == number), None)
    if row is None:
        raise KeyError(f"there is no finding {number} in {table_node.GetName()}")
    return row


def _measured(row: FindingRow) -> list[Any]:
    """The value as JSON types, which survive a round trip."""
    return [
        list(value) if isinstance(value, tuple) else value
        for value in (getattr(row, name) for name in _MEASURED)
    ]


def _write_edit(table_node: Any, number: int, measured: list[Any], history: list[Any]) -> None:
    """Write one row and the history as a single modification of the node."""
    fields = dict(zip(_MEASURED, measured, strict=True))
    fields["centroid_ras"] = tuple(fields["centroid_ras"])
    with one_change(table_node):
        written = [
            replace(row, **fields) if row.number == number else row for row in rows(table_node, all=True)
        ]
        _write_table(table_node, written)
        table_node.SetAttribute(_HISTORY, json.dumps(history[-MOST_STEPS:]))


def _change(table_node: Any, number: int, field: str, new: int | str) -> None:
    old = getattr(known_row(table_node, number), field)
    if old != new:
        _write(table_node, number, field, new, [*_history(table_node), (number, field, old, new)])


def _write(table_node: Any, number: int, field: str, value: int | str, history: list[Any]) -> None:
    """Write one cell and the history as a single modification of the node."""
    with one_change(table_node):
        numbers = table_node.GetTable().GetColumnByName("number")
        index = next(k for k in range(numbers.GetNumberOfTuples()) if int(numbers.GetValue(k)) == number)
        table_node.SetCellText(index, table_node.GetColumnIndex(field), cell_of(field, value))
        table_node.SetAttribute(_HISTORY, json.dumps(history[-MOST_STEPS:]))


def _history(table_node: Any) -> list[Any]:
    """The history of changes, each with number, field, old and new value; empty if it is damaged."""
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
    if field == _EDIT:
        return all(_is_measured(value) for value in (old, new))
    return field == "note" and isinstance(old, str) and isinstance(new, str)


def _is_measured(value: Any) -> bool:
    edited, voxels, detected, volume_ml, centroid, side, present = value
    numbers = [volume_ml, *centroid]
    return (
        edited in EDITS
        and all(isinstance(text, str) for text in (voxels, detected, side))
        and type(present) is bool
        and len(numbers) == 4
        and all(type(number) in (int, float) for number in numbers)
    )


def _write_table(table_node: Any, written: list[FindingRow]) -> None:
    import vtk

    table = vtk.vtkTable()
    for name, kind in COLUMNS.items():
        column = {int: vtk.vtkIntArray, float: vtk.vtkDoubleArray, str: vtk.vtkStringArray}[kind]()
        column.SetName(name)
        for value in column_of(name, written):
            column.InsertNextValue(value)
        table.AddColumn(column)
    with one_change(table_node):
        table_node.SetAndObserveTable(table)
        table_node.SetLocked(True)  # only the setters above keep history and table consistent
