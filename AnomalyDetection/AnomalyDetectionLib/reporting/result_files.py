"""Which files of a folder are a run's result: they belong together, and a newer result takes the place of all of them."""

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

#: What results of versions hold whose record does not list its files.
_EARLIER = (
    *(SCORE, LABELS, "suspected_anomalies.seg.nrrd"),
    *("findings.csv", RECORD, "overlay.png", "nearest_normal.png"),
    *(f"{FOLDER}/{name}.nrrd" for name in IMAGES),
    f"{FOLDER}/{SCORE_RECORD}",
)


#: What results may hold. Anything else that a record lists is not theirs to remove: it may be anybody's record.
_ANY = {*_EARLIER, REPORT, DICOM_SEGMENTATION, DICOM_REPORT}


def list_files(folder: Path) -> list[str]:
    """The files that a run has written into its folder and will write (the record), relative to it, with slashes."""
    there = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted({*there, RECORD})


def files_of_result(folder: Path) -> tuple[PurePosixPath, ...]:
    """The files of the result that is in a folder, relative to it; none where there is no result."""
    names = _listed(folder / RECORD)
    if names is None and all((folder / name).is_file() for name in (SCORE, LABELS)):
        names = sorted(_ANY)  # a result whose record is gone or damaged
    return tuple(PurePosixPath(name) for name in names or ())


def _listed(path: Path) -> list[str] | None:
    """The files that a record lists; None where there is none of ours."""
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
