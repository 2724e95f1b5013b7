"""Tables as CSV: rows of plain values written, and rows of text read."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from AnomalyDetectionLib.errors import InputError

Row = dict[str, Any]
"""Plain values by column; None where a value does not exist."""


def write_rows(
    path: Path, rows: Iterable[Row], if_none: tuple[str, ...] = (), line_end: str = "\r\n"
) -> None:
    """Write a table under the columns of its first row, or those that it has if there is none."""
    rows = list(rows)
    columns = tuple(rows[0]) if rows else if_none
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file, lineterminator=line_end)
        writer.writerows([columns] if columns else [])
        writer.writerows([_cell(row[column]) for column in columns] for row in rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV that has to have these columns.

    An `InputError` if the file is missing, is not a CSV in UTF-8, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as content:
            reader = csv.DictReader(content)
            found = list(reader)
            names = reader.fieldnames or []
    except OSError as error:
        raise InputError(f"The table {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The table {path} is not a CSV in UTF-8; save it so.") from error
    for name in columns:
        if name not in names:
            raise InputError(
                f"The table {path} has no column {name}: give one of `evaluate`, or of the module in Slicer."
            )
    return found


def rows_of_method(
    evaluation: Path, method: str | None, **columns: tuple[str, ...]
) -> list[list[dict[str, str]]]:
    """The rows of a method (None: the first) in tables that `evaluate` wrote, one of them "scans".

    Args:
        columns: that each table has to have, by the table's name.

    Raises:
        InputError: a table is missing or damaged, or there is no such method.
    """
    tables = {
        name: read_rows(evaluation / "tables" / f"{name}.csv", ("method", *own))
        for name, own in columns.items()
    }
    methods = list(dict.fromkeys(row["method"] for row in tables["scans"]))
    if not methods:
        raise InputError(f"The evaluation {evaluation} holds no scan: see its tables/errors.csv.")
    method = methods[0] if method is None else method
    if method not in methods:
        raise InputError(
            f"The evaluation {evaluation} holds no method '{method}': choose one of {', '.join(methods)}."
        )
    return [[row for row in rows if row["method"] == method] for rows in tables.values()]
