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

_MOST_BYTES = 50_000_000

#: What results of versions hold whose record does not list its files.
_EARLIER = (
    *("anomaly_score.nii.gz", "suspected_anomalies.nii.gz", "suspected_anomalies.seg.nrrd"),
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
    path = folder / RECORD
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return ()
        record = json.loads(path.read_text("utf-8"))
        if "findings" not in record or "notice" not in record:
            return ()
        names = record.get("run", {}).get("files", _EARLIER)
        return tuple(PurePosixPath(name) for name in names if isinstance(name, str) and name in _ANY)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):  # it is no record of ours
        return ()
