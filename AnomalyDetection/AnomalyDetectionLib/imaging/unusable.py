"""Scans of a batch that cannot be used: they are skipped and listed in a table with the reason."""

from __future__ import annotations

import csv
import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..files.atomic_file import atomic_file

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Unusable:
    """A scan that could not be used, and why: one sentence."""

    subject: str
    reason: str

    @classmethod
    def by(cls, subject: str, error: Exception) -> Unusable:
        """Describe a scan by the error that it ended with. Raises OSError where the disk is full, which is not
        the scan's fault."""
        if isinstance(error, InputError):
            return cls(subject, str(error))
        if isinstance(error, OSError) and error.errno in _FULL:
            raise error
        return cls(subject, f"Something went wrong ({type(error).__name__}: {error}).")


def write_unusable(table: Path, unusable: Sequence[Unusable], of: int | None = None) -> None:
    """Write a CSV table with the columns subject and reason; without any scans, remove the table of an earlier
    run.

    `of`: number of scans of the batch, if at least one has to be usable. Raises InputError where none of the
    scans is usable. The table was written then. Raises OSError where the table cannot be written."""
    if not unusable:
        table.unlink(missing_ok=True)
        return
    table.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(table) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("subject", "reason"))
        writer.writerows((scan.subject, scan.reason) for scan in unusable)
    if len(unusable) == of:
        raise InputError(f"None of the {of} scans can be used (see {table}); the first: {unusable[0].reason}")


def in_words(unusable: Sequence[Unusable], table: Path) -> str:
    """The end of a sentence: how many there are, and where the reasons are listed; empty if there are none."""
    return f"; {len(unusable)} could not be used, see {table}" if unusable else ""
