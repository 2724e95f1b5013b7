"""Pair the T1 and the FLAIR of each session of a BIDS dataset, by explicit rules.

Only file names are read. For each session (of each subject, where there are no sessions), in `anat/`:

- images with the suffix T1w and FLAIR count, as .nii.gz or .nii, and those with contrast agent (`ce-`) or of another
  part of the signal than its magnitude (`part-phase`) only if the filter asks for them; images left out
  beside one that counts are reported;
- the filter (in the convention of `--bids-filter-file`) keeps images with matching entities;
- of images that differ only in `run-`, the first or the last is taken if requested;
- every file name begins with its subject and session;
- if none or more than one is left, the session is skipped and the reason reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from ..files.text import counted, display_path, first_of
from .bids_layout import entities_of, files_with_suffix, session_folders, subject_folders
from .entity_filter import Filter, has_entities

_LABEL = re.compile(r"[0-9A-Za-z]+")
_SUBJECT, _SESSION = re.compile(r"sub-[0-9A-Za-z]+"), re.compile(r"ses-[0-9A-Za-z]+")
_NO_LABEL = (
    "this folder's name is no BIDS name ({} and letters or digits, nothing else): rename it, or move it away"
)


@dataclass(frozen=True)
class _Session:
    """A session "ses-YY" of a subject "sub-XX"; "" where the subject has no sessions."""

    subject: str
    session: str

    @property
    def name(self) -> str:
        """How its files begin: "sub-XX" or "sub-XX_ses-YY"."""
        return f"{self.subject}_{self.session}" if self.session else self.subject


@dataclass(frozen=True)
class CohortScan(_Session):
    """One T1 and FLAIR.

    Attributes:
        t1, flair: image files.
        brain_mask: image file, not 0 inside the brain, in the FLAIR's space; None: the brain is to be found.
        t1_series, flair_series: UIDs, where `t1` and `flair` are folders of DICOM images.
    """

    t1: Path
    flair: Path
    brain_mask: Path | None = None
    t1_series: str | None = None
    flair_series: str | None = None


@dataclass(frozen=True)
class SkippedSession(_Session):
    """A subject or session that is skipped, with the reason as one sentence."""

    reason: str


@dataclass(frozen=True)
class Selection:
    """What was found, in the order of the names.

    Attributes:
        scans: to be analysed.
        problems: what cannot be.
        without: sessions that hold neither a T1w nor a FLAIR, of subjects that have a scan in another one.
        set_aside: names of images after contrast agent, or of another part of the signal, beside one that was taken.
    """

    scans: tuple[CohortScan, ...]
    problems: tuple[SkippedSession, ...]
    without: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()


@dataclass(frozen=True)
class SelectionCriteria:
    """What is to be selected.

    Attributes:
        subjects, sessions: labels with or without "sub-" and "ses-"; none: all.
        entities: the filter.
        runs: what to do with images that differ only in their run: "refuse", "first" or "last".
        brain_masks: a BIDS derivatives dataset with `*_desc-brain_mask.nii.gz` in the FLAIRs' space; None: no masks.
        remedy: what the user can do about several images of a kind.
    """

    subjects: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    entities: Filter = field(default_factory=dict)
    runs: str = "refuse"
    brain_masks: Path | None = None
    remedy: str = "say which one counts with --bids-filter-file, or --runs"


def select_scans(
    dataset: Path, criteria: SelectionCriteria | None = None, progress: Callable[[float], None] | None = None
) -> Selection:
    """The scans of a BIDS dataset; `progress` is called with the fraction done.

    InputError: if it is no dataset, a subject that was asked for is not in it, or no session is.
    """
    dataset, criteria = dataset.absolute(), criteria or SelectionCriteria()
    subjects = _subjects(dataset, criteria.subjects)
    sessions = {_with_prefix(label, "ses-") for label in criteria.sessions}
    scans: list[CohortScan] = []
    problems: list[SkippedSession] = []
    without: list[str] = []
    matched = False
    for place, subject in enumerate(subjects):
        if not _SUBJECT.fullmatch(subject.name):
            problems.append(SkippedSession(display_path(subject.name), "", _NO_LABEL.format("sub-")))
            continue
        try:
            there = session_folders(subject)
            loose = [p for kind in ("_T1w", "_FLAIR") for p in files_with_suffix(subject / "anat", kind)]
        except OSError as error:
            problems.append(SkippedSession(subject.name, "", _unreadable(subject, error)))
            continue
        if sessions:
            there = [p for p in there if p.name in sessions]
            if not there:
                continue
        elif there and loose:
            problems.append(SkippedSession(subject.name, "", f"{_names(loose)} in {subject.name}/anat belong to no session, beside {_names(there)}: move them into a session's folder"))  # fmt: skip
        matched = True
        found = [_scan_or_reason(dataset, subject, folder, criteria) for folder in (there or [subject])]
        empty = [item for item in found if isinstance(item, _Empty)]
        if len(empty) == len(found):
            problems.append(_nothing(subject, there))
            continue
        without += [item.name for item in empty]
        scans += [item for item in found if isinstance(item, CohortScan)]
        problems += _with_hint([item for item in found if isinstance(item, _Missing)], found)
        problems += [item for item in found if type(item) is SkippedSession]
        if progress is not None:
            progress((place + 1) / len(subjects))
    if sessions and not matched:
        names = ", ".join(sorted(sessions))
        raise InputError(f"No subject of {dataset} has the session {names}: check --session-label.")
    problems.sort(key=lambda problem: problem.name)
    aside = [name for scan in scans for name in set_aside(scan.t1, scan.flair, criteria.entities)]
    return Selection(tuple(scans), tuple(problems), tuple(without), tuple(aside))


def set_aside(t1: Path, flair: Path, entities: Filter | None = None) -> list[str]:
    """Names of the images beside a scan's that do not count as these do."""
    names: list[str] = []
    for suffix, taken in (("T1w", t1), ("FLAIR", flair)):
        there = files_with_suffix(taken.parent, f"_{suffix}")
        counting = _plain_images(there, (entities or {}).get(suffix, {}))
        names += [display_path(path.name) for path in there if path not in counting]
    return names


def set_aside_remarks(names: Sequence[str], remedy: str = "") -> list[str]:
    """A sentence without a full stop about images that do not count, beside some that do; none where there is none."""
    if not names:
        return []
    return [
        f"{counted(len(names), 'image')} after contrast agent (ce-), or of another part of the signal (part-), left aside for the native one: "
        f"{first_of(names, 5)}{remedy}"
    ]


class _Empty(SkippedSession):
    """Neither image."""


class _Missing(SkippedSession):
    """One of the two is not there."""


def _subjects(dataset: Path, labels: Sequence[str]) -> list[Path]:
    subjects = subject_folders(dataset)
    if not labels:
        return subjects
    asked = {_with_prefix(label, "sub-") for label in labels}
    there = {subject.name for subject in subjects}
    if missing := sorted(asked - there):
        raise InputError(
            f"The dataset {dataset} has no subject {', '.join(missing)}: check --participant-label."
        )
    return [subject for subject in subjects if subject.name in asked]


def _scan_or_reason(
    dataset: Path, subject: Path, folder: Path, criteria: SelectionCriteria
) -> CohortScan | SkippedSession:
    """The scan in a subject's or session's folder, or what keeps it from being one; never an exception."""
    session = "" if folder == subject else folder.name
    if session and not _SESSION.fullmatch(session):
        return SkippedSession(subject.name, display_path(session), _NO_LABEL.format("ses-"))
    try:
        return _scan(dataset, subject, folder, session, criteria)
    except OSError as error:
        return SkippedSession(subject.name, session, _unreadable(folder, error))


def _unreadable(folder: Path, error: OSError) -> str:
    return (
        f"{display_path(str(error.filename or folder))} cannot be read ({error.strerror}): check its rights"
    )


def _scan(
    dataset: Path, subject: Path, folder: Path, session: str, criteria: SelectionCriteria
) -> CohortScan | SkippedSession:
    candidates = {suffix: files_with_suffix(folder / "anat", f"_{suffix}") for suffix in ("T1w", "FLAIR")}
    if not any(candidates.values()):
        return _Empty(subject.name, session, "")
    start = f"{subject.name}_{session}_" if session else f"{subject.name}_"
    for path in (*candidates["T1w"], *candidates["FLAIR"]):
        if not path.name.startswith(start):
            return SkippedSession(subject.name, session, f"{display_path(path.name)} is in the folder {folder.relative_to(dataset)}, where names begin with {start}: rename it, or move it to its own folder")  # fmt: skip
    chosen: dict[str, Path] = {}
    for suffix, what in (("T1w", "T1"), ("FLAIR", "FLAIR")):
        found = candidates[suffix]
        if not found:
            return _Missing(
                subject.name, session, f"no {what}: there is no file *_{suffix}.nii.gz in {folder / 'anat'}"
            )
        rules = criteria.entities.get(suffix, {})
        left = _one_of_runs(_filtered(found, rules), criteria.runs)
        if len(left) > 1:
            reason = f"{len(left)} {what} images ({_names(left)}): {criteria.remedy}"
            return SkippedSession(subject.name, session, reason)
        if not left:
            why = "is left out by the filter, or " if rules else ""
            return SkippedSession(subject.name, session, f"no {what} that counts: {_names(found)} {why}shows a contrast agent (ce-), or another part of the signal than its magnitude (part-)")  # fmt: skip
        if not left[0].exists():
            return SkippedSession(subject.name, session, f"{display_path(left[0].name)} is a broken link: fetch the content first (datalad get)")  # fmt: skip
        chosen[suffix] = left[0]
    mask = None
    if criteria.brain_masks is not None:
        place = criteria.brain_masks.absolute() / folder.relative_to(dataset) / "anat"
        masks = [
            p for p in files_with_suffix(place, "_mask") if p.name.startswith(start) and _is_brain_on_flair(p)
        ]
        if len(masks) != 1:
            return SkippedSession(subject.name, session, f"{len(masks) or 'no'} brain masks *_space-FLAIR_desc-brain_mask.nii.gz in {place}, where there should be one")  # fmt: skip
        mask = masks[0]
    return CohortScan(subject.name, session, chosen["T1w"], chosen["FLAIR"], mask)


def _filtered(images: Sequence[Path], rules: Mapping[str, tuple[str | None, ...]]) -> list[Path]:
    """Those that the filter leaves; with contrast agent, or other than magnitude, only if it asks for them."""
    return [image for image in _plain_images(images, rules) if has_entities(image, rules)]


def _plain_images(images: Sequence[Path], asked: Collection[str]) -> list[Path]:
    """Those without contrast agent that show the magnitude, but for `asked` entities ("ce", "part"), of which somebody
    has said which values count.
    """

    def counts(of: Mapping[str, str]) -> bool:
        return ("ce" in asked or "ce" not in of) and ("part" in asked or of.get("part", "mag") == "mag")

    return [image for image in images if counts(entities_of(image))]


def _one_of_runs(images: list[Path], runs: str) -> list[Path]:
    """The first or the last of images that differ only in their run; all of them where that was not asked for."""
    if runs == "refuse" or len(images) < 2:
        return images
    others = {tuple(sorted((k, v) for k, v in entities_of(path).items() if k != "run")) for path in images}
    numbers = [entities_of(path).get("run", "0") for path in images]
    if len(others) > 1 or len({*numbers}) < len(images) or not all(number.isdecimal() for number in numbers):
        return images
    order = sorted(zip(map(int, numbers), images, strict=True))
    return [order[0 if runs == "first" else -1][1]]


def _names(images: Sequence[Path]) -> str:
    return ", ".join(display_path(path.name) for path in images)


def _with_hint(
    missing: Sequence[_Missing], found: Sequence[CohortScan | SkippedSession]
) -> list[SkippedSession]:
    """What is missing, and that it is of no use in another session."""
    with_images = sum(not isinstance(item, _Empty) for item in found)
    hint = " (images of different sessions are not taken together)" if with_images > 1 else ""
    return [SkippedSession(each.subject, each.session, each.reason + hint) for each in missing]


def _nothing(subject: Path, sessions: Sequence[Path]) -> SkippedSession:
    where = ", ".join(f"{folder.name}/anat" for folder in sessions) or "anat"
    session = sessions[0].name if len(sessions) == 1 else ""
    return SkippedSession(subject.name, session, f"no T1 and no FLAIR: there is no *_T1w.nii.gz and no *_FLAIR.nii.gz in {subject}/{where}")  # fmt: skip


def _is_brain_on_flair(path: Path) -> bool:
    entities = entities_of(path)
    return entities.get("desc") == "brain" and entities.get("space") == "FLAIR"


def _with_prefix(label: str, prefix: str) -> str:
    bare = label.strip().removeprefix(prefix)
    if not _LABEL.fullmatch(bare):
        raise InputError(f"'{label}' is no BIDS label: give letters and digits, with or without {prefix}.")
    return prefix + bare
