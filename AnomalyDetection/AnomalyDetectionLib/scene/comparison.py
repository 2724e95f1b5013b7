"""What has become of the findings since an earlier scan, kept with the result; and that scan beside it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..detection.comparison import Change
from ..errors import InputError
from ..imaging.grid import Grid
from ..reporting.comparison import Comparison
from .layout import T1_VIEW, show_volumes
from .nodes import nodes_of_class
from .result import Result, settings_of
from .result_nodes import place_aside, reference_of
from .volumes import RAS_LPS, affine, array_view, fill, ijk_to_ras, image_data, matrix_between

_ATTRIBUTE = "AnomalyDetection.Comparison"
ROLE = "earlier_flair"


def keep_comparison(result: Result, comparison: Comparison, name: str) -> None:
    """Let a comparison belong to a result, so that it is saved with the scene.

    Args:
        name: of the earlier result, for people.
    """
    result.record.SetAttribute(_ATTRIBUTE, json.dumps({"name": name, **comparison.plain}))


def comparison_of(result: Result) -> tuple[Comparison, str] | None:
    """The comparison that belongs to a result, and the earlier one's name; None where there is none."""
    text = result.record.GetAttribute(_ATTRIBUTE)
    try:
        plain = json.loads(text or "null")
        return None if plain is None else (Comparison.of(plain), str(plain.get("name", "")))
    except (ValueError, AttributeError, RecursionError, InputError):  # a scene may be anybody's
        return None


def is_of_these_settings(result: Result, comparison: Comparison) -> bool:
    """Whether the result still has the threshold and the least size that it was compared with."""
    return settings_of(result) == (comparison.threshold, comparison.min_patches)


def change_of(comparison: Comparison, number: int) -> Change | None:
    """What has become of a finding of the later result; None: it was not there when they were compared."""
    return next((change for change in comparison.changes if number in change.later), None)


def place_earlier(scene: Any, result: Result, earlier: Any, comparison: Comparison) -> Any:
    """The earlier FLAIR as a volume that lies on the later one's tissue; it goes with the result.

    Args:
        earlier: its image in world space (LPS), or its volume node.

    Returns:
        vtkMRMLScalarVolumeNode.

    Raises:
        InputError: the volume has no voxels, or a transform that is not linear is in the way.
    """
    if isinstance(earlier, sitk.Image):
        data, own = image_data(sitk.GetArrayFromImage(earlier)), affine(Grid.of(earlier))
    else:
        array_view(earlier)
        to_world = matrix_between(earlier, None)
        if to_world is None:
            raise InputError(f'"{earlier.GetName()}" stands under a transform that is not linear: harden it.')
        data = earlier.GetImageData()
        own = RAS_LPS @ to_world @ ijk_to_ras(earlier)
    to_flair = matrix_between(result.flair, None)
    if to_flair is None:
        raise InputError(
            f'"{result.flair.GetName()}" stands under a transform that is not linear: harden it.'
        )
    to_later = np.linalg.inv(np.reshape(comparison.to_earlier, (4, 4)))
    matrix = np.linalg.inv(to_flair) @ RAS_LPS @ to_later @ own
    node = earlier_of(result)
    if node is None:
        node = scene.AddNewNodeByClass(
            "vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(f"Earlier FLAIR ({result.flair.GetName()})")
        )
        place_aside(result, ROLE, node)
    fill(node, data, result.flair, matrix)
    node.CreateDefaultDisplayNodes()
    return node


def earlier_of(result: Result) -> Any:
    """The volume node of the earlier FLAIR; None where there is none."""
    return result.score.GetNodeReference(reference_of(ROLE))


def show_beside(scene: Any, volume: Any) -> None:
    """Show a volume in the left of the two views side by side, linked to the FLAIR in the right one."""
    for composite in nodes_of_class(scene, "vtkMRMLSliceCompositeNode"):
        if composite.GetLayoutName() == T1_VIEW:
            show_volumes(composite, volume, None, 0.0)
