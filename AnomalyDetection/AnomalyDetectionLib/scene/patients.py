"""Whose images a volume is of: patient and study in the subject hierarchy, as Slicer keeps them of DICOM images."""

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
    """What the subject hierarchy knows of the patient and the study of a volume node."""
    hierarchy = _hierarchy(scene)
    values: dict[str, str] = {}
    for level, names in (("Patient", _PATIENT), ("Study", _STUDY)):
        item = item_above(hierarchy, volume, level)
        values |= {name: hierarchy.GetItemAttribute(item, tag) if item else "" for name, tag in names.items()}
    return Identity(**values)


def study_of(scene: Any, volume: Any) -> int:
    """The subject hierarchy item of the study that a volume node is of; 0 where there is none."""
    return item_above(_hierarchy(scene), volume, "Study")


def item_above(hierarchy: Any, volume: Any, level: str) -> int:
    """The "Patient" or the "Study" that a volume node stands under; 0 where there is none."""
    item = 0 if hierarchy is None else hierarchy.GetItemByDataNode(volume)
    return hierarchy.GetItemAncestorAtLevel(item, level) if item else 0


def place_under_patient(scene: Any, nodes: Sequence[Any], identity: Identity, name: str = "") -> None:
    """Put volumes under their patient and study, which are made where the scene has not got them.

    Args:
        nodes: of one study.
        identity: as DICOM writes it; what it does not say is left out.
        name: of the patient, where the images do not name any; "" too: the nodes stay where they are.
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
    """Take a study out that has nothing in it any more, and its patient likewise; only those that were made here.

    Args:
        study: its item, of `item_above`.
    """
    hierarchy = _hierarchy(scene)
    while study and hierarchy.GetItemAttribute(study, _MADE) and not hierarchy.GetNumberOfItemChildren(study):
        above = hierarchy.GetItemParent(study)
        hierarchy.RemoveItem(study)
        study = above


def _called(identity: Identity) -> str:
    """As Slicer calls a patient: "Doe Jane (4711)"."""
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
