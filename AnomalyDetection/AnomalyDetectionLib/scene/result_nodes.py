"""The nodes of one result, their references to each other, and their positions.

The score volume refers to all other nodes of a result, so that the result is found again in a saved scene.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..detection.stored_scores import IMAGES, StoredScores
from ..errors import InputError
from ..grid import Grid, apart_mm
from ..imaging.voxels import voxels_of
from .findings_table import rows
from .hierarchy import hierarchy_of, place_beside
from .nodes import nodes_of_class
from .result_record import read_record
from .volumes import RAS_LPS, affine, fill, ijk_to_ras, image_data, matrix_between, stand_under, vtk_matrix

_NODES = {
    "score": ("Anomaly score", "vtkMRMLScalarVolumeNode"),
    "segmentation": ("Suspected anomalies", "vtkMRMLSegmentationNode"),
    "table": ("Findings", "vtkMRMLTableNode"),
    "record": ("Anomaly detection record", "vtkMRMLTextNode"),
    "brain": ("Brain mask", "vtkMRMLLabelMapVolumeNode"),
    "patch_scores": ("Patch scores", "vtkMRMLScalarVolumeNode"),
    "candidates": ("Candidates", "vtkMRMLLabelMapVolumeNode"),
    "prepared_t1": ("Prepared T1", "vtkMRMLScalarVolumeNode"),
    "prepared_flair": ("Prepared FLAIR", "vtkMRMLScalarVolumeNode"),
    "prepared_brain": ("Prepared brain mask", "vtkMRMLLabelMapVolumeNode"),
}
"""The nodes of a result: role, name (the FLAIR's name is added) and class."""

SURFACE, NUMBERS, EARLIER = SHOWING = ("brain_surface", "numbers", "earlier_flair")
"""Roles of the nodes that are created when a result is shown and can be recreated at any time: the surface of the brain,
the numbers of the findings, and the earlier FLAIR that a result was compared with."""

COMPARISON = "AnomalyDetection.Comparison"
"""Attribute of a result's record: its comparison with an earlier result."""

INTERMEDIATE_FOLDER = "Intermediate volumes"

RESULT = "AnomalyDetection.Result"
ROLE = "AnomalyDetection.Role"
_INTERMEDIATE = tuple(name for name in IMAGES if name != "score")


@dataclass(frozen=True)
class Result:
    """The nodes of one result.

    Attributes:
        score: vtkMRMLScalarVolumeNode, the anomaly scores on the FLAIR's grid.
        flair: vtkMRMLScalarVolumeNode that was searched.
        t1: the T1 that belongs to it; None if it was removed from the scene.
        segmentation: vtkMRMLSegmentationNode, one segment a finding.
        table: vtkMRMLTableNode, the findings with their review (see `findings_table`).
        record: vtkMRMLTextNode, JSON: how the scores were made, the settings and the numbers of the findings.
        brain, patch_scores, candidates, prepared_t1, prepared_flair, prepared_brain: volumes that findings are derived
            from; hidden unless the user asked for them.
        aligned_t1: vtkMRMLScalarVolumeNode, the T1 as registered by the run; None if the run did not move it, and in
            scenes of earlier versions.
    """

    score: Any
    flair: Any
    t1: Any
    segmentation: Any
    table: Any
    record: Any
    brain: Any
    patch_scores: Any
    candidates: Any
    prepared_t1: Any
    prepared_flair: Any
    prepared_brain: Any
    aligned_t1: Any = None

    @property
    def own_nodes(self) -> list[Any]:
        """All nodes but the inputs."""
        nodes = [getattr(self, role) for role in _ROLES if role not in ("flair", "t1")]
        return [node for node in nodes if node is not None]

    @property
    def shown_t1(self) -> Any:
        """The T1 that is registered to the FLAIR; None if it was deleted."""
        return self.t1 if self.aligned_t1 is None else self.aligned_t1


_ROLES = tuple(field.name for field in dataclasses.fields(Result))
_OPTIONAL = ("t1", "aligned_t1")
_DERIVED = ("segmentation", "table")


def results_in(scene: Any) -> list[Result]:
    """The complete results of a scene, the oldest first."""
    found = map(result_of, nodes_of_class(scene, "vtkMRMLScalarVolumeNode"))
    return [result for result in found if result is not None]


def result_of(score_node: Any) -> Result | None:
    """The result of a score volume; None if the volume is not one, or nodes of the result are missing (other than the T1)."""
    if score_node is None or not is_complete(score_node):
        return None
    result = Result(score=score_node, **_parts(score_node))
    try:
        read_record(result.record)
        rows(result.table, all=True)
    except InputError:
        return None
    return result


def is_complete(node: Any) -> bool:
    """Whether a node is the score volume of a result of which no part is missing (other than the T1)."""
    return node.GetAttribute(RESULT) == "1" and not missing_parts(node)


def missing_parts(score_node: Any) -> list[str]:
    """The roles of the nodes of a result that are missing (other than the T1)."""
    return [role for role, node in _parts(score_node).items() if node is None and role not in _OPTIONAL]


def _parts(score_node: Any) -> dict[str, Any]:
    return {role: score_node.GetNodeReference(reference_of(role)) for role in _ROLES if role != "score"}


def new_nodes(scene: Any, t1: Any, flair: Any) -> Result:
    """Create the empty nodes of a result; `place` shows the intermediate ones if they are wanted."""
    return Result(flair=flair, t1=t1, **{role: new_node(scene, role, flair) for role in _NODES})


def new_node(scene: Any, role: str, flair: Any) -> Any:
    """Create the empty node of a role."""
    name, node_class = _NODES[role]
    node = scene.CreateNodeByClass(node_class)
    node.UnRegister(None)
    node.SetName(scene.GenerateUniqueName(f"{name} ({flair.GetName()})"))
    node.SetAttribute(ROLE, role)
    # Before it is added, so that the Data module does not list it
    node.SetHideFromEditors(role in _INTERMEDIATE)
    return scene.AddNode(node)


def can_be_made_again(score_node: Any) -> bool:
    """Whether all that a result lacks is its outlines or its table, which follow from the rest."""
    return score_node.GetAttribute(RESULT) == "1" and set(missing_parts(score_node)) <= set(_DERIVED)


def name_nodes(scene: Any, result: Result) -> None:
    """Name the nodes after the FLAIR."""
    for role, (name, _) in _NODES.items():
        getattr(result, role).SetName(scene.GenerateUniqueName(f"{name} ({result.flair.GetName()})"))


def connect(result: Result) -> None:
    """Set the references from the score volume to all other nodes."""
    for role in _ROLES:
        node = getattr(result, role)
        if role != "score":
            result.score.SetNodeReferenceID(reference_of(role), None if node is None else node.GetID())
    result.score.SetAttribute(RESULT, "1")


def place_aside(result: Result, role: str, node: Any) -> None:
    """Register a node that was created to show a result, so that it is found again and removed with the result."""
    node.SetAttribute(ROLE, role)
    result.score.SetNodeReferenceID(reference_of(role), node.GetID())


def aside(result: Result) -> list[Any]:
    """The nodes that were created to show a result."""
    nodes = [result.score.GetNodeReference(reference_of(role)) for role in SHOWING]
    return [node for node in nodes if node is not None]


def forget_shown(scene: Any, result: Result, *, other_grid: bool) -> None:
    """Remove what belongs to the scores that were there before: the comparison and, of another grid, the surface, too."""
    result.record.RemoveAttribute(COMPARISON)
    for node in aside(result):
        if other_grid or node.GetAttribute(ROLE) == EARLIER:
            remove_node(scene, node)


def fill_volumes(result: Result, stored: StoredScores) -> None:
    """Fill all volumes with voxels and positions. All memory is allocated before the first volume is changed."""
    contents = [
        (
            getattr(result, role),
            image_data(voxels_of(stored.images[role])),
            _matrix(stored, role, result.flair),
        )
        for role in IMAGES
    ]
    for node, data, matrix in contents:
        fill(node, data, result.flair, matrix)


def with_aligned_t1(scene: Any, result: Result, scores: Mapping[str, Any], t1_grid: Any) -> Result:
    """The result with the aligned T1 if the run moved the T1, else without it.

    `scores`, `t1_grid`: as for `place_aligned_t1`.
    """
    node = result.aligned_t1
    if not scores.get("alignment", {}).get("registered"):
        if node is not None:
            remove_node(scene, node)
        return dataclasses.replace(result, aligned_t1=None)
    if node is None:
        node = scene.AddNewNodeByClass(
            "vtkMRMLScalarVolumeNode",
            scene.GenerateUniqueName(f"T1 as aligned to the FLAIR ({result.flair.GetName()})"),
        )
        node.SetAttribute(ROLE, "aligned_t1")
    place_aligned_t1(node, result.t1, result.flair, scores, t1_grid)
    place_beside(scene, node, result.flair)
    return dataclasses.replace(result, aligned_t1=node)


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
    fill(node, t1.GetImageData(), flair, ijk_to_ras(flair) @ to_flair_voxels)
    node.CreateDefaultDisplayNodes()


def t1_grid_of(provenance: Mapping[str, Any]) -> Any:
    """The T1's grid of the run as the provenance has it; None if it is not known."""
    return ((provenance.get("inputs") or {}).get("t1") or {}).get("grid")


def t1_moved_mm(result: Result) -> float:
    """How far (mm, at a corner) the T1 was moved relative to the FLAIR since the run; 0 if that does not show, or is not known."""
    record, t1 = read_record(result.record), result.t1
    t1_grid = t1_grid_of(record.provenance)
    if t1 is None or result.aligned_t1 is not None or not t1_grid:
        return 0.0
    to_flair = matrix_between(t1, result.flair)
    if to_flair is None:
        return math.inf
    now = np.linalg.inv(ijk_to_ras(result.flair)) @ to_flair @ ijk_to_ras(t1)
    flair_then = affine(_grid(record.scores["flair_grid"], "spacing", "origin"))
    return apart_mm(
        tuple(t1_grid["size"]), affine(_grid(t1_grid, "spacing_mm", "origin_lps_mm")), flair_then @ now
    )


def _grid(record: Mapping[str, Any], spacing: str, origin: str) -> Grid:
    return Grid(
        tuple(record["size"]), tuple(record[spacing]), tuple(record[origin]), tuple(record["direction"])
    )


def stands_with_flair(result: Result) -> bool:
    """Whether the volumes of the result are where the FLAIR is now."""
    flair, score = result.flair, result.score
    return flair.GetTransformNodeID() == score.GetTransformNodeID() and np.allclose(
        ijk_to_ras(flair), ijk_to_ras(score), rtol=0, atol=1e-6
    )


def follow_flair(result: Result) -> None:
    """Move the volumes of the result to the current position of the FLAIR.

    Raises an InputError if the FLAIR has another size now, as after cropping in place: nothing is moved.
    """
    images = [node.GetImageData() for node in (result.flair, result.score)]
    if None not in images and len({tuple(image.GetDimensions()) for image in images}) > 1:
        raise InputError(
            f'"{result.flair.GetName()}" no longer has the size it was analysed with: detect anomalies again.'
        )
    moved = ijk_to_ras(result.flair) @ np.linalg.inv(ijk_to_ras(result.score))
    for node in (result.aligned_t1, result.score.GetNodeReference(reference_of(EARLIER))):
        if node is not None:
            stand_under(node, result.flair, moved @ ijk_to_ras(node))
    surface = result.score.GetNodeReference(reference_of(SURFACE))
    if surface is not None:
        if not np.allclose(moved, np.eye(4), rtol=0, atol=1e-6):
            surface.ApplyTransformMatrix(vtk_matrix(moved))
        surface.SetAndObserveTransformNodeID(result.flair.GetTransformNodeID())
    for node in (result.score, result.brain):
        stand_under(node, result.flair)


def place(scene: Any, result: Result, keep_intermediate: bool) -> None:
    """Place the nodes in the study of the FLAIR; intermediate nodes go into a folder or are hidden."""
    for role in _INTERMEDIATE:
        getattr(result, role).SetHideFromEditors(not keep_intermediate)
    for role in ("score", "segmentation", "table", "record"):
        place_beside(scene, getattr(result, role), result.flair)
    if keep_intermediate:
        for role in _INTERMEDIATE:
            getattr(result, role).CreateDefaultDisplayNodes()
            place_beside(scene, getattr(result, role), result.flair, INTERMEDIATE_FOLDER)


def remove_result(scene: Any, result: Result) -> None:
    """Remove a result from the scene with all its nodes; the inputs are kept."""
    for node in [*aside(result), *result.own_nodes]:
        remove_node(scene, node)


def remove_forgotten(scene: Any) -> None:
    """Remove the hidden volumes of results whose score volume was deleted. The user cannot remove them, and they contain
    images of the patient that would be saved with the scene."""
    if scene.IsBatchProcessing():  # opened or closed just now: the score volume may not be loaded yet
        return
    volumes = nodes_of_class(scene, "vtkMRMLScalarVolumeNode")  # label maps among them
    used = {node.GetNodeReferenceID(reference_of(role)) for node in volumes for role in _INTERMEDIATE}
    for node in volumes:
        hidden = node.GetAttribute(ROLE) in _INTERMEDIATE and node.GetHideFromEditors()
        if hidden and node.GetID() not in used:
            remove_node(scene, node)


def reference_of(role: str) -> str:
    """The reference role by which a score volume refers to a node of its result."""
    return f"AnomalyDetection.{role}"


def _matrix(stored: StoredScores, role: str, flair: Any) -> np.ndarray | None:
    """IJK to RAS of an image of the engine, in the FLAIR node's own space; None: that of the FLAIR itself.

    It is relative to the FLAIR's voxels, so it is right even if the FLAIR was moved in the meantime.
    """
    if role in ("score", "brain"):
        return None
    flair_grid, grid = Grid.of(stored.images["score"]), Grid.of(stored.images[role])
    return ijk_to_ras(flair) @ np.linalg.inv(affine(flair_grid)) @ affine(grid)


def remove_node(scene: Any, node: Any) -> None:
    """Remove a node with its display and storage nodes and its subject hierarchy item."""
    hierarchy = hierarchy_of(scene)
    item = hierarchy.GetItemByDataNode(node)
    folder = hierarchy.GetItemParent(item) if item else 0
    belonging = [node.GetNthStorageNode(index) for index in range(node.GetNumberOfStorageNodes())]
    if node.IsA("vtkMRMLDisplayableNode"):
        belonging += [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    scene.RemoveNode(node)
    for other in belonging:
        if other is not None and scene.IsNodePresent(other):
            scene.RemoveNode(other)
    if item and hierarchy.GetItemParent(item):  # Slicer has already removed it, slicer-core has not
        hierarchy.RemoveItem(item, False, True)
    if (
        folder
        and hierarchy.GetItemName(folder) == INTERMEDIATE_FOLDER
        and not hierarchy.GetNumberOfItemChildren(folder)
    ):
        hierarchy.RemoveItem(folder)
