"""The files of a folder that make up one result; a newer result replaces all of them."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from ..detection.stored_scores import FOLDER, IMAGES
from ..detection.stored_scores import RECORD as SCORE_RECORD
from .dicom_objects import REPORT as DICOM_REPORT
from .dicom_objects import SEGMENTATION as DICOM_SEGMENTATION
from .report import NAME as REPORT

RECORD = "findings.json"
SCORE, LABELS = "anomaly_score.nii.gz", "suspected_anomalies.nii.gz"

_MOST_BYTES = 50_000_000

#: Files of results whose record does not list them.
_EARLIER = (
    *(
        SCORE,
        LABELS,
        "suspected_anomalies.seg.nrrd",
        "findings.csv",
        RECORD,
        "overlay.png",
        "nearest_normal.png",
    ),
    *(f"{FOLDER}/{name}.nrrd" for name in IMAGES),
    f"{FOLDER}/{SCORE_RECORD}",
)

#: Files that a result may have. Others are never removed, even if a record lists them, as a record may come from anywhere.
_ANY = {*_EARLIER, REPORT, DICOM_SEGMENTATION, DICOM_REPORT}


def list_files(folder: Path) -> list[str]:
    """The files of a run relative to its folder, with slashes: those written so far, and the record, which comes last."""
    there = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted({*there, RECORD})


def files_of_result(folder: Path) -> tuple[PurePosixPath, ...]:
    """The files of the result in a folder, relative to it; empty if there is no result."""
    names = _listed(folder / RECORD)
    if names is None and all((folder / name).is_file() for name in (SCORE, LABELS)):
        names = sorted(_ANY)  # a result whose record is missing or damaged
    return tuple(PurePosixPath(name) for name in names or ())


def _listed(path: Path) -> list[str] | None:
    """The files that a record lists; None if there is no record of ours."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        record = json.loads(path.read_text("utf-8"))
        if "findings" not in record or "notice" not in record:
            return None
        names = record.get("run", {}).get("files", _EARLIER)
        return [name for name in names if isinstance(name, str) and name in _ANY]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None
