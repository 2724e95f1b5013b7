"""Titles of results: patient, date, series and model."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..dicom.identity import written_date
from .hierarchy import hierarchy_of, identity_in_scene, item_above
from .result_nodes import Result
from .result_record import read_record


def title_of(scene: Any, result: Result) -> str:
    """Patient, study date, series and model in one line, without unknown parts."""
    return ", ".join(part for part in (*identity_of(scene, result.flair), model_of(result)) if part)


def name_scores(scene: Any, result: Result) -> None:
    """Name the score volume, by which results are chosen, after patient, FLAIR, model and time."""
    patient, _, series = identity_of(scene, result.flair)
    whose = ", ".join(part for part in (patient, series) if part)
    made = model_of(result)
    name = f"Anomaly score ({whose})" + (f", {made}" if made else "")
    if result.score.GetName() != name:
        result.score.SetName(scene.GenerateUniqueName(name))


def identity_of(scene: Any, volume: Any) -> tuple[str, str, str]:
    """Patient (name, else ID), study date (2021-04-07) and series (the volume's name) of a volume.

    Slicer stores them in the subject hierarchy for volumes from DICOM; for other volumes they are "".
    """
    identity, patient = identity_in_scene(scene, volume), item_above(scene, volume, "Patient")
    name = " ".join(identity.name.replace("^", " ").split()) or identity.patient_id
    if patient and not name:
        name = hierarchy_of(scene).GetItemName(patient)
    return name, written_date(identity.study_date), volume.GetName() or ""


def model_of(result: Result) -> str:
    """The model and the time of a result: "paper, 29 Nov 09:58"; "" if not known."""
    provenance = read_record(result.record).provenance
    model, run = provenance.get("model"), provenance.get("run")
    name = str(model.get("name", "")) if isinstance(model, dict) else ""
    try:
        finished = datetime.fromisoformat(dict(run or {})["finished_utc"]).astimezone()
    except (KeyError, TypeError, ValueError):
        return name
    return ", ".join(part for part in (name, f"{finished:%d %b %H:%M}") if part)
