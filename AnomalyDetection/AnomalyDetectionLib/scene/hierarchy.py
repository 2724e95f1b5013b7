"""The subject hierarchy: results beside their volume, and patient and study as Slicer stores them for DICOM images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dicom.identity import Identity

_PATIENT = {
    "patient_id": "DICOM.PatientID",
    "name": "DICOM.PatientName",
    "birth_date": "DICOM.PatientBirthDate",
    "sex": "DICOM.PatientSex",
}
_STUDY = {"study": "DICOM.StudyInstanceUID", "study_date": "DICOM.StudyDate"}
_UID = "DICOM"
_MADE = "AnomalyDetection.Made"


def hierarchy_of(scene: Any) -> Any:
    """The subject hierarchy of a scene."""
    import slicer

    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def place_beside(scene: Any, node: Any, reference_node: Any, folder_name: str | None = None) -> None:
    """Place a node beside the reference: in its study, its folder, or at the top level.

    Slicer creates an item for every node that it shows in the subject hierarchy; slicer-core has no plug-ins for that,
    so a missing item is created here. Nodes that are hidden from editors get no item. A node that is already in the
    right place is not moved.

    `folder_name`: place it in a folder of this name beside the reference, which is created if missing.
    """
    if node.GetHideFromEditors():
        return
    hierarchy = hierarchy_of(scene)
    top = hierarchy.GetSceneItemID()
    reference = hierarchy.GetItemByDataNode(reference_node) or hierarchy.CreateItem(top, reference_node)
    parent = hierarchy.GetItemParent(reference) or top
    if folder_name is not None:
        parent = _folder(hierarchy, parent, folder_name)
    _move(hierarchy, node, parent)


def identity_in_scene(scene: Any, volume: Any) -> Identity:
    """The identity of a volume node's patient and study."""
    hierarchy = hierarchy_of(scene)
    values: dict[str, str] = {}
    for level, names in (("Patient", _PATIENT), ("Study", _STUDY)):
        item = item_above(scene, volume, level)
        values |= {name: hierarchy.GetItemAttribute(item, tag) if item else "" for name, tag in names.items()}
    return Identity(**values)


def item_above(scene: Any, node: Any, level: str) -> int:
    """The "Patient" or "Study" item above a node; 0 if there is none."""
    hierarchy = hierarchy_of(scene)
    item = hierarchy.GetItemByDataNode(node)
    return hierarchy.GetItemAncestorAtLevel(item, level) if item else 0


def place_under_patient(scene: Any, nodes: Sequence[Any], identity: Identity, name: str = "") -> None:
    """Move volumes under their patient and study, which are created if the scene lacks them.

    Args:
        identity: in DICOM format; empty fields are left out.
        name: of the patient if the images do not name one. If it is "", too, the nodes are not moved.
    """
    if not (identity.patient_id or identity.name or name):
        return
    hierarchy, called = hierarchy_of(scene), _called(identity) or name
    patient = _item(hierarchy, hierarchy.GetSceneItemID(), identity.patient_id, called, "Subject")
    study = _item(hierarchy, patient, identity.study, identity.study_date or "Study", "Study")
    for item, tags in ((patient, _PATIENT), (study, _STUDY)):
        for field, tag in tags.items():
            if value := getattr(identity, field):
                hierarchy.SetItemAttribute(item, tag, value)
    for node in nodes:
        _move(hierarchy, node, study)


def remove_patient_if_empty(scene: Any, study: int) -> None:
    """Remove an empty study (an item), and its patient if empty; only items that this module has created."""
    hierarchy = hierarchy_of(scene)
    while study and hierarchy.GetItemAttribute(study, _MADE) and not hierarchy.GetNumberOfItemChildren(study):
        above = hierarchy.GetItemParent(study)
        hierarchy.RemoveItem(study)
        study = above


def _move(hierarchy: Any, node: Any, parent: int) -> None:
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
        child = int(children.GetId(number))
        is_folder = hierarchy.IsItemLevel(child, "Folder") and hierarchy.GetItemDataNode(child) is None
        if is_folder and hierarchy.GetItemName(child) == name:
            return child
    return int(hierarchy.CreateFolderItem(parent, name))


def _called(identity: Identity) -> str:
    """Slicer's name for a patient: "Doe Jane (4711)"."""
    name = " ".join(identity.name.replace("^", " ").split())
    return f"{name} ({identity.patient_id})" if name and identity.patient_id else name or identity.patient_id


def _item(hierarchy: Any, parent: int, uid: str, name: str, level: str) -> int:
    if uid:
        known = int(hierarchy.GetItemByUID(_UID, uid))
    else:
        known = int(hierarchy.GetItemChildWithName(parent, name))
        known = known if known and hierarchy.GetItemDataNode(known) is None else 0
    if known:
        return known
    item = int(getattr(hierarchy, f"Create{level}Item")(parent, name))
    if uid:
        hierarchy.SetItemUID(item, _UID, uid)
    hierarchy.SetItemAttribute(item, _MADE, "1")
    return item
