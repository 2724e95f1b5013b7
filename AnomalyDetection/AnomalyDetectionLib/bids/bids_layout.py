"""Read a BIDS dataset by its file names: subjects, sessions, images, entities, participants.tsv.

Brain Imaging Data Structure 1.10, https://bids-specification.readthedocs.io. No voxels are read.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError

_ENDINGS = (".nii.gz", ".nii")
_UNUSED = "participants.tsv cannot be used ({}), and was left out."


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


def read_tsv(table: Path) -> list[dict[str, str]]:
    """The rows of a table of BIDS, in which a quotation mark is a letter like any other; cells that a program has put
    in quotes come without them. OSError or ValueError: it cannot be read."""
    lines = [line for line in table.read_text("utf-8-sig").split("\n") if line.strip()]
    head, *rows = [[re.sub(r'^"(.*)"$', r"\1", cell) for cell in line.split("\t")] for line in lines] or [[]]
    return [dict(zip(head, row, strict=False)) for row in rows]


def read_participants(table: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The rows of participants.tsv by participant_id ("sub-" is added if missing), and a sentence for each problem;
    both empty if there is no such file."""
    if not table.exists():
        return {}, []
    try:
        rows = read_tsv(table)
        if rows and not any("participant_id" in row for row in rows):
            raise ValueError("it has no column participant_id")
    except UnicodeDecodeError:
        return {}, [_UNUSED.format("it is not text in UTF-8: save it as such")]
    except (OSError, ValueError) as error:
        return {}, [_UNUSED.format(getattr(error, "strerror", None) or error)]
    people: dict[str, dict[str, str]] = {}
    doubled: list[str] = []
    for row in rows:
        label = row.get("participant_id", "").strip()
        if not label:
            continue
        name = label if label.startswith("sub-") else f"sub-{label}"
        doubled += [name] if name in people else []
        people[name] = row
    if not doubled:
        return people, []
    names = ", ".join(dict.fromkeys(doubled))
    return people, [f"participants.tsv has more than one row of {names}: the last one counts."]


def _folders(folder: Path, prefix: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.startswith(prefix) and path.is_dir())
