"""The input files of a scan's result: how they are recorded, and whether they are still the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..bids.selection import CohortScan
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
                if path.stat().st_size != described["bytes"] or sha256_of(path) != described["sha256"]:
                    return False
    except UNREADABLE:
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
    """Whether a file is the one that was recorded: by name and size, and by time or else SHA256."""
    if now["file"] != before["file"] or now["bytes"] != before["bytes"]:
        return False
    return now["mtime_ns"] == before["mtime_ns"] or sha256_of(path) == before["sha256"]
