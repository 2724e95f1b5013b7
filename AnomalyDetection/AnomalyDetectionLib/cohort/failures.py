"""`errors.csv`: the scans without a result, and the reasons."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files.atomic_file import write_text_atomically
from ..files.folder_lock import locked

ERRORS = "errors.csv"
CHOOSING = "choosing the images"
"""The first stage of a scan."""


class FailedScan(NamedTuple):
    """A row of errors.csv.

    Attributes:
        subject: "sub-XX".
        session: "ses-YY"; "" if the subject has no sessions.
        stage: the stage that failed.
        reason: one line.
    """

    subject: str
    session: str
    stage: str
    reason: str

    @property
    def name(self) -> str:
        """The name of the scan, as in `CohortScan`."""
        return f"{self.subject}_{self.session}" if self.session else self.subject


class FailedScans:
    """The rows of errors.csv of one dataset. Changes are written immediately; several processes may change the file."""

    def __init__(self, folder: Path, work: Path) -> None:
        """Of a dataset.

        Args:
            folder: of the dataset.
            work: a folder for the lock.
        """
        self.path, self._lock = folder / ERRORS, work / f"{ERRORS}.lock"

    def rows(self) -> list[FailedScan]:
        """The rows, sorted by name; empty if there is no file."""
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                head, *cells = csv.reader(file)
            if tuple(head) != FailedScan._fields:  # such as saved with semicolons by a spreadsheet
                raise ValueError("another head")
            rows = [FailedScan(*row) for row in cells if row]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, csv.Error) as error:
            raise InputError(
                f"{self.path} is damaged, or another program has changed it: delete it and run again."
            ) from error
        return sorted(rows)

    def add(self, *failures: FailedScan) -> None:
        """Add rows; they replace earlier rows of the same scans."""
        if failures:
            new = {failure.name for failure in failures}
            self._change(lambda rows: [*(row for row in rows if row.name not in new), *failures])

    def remove(self, names: Iterable[str]) -> None:
        """Remove the rows of these scans, if they have any."""
        removed = {*names}
        if removed.intersection(row.name for row in self.rows()):
            self._change(lambda rows: [row for row in rows if row.name not in removed])

    def _change(self, change: Callable[[list[FailedScan]], list[FailedScan]]) -> None:
        with locked(self._lock):
            rows = sorted(change(self.rows()))
            if not rows:
                self.path.unlink(missing_ok=True)
                return
            text = io.StringIO()
            table = csv.writer(text)
            table.writerow(FailedScan._fields)
            table.writerows([" ".join(str(cell).split()) for cell in row] for row in rows)
            write_text_atomically(self.path, f"\ufeff{text.getvalue()}")  # by which spreadsheets know UTF-8
