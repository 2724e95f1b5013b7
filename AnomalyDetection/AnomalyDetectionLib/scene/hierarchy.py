"""Place results in the subject hierarchy, in the study of their volume."""

from __future__ import annotations

from typing import Any


def place_beside(scene: Any, node: Any, reference_node: Any, folder_name: str | None = None) -> None:
    """Place a node beside the reference in the subject hierarchy: in its study, its folder, or at the top level.

    Slicer creates an item for every node that it shows in the subject hierarchy; slicer-core has no plug-ins for that,
    so a missing item is created here. Nodes that are hidden from editors get no item. A node that is already in the
    right place is not moved.

    Args:
        scene: to which both nodes belong.
        folder_name: place it in a folder of this name beside the reference, which is created if missing.
    """
    import slicer

    if node.GetHideFromEditors():
        return
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return
    reference = hierarchy.GetItemByDataNode(reference_node) or hierarchy.CreateItem(
        hierarchy.GetSceneItemID(), reference_node
    )
    parent = hierarchy.GetItemParent(reference) or hierarchy.GetSceneItemID()
    if folder_name is not None:
        parent = _folder(hierarchy, parent, folder_name)
    item = hierarchy.GetItemByDataNode(node)
    if not item:
        hierarchy.CreateItem(parent, node)
    elif hierarchy.GetItemParent(item) != parent:
        hierarchy.SetItemParent(item, parent)


def _folder(hierarchy: Any, parent: int, name: str) -> int:
    """The folder of this name under an item; volumes and studies of the same name are ignored."""
    import vtk

    children = vtk.vtkIdList()
    hierarchy.GetItemChildren(parent, children, False)
    for number in range(children.GetNumberOfIds()):
        child = children.GetId(number)
        is_folder = hierarchy.IsItemLevel(child, "Folder") and hierarchy.GetItemDataNode(child) is None
        if is_folder and hierarchy.GetItemName(child) == name:
            return int(child)
    return int(hierarchy.CreateFolderItem(parent, name))
