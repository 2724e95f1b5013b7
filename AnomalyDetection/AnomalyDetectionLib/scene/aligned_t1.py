"""The T1 as the detection aligned it: a copy that is registered to the FLAIR; the original T1 is not moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..grid import Grid
from .volumes import RAS_LPS, affine, ijk_to_ras, matrix_between, vtk_matrix

NAME = "T1 as aligned to the FLAIR"


def place_aligned_t1(node: Any, t1: Any, flair: Any, scores: Mapping[str, Any], t1_grid: Any) -> None:
    """Fill a volume node with the T1, placed by the registration of the run.

    It shares the T1's voxels, so it takes no memory, and it has the FLAIR's parent transform, so that it moves with
    the FLAIR.

    Args:
        node: vtkMRMLScalarVolumeNode to fill.
        t1, flair: the volumes that were analysed.
        scores: the record of the stored scores: the alignment and the FLAIR's grid of the run.
        t1_grid: the T1's grid of the run as the provenance has it; None: where the T1 is now.
    """
    to_t1 = np.array(scores["alignment"]["matrix"], float).reshape(4, 4)
    flair_then = affine(_grid(scores["flair_grid"], "spacing", "origin"))
    if t1_grid is not None and tuple(t1_grid["size"]) == tuple(t1.GetImageData().GetDimensions()):
        t1_then = affine(_grid(t1_grid, "spacing_mm", "origin_lps_mm"))
    else:
        to_world = matrix_between(t1, None)
        t1_then = RAS_LPS @ (np.eye(4) if to_world is None else to_world) @ ijk_to_ras(t1)
    # Relative to the FLAIR's voxels, so it is right even if the FLAIR was moved in the meantime.
    to_flair_voxels = np.linalg.inv(flair_then) @ np.linalg.inv(to_t1) @ t1_then
    modifying = node.StartModify()
    node.SetAndObserveImageData(t1.GetImageData())
    node.SetIJKToRASMatrix(vtk_matrix(ijk_to_ras(flair) @ to_flair_voxels))
    node.SetAndObserveTransformNodeID(flair.GetTransformNodeID())
    node.CreateDefaultDisplayNodes()
    node.EndModify(modifying)


def was_registered(scores: Mapping[str, Any]) -> bool:
    """Whether the run moved the T1, according to the record of its scores."""
    return bool(scores.get("alignment", {}).get("registered"))


def _grid(record: Mapping[str, Any], spacing: str, origin: str) -> Grid:
    return Grid(
        tuple(record["size"]), tuple(record[spacing]), tuple(record[origin]), tuple(record["direction"])
    )
