"""Patient and study of a volume in the subject hierarchy, as Slicer stores them for DICOM images."""

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


def identity_in_scene(scene: Any, volume: Any) -> Identity:
    """The identity of a volume node's patient and study in the subject hierarchy."""
    hierarchy = _hierarchy(scene)
    values: dict[str, str] = {}
    for level, names in (("Patient", _PATIENT), ("Study", _STUDY)):
        item = item_above(hierarchy, volume, level)
        values |= {name: hierarchy.GetItemAttribute(item, tag) if item else "" for name, tag in names.items()}
    return Identity(**values)


def study_of(scene: Any, volume: Any) -> int:
    """The subject hierarchy item of a volume node's study; 0 if there is none."""
    return item_above(_hierarchy(scene), volume, "Study")


def item_above(hierarchy: Any, volume: Any, level: str) -> int:
    """The "Patient" or "Study" item above a volume node; 0 if there is none."""
    item = 0 if hierarchy is None else hierarchy.GetItemByDataNode(volume)
    return hierarchy.GetItemAncestorAtLevel(item, level) if item else 0


def place_under_patient(scene: Any, nodes: Sequence[Any], identity: Identity, name: str = "") -> None:
    """Move volumes under their patient and study, which are created if the scene lacks them.

    Args:
        nodes: of one study.
        identity: in DICOM format; empty fields are left out.
        name: of the patient if the images do not name one. If it is "", too, the nodes are not moved.
    """
    hierarchy = _hierarchy(scene)
    named = identity.patient_id or identity.name
    if hierarchy is None or not (named or name):
        return
    patient = _item(
        hierarchy, hierarchy.GetSceneItemID(), identity.patient_id, _called(identity) or name, "Subject"
    )
    study = _item(hierarchy, patient, identity.study, identity.study_date or "Study", "Study")
    for item, tags in ((patient, _PATIENT), (study, _STUDY)):
        for field, tag in tags.items():
            if value := getattr(identity, field):
                hierarchy.SetItemAttribute(item, tag, value)
    for node in nodes:
        own = hierarchy.GetItemByDataNode(node)
        if own:
            hierarchy.SetItemParent(own, study)
        else:
            hierarchy.CreateItem(study, node)


def remove_patient_if_empty(scene: Any, study: int) -> None:
    """Remove an empty study, and its patient if empty; only items that this module has created.

    Args:
        study: the item, from `item_above`.
    """
    hierarchy = _hierarchy(scene)
    while study and hierarchy.GetItemAttribute(study, _MADE) and not hierarchy.GetNumberOfItemChildren(study):
        above = hierarchy.GetItemParent(study)
        hierarchy.RemoveItem(study)
        study = above


def _called(identity: Identity) -> str:
    """Slicer's name for a patient: "Doe Jane (4711)"."""
    name = " ".join(identity.name.replace("^", " ").split())
    return f"{name} ({identity.patient_id})" if name and identity.patient_id else name or identity.patient_id


def _item(hierarchy: Any, parent: int, uid: str, name: str, level: str) -> int:
    known = int(hierarchy.GetItemByUID(_UID, uid)) if uid else 0
    if not known and not uid:
        known = int(hierarchy.GetItemChildWithName(parent, name))
        known = known if known and hierarchy.GetItemDataNode(known) is None else 0
    if known:
        return known
    item = int(getattr(hierarchy, f"Create{level}Item")(parent, name))
    if uid:
        hierarchy.SetItemUID(item, _UID, uid)
    hierarchy.SetItemAttribute(item, _MADE, "1")
    return item


def _hierarchy(scene: Any) -> Any:
    import slicer

    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
