"""Experiment 3 (paper, "Missed brain infarcts", figure 6): which infarcts are missed, and what they look like.

From the tables and scores of `evaluate`: volumes and regions of the missed infarcts, and the normal training patches
that the highest patch of each lies nearest to in latent space.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from AnomalyDetectionLib.detection.nearest_normal import NearestNormals, NormalTissue
from AnomalyDetectionLib.detection.patches import PatchLattice
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.contrast import TISSUE_ABOVE
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.imaging.reading import read_study

from ..evaluation import published
from ..evaluation.csv_rows import Row, read_rows
from ..evaluation.store import Store
from ..evaluation.truth_files import read_bids

VENTRICLES, CORTEX, BRAIN_STEM, CEREBELLUM = published.MISSED_BY_REGION
ELSEWHERE = "elsewhere"

PAPERS_REGION: Mapping[str, str] = {
    "cortex": CORTEX,
    "white matter": VENTRICLES,
    "deep grey": VENTRICLES,
    "ventricles": VENTRICLES,
    "brain stem": BRAIN_STEM,
    "cerebellum": CEREBELLUM,
}
"""The paper's region of each region of the truth (`simulation.simulated_brain.Region`). The paper has four regions for all
missed infarcts, so that what lies in the depth of the hemispheres is beside the ventricles."""

SMALL_ML = 1.0
"""Nearly all missed infarcts of the paper are smaller."""

_DESCRIBED = ("subject", "patient", "kind", "region", "side", "cavitated")


@dataclass(frozen=True)
class EvaluatedInfarct:
    """One infarct of a cohort, as the table lesions.csv of `evaluate` has it.

    Attributes:
        subject, patient: as of `BidsScan`.
        number: its value in the label map.
        kind, region, side, cavitated: as of `evaluation.truth.Lesion`.
        found: whether it overlaps with a finding, at the method's main operating point.
        peak_score: of the patches whose cell holds a voxel of it; NaN where none was scored.
    """

    subject: str
    patient: str
    number: int
    kind: str
    region: str
    side: str
    cavitated: str
    volume_ml: float
    found: bool
    peak_score: float

    @property
    def papers_region(self) -> str:
        """One of the paper's four (`published.MISSED_BY_REGION`), or `ELSEWHERE`.

        A cortical infarct that is mostly in the white matter under the cortex is one of the cortex.
        """
        region = PAPERS_REGION.get(self.region, ELSEWHERE)
        return CORTEX if self.kind == "cortical" and region == VENTRICLES else region


@dataclass(frozen=True, eq=False)
class Missed:
    """A missed infarct beside the normal tissue that it looks like.

    Attributes:
        comparison: of the highest-scoring patch whose cell holds a voxel of it; None: none was scored.
        centre: of this patch, (slice, row, column) of the model's grid.
    """

    infarct: EvaluatedInfarct
    comparison: NearestNormals | None = None
    centre: tuple[int, int, int] | None = None


def read_infarcts(evaluation: Path, method: str) -> tuple[EvaluatedInfarct, ...]:
    """All infarcts of an evaluation, with what a method makes of them.

    An `InputError` if the table is missing or damaged, or does not have this method.
    """
    path = evaluation / "tables" / "lesions.csv"
    rows = read_rows(path, ("method", *_DESCRIBED, "lesion", "volume_ml", "found", "peak_score"))
    methods = sorted({row["method"] for row in rows})
    if method not in methods:
        raise InputError(
            f"The evaluation {evaluation} has no infarcts by the method '{method}': it has "
            f"{', '.join(methods) or 'none at all'}."
        )
    try:
        return tuple(
            EvaluatedInfarct(
                **{name: row[name] for name in _DESCRIBED},
                number=int(row["lesion"]),
                volume_ml=float(row["volume_ml"]),
                found={"yes": True, "no": False}[row["found"]],
                peak_score=float(row["peak_score"] or "nan"),
            )
            for row in rows
            if row["method"] == method
        )
    except (ValueError, KeyError) as error:
        raise InputError(
            f"The table {path} is damaged ({error}): run 'anomaly-detection evaluate' again."
        ) from error


def region_rows(infarcts: Sequence[EvaluatedInfarct]) -> list[Row]:
    """The missed infarcts by the paper's regions, and all of them, with the paper's own figures beside; by column.

    `ELSEWHERE` is there only where it has infarcts. Empty where there is nothing to divide by, or nothing in the paper.
    """
    missed = [infarct for infarct in infarcts if not infarct.found]
    rows = []
    for name in (*published.MISSED_BY_REGION, ELSEWHERE, "all"):
        there = [infarct for infarct in infarcts if name in ("all", infarct.papers_region)]
        if name == ELSEWHERE and not there:
            continue
        gone = [infarct.volume_ml for infarct in there if not infarct.found]
        paper = published.MISSED if name == "all" else published.MISSED_BY_REGION.get(name)
        rows.append(
            {
                "region": name,
                "infarcts": len(there),
                "missed": len(gone),
                "missed_percent": _percent(len(gone), len(there)),
                "share_of_all_missed_percent": _percent(len(gone), len(missed)),
                "median_ml": f"{statistics.median(gone):.2f}" if gone else "",
                "under_1_ml": sum(volume < SMALL_ML for volume in gone),
                "paper_missed": paper or "",
                "paper_share_of_all_missed_percent": _percent(paper, published.MISSED) if paper else "",
                "paper_median_ml": published.MISSED_MEDIAN_ML if name == "all" else "",
            }
        )
    return rows


def missed_rows(missed: Sequence[Missed]) -> list[Row]:
    """Every missed infarct, by column: what and where it is, and how far away the nearest normal tissue lies.

    The distances are in latent space; `usual_distance` is the median of normal tissue of other people. The fluid is the
    share of voxels that are dark on T1 and FLAIR both: cerebrospinal fluid, or what lies beyond the brain.
    """
    rows = []
    for each in missed:
        infarct, found = each.infarct, each.comparison
        rows.append(
            {
                "subject": infarct.subject,
                "patient": infarct.patient,
                "lesion": infarct.number,
                **{n: getattr(infarct, n) for n in ("kind", "region", "papers_region", "side", "cavitated")},
                "volume_ml": f"{infarct.volume_ml:.3f}",
                "peak_score": "" if math.isnan(infarct.peak_score) else f"{infarct.peak_score:.2f}",
                "nearest_distance": "" if found is None else f"{found.distances[0]:.2f}",
                "usual_distance": "" if found is None else f"{found.usual[0]:.2f}",
                "fluid_percent": "" if found is None else f"{100 * fluid(found.patch):.0f}",
                "nearest_fluid_percent": "" if found is None else f"{100 * fluid(found.neighbours):.0f}",
            }
        )
    return rows


def fluid(patches: np.ndarray) -> float:
    """The share of voxels (..., 2, rows, columns; T1 first) that are dark on both images."""
    return float((patches.max(axis=-3) <= TISSUE_ABOVE).mean())


def prepared_scans(store: Store, cohort: Path | None = None) -> Callable[[str], PreparedStudy]:
    """The prepared images of a subject, made again where they were deleted; those of the last are kept.

    An `InputError` if they are not stored, and there is no such scan in the cohort, or it cannot be prepared.

    Args:
        cohort: that was evaluated; None: what was deleted cannot be had.
    """

    @lru_cache(1)
    def prepared(subject: str) -> PreparedStudy:
        if store.key("prepared", subject) is not None:
            return store.read_prepared(subject)
        if cohort is None:
            raise InputError(
                f"The prepared images of {subject} are not in {store.folder}: name the cohort with --cohort."
            )
        scans = {scan.subject: scan for scan in read_bids(cohort)[0]}
        if subject not in scans:
            raise InputError(f"The cohort {cohort} has no scan {subject}: give the one that was evaluated.")
        scan = scans[subject]
        return prepare(read_study(scan.t1, scan.flair, scan.brain_mask), store.preparation)

    return prepared


def compare_missed(
    infarcts: Sequence[EvaluatedInfarct],
    store: Store,
    method: str,
    model_fingerprint: str,
    tissue: NormalTissue,
    prepared: Callable[[str], PreparedStudy],
    progress: Callable[[str, float], None] | None = None,
) -> Iterator[Missed]:
    """The missed infarcts beside normal tissue, scan by scan.

    Args:
        infarcts: those that were found are left out.
        method: the model's name in the store of the evaluation.
        model_fingerprint: of the model that `tissue` belongs to.
        prepared: the prepared images of a subject.
        progress: called with the subject and the fraction done.

    Raises:
        InputError: the scores are missing, damaged, or of another model.
    """
    missed = [infarct for infarct in infarcts if not infarct.found]
    subjects = sorted({infarct.subject for infarct in missed})
    for done, subject in enumerate(subjects):
        if progress is not None:
            progress(subject, done / len(subjects))
        scores, truth = store.read_scores(method, subject), store.read_truth(subject)
        if scores.model_fingerprint != model_fingerprint:
            raise InputError(
                f"The evaluation {store.folder} was made with another model file of the name '{method}': give that "
                "one, or evaluate again."
            )
        stride, lattice = scores.scoring.stride, scores.lattice()
        cells, (row, column) = truth.on_cells(stride), PatchLattice.over(scores.brain, stride).first
        study = prepared(subject)
        index_of = {lesion.number: index for index, lesion in enumerate(truth.lesions)}
        for infarct in (infarct for infarct in missed if infarct.subject == subject):
            place = _peak(lattice, cells.infarcts, index_of.get(infarct.number, -1))
            if place is None:
                yield Missed(infarct)
                continue
            centre = place[0], row + stride * place[1], column + stride * place[2]
            yield Missed(infarct, tissue.nearest(tissue.patch_at(study, centre)), centre)


def _peak(lattice: np.ndarray, incidence: np.ndarray, lesion: int) -> tuple[int, int, int] | None:
    """The highest of the patches whose cells hold a voxel of a lesion; None where none was scored."""
    elements = incidence[0][incidence[1] == lesion]
    elements = elements[np.isfinite(lattice.ravel()[elements])]
    if not len(elements):
        return None
    s, row, column = np.unravel_index(elements[np.argmax(lattice.ravel()[elements])], lattice.shape)
    return int(s), int(row), int(column)


def _percent(part: int, of: int) -> str:
    return f"{100 * part / of:.0f}" if of else ""
