"""A series of DICOM images as one volume, classic or enhanced."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import SimpleITK as sitk

from ..errors import InputError
from ..files.links import FETCH, leads_nowhere
from ..files.text import display_path, is_utf8
from .headers import MR_CLASSES, Folder, Frame, Instance, of_directory, read_folder
from .identity import Identity, patients_of
from .joining import joined
from .kind import SeriesClassification, earlier_contrast_medium, kind_of_images
from .missing_images import expected_image_count
from .pixels import read_pixels
from .stack import Stack, stack


@dataclass(frozen=True)
class Series:
    """The images of one DICOM series.

    Attributes:
        instances: at least one, all of one SOP class.
        unreadable: files in the same folder that seem to belong to it, but are broken links or have an unreadable header.
        chosen: why it was chosen; "" if the user named it.
        notes: what was done while reading, in words, such as duplicates left out.
        beside: number of images left out because they do not show the magnitude.
        earlier: a sentence if it followed a contrast-enhanced series; else "".
    """

    instances: tuple[Instance, ...]
    unreadable: tuple[Path, ...] = ()
    chosen: str = ""
    earlier: str = ""
    notes: tuple[str, ...] = ()
    beside: int = 0

    @property
    def uid(self) -> str:
        """SeriesInstanceUID; that of the first image if there are several."""
        return self.instances[0].series

    @property
    def number(self) -> str:
        """SeriesNumber; "" if missing."""
        return self.instances[0].number

    @property
    def description(self) -> str:
        """SeriesDescription; "" if missing."""
        return self.instances[0].description

    @property
    def name(self) -> str:
        """Its name for people."""
        return self.description or f"series {self.number or self.uid}"

    @property
    def folder(self) -> Path:
        """The folder of its images; if they lie in several, the one that holds these."""
        return Path(os.path.commonpath([instance.file.parent for instance in self.instances]))

    @property
    def frames(self) -> tuple[Frame, ...]:
        """All its slices, in the order of the files."""
        return tuple(frame for instance in self.instances for frame in instance.frames)

    @property
    def is_mr(self) -> bool:
        """Whether these are MR images, not captured screens or maps."""
        return self.instances[0].sop_class in MR_CLASSES

    @cached_property
    def classification(self) -> SeriesClassification:
        """Its contrast, and why."""
        return kind_of_images([instance.sequence for instance in self.instances], earlier=self.earlier)

    @property
    def identity(self) -> Identity:
        """Patient and study of its first image; without StudyInstanceUID if its images have several."""
        first = self.instances[0].identity
        one_study = all(instance.identity.study == first.study for instance in self.instances)
        return first if one_study else replace(first, study="")

    @cached_property
    def missing(self) -> tuple[int, int] | None:
        """Number of images present and expected, if they seem to differ."""
        # Images of other parts are included in the numbers in the headers.
        expected = None if self.beside else expected_image_count(self.instances)
        return None if expected is None else (len(self.instances), expected)

    @cached_property
    def problem(self) -> str:
        """Why the headers do not describe a volume; "" if they do."""
        return f"Series {self.name!r} {self.defect}" if self.defect else ""

    @cached_property
    def defect(self) -> str:
        """The problem without the name of the series: "has a gap: ..."."""
        try:
            self.stack("-")
        except InputError as error:
            return str(error).removeprefix("- ")
        return ""

    def stack(self, name: str) -> Stack:
        """Its slices in order; `name`: its name in messages.

        InputError: if they do not form one volume, or a file cannot be read.
        """
        if not self.uid:
            raise InputError(
                f"{name} has images without the attribute SeriesInstanceUID ({display_path(self.instances[0].file)}), so it is "
                "unknown which belong together: export it again."
            )
        patients = patients_of(instance.identity for instance in self.instances)
        if len(patients) > 1:
            different = "; ".join(patients[0][0].contradictions(patients[1][0]))
            raise InputError(
                f"{name} has images of {len(patients)} patients ({different}): give the images of one."
            )
        if missing := [file for file in self.unreadable if leads_nowhere(file)]:
            raise InputError(
                f"{name} has images that are links whose content is not here ({display_path(missing[0])}): {FETCH}."
            )
        if self.unreadable:
            raise InputError(
                f"{name} has images that are damaged or do not belong together, or that you may not read "
                f"({display_path(self.unreadable[0])}): check that you may, or export it again."
            )
        return stack(self.frames, name)


def series_of(folder: Folder) -> tuple[Series, ...]:
    """The series of images of a folder, by number. Other objects, such as reports, are left out."""
    groups: dict[tuple[str, str], list[Instance]] = defaultdict(list)
    series_beside: dict[Path, set[str]] = defaultdict(set)
    for instance in folder.instances:
        series_beside[instance.file.parent].add(instance.series)
        if instance.frames:
            groups[instance.series, instance.sop_class].append(instance)
    contents = {file: _content(file) for file in folder.unreadable} if groups else {}
    closed = (f"sub-folders that cannot be read left out: {len(folder.closed)}",) if folder.closed else ()
    found = []
    for made, count in joined(list(groups.values())):
        uids = {instance.series for instance in made.instances}
        lost = tuple(
            file
            for file, content in contents.items()
            if any(uid and uid.encode() in content for uid in uids)
            or (file.parent in series_beside and series_beside[file.parent] <= uids)
        )
        several = (f"put together from {count} series UIDs",) if count > 1 else ()
        places = {instance.file.parent for instance in made.instances}
        empty = sum(file.parent in places for file in folder.empty)
        without = (f"files without content left out: {empty}",) if empty else ()
        found.append(
            Series(made.instances, lost, notes=(*several, *made.notes, *without, *closed), beside=made.beside)
        )
    return in_time(sorted(found, key=lambda s: (int(s.number) if s.number.isdigit() else 0, s.uid)))


def in_time(found: Sequence[Series]) -> tuple[Series, ...]:
    """The same series, with `Series.earlier` set if an earlier one of the study was contrast-enhanced."""
    studies: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, each in enumerate(found):
        if each.is_mr:
            who = each.identity
            studies[(who.study,) if who.study else (who.patient_id, who.study_date)].append(place)
    result = list(found)
    for places in studies.values():
        taken = [
            (
                f"series {found[n].number}" if found[n].number else "another series",
                found[n].instances[0].sequence,
            )
            for n in places
        ]
        for place, earlier in zip(places, earlier_contrast_medium(taken), strict=True):
            if earlier:
                result[place] = replace(result[place], earlier=earlier)
    return tuple(result)


def _content(file: Path) -> bytes:
    """The content of a file; empty if it cannot be read."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def check_readable(folder: Folder, name: str) -> None:
    """InputError if a folder without images has what cannot be read, such as archives and broken links; `name`: its name in messages."""
    if folder.packed:
        raise InputError(
            f"{name} holds an archive ({display_path(folder.packed[0])}): unpack it, and give the folder with its images."
        )
    if missing := [file for file in folder.unreadable if leads_nowhere(file)]:
        raise InputError(
            f"{name} holds links whose content is not here ({display_path(missing[0])}): {FETCH}."
        )
    if lost := (*folder.closed, *folder.unreadable, *folder.empty):
        raise InputError(
            f"{name} holds no images but what is damaged or cannot be read ({display_path(lost[0])}): check that you may read it, or "
            "export it again."
        )


def named(found: Iterable[Series], name: str) -> list[Series]:
    """The series of that number, UID or description (case does not matter); the only MR series, if there is one among them."""
    wanted = name.strip().casefold()
    matching = [
        s
        for s in found
        if wanted in (s.number, s.description.casefold()) or any(i.series == wanted for i in s.instances)
    ]
    scans = [s for s in matching if s.is_mr]
    return scans if len(scans) == 1 else matching


def choose(path: Path, *, role: str, series: str | None) -> Series:
    """The series that a folder (or one image in it) stands for.

    Args:
        path: a folder (or the DICOMDIR in it), searched with its sub-folders, or a DICOM image, which stands for the images
            of its series in its own folder. Series in sub-folders only are considered if the folder itself holds no images, or
            if they are named.
        series: number, UID or description (case does not matter), if there are several.

    Raises:
        InputError: if there is no series, or not exactly one that fits; the message lists them.
    """
    path = of_directory(path)
    if path.is_file():
        folder = read_folder(path.parent, below=False)
        instance = next((each for each in folder.instances if each.file == path), None)
        if instance is None or not instance.frames:
            raise InputError(f"The DICOM image {path} is damaged or holds no image: export it again.")
        beside = series_of(folder)
        within = (s for s in beside if path in [i.file for i in s.instances])
        # A copy of another file, or a phase image among magnitude images: it stands for the others.
        same = (s for s in beside if instance.series in [i.series for i in s.instances])
        found_here = next(chain(within, same, [Series((instance,))]))
        if series is not None and not named((found_here,), series):
            raise InputError(
                f"The {role} {path} is an image of the series {found_here.name!r}, not of {series!r}: name that one, or give the folder.",
                see=(f"{role.lower()}_series",),
            )
        return found_here
    folder = read_folder(path)
    everywhere = series_of(folder)
    here = tuple(s for s in everywhere if any(i.file.parent == path for i in s.instances))
    found = here if here and (series is None or named(here, series)) else everywhere
    if not found:
        check_readable(folder, f"The {role} folder {path}")
        raise InputError(
            f"The {role} folder {path} holds no DICOM images: give a folder that does, or a file."
        )
    if series is None:
        if len(found) == 1:
            return found[0]
        scans = [s for s in found if s.is_mr and s.classification.kind != "localiser"]
        if len(scans) == 1:
            return replace(scans[0], chosen="the only series that is no localiser and no captured screen")
        raise InputError(
            f"The {role} folder {path} holds {len(found)} series: choose one by its number, "
            f"description or UID.\n{listed(found)}",
            see=(f"{role.lower()}_series",),
        )
    matching = named(found, series)
    if len(matching) == 1:
        return matching[0]
    raise InputError(
        f"The {role} folder {path} has {len(matching) or 'none'} of its series called {series!r}: choose one of these by "
        f"its number, description or UID.\n{listed(matching or found)}"
    )


def read(series: Series, *, role: str) -> tuple[sitk.Image, tuple[Path, ...], str]:
    """The volume of a series (float32, LPS), its files in slice order, and the SHA256 of their content.

    InputError: if an image is damaged, or the slices do not form one volume (one is missing, duplicated, or has
    another orientation or size).
    """
    for instance in series.instances:
        if not is_utf8(instance.file):
            raise InputError(
                f"The name of a DICOM image is not valid UTF-8 ({display_path(instance.file)}): rename it."
            )
    name = f"The {role} series {series.name!r} in {series.folder}"
    made = series.stack(name)
    pixels, sha256 = read_pixels(made.frames, name)
    return made.grid.image(pixels), tuple(dict.fromkeys(frame.file for frame in made.frames)), sha256


def listed(found: Sequence[Series]) -> str:
    """One line for each series: number, description, images."""
    rows = (f"  {s.number or '-'}  {s.description or s.uid}  ({len(s.frames)} images)" for s in found)
    return "\n".join(rows)
