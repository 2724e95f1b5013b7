"""The reader's review of a result folder, in files of its own; the engine's files are never changed.

review.json restores everything (threshold, numbers, decisions, edited outlines); review.csv is the table.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from ..errors import InputError
from ..files.atomic_file import write_text_atomically
from ..files.file_hash import sha256_of
from ..reporting.result_folder import ResultFolder
from .export import export_table
from .finding_row import COLUMNS, DELETED, FindingRow, column_of, row_of
from .findings_table import replace_rows, rows, unreviewed
from .nodes import Logics
from .result import Result, rederive, score_map_of, show_again, why_fixed
from .result_record import ResultRecord, read_record, record_text

FORMAT, VERSION = "AnomalyDetection review", 1
_MOST_BYTES = 200_000_000


@dataclass(frozen=True)
class SavedReview:
    """Fingerprints of a review.

    Attributes:
        content: SHA256 of the review without its time; the review is written only if this has changed.
        on_disk: SHA256 of the file when it was last read or written; "" if there was none.
        sitting: of a reader with the result open; stored in the file, so that what two readers save in turn is two files.
    """

    content: str = ""
    on_disk: str = ""
    sitting: str = field(default_factory=lambda: uuid4().hex[:8])


def read_review(opened: ResultFolder) -> dict[str, Any] | None:
    """The review of a result folder; None if there is none.

    Raises an InputError if it is damaged, or of another version.
    """
    path = opened.review
    if not path.is_file():
        return None
    damaged = InputError(
        f"The review {path} is damaged: the file is kept, and the findings are shown as unreviewed."
    )
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise damaged
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise damaged
        float(content["threshold"]), int(content["min_patches"]), list(content["rows"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged from error
    return dict(content)


def restore_review(
    scene: Any, logics: Logics, result: Result, opened: ResultFolder
) -> tuple[SavedReview, list[str]]:
    """Load the saved review of a folder into its result, which was just opened.

    Returns the state on the disk, and remarks: sentences about a review that is not shown.
    """
    remarks: list[str] = []
    try:
        saved = read_review(opened)
        if saved is not None and saved["result_sha256"] != opened.sha256:
            remarks.append(
                f"The review {opened.review.name} belongs to an earlier run of this scan: the file is kept, but not shown."
            )
        elif saved is not None:
            _restore(scene, logics, result, saved)
    except InputError as error:
        remarks.append(str(error))
    return SavedReview(_hash(_content(result)), _hash_of(opened.review)), remarks


def review_again(
    scene: Any, logics: Logics, result: Result, opened: ResultFolder, before: SavedReview
) -> tuple[SavedReview, list[str]]:
    """Like `restore_review`, for the result of a saved scene, whose own review is not lost.

    `before`: the state on the disk when the scene was saved. The folder's review is loaded if it has changed since and the
    scene has nothing that was not saved in the folder, too; or if the scene has no review, as after its table was deleted.
    """
    unchanged = _hash_of(opened.review) in ("", before.on_disk)
    reviewed = any(row.by_reader for row in rows(result.table, all=True))
    if not reviewed or (not unchanged and _hash(_content(result)) == before.content):
        return restore_review(scene, logics, result, opened)
    if unchanged:
        return before, []
    return before, [
        f"{opened.review.name} in the result folder was saved after this scene: the scene's review is shown, and the file "
        "is kept under another name."
    ]


def save_review(
    result: Result, opened: ResultFolder, before: SavedReview, *, viewed: bool = False
) -> tuple[SavedReview, list[str]]:
    """Save the review in its result folder, if it has changed.

    Args:
        before: the state on the disk.
        viewed: whether the reader has viewed the result; without findings, that counts as a review.

    An existing review by another reader, of an earlier run, or a damaged one is kept under another name.

    Returns the new state on the disk, and remarks: sentences about files that were renamed. Raises an
    InputError if it cannot be written.
    """
    content = _content(result)
    found = [row for row in rows(result.table) if row.edited != DELETED]
    nothing_found = viewed and not rows(result.table) and not before.on_disk
    if _hash(content) == before.content and not nothing_found:
        return before, []
    head = {
        "format": FORMAT,
        "version": VERSION,
        "result_sha256": opened.sha256,
        "sitting": before.sitting,
        "saved_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "findings": len(found),
        "reviewed": len(found) - unreviewed(result.table),
    }
    text = json.dumps({**head, **content}, indent=1, ensure_ascii=False) + "\n"
    try:
        remarks = _put_aside(opened, before)
        write_text_atomically(opened.review, text)
    except OSError as error:
        raise InputError(
            f"The review cannot be saved in {opened.folder} ({error.strerror}): save the scene, or export the table."
        ) from error
    try:
        export_table(result, opened.review.with_suffix(".csv"))
    except InputError as error:  # the review itself has been saved
        remarks.append(f"The review is saved, its table is not: {error}")
    return replace(before, content=_hash(content), on_disk=_hash_of(opened.review)), remarks


def _content(result: Result) -> dict[str, Any]:
    record = read_record(result.record)
    return {
        "threshold": record.threshold,
        "min_patches": record.min_patches,
        "hidden": list(record.hidden),
        "numbers": [None if peak is None else list(peak) for peak in record.numbering.peaks],
        "rows": [_plain(row) for row in rows(result.table, all=True)],
    }


def _restore(scene: Any, logics: Logics, result: Result, saved: Mapping[str, Any]) -> None:
    before, kept = read_record(result.record), rows(result.table, all=True)
    try:
        restored = [_row(one) for one in saved["rows"]]
        content = {
            "threshold": saved["threshold"],
            "min_patches": saved["min_patches"],
            "numbers": saved["numbers"],
            "hidden": saved.get("hidden", ()),
            "provenance": before.provenance,
            "scores": before.scores,
        }
        result.record.SetText(json.dumps(content))
        record = read_record(result.record)
        _check(record, restored, score_map_of(result).lattice.shape)
        replace_rows(result.table, restored)
        same = (record.threshold, record.min_patches) == (before.threshold, before.min_patches)
        if same and (why_fixed(result) or record.numbering == before.numbering):
            show_again(scene, logics, result)  # nothing needs to be derived again
        else:
            rederive(scene, logics, result, threshold=record.threshold, min_patches=record.min_patches)
    except (ValueError, KeyError, TypeError, IndexError, InputError) as error:
        result.record.SetText(record_text(before))
        replace_rows(result.table, kept)
        show_again(scene, logics, result)
        raise InputError(
            "The saved review does not fit this result: the file is kept, and the findings are shown as unreviewed."
        ) from error


def _check(record: ResultRecord, restored: list[FindingRow], lattice: tuple[int, ...]) -> None:
    """Check the content of a review, which may come from anywhere.

    Raises a ValueError if a number belongs to no patch, or a finding has no number.
    """
    peaks = [peak for peak in record.numbering.peaks if peak is not None]
    if peaks and not (np.array(peaks) < lattice).all():
        raise ValueError("a number without a patch")
    if any(not 1 <= row.number <= len(record.numbering.peaks) for row in restored):
        raise ValueError("a finding without a number")


def _put_aside(opened: ResultFolder, before: SavedReview) -> list[str]:
    """Rename an existing review that is not the one that was opened here."""
    path = opened.review
    if not path.is_file():
        return []
    there = _hash_of(path)
    try:
        saved = read_review(opened) or {}
    except InputError:
        saved = {}
    if there == before.on_disk and saved.get("result_sha256") == opened.sha256:
        return []
    sitting = str(saved.get("sitting", ""))
    another = re.fullmatch("[0-9a-f]{8}", sitting) and sitting != before.sitting
    known = sitting if another else there[:8]
    aside = path.with_name(f"{path.stem}_{known}.json")
    path.replace(aside)
    table = path.with_suffix(".csv")
    if table.is_file():
        table.replace(aside.with_suffix(".csv"))
    return [f"The folder had another review of this scan: it is kept as {aside.name}."]


def _plain(row: FindingRow) -> dict[str, Any]:
    cells = {name: next(iter(column_of(name, [row]))) for name in COLUMNS}
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in cells.items()
    }


def _row(cells: Mapping[str, Any]) -> FindingRow:
    known = {
        name: math.nan if value is None and COLUMNS.get(name) is float else value
        for name, value in cells.items()
    }
    row = row_of(known)
    return replace(row, volume_ml=float(row.volume_ml))


def _hash(content: Mapping[str, Any]) -> str:
    """Of a review; the same after its scene was saved and opened, which keeps six digits of the table's numbers."""
    text = json.dumps(content, sort_keys=True)
    rounded = json.loads(text, parse_float=lambda number: f"{float(number):.6g}")
    return hashlib.sha256(json.dumps(rounded).encode()).hexdigest()


def _hash_of(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError:
        return ""
