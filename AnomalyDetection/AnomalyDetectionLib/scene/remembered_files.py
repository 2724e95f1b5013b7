"""The DICOM files of a volume that was opened with a result folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_FILES = "AnomalyDetection.DicomFiles"


def remember_files(node: Any, files: Sequence[Path]) -> None:
    """Store the DICOM files of a volume node, in slice order; empty for other formats."""
    if files:
        node.SetAttribute(_FILES, json.dumps([str(file) for file in files]))


def remembered_files(node: Any) -> list[Path]:
    """The stored DICOM files of a volume node, which may have been deleted since."""
    try:
        return [Path(file) for file in json.loads(node.GetAttribute(_FILES) or "[]")]
    except (ValueError, TypeError, RecursionError):  # a scene may come from anywhere
        return []
