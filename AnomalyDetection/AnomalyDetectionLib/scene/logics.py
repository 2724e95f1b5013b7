"""The Slicer logics that the bridge needs, passed in by the caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Logics:
    """The logics of a scene.

    In Slicer: `slicer.app.applicationLogic()`, `slicer.modules.colors.logic()`,
    `slicer.modules.segmentations.logic()`; a test makes its own.

    Attributes:
        application: vtkMRMLApplicationLogic.
        colors: vtkSlicerColorLogic.
        segmentations: vtkSlicerSegmentationsModuleLogic.
    """

    application: Any
    colors: Any
    segmentations: Any
