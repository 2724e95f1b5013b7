"""What the hints say of findings whose truth is known: a table of truth against hint."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..detection.anatomy import segment_anatomy
from ..detection.appearance import Appearance
from ..detection.findings import connected_patches
from ..detection.hints import HINTS, WMH, hints_of
from ..detection.lattice import paint_cells
from ..detection.midline import Midline
from ..detection.patches import PatchLattice
from ..imaging.bids import CONFOUNDERS
from ..imaging.prepared import PreparedStudy
from .categories import NORMAL
from .store import LatticeScores, Store
from .truth import ScanTruth

CAVITATED, GLIOTIC = "infarct, cavitated", "infarct, gliosis throughout"
TRUTHS = (CAVITATED, GLIOTIC, *CONFOUNDERS.values(), NORMAL)

Prepared = Callable[[str], PreparedStudy]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class HintedFinding:
    """A finding with its truth and its hint.

    Attributes:
        subject, patient: of the scan.
        number: 1 has the scan's highest peak.
        volume_ml: of its cells in the brain.
        truth: one of `TRUTHS`: of the infarct that it shares most voxels with, if it shares any; else the confounder
            that it shares most with; else normal tissue.
        infarct_ml: the volume of that infarct; 0 where it is none.
        hint, evidence: as of `Hint`.
    """

    subject: str
    patient: str
    number: int
    volume_ml: float
    truth: str
    infarct_ml: float
    hint: str
    evidence: str


def hinted_findings(
    store: Store,
    method: str,
    prepared: Prepared,
    *,
    threshold: float | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> list[HintedFinding]:
    """The findings of an evaluation at a threshold, hinted at as `detect` does it.

    Args:
        store: of the evaluation.
        method: the name of a model's scores in it.
        prepared: gives a subject's prepared images.
        threshold: None: the model's own.
        device: for the anatomy.

    Raises:
        InputError: something that is needed is missing or damaged.
    """
    found: list[HintedFinding] = []
    subjects = store.subjects()
    for place, subject in enumerate(subjects):
        if progress is not None:
            progress(subject, place / len(subjects))
        study = prepared(subject)
        look = Appearance.of(study, Midline.of(study), segment_anatomy(study, device))
        found += _of_scan(
            store.read_truth(subject), store.read_scores(method, subject), study, look, threshold
        )
    return found


def _of_scan(
    truth: ScanTruth, scores: LatticeScores, study: PreparedStudy, look: Appearance, threshold: float | None
) -> list[HintedFinding]:
    settings = scores.scoring
    groups = connected_patches(
        scores.lattice(),
        settings.threshold if threshold is None else threshold,
        settings.min_patches,
        settings.neighbourhood,
        settings.min_excess,
    )
    count = int(groups.max(initial=0))
    first = PatchLattice.over(study.brain, settings.stride).first
    cells = paint_cells(groups.astype(np.uint16), first, settings.stride, study.grid.shape)
    hints = hints_of(cells, count, study, look)
    voxels = np.bincount(cells[study.brain], minlength=count + 1)
    infarcts = _shared(cells, truth.infarcts, count, len(truth.lesions))
    confounders = _shared(cells, truth.confounders, count, max(CONFOUNDERS) + 1)
    findings = []
    for number, hint in enumerate(hints, start=1):
        what, infarct_ml = NORMAL, 0.0
        if infarcts[number].any():
            lesion = truth.lesions[int(infarcts[number].argmax())]
            what, infarct_ml = CAVITATED if lesion.cavitated == "yes" else GLIOTIC, lesion.volume_ml
        elif confounders[number].any():
            what = CONFOUNDERS[int(confounders[number].argmax())]
        ml = float(voxels[number]) * study.grid.voxel_ml
        findings.append(
            HintedFinding(
                truth.subject, truth.patient, number, ml, what, infarct_ml, hint.name, hint.sentence
            )
        )
    return findings


def _shared(cells: np.ndarray, counts: np.ndarray, findings: int, labels: int) -> np.ndarray:
    """(findings + 1, labels) FLAIR voxels that each finding shares with each label."""
    shared = np.zeros((findings + 1, max(labels, 1)), np.int64)
    np.add.at(shared, (cells.ravel()[counts[0]], counts[1]), counts[2])
    return shared


def write_hints(findings: Sequence[HintedFinding], scans: int, folder: Path, said: str) -> None:
    """Write hints.csv (a finding a row), confusion.csv and hints.md.

    Args:
        said: what was simulated, a sentence.

    Raises:
        OSError: if they cannot be written.
    """
    with (folder / "hints.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([field.name for field in fields(HintedFinding)])
        for f in findings:
            row = [f.subject, f.patient, f.number, f"{f.volume_ml:.3f}", f.truth, f"{f.infarct_ml:.3f}"]
            table.writerow([*row, f.hint, f.evidence])
    rows = confusion(findings)
    with (folder / "confusion.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    page = [
        f"# Hints of {len(findings)} findings in {scans} scans",
        said,
        in_words(findings),
        _markdown(rows),
    ]
    page += [f"Findings on a {CONFOUNDERS[1]}, by person:", _markdown(_by_person(findings))]
    (folder / "hints.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")


def _markdown(rows: list[list[str | int]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _by_person(findings: Sequence[HintedFinding]) -> list[list[str | int]]:
    on_wmh = Counter((f.patient, f.hint) for f in findings if f.truth == CONFOUNDERS[1])
    people = sorted({patient for patient, _ in on_wmh})
    rows: list[list[str | int]] = [["person", *HINTS]]
    rows += [[person, *(on_wmh[person, hint] for hint in HINTS)] for person in people]
    return rows


def confusion(findings: Iterable[HintedFinding]) -> list[list[str | int]]:
    """Truth against hint, with a heading; cavitated infarcts under 1 ml and the larger ones have rows of their own too."""
    counts: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        counts[finding.truth, finding.hint] += 1
        if finding.truth == CAVITATED:
            size = "under 1 ml" if finding.infarct_ml < 1 else "1 ml or more"
            counts[f"of these {size}", finding.hint] += 1
    truths = [TRUTHS[0], "of these under 1 ml", "of these 1 ml or more", *TRUTHS[1:]]
    rows: list[list[str | int]] = [["truth", *HINTS, "findings"]]
    for truth in truths:
        row = [counts[truth, hint] for hint in HINTS]
        if sum(row):
            rows.append([truth, *row, sum(row)])
    return rows


def in_words(findings: Sequence[HintedFinding]) -> str:
    """What hiding WMH-like findings takes away, in one sentence."""
    infarcts = [f for f in findings if f.truth in (CAVITATED, GLIOTIC)]
    hyperintense = [f for f in findings if f.truth == CONFOUNDERS[1]]
    return (
        f"Hiding {WMH} findings hides {_of(hyperintense)} findings on white matter hyperintensities, {_of(infarcts)} on"
        f" infarcts, and {_of([f for f in findings if f.truth == NORMAL])} in normal tissue."
    )


def _of(findings: Sequence[HintedFinding]) -> str:
    return f"{sum(f.hint == WMH for f in findings)} of {len(findings)}"
