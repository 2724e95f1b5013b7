"""The comparison with an earlier scan, stored with the result, and the earlier scan shown beside it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..detection.compare_findings import Change
from ..errors import InputError
from ..grid import Grid
from ..reporting.result_comparison import Comparison
from .result import Result, settings_of
from .result_nodes import COMPARISON, EARLIER, place_aside, reference_of
from .view_layout import T1_VIEW, label_views, show_volumes
from .volumes import RAS_LPS, affine, array_view, fill, ijk_to_ras, image_data, linear_matrix
from .window_level import flair_window, show_window

MOST_VOXELS = 200_000  # number of brain voxels that the grey values are sampled from at most


def keep_comparison(result: Result, comparison: Comparison, name: str) -> None:
    """Store a comparison with a result, so that it is saved with the scene.

    `name`: of the earlier result, to show to the user.
    """
    result.record.SetAttribute(COMPARISON, json.dumps({"name": name, **comparison.plain}))


def comparison_of(result: Result) -> tuple[Comparison, str] | None:
    """The comparison stored with a result, and the name of the earlier result; None if there is none."""
    text = result.record.GetAttribute(COMPARISON)
    try:
        plain = json.loads(text or "null")
        return None if plain is None else (Comparison.of(plain), str(plain.get("name", "")))
    except (ValueError, AttributeError, RecursionError, InputError):  # a scene may come from anywhere
        return None


def is_of_these_settings(result: Result, comparison: Comparison) -> bool:
    """Whether the result still has the threshold and the minimum size of the comparison."""
    return settings_of(result) == (comparison.threshold, comparison.min_patches)


def change_of(comparison: Comparison, number: int) -> Change | None:
    """The change of a finding of the later result; None if the finding did not exist at the comparison."""
    return next((change for change in comparison.changes if number in change.later), None)


def place_earlier(scene: Any, result: Result, earlier: Any, comparison: Comparison) -> Any:
    """Add the earlier FLAIR to the scene, registered to the later one; it is removed with the result.

    `earlier`: its image in world space (LPS), or its volume node. Returns the vtkMRMLScalarVolumeNode. Raises
    an InputError if the volume has no voxels, or a volume has a non-linear transform.
    """
    if isinstance(earlier, sitk.Image):
        data, own = image_data(sitk.GetArrayFromImage(earlier)), affine(Grid.of(earlier))
    else:
        array_view(earlier)
        data = earlier.GetImageData()
        own = RAS_LPS @ linear_matrix(earlier, None) @ ijk_to_ras(earlier)
    to_later = np.linalg.inv(np.reshape(comparison.to_earlier, (4, 4)))
    matrix = np.linalg.inv(linear_matrix(result.flair, None)) @ RAS_LPS @ to_later @ own
    node = earlier_of(result)
    if node is None:
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
        place_aside(result, EARLIER, node)
    taken = " ".join(part for part in ("Earlier FLAIR", comparison.dates[0]) if part)
    node.SetName(scene.GenerateUniqueName(f"{taken} ({result.flair.GetName()})"))
    fill(node, data, result.flair, matrix)
    show_window(node, flair_window(_in_the_brain(node, result)))
    return node


def _in_the_brain(node: Any, result: Result) -> np.ndarray:
    """The grey values of a volume inside the result's brain; all values if the two do not overlap."""
    brain, voxels = array_view(result.brain), array_view(node)
    inside = np.argwhere(brain)[:: max(1, np.count_nonzero(brain) // MOST_VOXELS), ::-1]
    there = np.linalg.inv(ijk_to_ras(node)) @ ijk_to_ras(result.flair)
    at = np.rint(inside @ there[:3, :3].T + there[:3, 3]).astype(int)
    at = at[np.all((at >= 0) & (at < voxels.shape[::-1]), axis=1)]
    values = voxels[tuple(at[:, ::-1].T)] if len(at) else voxels.ravel()
    return values[np.isfinite(values)]


def earlier_of(result: Result) -> Any:
    """The volume node of the earlier FLAIR; None if there is none."""
    return result.score.GetNodeReference(reference_of(EARLIER))


def show_beside(scene: Any, result: Result) -> None:
    """Show the earlier FLAIR in the left view, linked to the FLAIR in the right view, each labelled with its date."""
    known = comparison_of(result)
    dates = ("", "") if known is None else known[0].dates
    _show_left(scene, earlier_of(result))
    label_views(scene, dates[0] or "earlier", dates[1] or "now")


def show_t1_again(scene: Any, result: Result) -> None:
    """Show the T1 in the left view."""
    _show_left(scene, result.shown_t1)
    label_views(scene)


def is_beside(scene: Any, result: Result) -> bool:
    """Whether the earlier FLAIR is in the left view."""
    volume, left = earlier_of(result), scene.GetSingletonNode(T1_VIEW, "vtkMRMLSliceCompositeNode")
    return volume is not None and left is not None and left.GetBackgroundVolumeID() == volume.GetID()


def _show_left(scene: Any, volume: Any) -> None:
    left = scene.GetSingletonNode(T1_VIEW, "vtkMRMLSliceCompositeNode")
    if left is not None:
        show_volumes(left, volume, None, 0.0)
