"""A cohort in the layout of BIDS: scans, and the truth about them in `derivatives/truth`.

Brain Imaging Data Structure 1.10, https://bids-specification.readthedocs.io; of a subject only the images with
the suffixes T1w and FLAIR are looked for. The truth lies on the FLAIR's grid.

Which images count, wherever a dataset is read (`plain_images`): the native T1, not the one after contrast agent
(`ce-`), and the magnitude, not another part of the signal (`part-phase`); and it is said which were left out.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ..errors import InputError

#: What the values of a confounder map mean. Real MS lesions count as hyperintensities.
CONFOUNDERS: Mapping[int, str] = MappingProxyType(
    {
        1: "white matter hyperintensity",
        2: "enlarged perivascular space",
        3: "widened sulcus",
        4: "image artefact",
        5: "tumour",
    }
)

#: The columns of the table of infarcts; index is the value in the label map. Volumes: of the shape that was
#: drawn, and of the voxels that carry its number. Centroids in RAS mm.
INFARCT_COLUMNS = (
    "index",
    "name",
    "kind",
    "cavitated",
    "region",
    "side",
    "volume_ml",
    "voxel_volume_ml",
    "centroid_r_mm",
    "centroid_a_mm",
    "centroid_s_mm",
)

INFARCTS = "space-FLAIR_desc-infarcts_dseg"
CONFOUNDER_MAP = "space-FLAIR_desc-confounders_dseg"
BRAIN_MASK = "space-FLAIR_desc-brain_mask"

_ENDINGS = (".nii.gz", ".nii")


@dataclass(frozen=True)
class BidsScan:
    """One T1 and FLAIR of a cohort, and what is known about them.

    Attributes:
        subject: "sub-XX", or "sub-XX_ses-YY" where the subject has sessions.
        patient: the real person; several simulated subjects may share one. The unit of resampling.
        t1, flair: images.
        brain_mask: not 0 inside the brain, in the FLAIR's space; None: not given.
        infarcts: label map on the FLAIR's grid, number of the infarct; None: no truth.
        infarct_table: TSV of `INFARCT_COLUMNS`; None: not given.
        confounders: label map on the FLAIR's grid, values as of `CONFOUNDERS`; None: not given.
        participant: the subject's row of participants.tsv (empty where there is none).
        set_aside: names of images beside these that do not count (see `plain_images`).
    """

    subject: str
    patient: str
    t1: Path
    flair: Path
    brain_mask: Path | None = None
    infarcts: Path | None = None
    infarct_table: Path | None = None
    confounders: Path | None = None
    participant: dict[str, str] = field(default_factory=dict)
    set_aside: tuple[str, ...] = ()

    @property
    def lesion_free(self) -> bool:
        """Whether participants.tsv says that there is no infarct in it."""
        return self.participant.get("lesion_free", "").strip().lower() == "yes"


@dataclass(frozen=True)
class BidsProblem:
    """Why something in a cohort cannot be used: one sentence. `subject` as of `BidsScan`, or a file's name."""

    subject: str
    problem: str


def image_path(cohort: Path, subject: str, suffix: str) -> Path:
    """Where the image of a subject without sessions lies; suffix "T1w" or "FLAIR"."""
    return cohort / subject / "anat" / f"{subject}_{suffix}.nii.gz"


def truth_path(cohort: Path, subject: str, name: str, ending: str = ".nii.gz") -> Path:
    """Where a file of the truth lies; name `INFARCTS`, `CONFOUNDER_MAP` or `BRAIN_MASK`."""
    return cohort / "derivatives" / "truth" / subject / "anat" / f"{subject}_{name}{ending}"


def read_bids(folder: Path) -> tuple[tuple[BidsScan, ...], tuple[BidsProblem, ...]]:
    """What a cohort holds, in the order of the subjects' names, and what in it cannot be used.

    Only names are looked at, no voxels. A scan without truth is no problem here: its `infarcts` are None.

    Raises:
        InputError: if the folder is not there, is no folder, or has no folder sub-*.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"The cohort {folder} {what}: give a folder in the layout of BIDS.")
    try:
        subjects = sorted(p for p in folder.iterdir() if p.is_dir() and p.name.startswith("sub-"))
    except OSError as error:
        raise InputError(
            f"The cohort {folder} cannot be read ({error.strerror}): check its rights."
        ) from error
    if not subjects:
        raise InputError(
            f"The cohort {folder} holds no subject: give a folder in the layout of BIDS, with folders sub-*."
        )
    participants, problems = read_participants(folder / "participants.tsv")
    scans: list[BidsScan] = []
    for subject in subjects:
        sessions = sorted(p for p in subject.iterdir() if p.is_dir() and p.name.startswith("ses-"))
        for place in sessions or [subject]:
            found = _scan(folder, subject.name, place, participants.get(subject.name, {}))
            if isinstance(found, BidsScan):
                scans.append(found)
            else:
                problems.append(found)
    there = {subject.name for subject in subjects}
    problems += [
        BidsProblem(name, f"participants.tsv lists {name}, but there is no folder of that name.")
        for name in participants
        if name not in there
    ]
    return tuple(scans), tuple(problems)


def _scan(cohort: Path, subject: str, place: Path, participant: dict[str, str]) -> BidsScan | BidsProblem:
    """The scan in a subject's or session's folder, or what keeps it from being used."""
    name = subject if place.name == subject else f"{subject}_{place.name}"
    images: dict[str, Path] = {}
    aside: list[str] = []
    for suffix, what in (("T1w", "T1"), ("FLAIR", "FLAIR")):
        there = files_with_suffix(place / "anat", f"_{suffix}")
        found = plain_images(there)
        if not there:
            return BidsProblem(name, f"{name} has no {what}: no file *_{suffix}.nii.gz in {place / 'anat'}.")
        if not found:
            names = ", ".join(path.name for path in there)
            return BidsProblem(name, f"{name} has no {what} that counts: {names} {SPECIAL}.")
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            return BidsProblem(name, f"{name} has {len(found)} {what} images ({names}): keep one of them.")
        images[suffix] = found[0]
        aside += [path.name for path in there if path not in found]
    truth = cohort / "derivatives" / "truth" / place.relative_to(cohort) / "anat"
    labels: dict[str, Path | None] = {}
    for key in (BRAIN_MASK, INFARCTS, CONFOUNDER_MAP):
        found = files_with_suffix(truth, f"_{key.removeprefix('space-FLAIR_')}")
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            return BidsProblem(name, f"{name} has {len(found)} label maps of one kind ({names}): keep one.")
        labels[key] = found[0] if found else None
    infarcts = labels[INFARCTS]
    table = None if infarcts is None else infarcts.with_name(infarcts.name.split(".nii")[0] + ".tsv")
    return BidsScan(
        subject=name,
        patient=participant.get("patient") or subject,
        t1=images["T1w"],
        flair=images["FLAIR"],
        brain_mask=labels[BRAIN_MASK],
        infarcts=infarcts,
        infarct_table=table if table is not None and table.is_file() else None,
        confounders=labels[CONFOUNDER_MAP],
        participant=participant,
        set_aside=tuple(aside),
    )


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


SPECIAL = "shows a contrast agent (ce-), or another part of the signal than its magnitude (part-)"


def plain_images(images: Sequence[Path], asked: Collection[str] = ()) -> list[Path]:
    """Those without contrast agent that show the magnitude.

    Args:
        asked: the entities "ce" and "part", where somebody has said which of their values count.
    """
    entities = [(image, entities_of(image)) for image in images]
    return [
        image
        for image, of in entities
        if ("ce" in asked or "ce" not in of) and ("part" in asked or of.get("part", "mag") == "mag")
    ]


def said_of_set_aside(names: Sequence[str], remedy: str = "") -> list[str]:
    """A sentence without a full stop about images that do not count, beside some that do; none where there is none."""
    if not names:
        return []
    first = ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
    images = "1 image" if len(names) == 1 else f"{len(names)} images"
    return [
        f"{images} after contrast agent (ce-), or of another part of the signal (part-), left aside for the native one: "
        f"{first}{remedy}"
    ]


def read_participants(table: Path) -> tuple[dict[str, dict[str, str]], list[BidsProblem]]:
    """The rows of participants.tsv by participant_id, with "sub-" where it was left out; none where there is no such file."""
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
        return {}, [BidsProblem(table.name, f"participants.tsv cannot be used ({reason}), and was left out.")]
    people: dict[str, dict[str, str]] = {}
    doubled: list[str] = []
    for row in rows:
        label = (row["participant_id"] or "").strip()
        if not label:
            continue
        name = label if label.startswith("sub-") else f"sub-{label}"
        doubled += [name] if name in people else []
        people[name] = {k: v for k, v in row.items() if isinstance(k, str) and isinstance(v, str)}
    problems = []
    if doubled:
        names = ", ".join(dict.fromkeys(doubled))
        problems.append(
            BidsProblem(
                table.name, f"participants.tsv has more than one row of {names}: the last one counts."
            )
        )
    return people, problems
