"""Patient and study of a DICOM instance, for the header of a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .headers import is_dicom, read_header
from .identity import written_date


@dataclass(frozen=True)
class PatientHeader:
    """Patient and study as in the instance; "" for missing values.

    Attributes:
        name: family name first, without carets: "Doe, Jane".
        patient_id: PatientID.
        birth_date, study_date: "YYYY-MM-DD".
        sex: "F", "M" or "O".
        study_description, accession: of the study.
    """

    name: str = ""
    patient_id: str = ""
    birth_date: str = ""
    sex: str = ""
    study_date: str = ""
    study_description: str = ""
    accession: str = ""


NOBODY = PatientHeader()
"""For a file that is not a DICOM instance."""


def patient_header(file: Path) -> PatientHeader:
    """Patient and study of a DICOM instance; `NOBODY` if the file is not one, or cannot be read."""
    try:
        instance = read_header(file) if is_dicom(file) else None
    except OSError:
        instance = None
    if instance is None:
        return NOBODY
    who = instance.identity
    born, examined = written_date(who.birth_date), written_date(who.study_date)
    study = instance.study_description, instance.accession
    return PatientHeader(_name(who.name), who.patient_id, born, who.sex, examined, *study)


def _name(value: str) -> str:
    """Family name, given names; of several representations (PS3.5, 6.2.1) the alphabetic one, else the first."""
    groups = [group for group in value.split("=") if group.strip("^ ")]
    if not groups:
        return ""
    family, *given = [part.strip() for part in groups[0].split("^")][:3]
    return ", ".join(part for part in (family, " ".join(filter(None, given))) if part)
