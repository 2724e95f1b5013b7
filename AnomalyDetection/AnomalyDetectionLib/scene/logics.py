"""The logics of Slicer that the bridge needs, handed in by whoever has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Logics:
    """Logics that belong to the scene in hand.

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
