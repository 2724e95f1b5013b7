"""Tables as CSV: rows of plain values written, and rows of text read."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from AnomalyDetectionLib.errors import InputError

Row = dict[str, Any]
"""Plain values by column; None where a value does not exist."""


class RowsFile:
    """A CSV file that rows are added to; its columns are those of the first row."""

    def __init__(self, path: Path, files: ExitStack, line_end: str = "\r\n") -> None:
        stream = path.open("w", newline="", encoding="utf-8", errors="backslashreplace")
        self._writer = csv.writer(files.enter_context(stream), lineterminator=line_end)
        self._columns: tuple[str, ...] = ()

    def append(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if not self._columns:
                self.head(tuple(row))
            self._writer.writerow([_cell(row[column]) for column in self._columns])

    def head(self, columns: tuple[str, ...]) -> None:
        self._columns = self._columns or columns
        self._writer.writerow(self._columns)


def write_rows(
    path: Path, rows: Iterable[Row], if_none: tuple[str, ...] = (), line_end: str = "\r\n"
) -> None:
    """Write a table under the columns of its first row, or those that it has if there is none."""
    rows = list(rows)
    with ExitStack() as files:
        table = RowsFile(path, files, line_end)
        table.append(rows)
        if if_none and not rows:
            table.head(if_none)


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
            raise InputError(f"The table {path} has no column {name}: give a table of findings.")
    return found
