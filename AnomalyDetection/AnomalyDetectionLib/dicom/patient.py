"""Who and what a DICOM instance is of, for the head of a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TAGS = (
    *("SpecificCharacterSet", "PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyDescription", "AccessionNumber"),
)


@dataclass(frozen=True)
class PatientLine:
    """Patient and study as the instance names them; "" for what it does not say.

    Attributes:
        name: in the order of DICOM without its carets, "Doe, Jane".
        patient_id: PatientID.
        birth_date, study_date: "YYYY-MM-DD".
        sex: "F", "M" or "O".
        study_description, accession: of the study.
    """

    name: str
    patient_id: str
    birth_date: str
    sex: str
    study_date: str
    study_description: str
    accession: str


NOBODY = PatientLine("", "", "", "", "", "", "")
"""The line of a file that is no DICOM instance."""


def patient_line(file: Path) -> PatientLine:
    """Patient and study of a DICOM instance; `NOBODY` for a file that is none, or cannot be read."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(_TAGS))
    except (InvalidDicomError, OSError, EOFError, ValueError, KeyError, NotImplementedError):
        return NOBODY
    return PatientLine(
        _name(header.get("PatientName")),
        _text(header.get("PatientID")),
        _date(header.get("PatientBirthDate")),
        _text(header.get("PatientSex")),
        _date(header.get("StudyDate")),
        _text(header.get("StudyDescription")),
        _text(header.get("AccessionNumber")),
    )


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


def _date(value: Any) -> str:
    """As DICOM writes a date (YYYYMMDD, formerly YYYY.MM.DD); anything else as it is."""
    text = _text(value)
    digits = text.replace(".", "").replace("-", "")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if len(digits) == 8 and digits.isdigit() else text


def _name(value: Any) -> str:
    """Family name, given names; of several ways of writing (PS3.5, 6.2.1) the alphabetic, else the first there is."""
    groups = [group for group in _text(value).split("=") if group.strip("^ ")]
    if not groups:
        return ""
    family, *given = [part.strip() for part in groups[0].split("^")][:3]
    return ", ".join(part for part in (family, " ".join(filter(None, given))) if part)
