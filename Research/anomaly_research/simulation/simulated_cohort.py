"""A cohort of simulated subjects, written as BIDS; subject k depends on the seed and on k alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from AnomalyDetectionLib import __version__
from AnomalyDetectionLib.bids.bids_layout import read_participants
from AnomalyDetectionLib.cohort.dataset import BIDS_VERSION
from AnomalyDetectionLib.cohort.sidecars import json_text
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.atomic_folder import atomic_folder
from AnomalyDetectionLib.files.folder_lock import LOCK
from AnomalyDetectionLib.imaging.unusable import Unusable, write_unusable

from ..evaluation import truth_files
from .heads import Head, Heads
from .lesions import InfarctPlan
from .plans import random_plans
from .subject import Confounding, Subject, make_subject, random_confounding

Progress = Callable[[str, float, str], None]

_COLUMNS = {
    "participant_id": "",
    "patient": "the person whose head it is; subjects that share one are no independent cases",
    "source": "the scan that the subject was made from",
    "anatomy": "real, or what the head was simulated from",
    "infarcts": "simulated infarcts in it",
    "lesion_free": "yes: no infarct was put in; a real scan is as it was given",
    "seed": "of the random numbers",
}
"""Of participants.tsv, and what they say."""

_README = """\
Simulated chronic infarcts. {real}; every infarct in them is simulated, and so are all confounders
but the real lesions of the scans: tumours, and others, which count as white matter hyperintensities.
The truth about them is in derivatives/truth, on the grid of each FLAIR. Not for diagnosis.
"""


@dataclass(frozen=True)
class SimulatedCohortSettings:
    """What a cohort is to be like; the same settings give the same bytes."""

    subjects: int  # with infarcts; together with those without at least one
    lesion_free: int = 0  # without; real scans stay as they are, simulated heads have confounders
    seed: int = 0
    # infarcts a subject, 1 or more
    fewest: int = 1
    most: int = 6
    # share of the subjects that get each confounder
    wmh: float = 0.3
    perivascular: float = 0.4
    sulci: float = 0.3
    artefacts: float = 0.15
    # lesion masks in MNI space at 1 mm; half of the infarcts take their shape from one, if one suits
    shapes: tuple[Path, ...] = ()

    @property
    def shares(self) -> dict[str, float]:
        """Of the subjects that get each confounder, by its name."""
        return {name: getattr(self, name) for name in ("wmh", "perivascular", "sulci", "artefacts")}


@dataclass(frozen=True)
class _Task:
    """A subject to be made: its number among those with, or among those without infarcts."""

    number: int
    lesion_free: bool

    @property
    def name(self) -> str:
        return f"sub-free{self.number + 1:02d}" if self.lesion_free else f"sub-{self.number + 1:03d}"


def simulate_cohort(
    output: Path, heads: Heads, settings: SimulatedCohortSettings, report: Progress
) -> tuple[int, int]:
    """Make a cohort, or go on with one that was begun with the same settings.

    Each subject is there completely or not at all. More subjects can be added later by the same command with
    a larger number. A subject whose scan cannot be used is left out: a row in derivatives/truth/errors.csv.

    Args:
        output: made if it is not there.
        report: called with a stage, the fraction done and a message.

    Returns:
        How many subjects were made now, and how many had been there.

    Raises:
        InputError: if the folder holds something else, there are fewer real scans than lesion-free subjects
            wanted, no scan can be used, or the folder cannot be written.
    """
    if heads.limit is not None and settings.lesion_free > heads.limit:
        raise InputError(
            f"There are only {heads.limit} scans, so no more than that many lesion-free subjects: "
            f"give --lesion-free {heads.limit} or less."
        )
    _begin(output, heads, settings)
    # A workflow takes the table away when the command was interrupted: all are made again then, the same.
    there: dict[str, Mapping[str, object]] = {**read_participants(output / "participants.tsv")[0]}
    wanted = ((False, settings.subjects), (True, settings.lesion_free))
    tasks = [_Task(k, lesion_free) for lesion_free, number in wanted for k in range(number)]
    left = [task for task in tasks if task.name not in there]
    # Subjects that share a head follow each other; it is analysed once.
    left.sort(key=lambda task: (heads.batch(task.number), task.lesion_free, task.number))
    unusable: list[Unusable] = []
    for done, task in enumerate(left):
        report("simulating", done / len(left), task.name)
        seed = np.random.SeedSequence([settings.seed, int(task.lesion_free), task.number])
        place, disease, rest = seed.spawn(3)
        try:
            head = heads.head(task.number, task.name, place)
        except Exception as error:  # one scan must not take the others with it
            unusable.append(Unusable.by(task.name, error))
            continue
        plans, confounding = _illness(heads, task, settings, disease)
        subject = make_subject(head.host, plans, confounding, settings.shapes, rest)
        there[task.name] = {
            "participant_id": task.name,
            "patient": head.patient,
            "source": head.source,
            "anatomy": heads.anatomy,
            "infarcts": len(subject.lesions),
            "lesion_free": "yes" if task.lesion_free else "no",
            "seed": settings.seed,
        }
        simulated = "everything"
        if heads.anatomy == "real":
            infarcts = "the infarcts and some confounders; the rest is a real scan"
            simulated = "nothing" if task.lesion_free else infarcts
        with atomic_folder(output) as beside:
            for path, content in _files(beside, task.name, simulated, head, subject, settings.seed):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            everyone = _tsv(_COLUMNS, (there[name] for name in sorted(there)))
            (beside / "participants.tsv").write_bytes(everyone)
    write_unusable(errors_of(output), unusable, of=len(tasks))
    return len(left) - len(unusable), len(tasks) - len(left)


def errors_of(output: Path) -> Path:
    """Where it is written which subjects of a cohort could not be made, and why."""
    return output / "derivatives" / "truth" / "errors.csv"


def _illness(
    heads: Heads, task: _Task, settings: SimulatedCohortSettings, seed: np.random.SeedSequence
) -> tuple[tuple[InfarctPlan, ...], Confounding]:
    """A subject's infarcts and confounders; none at all in a real scan without infarcts."""
    planning, rng = (np.random.default_rng(s) for s in seed.spawn(2))
    if task.lesion_free and heads.anatomy == "real":
        return (), Confounding()
    plans = () if task.lesion_free else random_plans(planning, settings.fewest, settings.most)
    return plans, random_confounding(rng, *settings.shares.values())


def _files(
    root: Path, name: str, simulated: str, head: Head, subject: Subject, seed: int
) -> Iterator[tuple[Path, bytes]]:
    """All files of a subject: path and bytes."""
    for suffix, scan in (("T1w", subject.t1), ("FLAIR", subject.flair)):
        path = truth_files.image_path(root, name, suffix)
        yield path, scan.to_bytes()
        about = {
            "Simulated": "nothing: the scan as it was given" if simulated == "nothing" else simulated,
            "Seed": seed,
            "Source": head.source,
            "VoxelSizeMillimetres": [round(float(s), 4) for s in scan.grid.spacing],
        }
        yield path.with_name(path.name.replace(".nii.gz", ".json")), json_text(about).encode()
    for which, labels in (
        (truth_files.INFARCTS, subject.infarcts),
        (truth_files.CONFOUNDER_MAP, subject.confounders),
        (truth_files.BRAIN_MASK, head.host.mask.astype(np.uint8)),
    ):
        yield truth_files.truth_path(root, name, which), subject.flair.with_labels(labels).to_bytes()
    rows = (
        {"index": k, "name": f"{lesion.kind} infarct {k}", **lesion.columns(), "shape": lesion.shape}
        for k, lesion in enumerate(subject.lesions, start=1)
    )
    table = truth_files.truth_path(root, name, truth_files.INFARCTS, ".tsv")
    yield table, _tsv((*truth_files.INFARCT_COLUMNS, "shape"), rows)
    about = {
        "Simulated": simulated,
        "Confounders": asdict(subject.confounding),
        "LeftOut": [asdict(plan) for plan in subject.left_out],
    }
    yield table.with_suffix(".json"), json_text(about).encode()
    present = ({"index": k, "name": v} for k, v in truth_files.CONFOUNDERS.items())
    confounders = truth_files.truth_path(root, name, truth_files.CONFOUNDER_MAP, ".tsv")
    yield confounders, _tsv(("index", "name"), present)


def _begin(output: Path, heads: Heads, settings: SimulatedCohortSettings) -> None:
    """Write what describes the cohort, or find that it is there already."""
    parameters = {
        "Seed": settings.seed,
        "InfarctsASubject": [settings.fewest, settings.most],
        "ShareWithConfounder": settings.shares,
        "ShapesFromMasks": [path.name.split(".")[0] for path in settings.shapes],
        **heads.description(),
    }
    truth = _description("Truth of simulated infarcts and confounders", "derivative", Parameters=parameters)
    record = output / "derivatives" / "truth" / "dataset_description.json"
    if output.is_dir() and any(path.name != LOCK for path in output.iterdir()):  # the command's own
        with suppress(OSError):
            if record.read_bytes() == truth:
                return
        raise InputError(
            f"The folder {output} holds something else, or a cohort of other settings: give a new --output."
        )
    real = "The scans are real ones" if heads.anatomy == "real" else "The scans are simulated"
    with atomic_folder(output) as beside:
        (beside / "derivatives" / "truth").mkdir(parents=True)
        raw = _description("Simulated chronic infarcts", "raw")
        (beside / "dataset_description.json").write_bytes(raw)
        (beside / record.relative_to(output)).write_bytes(truth)
        (beside / "README").write_text(_README.format(real=real), encoding="utf-8")
        (beside / "participants.tsv").write_bytes(_tsv(_COLUMNS, ()))
        columns = {name: {"Description": text} for name, text in _COLUMNS.items() if text}
        (beside / "participants.json").write_bytes(json_text(columns).encode())


def _description(name: str, kind: str, **more: object) -> bytes:
    generator = {"Name": "anomaly-detection simulate", "Version": __version__, **more}
    about = {"Name": name, "BIDSVersion": BIDS_VERSION, "DatasetType": kind, "GeneratedBy": [generator]}
    return json_text(about).encode()


def _tsv(columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> bytes:
    content = io.StringIO()
    writer = csv.DictWriter(content, list(columns), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return content.getvalue().encode()
