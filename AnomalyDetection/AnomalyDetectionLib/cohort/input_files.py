"""The input files of a scan's result: how they are recorded, and whether they are still the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..bids.selection import CohortScan
from ..dicom.series import choose, read
from ..errors import InputError
from ..files.file_hash import sha256_of

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""The errors that reading a damaged record can raise."""

RAW = "bids:raw:"
"""Prefix of the BIDS URIs of files in the source dataset."""


def has_inputs_of(record: Path, source: Path) -> bool:
    """Whether a dataset has the images that a result was made from."""
    try:
        for described in json.loads(record.read_text("utf-8"))["cohort"]["inputs"].values():
            if described["file"].startswith(RAW):
                path = source / described["file"].removeprefix(RAW)
                if not _holds_the_same(path, path.stat().st_size, described):
                    return False
    except (*UNREADABLE, InputError):
        return False
    return True


def exists(path: Path) -> bool:
    """Whether a file or folder exists; False also if a parent folder is not readable."""
    try:
        return path.exists()
    except OSError:
        return False


def images_of(scan: CohortScan) -> dict[str, Path]:
    """The files of a scan by their role."""
    files = {"t1": scan.t1, "flair": scan.flair, "brain_mask": scan.brain_mask}
    return {role: path for role, path in files.items() if path}


def is_same(path: Path, now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether a file, or the DICOM series of a folder, is the one that was recorded: by name, and by size and time or else SHA256."""
    before = {"series": now.get("series"), **before}
    if (now["file"], now.get("series")) != (before["file"], before["series"]):
        return False
    if now["mtime_ns"] == before["mtime_ns"] and now["bytes"] == before["bytes"]:
        return True
    return _holds_the_same(path, now["bytes"], before)


def _holds_the_same(path: Path, size: int, described: dict[str, Any]) -> bool:
    """By SHA256; whatever else lies in the folder of a DICOM series does not count."""
    if path.is_dir():
        found = choose(path, role="image", series=described.get("series"))
        return bool(read(found, role="image")[2] == described["sha256"])
    return bool(size == described["bytes"] and sha256_of(path) == described["sha256"])
