"""Rows of plain values as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..evaluation.bootstrap import Row


class RowsFile:
    """A CSV file that rows are added to; its columns are those of the first row."""

    def __init__(self, path: Path, files: ExitStack) -> None:
        stream = path.open("w", newline="", encoding="utf-8", errors="backslashreplace")
        self._writer = csv.writer(files.enter_context(stream))
        self._columns: tuple[str, ...] = ()

    def append(self, rows: Iterable[Row], columns: tuple[str, ...] = ()) -> None:
        """Add rows; `columns`: named even where there is no row."""
        for row in rows:
            if not self._columns:
                self._columns = columns or tuple(row)
                self._writer.writerow(self._columns)
            self._writer.writerow([_cell(row[column]) for column in self._columns])
        if not self._columns and columns:
            self._columns = columns
            self._writer.writerow(columns)


def write_rows(path: Path, rows: Iterable[Row], columns: tuple[str, ...] = ()) -> None:
    """Write a table under the columns of its first row; `columns`: named even where there is no row.

    Raises:
        OSError: if it cannot be written.
    """
    with ExitStack() as files:
        RowsFile(path, files).append(rows, columns)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
