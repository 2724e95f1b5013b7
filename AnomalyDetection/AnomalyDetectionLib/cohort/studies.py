"""The studies of a folder in any layout: a BIDS dataset, one subfolder per study (files or DICOM), or a list.

Every study becomes a scan of a cohort, so that it is analysed exactly once even if runs are killed or overlap.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..bids.bids_layout import is_bids
from ..bids.selection import CohortScan, SelectionCriteria, SkippedSession, select_scans
from ..dicom.headers import is_dicom
from ..dicom.series_names import is_enhanced, kind_of_name
from ..dicom.study import DicomStudy, check_patient, choose_pair, read_studies
from ..errors import InputError
from ..files.links import ARCHIVE, files_below, kind_of, leads_nowhere
from ..files.text import display_path
from .dataset import SETTINGS

_IMAGE = re.compile(r"\.(nii|hdr|nrrd|nhdr|mha|mhd)(\.(gz|bz2))?\Z", re.IGNORECASE)
"""The end of an image file's name."""

LONGEST = 120
"""Letters of a study's name in the names of its files."""

_REMEDY = "keep one, or begin the results with `anomaly-detection bids` and its --bids-filter-file or --runs"

Found = tuple[str, CohortScan | SkippedSession]
"""A study's name, and its scan or why it has none."""


def studies_in(source: Path, wanted: SelectionCriteria | None = None) -> Iterator[Found]:
    """Yield the studies of a folder or a list as they are found; InputError if there are none.

    Args:
        source: a BIDS dataset; a folder with one subfolder per study, which holds files named T1 and FLAIR or its
            DICOM images (archives and links that cannot be followed count as studies that cannot be read); the folder
            of one such study; or a JSON file with a list of DICOM studies, {"name", "folder", "study_uid"}.
        wanted: which scans of a BIDS dataset to select.
    """
    known: set[str] = set()
    for name, scan in _found(source, wanted):
        yield name, _named(name, scan, known)
    if not known:
        raise InputError(
            f"{display_path(source)} holds no study: choose a BIDS dataset, or a folder that holds a folder for each study."
        )


def _found(source: Path, wanted: SelectionCriteria | None) -> Iterator[Found]:
    if kind_of(source) == "file":
        for one in _listed(source):
            yield from _dicom(str(one["name"]), Path(one["folder"]), str(one["study_uid"]))
        return
    if kind_of(source) != "folder":
        raise InputError(f"{display_path(source)} does not exist, or you may not enter it: choose a folder.")
    if is_bids(source):
        selection = select_scans(source, replace(wanted or SelectionCriteria(), remedy=_REMEDY))
        both: list[CohortScan | SkippedSession] = [*selection.scans, *selection.problems]
        yield from ((scan.name, scan) for scan in sorted(both, key=lambda scan: scan.name))
        return
    try:
        inside = sorted(path for path in source.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"{display_path(source)} cannot be read ({error.strerror}): check its permissions."
        ) from error
    named = any(_IMAGE.search(path.name) and kind_of(path) != "folder" for path in inside)
    if named or any(_is_dicom(path, unreadable=False) for path in inside):
        yield from _study(source)
        return
    failed: list[Found] | None = []
    for folder in inside:
        if _may_be_study(folder):
            for name, scan in _study(folder):
                if failed is not None and isinstance(scan, CohortScan):
                    yield from failed
                    failed = None
                if failed is None:
                    yield name, scan
                else:
                    failed.append((name, scan))
    if failed is not None:  # the sub-folders may be the series of one study
        whole = list(_study(source))
        as_one = not failed or any(isinstance(scan, CohortScan) for _, scan in whole)
        yield from whole if as_one else failed


def _may_be_study(path: Path) -> bool:
    """Whether a path may be that of a study: a folder that holds no results of a cohort, an archive without the folder that
    it was unpacked to, or a link that cannot be followed."""
    kind = kind_of(path)
    if kind == "folder":
        return not os.access(path / SETTINGS, os.F_OK)
    if kind == "file":
        return bool(ARCHIVE.search(path.name)) and kind_of(Path(ARCHIVE.sub("", str(path)))) != "folder"
    return path.is_symlink() and (not leads_nowhere(path) or not path.suffix)


def _study(folder: Path) -> Iterator[Found]:
    closed: list[Path] = []
    files = sorted(path for path in files_below(folder, closed) if not path.name.startswith("."))
    images = [path for path in files if _IMAGE.search(path.name)]
    by_names = _by_names(folder.name, folder, images) if images else []
    dicom = any(_is_dicom(path, unreadable=not images) for path in files)
    if not images:
        dicom |= bool(closed) or any(ARCHIVE.search(path.name) for path in files)
    if dicom and not any(isinstance(scan, CohortScan) for _, scan in by_names):
        yield from _dicom(folder.name, folder, "")
    else:
        yield from by_names


def _is_dicom(path: Path, *, unreadable: bool) -> bool:
    """Whether a file is DICOM; `unreadable`: the answer for one that cannot be read or was not fetched."""
    try:
        return is_dicom(path) if path.is_file() else unreadable and leads_nowhere(path)
    except OSError:
        return unreadable


def _by_names(name: str, folder: Path, images: list[Path]) -> list[Found]:
    """The scans among the image files of a study: of each visit, if a sub-folder holds a T1 and a FLAIR; else of all files."""
    parts: dict[str, list[Path]] = {}
    for path in images:
        parts.setdefault(next(iter(path.relative_to(folder).parts[:-1]), ""), []).append(path)
    if set(parts) == {""}:
        return [(name, _pair_by_names(name, folder, images))]
    if len(parts) == 1:
        return _by_names(name, folder / next(iter(parts)), images)
    found = {part: _by_names(f"{name} {part}".strip(), folder / part, parts[part]) for part in sorted(parts)}
    whole = {part for part, scans in found.items() if any(isinstance(scan, CohortScan) for _, scan in scans)}
    if not whole:
        return [(name, _pair_by_names(name, folder, images))]
    # Half a pair beside a whole one is a visit of its own, unless the pair lies in the folder above it.
    halves = {part for part in found if any(_kind_of_file(path) for path in parts[part])}
    kept = [
        each for part in found if part in (whole if "" in whole else whole | halves) for each in found[part]
    ]
    return kept if len(kept) > 1 else [(name, replace(kept[0][1], subject=name))]


def _kind_of_file(path: Path) -> str | None:
    return kind_of_name(_IMAGE.sub("", path.name))


def _pair_by_names(name: str, folder: Path, images: list[Path]) -> CohortScan | SkippedSession:
    """The T1 and the FLAIR among image files, chosen by file name."""
    chosen: list[Path] = []
    for kind, what in (("t1", "T1"), ("flair", "FLAIR")):
        found = [path for path in images if _kind_of_file(path) == kind]
        plain = [path for path in found if not is_enhanced(_IMAGE.sub("", path.name))] or found
        if len(plain) != 1:
            problem = f"no file is called {what}"
            if plain:
                names = ", ".join(str(path.relative_to(folder)) for path in plain)
                problem = f"several files could be the {what} ({names}): keep one"
            there = ", ".join(str(path.relative_to(folder)) for path in images[:6])
            return SkippedSession(name, "", f"{problem}; there are {there}")
        chosen.append(plain[0])
    t1, flair = (path.relative_to(folder) for path in chosen)
    apart = len(t1.parts) > 1 and len(flair.parts) > 1 and t1.parts[0] != flair.parts[0]
    if apart and kind_of_name(t1.parts[0]) != "t1" and kind_of_name(flair.parts[0]) != "flair":
        reason = (
            f"{t1} and {flair} may be of two visits: put the T1 and the FLAIR of one visit into one folder"
        )
        return SkippedSession(name, "", reason)
    return CohortScan(name, "", chosen[0].absolute(), chosen[1].absolute())


def _dicom(name: str, folder: Path, uid: str) -> Iterator[Found]:
    """The studies in a folder of DICOM images; only the study with this UID, if one is given."""
    try:
        studies = [study for study in read_studies(folder) if uid in ("", study.uid)]
        if not studies:
            raise InputError(f"The study is no longer in {display_path(folder)}: import it again.")
    except InputError as error:
        yield name, SkippedSession(f"{name} {uid}".strip(), "", str(error))
        return
    several, patients = len(studies) > 1, {study.patient for study in studies}
    for study in studies:
        parts = (name, study.patient if len(patients) > 1 else "", study.date if several else "")
        called = " ".join(filter(None, parts))
        # Patients may share a name and a date: then the UID tells their results apart, whatever is added later.
        yield called, _pair_of(f"{called} {study.uid}".strip() if several or uid else called, study)


def _pair_of(name: str, study: DicomStudy) -> CohortScan | SkippedSession:
    try:
        pair = choose_pair(check_patient(study))
    except InputError as error:
        return SkippedSession(name, "", str(error))
    t1, flair = pair.t1.folder.absolute(), pair.flair.folder.absolute()
    return CohortScan(name, "", t1, flair, t1_series=pair.t1.uid, flair_series=pair.flair.uid)


def _named(name: str, scan: CohortScan | SkippedSession, known: set[str]) -> CohortScan | SkippedSession:
    """The scan under a valid BIDS name that is unique for each study and does not change between runs."""
    subject = scan.subject
    if not re.fullmatch(r"sub-[0-9A-Za-z]+", subject):
        letters = "".join(re.findall(r"[0-9A-Za-z]", name))
        short = hashlib.sha256(subject.encode("utf-8", "surrogateescape")).hexdigest()[:6]
        # A hash distinguishes names that differ only in characters that BIDS does not allow, or beyond the length
        # that leaves room for the rest of a file's name.
        kept = letters[:LONGEST]
        subject = f"sub-{letters}" if kept == subject else f"sub-{kept}{short}"
    base, number = subject, 1
    while f"{subject} {scan.session}".lower() in known:
        number += 1
        subject = f"{base}x{number}"
    known.add(f"{subject} {scan.session}".lower())
    if isinstance(scan, SkippedSession):
        scan = replace(scan, reason=" ".join(scan.reason.split()))
    return replace(scan, subject=subject)


def _listed(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text("utf-8"))
        return [{"study_uid": "", **one, "name": one["name"], "folder": one["folder"]} for one in content]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            f"The list of studies {display_path(path)} is damaged: choose the studies again."
        ) from error
