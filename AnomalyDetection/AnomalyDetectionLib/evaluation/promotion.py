"""The rule by which a model becomes the default: figures that were fixed before the runs, measured on a store.

Sensitivities are the greatest at so many false positives a scan that touch neither an infarct nor a white matter
hyperintensity (as the FROC curves count), whatever the threshold. What is said of the default operating point is at
each model's own threshold. All differences are paired: the same patients are drawn for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..model.model_file import AnyModel, Model
from .bootstrap import RESAMPLES, interval, patient_weights
from .categories import NORMAL, categorised_findings
from .cohort import method_names
from .curves import CohortCurves
from .flair_threshold import BRIGHT
from .froc import operating_point, patient_sums, sensitivity_at, threshold_at
from .methods import Method, Truths, baseline_method, model_method
from .store import Store
from .strata import strata

Progress = Callable[[str, float], None]

RATE = 2.0
"""False positives a scan at which models are compared."""

ALL, UNDER_1, SMALL = "all", "under 1 ml", "0.05 to 1 ml"
SIZES: Mapping[str, tuple[float, float]] = {ALL: (0, np.inf), UNDER_1: (0, 1), SMALL: (0.05, 1)}
"""Volumes in ml, from (inclusive) to."""

LEAST: Mapping[str, float] = {ALL: 0.85, UNDER_1: 0.70}
LEAST_VOLUME, MOST_NORMAL, LEAST_GAIN = 0.99, 1.0, 0.10

OTHER_READING: Mapping[str, Any] = {"min_patches": 8, "back_projection": "mean"}
"""The paper's model without its small findings, as the baseline is: chosen on the test scans (ablations)."""


@dataclass(frozen=True)
class Measured:
    """A figure and its interval over patients; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figure:
    """A figure of the rule.

    Attributes:
        what: in words.
        lesions, scans, patients: it was measured on.
        unit: "share", "points" (a difference of shares), or "a scan".
        measured: white matter hyperintensities ignored, where they are false positives at all.
        counted: the same with findings on them counted as false positives; None where it makes no difference.
        aim: to be reached.
        at_most: the aim is an upper bound.
        above_0: the whole interval has to lie above 0, too.
    """

    what: str
    lesions: int
    scans: int
    patients: int
    unit: str
    measured: Measured
    counted: Measured | None
    aim: float
    at_most: bool = False
    above_0: bool = False

    @property
    def reached(self) -> bool:
        """Whether it is as the rule wants it. What could not be measured is not."""
        value = self.measured.value
        enough = value <= self.aim + 1e-9 if self.at_most else value >= self.aim - 1e-9
        return bool(enough and (not self.above_0 or self.measured.low > 0))


@dataclass(frozen=True)
class Promotion:
    """A model against the rule, and beside other methods.

    Attributes:
        model, against: as they are stored.
        figures: of the rule.
        methods: the model, the other as it is and in another reading, bright FLAIR.
        side_by_side, by_class, by_patient: rows by column.
        real: the same two models on real lesions, rows by column; empty without.
    """

    model: str
    against: str
    figures: tuple[Figure, ...]
    methods: tuple[Method, ...]
    side_by_side: tuple[dict[str, Any], ...]
    by_class: tuple[dict[str, Any], ...]
    by_patient: tuple[dict[str, Any], ...]
    real: tuple[dict[str, Any], ...] = ()


def promotion(
    folder: Path,
    model: AnyModel,
    against: AnyModel,
    *,
    real: Path | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> Promotion:
    """Measure every figure of the rule.

    Args:
        folder: of a store (the output of `evaluate`) that has both models.
        real: of another one, whose lesions are real ones; None: that part of the rule is left out.
        seed, resamples: of the bootstrap over patients.

    Raises:
        InputError: a store lacks a model, has another one of its name, or is damaged.
    """
    methods = _methods(folder, model, against, progress)
    curves = methods[0].curves
    weights = patient_weights(curves.patients, resamples, seed)
    figures = [*_figures(methods, weights)]
    rows: list[dict[str, Any]] = []
    if real is not None:
        theirs = _methods(real, model, against, progress)
        drawn = patient_weights(theirs[0].curves.patients, resamples, seed)
        for other in theirs[1:-1]:
            for what, by_volume in (("real lesions found", False), ("volume of real lesions found", True)):
                figures.append(_difference(theirs[0], other, None, drawn, what, 0.0, by_volume=by_volume))
        rows = [_side_by_side(method, drawn) for method in theirs]
    return Promotion(
        model=methods[0].name,
        against=methods[1].name,
        figures=tuple(figures),
        methods=methods,
        side_by_side=tuple(_side_by_side(method, weights) for method in methods),
        by_class=tuple(row for method in methods for row in _by_class(method, weights)),
        by_patient=tuple(row for method in methods for row in _by_patient(method)),
        real=tuple(rows),
    )


def _methods(
    folder: Path, model: AnyModel, against: AnyModel, progress: Progress | None
) -> tuple[Method, ...]:
    """The model, the other as it is and in another reading, and bright FLAIR, all on the same scans."""
    named = method_names([model, against])
    store = Store(folder, against.preparation)
    subjects = store.subjects()
    if not subjects:
        raise InputError(f"{folder} holds no scans: give the output of `evaluate`.")
    for name, one in named.items():
        of = Store(folder, one.preparation)
        stored = [of.scores_key(name, subject) for subject in subjects]
        if any(key is None or key.get("model") != one.fingerprint for key in stored):
            raise InputError(
                f"{folder} lacks scores of the model {name}, or has those of another file of that name: run `evaluate` "
                "with both models first."
            )
    models = []
    for place, (name, one) in enumerate(named.items()):
        if progress is not None:
            progress(name, place / len(named))
        of = Store(folder, one.preparation)
        models.append(model_method(of, Truths(of), name, subjects, one.scoring.threshold))
    if isinstance(against, Model):
        read = model_method(
            store, Truths(store), models[1].name, subjects, against.scoring.threshold,
            name=f"{models[1].name}, other reading", scoring=OTHER_READING,
        )  # fmt: skip
        models.append(read)
    first, at = models[0], models[0].points[0][1]
    like = float(first.curves.false_positives[at].mean()), float(first.curves.flagged_ml[at].mean())
    bright = baseline_method(store, Truths(store), BRIGHT, first, like, _judged)
    return (*models, bright)


def _judged(curves: CohortCurves) -> float:
    """What the rule asks of a baseline: its smallest findings may be chosen by that."""
    return _at_rate(curves, _sizes(curves)[SMALL], np.ones((1, len(set(curves.patients)))))[0]


def _figures(methods: Sequence[Method], weights: np.ndarray) -> list[Figure]:
    one, others = methods[0], methods[1:]
    figures = [
        _share(one, f"infarcts found, {size}", among, LEAST[size], weights)
        for size, among in _sizes(one.curves).items()
        if size in LEAST
    ]
    figures.append(_share(one, "their volume found", None, LEAST_VOLUME, weights, by_volume=True))
    free = one.curves.lesion_free
    figures.append(
        Figure(
            what="findings in normal tissue a lesion-free scan, at the default operating point",
            lesions=0,
            scans=int(free.sum()),
            patients=len({p for p, counts in zip(one.curves.patients, free, strict=True) if counts}),
            unit="a scan",
            measured=_normal_findings(one, weights),
            counted=None,
            aim=MOST_NORMAL,
            at_most=True,
        )
    )
    among = _sizes(one.curves)[SMALL]
    figures += [
        _difference(one, other, among, weights, f"infarcts found, {SMALL}", LEAST_GAIN, above_0=True)
        for other in others
    ]
    return figures


def _sizes(curves: CohortCurves) -> dict[str, np.ndarray | None]:
    ml = curves.lesion_ml
    return {name: None if name == ALL else (ml >= low) & (ml < high) for name, (low, high) in SIZES.items()}


def _at_rate(
    curves: CohortCurves,
    among: np.ndarray | None,
    weights: np.ndarray,
    *,
    ignore_wmh: bool = True,
    by_volume: bool = False,
) -> tuple[float, np.ndarray]:
    """Sensitivity at `RATE`, and in each resample."""
    sums = patient_sums(curves, among=among, ignore_wmh=ignore_wmh, by_volume=by_volume)
    return float(sensitivity_at(sums, [RATE])[0, 0]), sensitivity_at(sums, [RATE], weights)[:, 0]


def _measured(value: float, resampled: np.ndarray, weights: np.ndarray) -> Measured:
    """With its interval; a single patient varies with nobody."""
    if weights.shape[1] < 2:
        return Measured(value, float("nan"), float("nan"))
    low, high = interval(resampled[:, None])
    return Measured(value, float(low[0]), float(high[0]))


def _share(method: Method, what: str, among: np.ndarray | None, aim: float, weights: np.ndarray,
           *, by_volume: bool = False) -> Figure:  # fmt: skip
    curves = method.curves
    both = [
        _measured(*_at_rate(curves, among, weights, ignore_wmh=ignored, by_volume=by_volume), weights)
        for ignored in (True, False)
    ]
    return Figure(what, *_counts(curves, among), "share", both[0], both[1], aim)


def _difference(one: Method, other: Method, among: np.ndarray | None, weights: np.ndarray, what: str, aim: float,
                *, above_0: bool = False, by_volume: bool = False) -> Figure:  # fmt: skip
    both = []
    for ignored in (True, False):
        (mine, mine_drawn), (theirs, theirs_drawn) = (
            _at_rate(method.curves, among, weights, ignore_wmh=ignored, by_volume=by_volume)
            for method in (one, other)
        )
        both.append(_measured(mine - theirs, mine_drawn - theirs_drawn, weights))
    counts = _counts(one.curves, among)
    return Figure(f"{what}, less {other.name}", *counts, "points", both[0], both[1], aim, above_0=above_0)


def _counts(curves: CohortCurves, among: np.ndarray | None) -> tuple[int, int, int]:
    lesions = len(curves.lesions) if among is None else int(among.sum())
    return lesions, len(curves.subjects), len(set(curves.patients))


def _normal_findings(method: Method, weights: np.ndarray) -> Measured:
    """Findings a lesion-free scan that touch nothing that is known of, at the method's own operating point."""
    curves, place = method.curves, method.points[0][1]
    free = curves.lesion_free
    if not free.any():
        return Measured(*(float("nan"),) * 3)
    counts = np.zeros(len(curves.subjects))
    for s in np.flatnonzero(free):
        scored = method.scored(curves.subjects[s])
        findings = categorised_findings(
            scored.scores, scored.truth, float(curves.thresholds[place]), scored.smallest, scored.neighbourhood,
        )  # fmt: skip
        counts[s] = sum(finding.category == NORMAL for finding in findings)
    patient = np.unique(curves.patients, return_inverse=True)[1]
    total, scans = (np.bincount(patient, weights=values) for values in (counts, free.astype(float)))
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = (weights @ total) / (weights @ scans)
    return _measured(float(total.sum() / scans.sum()), resampled, weights)


def _side_by_side(method: Method, weights: np.ndarray) -> dict[str, Any]:
    """What a method reaches at `RATE`, and at its own operating point."""
    curves, (what, place) = method.curves, method.points[0]
    row: dict[str, Any] = {"method": method.name}
    for size, among in _sizes(curves).items():
        row |= _columns(f"found_{size}", _measured(*_at_rate(curves, among, weights), weights))
        value = _at_rate(curves, among, weights, ignore_wmh=False)
        row |= _columns(f"found_{size}_wmh_counted", _measured(*value, weights))
    volume = _at_rate(curves, None, weights, by_volume=True)
    row |= _columns("volume_share", _measured(*volume, weights))
    at = threshold_at(curves, RATE, ignore_wmh=True)
    row["threshold"] = float("nan") if at is None else float(curves.thresholds[at])
    row["flagged_ml"] = float("nan") if at is None else float(curves.flagged_ml[at].mean())
    point = operating_point(curves, place, weights)
    row |= {"operating_point": what, "own_threshold": point.threshold}
    for figure in ("sensitivity", "volume_share", "findings", "false_positives_no_wmh", "flagged_ml"):
        drawn = point.resampled[figure]
        row |= _columns(f"own_{figure}", _measured(point.values[figure], drawn, weights))
    return row | _columns("own_normal_findings", _normal_findings(method, weights))


def _columns(name: str, measured: Measured) -> dict[str, float]:
    return {name: measured.value, f"{name}_low": measured.low, f"{name}_high": measured.high}


def _by_class(method: Method, weights: np.ndarray) -> list[dict[str, Any]]:
    """Sensitivity at `RATE` by size and kind."""
    curves = method.curves
    return [
        {
            "method": method.name,
            "stratum": stratum,
            "class": name,
            "lesions": int(among.sum()),
            "patients": len({curves.patients[s] for s in curves.lesion_scan[among]}),
            **_columns("found", _measured(*_at_rate(curves, among, weights), weights)),
        }
        for stratum, name, among in strata(curves.lesions)
        if among.any()
    ]


def _by_patient(method: Method) -> list[dict[str, Any]]:
    """What is found in each patient's scans at the one threshold that has `RATE` in all scans together."""
    curves = method.curves
    at = threshold_at(curves, RATE, ignore_wmh=True)
    rows = []
    for patient in sorted(set(curves.patients)):
        scans = np.array([p == patient for p in curves.patients])
        row: dict[str, Any] = {"method": method.name, "patient": patient}
        if at is not None:
            point = operating_point(curves, at, scans=scans)
            row |= {"lesions": point.lesions, "found": next(iter(point.found.values()))}
            row |= {
                name: point.values[name] for name in ("sensitivity", "false_positives_no_wmh", "flagged_ml")
            }
        rows.append(row)
    return rows
