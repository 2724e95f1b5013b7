"""Patient and study of a DICOM instance, and whether two instances can be of the same patient."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from .values import text_of


@dataclass(frozen=True)
class Identity:
    """Patient and study as in the header, with "" for missing values.

    Attributes:
        patient_id, name, birth_date, sex: PatientID, PatientName, PatientBirthDate, PatientSex, as written in the header.
        study: StudyInstanceUID.
        study_date: StudyDate.
    """

    patient_id: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""
    study: str = ""
    study_date: str = ""

    #: The attributes that `of` looks at, by keyword.
    TAGS: ClassVar[tuple[str, ...]] = (
        *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate"),
    )

    @classmethod
    def of(cls, header: Any) -> Identity:
        """The identity in a data set."""
        return cls(*(text_of(header, keyword) for keyword in cls.TAGS))

    def contradictions(self, other: Identity) -> tuple[str, ...]:
        """The contradictions between the two in ID, name, birth date and sex, each with both values.

        The spelling of a name (case, carets, order of its parts, parts that only one has) does not matter.
        """
        found = []
        for what, mine, its in (
            ("PatientID", self.patient_id, other.patient_id),
            ("birth date", self.birth_date, other.birth_date),
            ("sex", self.sex, other.sex),
        ):
            one, two = _plain(what, mine), _plain(what, its)
            if one and two and one != two:
                found.append(f"{what} {mine!r} and {its!r}")
        words, others = _words(self.name), _words(other.name)
        if words and others and not (words <= others or others <= words):
            found.insert(min(1, len(found)), f"name {self.name!r} and {other.name!r}")
        return tuple(found)

    def other_study(self, other: Identity) -> bool:
        """Whether both name a study, and not the same one."""
        studies = (self.study, other.study), (_digits(self.study_date), _digits(other.study_date))
        return any(mine and its and mine != its for mine, its in studies)

    def shares_a_name_with(self, other: Identity) -> bool:
        """Whether both have a patient ID, a name or a birth date, so that they can be compared."""
        fields = ("patient_id", "name", "birth_date")
        return any(getattr(self, field) and getattr(other, field) for field in fields)

    def is_before(self, other: Identity) -> bool:
        """Whether its study was earlier; False if a date is missing."""
        mine, its = _day(self.study_date), _day(other.study_date)
        return mine is not None and its is not None and mine < its

    def days_from(self, other: Identity) -> int | None:
        """Days between the two studies; None if a date is missing."""
        mine, its = _day(self.study_date), _day(other.study_date)
        return None if mine is None or its is None else abs((mine - its).days)


def patients_of(identities: Iterable[Identity]) -> list[list[Identity]]:
    """Group identities that may belong to one patient; one list per patient."""
    patients: list[list[Identity]] = []
    # The most complete first, so that empty identities join existing groups.
    for identity in sorted(dict.fromkeys(identities), key=_missing_fields):
        fitting = (group for group in patients if not any(map(identity.contradictions, group)))
        if (group := next(fitting, None)) is not None:
            group.append(identity)
        else:
            patients.append([identity])
    return patients


def written_date(value: str) -> str:
    """A DICOM date (20210407) for people: 2021-04-07; anything else unchanged."""
    day = _day(value)
    return value if day is None else day.isoformat()


def _missing_fields(identity: Identity) -> int:
    """The number of missing patient attributes."""
    return (identity.patient_id, identity.name, identity.birth_date, identity.sex).count("")


def _plain(what: str, value: str) -> str:
    if what == "birth date":
        return _digits(value)
    value = value.strip().casefold()
    return value if what != "sex" or value in ("f", "m") else ""  # "O" is no contradiction


def _digits(value: str) -> str:
    return "".join(filter(str.isdigit, value))


def _words(name: str) -> set[str]:
    """The words of a name in its first representation (PS3.5, 6.2.1), without case and accents."""
    first = unicodedata.normalize("NFKD", name.split("=")[0].casefold())
    letters = (c if c.isalnum() else " " for c in first if not unicodedata.combining(c))
    return set("".join(letters).split())


def _day(value: str) -> date | None:
    digits = _digits(value)
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) == 8 else None
    except ValueError:
        return None
