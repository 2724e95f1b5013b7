"""The nodes of a scene, and the logics that belong to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Logics:
    """The logics of a scene, in Slicer those of `slicer.app` and `slicer.modules`; a test makes its own.

    Attributes:
        application: vtkMRMLApplicationLogic.
        colors: vtkSlicerColorLogic.
        segmentations: vtkSlicerSegmentationsModuleLogic.
    """

    application: Any
    colors: Any
    segmentations: Any


def nodes_of_class(scene: Any, class_name: str) -> list[Any]:
    """All nodes of a class and its subclasses, in the order in which they were added to the scene."""
    count = scene.GetNumberOfNodesByClass(class_name)
    return [scene.GetNthNodeByClass(index, class_name) for index in range(count)]


@contextmanager
def one_change(node: Any) -> Iterator[None]:
    """All modifications of a node in the block as a single event."""
    modifying = node.StartModify()
    try:
        yield
    finally:
        node.EndModify(modifying)
