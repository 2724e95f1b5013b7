"""Slicer's DICOM database: which file an instance is in, and what was imported."""

# ruff: noqa: N802, N803 (names are those of Slicer)
from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pydicom
import slicer


class DicomDatabase:
    """`slicer.dicomDatabase`. `isOpen` is a property, as PythonQt has it."""

    def __init__(self, files: Iterable[Path] = ()) -> None:
        self.isOpen = True
        self.files: dict[str, str] = {}
        for file in files:
            self.files[str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID)] = str(file)
        self.imported: list[tuple[str, bool]] = []

    def fileForInstance(self, identifier: str) -> str:
        return self.files.get(identifier, "")


def use(database: DicomDatabase, monkeypatch: Any) -> None:
    """Make it Slicer's, with DICOMLib that imports into it."""

    def importDicom(dicomDataDir: str, dicomDatabase: Any = None, copyFiles: bool = False) -> bool:
        (dicomDatabase or slicer.dicomDatabase).imported.append((dicomDataDir, copyFiles))
        return True

    library = ModuleType("DICOMLib")
    library.DICOMUtils = SimpleNamespace(importDicom=importDicom)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "DICOMLib", library)
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
