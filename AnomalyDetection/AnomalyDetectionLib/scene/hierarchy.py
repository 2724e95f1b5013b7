"""Results in the subject hierarchy: in the study of the volume that they belong to."""

from __future__ import annotations

from typing import Any


def place_beside(scene: Any, node: Any, reference_node: Any, folder_name: str | None = None) -> None:
    """Put a node beside the reference in the subject hierarchy, in its study, folder or at the top.

    Slicer makes an item for every node that it shows in the subject hierarchy; where none was made (slicer-core
    has no plug-ins that do it), it is made here. A node that is hidden from editors stays out of it. What is
    in the right place already stays as it is.

    Args:
        scene: to which both nodes belong.
        folder_name: put it into a folder of this name beside the reference, made where there is none.
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
    """The folder of this name under an item. A volume or study of the same name is none."""
    import vtk

    children = vtk.vtkIdList()
    hierarchy.GetItemChildren(parent, children, False)
    for number in range(children.GetNumberOfIds()):
        child = children.GetId(number)
        is_folder = hierarchy.IsItemLevel(child, "Folder") and hierarchy.GetItemDataNode(child) is None
        if is_folder and hierarchy.GetItemName(child) == name:
            return int(child)
    return int(hierarchy.CreateFolderItem(parent, name))
