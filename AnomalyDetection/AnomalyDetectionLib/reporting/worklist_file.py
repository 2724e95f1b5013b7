"""The worklist: studies to read one after another, in a file that the engine writes and the panel reads.

It lies in the results folder of a cohort (see `cohort.worklist_run`) and can be rebuilt at any time. The reviews are
kept beside the results, one file for each study.
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.atomic_file import atomic_file, write_text_atomically

FILE = ".work/worklist.json"
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
STATES = (WAITING, RUNNING, DONE, FAILED)

_FORMAT, _VERSION = "AnomalyDetection worklist", 1


@dataclass(frozen=True)
class WorklistEntry:
    """A study of the worklist.

    Attributes:
        name: shown to the user.
        scan: name of its result: "sub-01_ses-2".
        place: the folder of its result, which may not exist yet, relative to the results folder.
        t1, flair: image files or folders of DICOM images; "" if they were not found.
        state: one of `STATES`.
        reason: why it failed.
        findings: number of findings; None: not analysed yet.
    """

    name: str
    scan: str
    place: str
    t1: str = ""
    flair: str = ""
    state: str = WAITING
    reason: str = ""
    findings: int | None = None


@dataclass(frozen=True)
class Worklist:
    """All studies, in the order in which they are analysed; `complete` is False while studies are still being searched."""

    entries: tuple[WorklistEntry, ...] = ()
    complete: bool = False

    def with_entry(self, entry: WorklistEntry) -> Worklist:
        """A copy in which the entry replaces that of the same study, or is added."""
        known = any(each.scan == entry.scan for each in self.entries)
        changed = tuple(entry if each.scan == entry.scan else each for each in self.entries)
        return replace(self, entries=changed if known else (*changed, entry))


def read_worklist(results: Path) -> Worklist | None:
    """The worklist of a results folder; None if there is none or it cannot be read."""
    try:
        content = json.loads((results / FILE).read_text("utf-8"))
        if content["format"] != _FORMAT or content["version"] != _VERSION:
            return None
        entries = tuple(_entry(one) for one in content["entries"])
        return Worklist(entries, bool(content["complete"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def write_worklist(worklist: Worklist, results: Path) -> None:
    """Write the worklist into a results folder; InputError if it cannot be written."""
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "complete": worklist.complete,
        "entries": [asdict(entry) for entry in worklist.entries],
    }
    path = results / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, json.dumps(content, indent=1) + "\n")  # another run may write it, too
    except OSError as error:
        raise InputError(
            f"The results folder {results} cannot be written ({error.strerror}): choose another."
        ) from error


def review_file(results: Path, entry: WorklistEntry) -> Path:
    """The path of a study's review, whether it exists or not."""
    return results / entry.place / f"{entry.scan}_review.json"


def reviewed(results: Path, entry: WorklistEntry) -> tuple[int, int] | None:
    """The number of reviewed findings and of all findings; None if there is no review."""
    try:
        content = json.loads(review_file(results, entry).read_text("utf-8"))
        return int(content["reviewed"]), int(content["findings"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write_reviews(worklist: Worklist, results: Path, path: Path) -> None:
    """Write a table of all reviews: a row for each finding, and one for each study without findings. InputError: it cannot be written."""
    rows: list[dict[str, Any]] = []
    for entry in worklist.entries:
        head = {"study": entry.name, "status": _status(results, entry), "reason": entry.reason}
        found = _rows_of(review_file(results, entry).with_suffix(".csv"))
        rows += [{**head, **row} for row in found] or [head]
    names = dict.fromkeys(["study", "status", "reason", *(name for row in rows for name in row)])
    try:
        with (
            atomic_file(path) as partial,
            partial.open("w", newline="", encoding="utf-8-sig", errors="backslashreplace") as file,
        ):
            out = csv.DictWriter(file, names, restval="")
            out.writeheader()
            out.writerows(rows)
    except OSError as error:
        raise InputError(
            f"The table cannot be written to {path} ({error.strerror}): choose another place."
        ) from error


def _status(results: Path, entry: WorklistEntry) -> str:
    if entry.state != DONE:
        return entry.state
    counts = reviewed(results, entry)
    if counts is None:
        return "not reviewed"
    return "reviewed" if counts[0] >= counts[1] else "partly reviewed"


def _rows_of(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            return [{name: cell for name, cell in row.items() if name} for row in csv.DictReader(file)]
    except (OSError, ValueError, csv.Error):
        return []


def _entry(plain: Any) -> WorklistEntry:
    texts = {key: str(plain[key]) for key in ("name", "scan", "place", "t1", "flair", "state", "reason")}
    place = Path(texts["place"])
    if texts["state"] not in STATES or place.is_absolute() or ".." in place.parts:
        raise ValueError("not an entry of a worklist")
    return WorklistEntry(**texts, findings=None if plain["findings"] is None else int(plain["findings"]))
