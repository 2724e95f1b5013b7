"""`errors.csv`: the scans that have no result, and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files.atomic_file import write_whole
from ..files.folder_lock import locked

ERRORS = "errors.csv"
CHOOSING = "choosing the images"
"""The stage before all others."""


class FailedScan(NamedTuple):
    """A row.

    Attributes:
        subject: "sub-XX".
        session: "ses-YY"; empty where the subject has no sessions.
        stage: what was being done.
        reason: one line.
    """

    subject: str
    session: str
    stage: str
    reason: str

    @property
    def name(self) -> str:
        """As of `CohortScan`."""
        return f"{self.subject}_{self.session}" if self.session else self.subject


class FailedScans:
    """The rows of one dataset. Every change is written at once; several processes may do so."""

    def __init__(self, folder: Path, work: Path) -> None:
        """Of a dataset.

        Args:
            folder: of the dataset.
            work: a folder for the lock.
        """
        self.path, self._lock = folder / ERRORS, work / f"{ERRORS}.lock"

    def rows(self) -> list[FailedScan]:
        """By name; none where there is no file."""
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                rows = [
                    FailedScan(*(row.get(name) or "" for name in FailedScan._fields))
                    for row in csv.DictReader(file)
                ]
        except FileNotFoundError:
            return []
        except (ValueError, csv.Error) as error:
            raise InputError(f"{self.path} is damaged: remove it, and run again.") from error
        return sorted(rows)

    def add(self, *failures: FailedScan) -> None:
        """Put rows in the place of those of the same scan, if there are any."""
        if failures:
            new = {failure.name for failure in failures}
            self._change(lambda rows: [*(row for row in rows if row.name not in new), *failures])

    def remove(self, names: Iterable[str]) -> None:
        """Take out the rows of scans; without effect for those that have none."""
        gone = {*names}
        if gone.intersection(row.name for row in self.rows()):
            self._change(lambda rows: [row for row in rows if row.name not in gone])

    def keep(self, names: Iterable[str]) -> None:
        """Take out the rows of all other scans."""
        kept = {*names}
        self.remove(row.name for row in self.rows() if row.name not in kept)

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
            write_whole(self.path, text.getvalue())
