"""A real MRML scene with its logics, without the application: what the tests of the bridge and the panel stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import slicer.util
from AnomalyDetectionLib.scene.nodes import Logics


@dataclass(frozen=True)
class SlicerScene:
    """A scene and the logics that belong to it."""

    scene: Any
    logics: Logics


def make_scene() -> SlicerScene:
    """An empty scene, made the current one, with default colours and subject hierarchy."""
    scene = slicer.vtkMRMLScene()
    slicer.mrmlScene = scene  # slicer.util's array functions look here
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    colors = slicer.vtkSlicerColorLogic()
    colors.SetMRMLApplicationLogic(application)
    colors.SetMRMLScene(scene)
    segmentations = slicer.vtkSlicerSegmentationsModuleLogic()
    segmentations.SetMRMLApplicationLogic(application)
    segmentations.SetMRMLScene(scene)
    return SlicerScene(scene, Logics(application, colors, segmentations))


def add_volume(scene: Any, array: np.ndarray, ijk_to_ras: np.ndarray, name: str) -> Any:
    """A scalar volume node of an array (k, j, i), with a display node, as a loaded file would have."""
    node = slicer.util.addVolumeFromArray(array, ijk_to_ras, name)
    node.CreateDefaultDisplayNodes()
    return node


def add_like(scene: Any, array: np.ndarray, reference: Any, name: str, label_map: bool = False) -> Any:
    """A volume node of an array on exactly the reference's grid, under its parent transform."""
    from AnomalyDetectionLib.scene.volumes import fill, image_data

    kind = "vtkMRMLLabelMapVolumeNode" if label_map else "vtkMRMLScalarVolumeNode"
    node = scene.AddNewNodeByClass(kind, name)
    fill(node, image_data(array), reference)
    return node
