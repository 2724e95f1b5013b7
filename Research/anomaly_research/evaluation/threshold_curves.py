"""What every threshold finds: of a scan, and of a cohort put together from its scans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .groups import Groups, Sweep
from .matching import one_to_one
from .truth import KNOWN_LESIONS, ElementTruth, Lesion, ScanFacts, known_voxels

ANY, ONE_TO_ONE, COVERED = CRITERIA = ("any overlap", "one-to-one", "10 % covered")
"""How a lesion counts as found (docs/method.md, "Left open"): it shares a voxel with a finding; it has a finding of
its own at an intersection over union of at least 0.1; findings cover a tenth of it. The first is the default."""

LEAST_COVERED = 0.1

SWEEP_ENDS = 0.25
"""A scan's curve ends where more than this share of its brain is flagged beyond the volume of its known lesions, as a glioma
alone can reach it; below, the curve keeps its last values."""

_LOWEST, _FROM, _HIGHEST, _STEP = 0.002, 0.05, 500.0, 1.02


def threshold_grid(*also: float) -> np.ndarray:
    """Thresholds from 0.002 to 500 in steps of 2 %, ascending, and those named.

    The grid does not depend on the scores, so that curves of scans, models and percentiles can be put together.
    """
    below, above = (int(np.ceil(np.log(end / _FROM) / np.log(_STEP))) for end in (_LOWEST, _HIGHEST))
    steps = _FROM * _STEP ** np.arange(below, above + 1)
    return np.unique([*np.where(steps < _FROM, steps, np.round(steps, 6)), *also])


@dataclass(frozen=True)
class ScanCurve:
    """What is found in one scan at each of T thresholds (ascending).

    Attributes:
        thresholds: (T,).
        coverage: float32 (T, lesions), the share of each lesion's voxels that findings cover.
        one_to_one: bool (T, lesions), whether a lesion has a finding of its own.
        dice: float32 (T, lesions), of each lesion with the finding that covers most of it; 0 where none does.
        findings: int32 (T,).
        false_positives: int32 (T,), findings that touch no infarct.
        false_positives_no_wmh: int32 (T,), findings that touch neither an infarct nor another known lesion
            (`KNOWN_LESIONS`).
        flagged_ml: float32 (T,), of all findings.
    """

    thresholds: np.ndarray
    coverage: np.ndarray
    one_to_one: np.ndarray
    dice: np.ndarray
    findings: np.ndarray
    false_positives: np.ndarray
    false_positives_no_wmh: np.ndarray
    flagged_ml: np.ndarray


@dataclass(frozen=True)
class CohortCurves:
    """What is found in a cohort of S scans with L lesions at each of T thresholds (ascending).

    Attributes:
        thresholds: (T,).
        subjects, patients: of each scan; several scans may be of one patient.
        lesions: of all scans.
        lesion_scan: (L,) the index of each lesion's scan.
        coverage, one_to_one, dice: (T, L) as of `ScanCurve`.
        findings, false_positives, false_positives_no_wmh, flagged_ml: (T, S) as of `ScanCurve`.
        brain_ml, known_ml: (S,) as of `ScanFacts`.
    """

    thresholds: np.ndarray
    subjects: tuple[str, ...]
    patients: tuple[str, ...]
    lesions: tuple[Lesion, ...]
    lesion_scan: np.ndarray
    coverage: np.ndarray
    one_to_one: np.ndarray
    dice: np.ndarray
    findings: np.ndarray
    false_positives: np.ndarray
    false_positives_no_wmh: np.ndarray
    flagged_ml: np.ndarray
    brain_ml: np.ndarray
    known_ml: np.ndarray

    def found(self, criterion: str = ANY) -> np.ndarray:
        """bool (T, L): which lesions are found, by one of `CRITERIA`."""
        if criterion == ONE_TO_ONE:
            return self.one_to_one
        if criterion not in CRITERIA:
            raise ValueError(f"the criterion is one of {CRITERIA}, not {criterion!r}")
        return self.coverage > 0 if criterion == ANY else self.coverage >= LEAST_COVERED

    def at(self, threshold: float) -> int:
        """The index of a threshold of the grid; a `ValueError` if it is none."""
        place = int(np.argmin(np.abs(self.thresholds - threshold)))
        if not np.isclose(self.thresholds[place], threshold, rtol=1e-6, atol=0):
            raise ValueError(f"{threshold:g} is not among the thresholds; name it in threshold_grid()")
        return place

    @property
    def lesion_ml(self) -> np.ndarray:
        """(L,) volume of each lesion."""
        return np.array([lesion.volume_ml for lesion in self.lesions])

    @property
    def lesion_free(self) -> np.ndarray:
        """bool (S,): scans without a lesion."""
        return np.bincount(self.lesion_scan, minlength=len(self.subjects)) == 0


def scan_curves(
    scores: np.ndarray,
    truth: ElementTruth,
    thresholds: np.ndarray,
    *,
    smallest: Sequence[int],
    neighbourhood: str = "26",
) -> tuple[ScanCurve, ...]:
    """What is found in a scan at every threshold; a `ValueError` if scores and truth are on different elements.

    Findings are connected elements above the threshold, as in `derive_findings`; the groups grow together as
    the threshold falls, so each threshold is counted anew.

    Args:
        scores: (slices, rows, columns) of `truth.shape`; NaN where nothing was scored.
        thresholds: ascending.
        smallest: findings of fewer elements are dropped; one curve for each value.
        neighbourhood: as of `ScoringSettings`.
    """
    sweep = Sweep(scores, truth, neighbourhood)
    size = len(thresholds) + 1, len(truth.lesions)
    curves = [
        {name: np.zeros(size, kind) for name, kind in _OF_LESIONS.items()}
        | {name: np.zeros(size[0], kind) for name, kind in _OF_SCANS.items()}
        for _ in smallest
    ]
    known = known_voxels(truth.infarcts, truth.confounders)
    flagged_most = SWEEP_ENDS * truth.brain_ml / truth.voxel_ml + known
    above = [*sweep.counts(thresholds), 0]
    # The row whose values a threshold has: its own, or that of the next higher one that differs; at first none, the last row.
    rows, row, ended = np.empty(len(thresholds), int), len(thresholds), False
    for t in reversed(range(len(thresholds))):
        if above[t] > above[t + 1] and not ended:
            groups = sweep.above(float(thresholds[t]))
            for curve, least in zip(curves, smallest, strict=True):
                _count(curve, t, truth, groups, groups.kept(least))
            row, ended = t, groups.voxels.sum() > flagged_most
        rows[t] = row
    return tuple(
        ScanCurve(thresholds, **{name: values[rows] for name, values in curve.items()}) for curve in curves
    )


_OF_LESIONS = {"coverage": np.float32, "one_to_one": bool, "dice": np.float32}
_OF_SCANS = {
    **dict.fromkeys(("findings", "false_positives", "false_positives_no_wmh"), np.int32),
    "flagged_ml": np.float32,
}


def _count(
    curve: dict[str, np.ndarray], t: int, truth: ElementTruth, groups: Groups, kept: np.ndarray
) -> None:
    """Fill a row of a curve with what the groups that are kept find."""
    hit = kept[groups.infarct_owner]
    owner, (_, lesion, shared) = groups.infarct_owner[hit], truth.infarcts[:, hit]
    lesions = len(truth.lesions)
    if lesions:
        covered = np.bincount(lesion, weights=shared, minlength=lesions)
        curve["coverage"][t] = covered / np.maximum(truth.lesion_voxels, 1)
        if len(owner):
            touching, column = np.unique(owner, return_inverse=True)
            overlap = np.zeros((lesions, len(touching)))
            np.add.at(overlap, (lesion, column), shared)
            sizes = groups.voxels[touching]
            curve["one_to_one"][t] = one_to_one(overlap, truth.lesion_voxels, sizes) >= 0
            together = np.maximum(truth.lesion_voxels + sizes[overlap.argmax(axis=1)], 1)
            curve["dice"][t] = 2 * overlap.max(axis=1) / together
    curve["findings"][t] = kept.sum()
    curve["flagged_ml"][t] = truth.voxel_ml * groups.voxels[kept].sum()
    kept[owner] = False
    curve["false_positives"][t] = kept.sum()
    kept[groups.confounder_owner[np.isin(truth.confounders[1], KNOWN_LESIONS)]] = False
    curve["false_positives_no_wmh"][t] = kept.sum()


def side_by_side(curves: Sequence[ScanCurve]) -> dict[str, Any]:
    """The curves of the scans of a cohort, by the names of `CohortCurves`.

    A `ValueError` if there is none, or the thresholds differ.
    """
    if not curves or any(not np.array_equal(c.thresholds, curves[0].thresholds) for c in curves):
        raise ValueError("a cohort needs at least one scan, and the same thresholds for all")
    return {
        "thresholds": curves[0].thresholds,
        **{name: np.concatenate([getattr(c, name) for c in curves], axis=1) for name in _OF_LESIONS},
        **{name: np.stack([getattr(c, name) for c in curves], axis=1) for name in _OF_SCANS},
    }


def gather(parts: Iterable[tuple[ScanFacts, ScanCurve]]) -> CohortCurves:
    """The scans of a cohort put together, as of `side_by_side`; little of each is held in memory."""
    pairs = list(parts)
    scans = [scan for scan, _ in pairs]
    return CohortCurves(
        **side_by_side([curve for _, curve in pairs]),
        subjects=tuple(scan.subject for scan in scans),
        patients=tuple(scan.patient for scan in scans),
        lesions=tuple(lesion for scan in scans for lesion in scan.lesions),
        lesion_scan=np.repeat(np.arange(len(scans)), [len(scan.lesions) for scan in scans]),
        brain_ml=np.array([scan.brain_ml for scan in scans]),
        known_ml=np.array([scan.known_ml for scan in scans]),
    )
