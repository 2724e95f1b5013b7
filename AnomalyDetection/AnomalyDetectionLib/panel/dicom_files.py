"""The DICOM files of volumes in the scene, from Slicer's DICOM database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import slicer

from ..scene.opened_folder import remembered_files


def instance_files(node: Any) -> list[Path]:
    """The DICOM files of a volume node in its order, from Slicer's database or from the result folder that it was opened with.

    Empty for other formats, and for scenes saved on another computer.
    """
    identifiers = (node.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)  # Slicer may be built without DICOM
    if not identifiers or database is None or not database.isOpen:
        files = remembered_files(node)
    else:
        files = [Path(database.fileForInstance(identifier)) for identifier in identifiers]
    return files if all(file.is_file() for file in files) else []


def is_dicom(node: Any) -> bool:
    """Whether a volume node was loaded from DICOM images, even if they have been moved."""
    return bool(node.GetAttribute("DICOM.instanceUIDs") or remembered_files(node))


def add_to_database(folder: Path) -> bool:
    """Copy the files of a folder into Slicer's DICOM database; returns whether it succeeded."""
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return False
    from DICOMLib import DICOMUtils

    return bool(DICOMUtils.importDicom(str(folder), database, copyFiles=True))


def studies_in_database() -> list[dict[str, str]]:
    """The MR studies of Slicer's database: name (patient and date), folder and StudyInstanceUID of each."""
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return []
    found = []
    for patient in database.patients():
        for study in database.studiesForPatient(patient):
            series = [database.filesForSeries(uid) for uid in database.seriesForStudy(study)]
            mr = [  # querying each of the hundreds of files of a series would take minutes
                file
                for files in series
                if files and database.fileValue(files[0], "0008,0060") == "MR"
                for file in files
            ]
            if not mr:
                continue
            name = database.fileValue(mr[0], "0010,0010").replace("^", " ").strip()
            parts = (name or database.fileValue(mr[0], "0010,0020"), database.fileValue(mr[0], "0008,0020"))
            folder = os.path.commonpath([Path(file).parent for file in mr])
            found.append(
                {"name": " ".join(part for part in parts if part), "folder": folder, "study_uid": study}
            )
    return found
