"""All series of a DICOM study, and the choice of its T1 and its FLAIR."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from ..errors import InputError
from ..files.links import ARCHIVE, leads_nowhere
from ..files.text import display_path
from .choice import Role, SeriesCandidate, best
from .headers import Folder, of_directory, read_folder
from .identity import Identity, patients_of
from .series import Series, check_readable, named, series_of


@dataclass(frozen=True)
class DicomStudy:
    """The series of one examination of one patient.

    Attributes:
        folder: that was searched.
        uid, date, description: of the study; the date as in DICOM (YYYYMMDD). Images without StudyInstanceUID form
            one study for each patient and date.
        patient: PatientID.
        series: of images, by number.
        no_images: other objects, in words: "1 SR".
        unread: files and sub-folders of the folder that cannot be read or are empty.
    """

    folder: Path
    uid: str
    date: str
    description: str
    patient: str
    series: tuple[Series, ...]
    no_images: tuple[str, ...]
    unread: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Its name for people."""
        date = f"{self.date[:4]}-{self.date[4:6]}-{self.date[6:]}" if len(self.date) == 8 else self.date
        parts = [date or "undated", self.description, f"patient {self.patient or '-'}"]
        return ", ".join(part for part in parts if part)

    @property
    def not_read(self) -> str:
        """What cannot be read, in words; "" if all can."""
        if not self.unread:
            return ""
        more = f" and {len(self.unread) - 1} more" if len(self.unread) > 1 else ""
        return f"cannot be read: {display_path(self.unread[0])}{more}"


@dataclass(frozen=True)
class Pair:
    """The T1 and the FLAIR that `detect` uses; their `chosen` says why."""

    t1: Series
    flair: Series

    @property
    def lines(self) -> tuple[str, str]:
        """What was chosen and why, for people."""
        return _line("T1", self.t1), _line("FLAIR", self.flair)


def read_studies(folder: Path) -> tuple[DicomStudy, ...]:
    """The studies with MR images in a folder and its sub-folders (or of a DICOMDIR), by date, from the headers alone.

    InputError: the folder does not exist, cannot be read, or holds no MR images.
    """
    from pydicom.uid import UID

    try:
        folder = of_directory(folder)
        if not folder.is_dir():
            packed = ARCHIVE.search(folder.name)
            problem = "is a link to what is not here" if leads_nowhere(folder) else "does not exist"
            if folder.exists():
                problem = "has to be unpacked" if packed else "is no folder"
            raise InputError(f"The study {folder} {problem}: give the folder that holds its DICOM images.")
        headers = read_folder(folder)
    except OSError as error:
        raise InputError(
            f"The study {folder} cannot be read ({error.strerror or error}): check that you may read it."
        ) from error
    found = series_of(headers)
    keys = dict.fromkeys(_key(s.identity) for s in found if s.is_mr)
    if not keys:
        check_readable(headers, f"The study {folder}")
        kinds = Counter(UID(each.sop_class).name.removesuffix(" Storage") for each in headers.instances)
        others = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        raise InputError(
            f"The study {folder} holds no MR images{f' but others ({others})' if others else ''}: give the folder that holds its "
            "DICOM images as the scanner made them."
        )
    studies = [_study(folder, key, found, headers) for key in keys]
    return tuple(sorted(studies, key=lambda study: (study.date, study.uid)))


def the_study(folder: Path, uid: str | None = None) -> DicomStudy:
    """The one study of a folder; `uid`: its StudyInstanceUID, if there are several.

    InputError: as for `read_studies`; also if there are several and none is named, or the named one is missing.
    """
    studies = read_studies(folder)
    matching = studies if uid is None else [study for study in studies if study.uid == uid.strip()]
    if len(matching) != 1:
        problem = f"holds no study {uid}: choose one of these"
        if uid is None:
            problem = f"holds {len(studies)} studies: choose one by its UID"
        if any(not study.uid for study in studies):
            problem += " (of those without StudyInstanceUID give the folder)"
        raise InputError(
            f"The folder {folder} {problem}.\n" + "\n".join(f"  {s.uid or '-'}  {s.name}" for s in studies),
            see=("study_uid",),
        )
    return check_patient(matching[0])


def check_patient(study: DicomStudy) -> DicomStudy:
    """The study, if all its images are of one patient; InputError if they are not."""
    patients = patients_of(instance.identity for series in study.series for instance in series.instances)
    if len(patients) > 1:
        pairs = product(patients[0], patients[1])
        different = next(found for one, other in pairs if (found := one.contradictions(other)))
        raise InputError(
            f"The study in {study.folder} has images of {len(patients)} patients "
            f"({'; '.join(different)}): give the images of one."
        )
    return study


def choose_pair(study: DicomStudy, t1: str | None = None, flair: str | None = None) -> Pair:
    """The T1 and the FLAIR of a study.

    `t1`, `flair`: number, UID or description of the series that the user wants; None: by its attributes. InputError:
    if there is none, or several are equally good; the message lists the series and says how to choose.
    """
    pair = Pair(_choose(study, "T1", t1), _choose(study, "FLAIR", flair))
    if pair.t1 is pair.flair or pair.t1.instances == pair.flair.instances:
        raise InputError(
            f"T1 and FLAIR are the same series ({pair.t1.name!r}): choose another one of them.",
            see=("t1_series", "flair_series"),
        )
    return pair


def listed(series: Sequence[Series]) -> str:
    """One line for each: number, description, kind, images, why."""
    return "\n".join(
        f"  {s.number or '-'}  {s.description or s.uid}  ({_kind(s)}, {len(s.frames)} images: {_why(s)})"
        for s in series
    )


def row(series: Series) -> tuple[str, str, str, str, str, str]:
    """A series for a table: number, description, kind, images, voxels, why."""
    return (
        series.number or "-",
        series.description or "-",
        _kind(series),
        str(len(series.frames)),
        _voxels(series),
        _why(series),
    )


def _key(who: Identity) -> tuple[str, ...]:
    """The key that the images of one study have in common."""
    return (who.study,) if who.study else ("", who.patient_id, who.name, who.birth_date, who.study_date)


def _study(folder: Path, key: tuple[str, ...], found: Sequence[Series], headers: Folder) -> DicomStudy:
    mine = tuple(s for s in found if _key(s.identity) == key)
    scan = next(s for s in mine if s.is_mr)
    first = scan.instances[0]
    objects = (i for i in headers.instances if _key(i.identity) == key and not i.frames)
    others = Counter(i.modality or "other" for i in objects)
    return DicomStudy(
        folder=folder,
        uid=scan.identity.study,
        date=first.identity.study_date,
        description=first.study_description,
        patient=next((who for s in mine if (who := s.identity.patient_id)), ""),
        series=mine,
        no_images=tuple(f"{count} {modality}" for modality, count in sorted(others.items())),
        unread=(*headers.closed, *headers.unreadable, *headers.empty),
    )


def _choose(study: DicomStudy, role: Role, wanted: str | None) -> Series:
    how, see = "choose one by its number, description or UID", (f"{role.lower()}_series",)
    if wanted is not None:
        matching = named(study.series, wanted)
        if len(matching) == 1:
            return replace(matching[0], chosen="named by the user")
        raise InputError(
            f"The study in {study.folder} has {len(matching) or 'none'} of its series called {wanted!r}: {how}.\n"
            + listed(matching or study.series),
            see=see,
        )
    candidates = [s for s in study.series if s.is_mr and s.classification.kind == role]
    whole = [s for s in candidates if not s.problem]
    if candidates and not whole:
        raise InputError(f"Of the study in {study.folder} no {role} can be used. {candidates[0].problem}")
    if not candidates:
        lost = f" ({study.not_read})" if study.unread else ""
        raise InputError(
            f"The study in {study.folder} has no series that is certainly a {role}{lost}: {how}.\n{listed(study.series)}",
            see=see,
        )
    places, reason = best(
        [SeriesCandidate(s.classification, s.stack(s.name).grid, s.instances[0].sequence) for s in whole],
        role,
    )
    if len(places) > 1:
        raise InputError(
            f"The study in {study.folder} has {len(places)} equally good {role} series: {how}.\n"
            + listed([whole[place] for place in places]),
            see=see,
        )
    series = whole[places[0]]
    broken = [f"series {s.number or s.uid} cannot be used" for s in candidates if s.problem]
    return replace(series, chosen="; ".join([series.classification.why, reason, *broken]))


def _kind(series: Series) -> str:
    return series.classification.label if series.is_mr else "other"


def _why(series: Series) -> str:
    if not series.is_mr:
        return f"no MR images ({series.instances[0].modality or 'modality unknown'})"
    classification = series.classification
    why = "; ".join([classification.why, *series.notes])
    if series.problem and classification.kind in ("T1", "FLAIR"):
        return f"{why}; cannot be used: it {series.defect.rstrip('.')}"
    if series.missing is not None and classification.kind in ("T1", "FLAIR"):
        return f"{why}; may be incomplete: {series.missing[0]} of {series.missing[1]} images"
    return why


def _voxels(series: Series) -> str:
    if not series.is_mr or series.problem:
        return "-"
    grid = series.stack(series.name).grid
    return f"{' x '.join(map(str, grid.size))} of {' x '.join(f'{mm:.2f}' for mm in grid.spacing)} mm"


def _line(role: Role, series: Series) -> str:
    number = f"series {series.number}" if series.number else series.uid
    name = f" {series.description!r}" if series.description else ""
    reasons = "; ".join([series.chosen, *series.notes])
    return f"{role}: {number}{name}, {len(series.frames)} images ({reasons})"
