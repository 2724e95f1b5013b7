"""Read a BIDS dataset by its file names: subjects, sessions, images, entities, participants.tsv.

Brain Imaging Data Structure 1.10, https://bids-specification.readthedocs.io. No voxels are read.
"""

from __future__ import annotations

import csv
from pathlib import Path

from ..errors import InputError

_ENDINGS = (".nii.gz", ".nii")


def is_bids(folder: Path) -> bool:
    """Whether a folder is a dataset in the layout of BIDS."""
    patterns = ("sub-*/anat", "sub-*/ses-*/anat")
    return any(path.is_dir() for pattern in patterns for path in folder.glob(pattern))


def subject_folders(dataset: Path) -> list[Path]:
    """The folders sub-* of a dataset, by name; InputError if it is not there, is unreadable, or has none."""
    if not dataset.is_dir():
        what = "is a file" if dataset.exists() else "does not exist"
        raise InputError(f"The dataset {dataset} {what}: give a folder in the layout of BIDS.")
    try:
        subjects = _folders(dataset, "sub-")
    except OSError as error:
        raise InputError(
            f"The dataset {dataset} cannot be read ({error.strerror}): check its rights."
        ) from error
    if not subjects:
        raise InputError(
            f"The dataset {dataset} holds no subject: give a folder in the layout of BIDS, with folders sub-*."
        )
    return subjects


def session_folders(subject: Path) -> list[Path]:
    """The folders ses-* of a subject, by name; none where it has no sessions. OSError if it cannot be read."""
    return _folders(subject, "ses-")


def files_with_suffix(folder: Path, stem_end: str) -> list[Path]:
    """The NIfTI files of a folder, by name, whose name before .nii ends so; none where there is no folder."""
    if not folder.is_dir():
        return []
    ends = tuple(stem_end + ending for ending in _ENDINGS)
    return sorted(p for p in folder.iterdir() if p.name.startswith("sub-") and p.name.endswith(ends))


def entities_of(path: Path) -> dict[str, str]:
    """The entities of a BIDS name, by their short names: "sub-1_run-02_T1w.nii.gz" has sub and run."""
    parts = path.name.split(".")[0].split("_")[:-1]
    return {key: value for key, _, value in (part.partition("-") for part in parts) if value}


def read_participants(table: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The rows of participants.tsv by participant_id ("sub-" is added if missing), and a sentence for each problem;
    both empty if there is no such file."""
    if not table.exists():
        return {}, []
    try:
        with table.open(newline="", encoding="utf-8-sig") as content:
            try:
                rows = list(csv.DictReader(content, delimiter="\t"))
            except UnicodeDecodeError as error:
                raise ValueError("it is not text in UTF-8: save it as such") from error
        if rows and "participant_id" not in rows[0]:
            raise ValueError("it has no column participant_id")
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return {}, [f"participants.tsv cannot be used ({reason}), and was left out."]
    people: dict[str, dict[str, str]] = {}
    doubled: list[str] = []
    for row in rows:
        label = (row["participant_id"] or "").strip()
        if not label:
            continue
        name = label if label.startswith("sub-") else f"sub-{label}"
        doubled += [name] if name in people else []
        people[name] = {k: v for k, v in row.items() if isinstance(k, str) and isinstance(v, str)}
    if not doubled:
        return people, []
    names = ", ".join(dict.fromkeys(doubled))
    return people, [f"participants.tsv has more than one row of {names}: the last one counts."]


def _folders(folder: Path, prefix: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.startswith(prefix) and path.is_dir())
