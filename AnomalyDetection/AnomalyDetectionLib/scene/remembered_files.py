"""Which DICOM files a volume that was opened with its result was read from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_FILES = "AnomalyDetection.DicomFiles"


def remember_files(node: Any, files: Sequence[Path]) -> None:
    """Let a volume node know its DICOM files, in the order of its slices; none: it is of another format."""
    if files:
        node.SetAttribute(_FILES, json.dumps([str(file) for file in files]))


def remembered_files(node: Any) -> list[Path]:
    """The DICOM files that a volume node knows; they may be gone by now."""
    try:
        return [Path(file) for file in json.loads(node.GetAttribute(_FILES) or "[]")]
    except (ValueError, TypeError, RecursionError):  # a scene may be anybody's
        return []
