"""The numbers of the findings in the slice views, beside their outlines.

Slicer draws text at a position with markups. Points for all findings in all slices would be hundreds, which is slow;
so there are points for the current slice only, and they are updated when it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy

from ..imaging.voxels import voxels_of
from .nodes import one_change
from .places import slice_axis
from .result import Result, findings_of
from .result_nodes import NUMBERS, place_aside, reference_of
from .segmentation import OTHERS, SELECTED
from .volumes import ijk_to_ras, matrix_between

TEXT_SCALE = 3.4
PARALLEL = 0.98
"""Least cosine between the normals of a view and of the slices for the view to be in the plane of the slices."""

Places = Mapping[int, Mapping[int, tuple[float, float, float]]]
"""For each slice of the FLAIR (0 is the first) and finding, the position of its number: RAS of the FLAIR's own space."""


def number_places(result: Result) -> Places:
    """The position of each finding's number in each slice: at the upper left of its outline.

    Raises an InputError if a volume of the result has no voxels.
    """
    to_ras, axis = ijk_to_ras(result.score), slice_axis(result)
    # The patient's right, or front, is on the left of the screen; the text starts at its point.
    upper_left = to_ras[np.argmax(np.abs(to_ras[:3, :3]), axis=0), range(3)] > 0
    labels = np.ascontiguousarray(np.moveaxis(voxels_of(findings_of(result).labels), 2 - axis, 0))
    in_plane = [other for other in (2, 1, 0) if other != axis]
    places: dict[int, dict[int, tuple[float, float, float]]] = {}
    for k in np.flatnonzero(labels.any(axis=(1, 2))).tolist():
        for number, box in enumerate(scipy.ndimage.find_objects(labels[k]), start=1):
            if box is None:
                continue
            index = np.array([k, k, k, 1.0])
            for other, part in zip(in_plane, box, strict=True):
                index[other] = part.stop - 1 if upper_left[other] else part.start
            x, y, z = (to_ras @ index)[:3].tolist()
            places.setdefault(k, {})[number] = (x, y, z)
    return places


def show_numbers(
    scene: Any, result: Result, here: Mapping[int, tuple[float, float, float]], selected: int | None
) -> Any:
    """Show these numbers and no others.

    `selected`: the selected finding; its number has the colour of its outline. Returns the
    vtkMRMLMarkupsFiducialNode.
    """
    node = result.score.GetNodeReference(reference_of(NUMBERS))
    if node is None:
        node = scene.CreateNodeByClass("vtkMRMLMarkupsFiducialNode")
        node.UnRegister(None)
        node.SetName(scene.GenerateUniqueName("Numbers of the findings"))
        # Set before the node is added, so that the Data module does not list it
        node.SetHideFromEditors(True)
        node = scene.AddNode(node)
        node.SetSaveWithScene(False)
        node.SetLocked(True)  # so that clicks reach the finding
        place_aside(result, NUMBERS, node)
        node.CreateDefaultDisplayNodes()
        _style(node.GetDisplayNode())
    with one_change(node):
        node.SetAndObserveTransformNodeID(result.score.GetTransformNodeID())
        node.RemoveAllControlPoints()
        for number, place in here.items():
            node.SetNthControlPointSelected(node.AddControlPoint(place, str(number)), number == selected)
    return node


def _style(display: Any) -> None:
    display.SetSaveWithScene(False)
    with one_change(display):
        display.SetTextScale(TEXT_SCALE)
        display.SetGlyphTypeFromString("Vertex2D")
        display.SetUseGlyphScale(False)
        display.SetGlyphSize(0.1)
        display.SetColor(*OTHERS)
        display.SetSelectedColor(*SELECTED)
        display.SetPointLabelsVisibility(True)
        display.SetPropertiesLabelVisibility(False)
        display.SetVisibility3D(False)
        text = display.GetTextProperty()
        text.SetBold(True)
        text.SetShadow(False)
        text.SetBackgroundColor(0.0, 0.0, 0.0)  # white on black is legible on bright tissue, too
        text.SetBackgroundOpacity(0.5)


def slice_in_view(result: Result, nodes: list[Any]) -> int | None:
    """The slice of the FLAIR (0 is the first) that a slice view shows; None if no view is in the plane of its slices.

    `nodes`: the visible slice nodes; the first in the plane of the FLAIR's slices is used.
    """
    to_world = matrix_between(result.score, None)
    if to_world is None:
        return None
    to_index, axis = np.linalg.inv(to_world @ ijk_to_ras(result.score)), slice_axis(result)
    for node in nodes:
        matrix = node.GetSliceToRAS()
        normal = to_index[:3, :3] @ [matrix.GetElement(row, 2) for row in range(3)]
        if abs(normal[axis]) > PARALLEL * np.linalg.norm(normal):
            index = to_index @ [matrix.GetElement(row, 3) for row in range(4)]
            return round(float(index[axis]))
    return None
