"""Which DICOM files a volume of the scene was loaded from, as far as Slicer's database has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer


def instance_files(node: Any) -> list[Path]:
    """The DICOM instances of a volume node, in its own order; none where it is from another format or a saved scene
    of another computer.

    Args:
        node: vtkMRMLVolumeNode.
    """
    identifiers = (node.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)  # a Slicer may be built without DICOM
    if database is None or not database.isOpen:
        return []
    files = [Path(database.fileForInstance(identifier)) for identifier in identifiers]
    return files if all(file.is_file() for file in files) else []


def add_to_database(folder: Path) -> bool:
    """Have Slicer's DICOM database take copies of the files of a folder; whether it did."""
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return False
    from DICOMLib import DICOMUtils

    return bool(DICOMUtils.importDicom(str(folder), database, copyFiles=True))
