"""Remaining nodes of results of which a part was deleted."""

from __future__ import annotations

from typing import Any

from .nodes import nodes_of_class
from .result_nodes import RESULT, ROLE, SHOWING, is_complete, reference_of, remove_node
from .suggested_inputs import OURS

_KEPT = "AnomalyDetection.Kept"
_ITS_ID = "AnomalyDetection.NodeID"
"""Attribute of the nodes of a result: their own ID, which a copy has from its original."""


def let_go_of_copies(scene: Any) -> None:
    """Make copies of a result's nodes the user's own, as after "Clone" in the Data module; they belong to no result."""
    if scene.IsBatchProcessing():
        return
    ours = [
        node for node in map(scene.GetNthNode, range(scene.GetNumberOfNodes())) if node.GetAttribute(ROLE)
    ]
    owned: set[str] = set()
    for score in ours:
        if score.GetAttribute(RESULT) == "1":
            shared = (reference_of("flair"), reference_of("t1"))
            roles = [role for role in _roles_of(score) if role not in shared]
            parts = set(filter(None, map(score.GetNodeReferenceID, roles)))  # None: a part that was deleted
            if not parts & owned:  # else a copy of the scores, which refers to the parts of its original
                owned |= {score.GetID(), *parts}
    for node in ours:
        if node.GetID() in owned:
            node.SetAttribute(_ITS_ID, node.GetID())
        elif node.GetAttribute(_ITS_ID) not in (None, node.GetID()):
            for role in _roles_of(node):
                node.RemoveNodeReferenceIDs(role)
            node.RemoveAttribute(RESULT)
            node.RemoveAttribute(ROLE)


def _roles_of(node: Any) -> list[str]:
    """The roles by which a node refers to nodes of a result."""
    roles: list[str] = []
    node.GetNodeReferenceRoles(roles)
    return [role for role in roles if role.startswith(OURS)]


def orphans_in(scene: Any) -> list[Any]:
    """The nodes of results that lack a part, such as FLAIR, scores or outlines, except those that the user wants to keep."""
    if scene.IsBatchProcessing():  # the scene is being opened or closed and may be incomplete
        return []
    nodes = map(scene.GetNthNode, range(scene.GetNumberOfNodes()))
    ours = [node for node in nodes if node.GetAttribute(ROLE)]
    belonging = set()
    for node in ours:
        if is_complete(node):
            roles: list[str] = []
            node.GetNodeReferenceRoles(roles)
            belonging |= {node.GetID(), *map(node.GetNodeReferenceID, roles)}
    return [node for node in ours if node.GetID() not in belonging and node.GetAttribute(_KEPT) != "1"]


def all_recreatable(orphans: list[Any]) -> bool:
    """Whether nothing of a result is left but what was created to show it, such as the numbers in the views."""
    return all(node.GetAttribute(ROLE) in SHOWING for node in orphans)


def hide_orphans(scene: Any, orphans: list[Any]) -> None:
    """Show nothing of these nodes: outlines, numbers, legends and surfaces, nor volumes in the slice views."""
    identifiers = {node.GetID() for node in orphans}
    for composite in nodes_of_class(scene, "vtkMRMLSliceCompositeNode"):
        if composite.GetForegroundVolumeID() in identifiers:
            composite.SetForegroundVolumeID(None)
        if composite.GetBackgroundVolumeID() in identifiers:
            composite.SetBackgroundVolumeID(None)
    for node in orphans:
        if node.IsA("vtkMRMLDisplayableNode"):
            node.SetDisplayVisibility(False)


def remove_orphans(scene: Any, orphans: list[Any], delete: bool) -> None:
    """Delete the remaining nodes of a result, or mark them to be kept."""
    for node in orphans:
        if delete:
            remove_node(scene, node)
        else:
            node.SetAttribute(_KEPT, "1")
