"""Free-response ROC: how many lesions are found at how many false positives a scan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .bootstrap import columns
from .csv_rows import Row
from .threshold_curves import ANY, COVERED, CRITERIA, ONE_TO_ONE, CohortCurves

RATES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives a scan at which sensitivities are given (docs/method.md, "Baselines")."""

MOST_FLAGGED = 0.1
"""Thresholds at which more than this share of the brain is flagged on average, beyond the volume of the known lesions, are
no operating points. Else a method could find everything at no false positive, by one finding that is the whole brain."""


def most_flagged_ml(brain_ml: np.ndarray, known_ml: np.ndarray) -> np.ndarray:
    """How much of each scan may be flagged (see `MOST_FLAGGED`)."""
    return MOST_FLAGGED * brain_ml + known_ml


@dataclass(frozen=True)
class PatientSums:
    """Counts of each of P patients, sorted by name, at each of T thresholds: what resampling adds up.

    Scans, lesions and most_flagged_ml are (P,); lesions found, false positives and flagged_ml (P, T).
    """

    scans: np.ndarray
    lesions: np.ndarray
    found: np.ndarray
    false_positives: np.ndarray
    flagged_ml: np.ndarray
    most_flagged_ml: np.ndarray

    @property
    def everyone(self) -> np.ndarray:
        """Weights (1, P) that count each patient once."""
        return np.ones((1, len(self.scans)))


def patient_sums(
    curves: CohortCurves, criterion: str = ANY, among: np.ndarray | None = None, *, ignore_wmh: bool = False
) -> PatientSums:
    """Sum a cohort's counts by patient.

    Args:
        among: bool (L,), the lesions that count; None: all. False positives are those of all scans.
        ignore_wmh: findings on white matter hyperintensities are no false positives.
    """
    patient = np.unique(curves.patients, return_inverse=True)[1]
    count = int(patient.max(initial=-1)) + 1
    counting = np.ones(len(curves.lesions), bool) if among is None else among
    owner = patient[curves.lesion_scan[counting]]
    false_positives = curves.false_positives_no_wmh if ignore_wmh else curves.false_positives
    return PatientSums(
        scans=np.bincount(patient, minlength=count),
        lesions=np.bincount(owner, minlength=count),
        found=_by(owner, curves.found(criterion)[:, counting], count),
        false_positives=_by(patient, false_positives, count),
        flagged_ml=_by(patient, curves.flagged_ml, count),
        most_flagged_ml=np.bincount(
            patient, weights=most_flagged_ml(curves.brain_ml, curves.known_ml), minlength=count
        ),
    )


def _by(owner: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """(count, T): columns of values (T, n) summed by owner."""
    sums = np.zeros((count, values.shape[0]))
    np.add.at(sums, owner, values.T.astype(np.float64))
    return sums


def sensitivity_at(
    sums: PatientSums, rates: Sequence[float] | np.ndarray = RATES, weights: np.ndarray | None = None
) -> np.ndarray:
    """The greatest share of lesions found at no more than so many false positives a scan.

    The threshold falls from the highest until the mean number of false positives first exceeds the rate, or
    until too much of the brain is flagged (`MOST_FLAGGED`). What lies below that does not count, although there
    may be fewer false positives again: there findings have grown together until hardly any touches no lesion.

    Args:
        weights: (B, P) how often each patient counts; None: once.

    Returns:
        (B, rates); NaN where there is no lesion. 0 where every threshold has more false positives.
    """
    weights = sums.everyone if weights is None else weights
    rate, allowed = _rates(sums, weights)
    lesions = weights @ sums.lesions
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (weights @ sums.found) / lesions[:, None]
    best = np.maximum.accumulate(share[:, ::-1], axis=1)  # from the highest threshold down
    best = np.concatenate([np.where(lesions > 0, 0.0, np.nan)[:, None], best], axis=1)
    places = np.stack([_thresholds_within(rate, allowed, k) for k in np.atleast_1d(rates)], axis=1)
    return np.take_along_axis(best, places, axis=1)


def threshold_at(curves: CohortCurves, rate: float, *, ignore_wmh: bool = False) -> int | None:
    """Index of the lowest threshold with at most so many false positives a scan; None if there is none.

    As in `sensitivity_at`, coming from the highest.
    """
    sums = patient_sums(curves, ignore_wmh=ignore_wmh)
    within = _thresholds_within(*_rates(sums, sums.everyone), rate)[0]
    return None if within == 0 else len(curves.thresholds) - int(within)


def threshold_flagging(curves: CohortCurves, flagged_ml: float) -> int | None:
    """Index of the lowest threshold that flags at most so many millilitres a scan; None if there is none."""
    enough = np.flatnonzero(curves.flagged_ml.mean(axis=1) <= flagged_ml + 1e-9)
    return int(enough[0]) if len(enough) else None


def _rates(sums: PatientSums, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From the highest threshold down, (B, T): the most false positives a scan so far, and whether it is
    an operating point at all."""
    rate = (weights @ sums.false_positives)[:, ::-1] / (weights @ sums.scans)[:, None]
    flagged = np.maximum.accumulate((weights @ sums.flagged_ml)[:, ::-1], axis=1)
    return np.maximum.accumulate(rate, axis=1), flagged <= (weights @ sums.most_flagged_ml)[:, None]


def _thresholds_within(rate: np.ndarray, allowed: np.ndarray, most: float) -> np.ndarray:
    """(B,) how many of the highest thresholds stay within a rate."""
    return ((rate <= most + 1e-9) & allowed).sum(axis=1)


@dataclass(frozen=True)
class Point:
    """A cohort at one threshold.

    Attributes:
        threshold: scores above it are suspected.
        scans, patients, lesions: how many.
        found: lesions found, by criterion.
        values: the figures by name, NaN where there is nothing to divide by: the share of lesions found by each of
            `CRITERIA`; the share of the infarcts' volume in those found, counted whole (the paper's 97.5 %), and in flagged
            voxels; the mean Dice coefficient of a found infarct with the finding that covers most of it; and, a scan, findings,
            those on no infarct, those of them on no other known lesion either, and on one, and the flagged volume.
        resampled: the same figures in each resample, (B,); empty without weights.
    """

    threshold: float
    scans: int
    patients: int
    lesions: int
    found: dict[str, int]
    values: dict[str, float]
    resampled: dict[str, np.ndarray]

    def columns(self, figures: Iterable[str] = ()) -> Row:
        """Some of the figures, or all, with their intervals over patients, for a table."""
        row: Row = {}
        for name in figures or self.values:
            row |= columns(name, self.values[name], self.resampled[name], self.patients)
        return row


def operating_point(
    curves: CohortCurves,
    threshold: int | float,
    weights: np.ndarray | None = None,
    *,
    scans: np.ndarray | None = None,
) -> Point:
    """All figures of a cohort at one threshold; a `ValueError` if the threshold is not among the curves'.

    Args:
        threshold: one of the curves' thresholds, or (int) its index.
        weights: (B, P) of all the cohort's patients, for `Point.resampled`.
        scans: bool (S,), the scans that count, with their lesions; None: all.
    """
    t = threshold if isinstance(threshold, (int, np.integer)) else curves.at(threshold)
    counted = np.ones(len(curves.subjects), bool) if scans is None else scans
    patient = np.unique(curves.patients, return_inverse=True)[1]
    lesion_counts = counted[curves.lesion_scan]
    owner, ml = patient[curves.lesion_scan], curves.lesion_ml
    found = {criterion: curves.found(criterion)[t] & lesion_counts for criterion in CRITERIA}
    a_scan = {
        "findings": curves.findings[t],
        "false_positives": curves.false_positives[t],
        "false_positives_no_wmh": curves.false_positives_no_wmh[t],
        "on_known_lesions": curves.false_positives[t] - curves.false_positives_no_wmh[t],
        "flagged_ml": curves.flagged_ml[t],
    }

    def of_lesions(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, weights=values, minlength=int(patient.max(initial=-1)) + 1)

    def of_scans(values: np.ndarray) -> np.ndarray:
        return np.bincount(patient, weights=values * counted)

    lesions, volume, number = of_lesions(lesion_counts), of_lesions(ml * lesion_counts), of_scans(counted)
    pairs = {
        "sensitivity": (of_lesions(found[ANY]), lesions),
        "sensitivity_one_to_one": (of_lesions(found[ONE_TO_ONE]), lesions),
        "sensitivity_covered": (of_lesions(found[COVERED]), lesions),
        "volume_share": (of_lesions(ml * found[ANY]), volume),
        "voxel_share": (of_lesions(ml * curves.coverage[t] * lesion_counts), volume),
        "dice": (of_lesions(curves.dice[t] * found[ANY]), of_lesions(found[ANY])),
        **{name: (of_scans(values), number) for name, values in a_scan.items()},
    }
    values, resampled = {}, {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, (above, below) in pairs.items():
            values[name] = float(np.divide(above.sum(), below.sum()))
            if weights is not None:
                resampled[name] = (weights @ above) / (weights @ below)
    return Point(
        threshold=float(curves.thresholds[t]),
        scans=int(counted.sum()),
        patients=len({p for p, counts in zip(curves.patients, counted, strict=True) if counts}),
        lesions=int(lesion_counts.sum()),
        found={criterion: int(some.sum()) for criterion, some in found.items()},
        values=values,
        resampled=resampled,
    )
