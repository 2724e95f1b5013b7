"""The tables of an evaluation, as rows of plain values under fixed columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .bootstrap import interval
from .categories import categorised_candidates, categorised_findings, lesion_peaks
from .flair_threshold import BRIGHT
from .froc import FIGURES, RATES, Point, operating_point, patient_sums, sensitivity_at, threshold_at
from .methods import Method
from .strata import strata
from .threshold_curves import ANY, CRITERIA, ONE_TO_ONE, CohortCurves

Row = dict[str, Any]
"""By column; None where a value does not exist."""

AIMED_AT = (1.0, 2.0)
"""False positives a scan that methods are compared at in full (see `rate_rows`)."""


def method_rows(methods: Sequence[Method], weights: np.ndarray) -> Iterator[Row]:
    """Every method at its operating points: all figures, each with its interval over patients."""
    for method in methods:
        for what, place in method.points:
            point = operating_point(method.curves, place, weights)
            yield {
                "method": method.name,
                "operating_point": what,
                "threshold": point.threshold,
                "smallest_ml": method.smallest_ml,
                **_counts(point),
                **{name: value for figure in FIGURES for name, value in _with_interval(point, figure)},
            }


def sensitivity_rows(methods: Sequence[Method], weights: np.ndarray) -> Iterator[Row]:
    """Every method's sensitivity at `RATES` false positives a scan, by every criterion, WMH counted and not."""
    for method in methods:
        curves = method.curves
        for ignore_wmh in (False, True):
            for criterion in CRITERIA:
                sums = patient_sums(curves, criterion, ignore_wmh=ignore_wmh)
                values = sensitivity_at(sums)[0]
                low, high = _interval(sensitivity_at(sums, RATES, weights), weights)
                for k, rate in enumerate(RATES):
                    place = threshold_at(curves, rate, ignore_wmh=ignore_wmh)
                    yield {
                        "method": method.name,
                        "criterion": criterion,
                        "wmh": "ignored" if ignore_wmh else "counted",
                        "false_positives": rate,
                        "patients": len(set(curves.patients)),
                        "lesions": len(curves.lesions),
                        "sensitivity": _plain(values[k]),
                        "sensitivity_low": _plain(low[k]),
                        "sensitivity_high": _plain(high[k]),
                        "lowest_threshold": None if place is None else float(curves.thresholds[place]),
                        "flagged_ml": None if place is None else float(curves.flagged_ml[place].mean()),
                    }


def rate_rows(methods: Sequence[Method], weights: np.ndarray) -> Iterator[Row]:
    """Every method at the thresholds with `AIMED_AT` false positives a scan, findings on known lesions ignored and not."""
    for method in methods:
        for ignored in (True, False):
            found = patient_sums(method.curves, ignore_wmh=ignored)
            values = sensitivity_at(found, AIMED_AT)[0]
            low, high = _interval(sensitivity_at(found, AIMED_AT, weights), weights)
            for k, rate in enumerate(AIMED_AT):
                place = threshold_at(method.curves, rate, ignore_wmh=ignored)
                point = None if place is None else operating_point(method.curves, place, weights)
                row = {
                    "method": method.name,
                    "wmh": "ignored" if ignored else "counted",
                    "rate": rate,
                    "threshold": None if point is None else point.threshold,
                    "patients": len(set(method.curves.patients)),
                    "lesions": len(method.curves.lesions),
                    "sensitivity": _plain(values[k]),
                    "sensitivity_low": _plain(low[k]),
                    "sensitivity_high": _plain(high[k]),
                }
                for figure in ("volume_share", "voxel_share", "dice", "findings", "flagged_ml"):
                    nothing = [(name, None) for name in (figure, f"{figure}_low", f"{figure}_high")]
                    row |= dict(nothing if point is None else _with_interval(point, figure))
                yield row


def difference_rows(methods: Sequence[Method], weights: np.ndarray) -> Iterator[Row]:
    """Sensitivity (any overlap) of one method less another's, at the same false positives and resamples.

    Every model less bright FLAIR, and every other model less the first.
    """
    bright = next(method for method in methods if method.name == BRIGHT)
    models = [method for method in methods if method.smallest_ml is None]
    pairs = [(model, bright) for model in models] + [(model, models[0]) for model in models[1:]]
    for one, other in pairs:
        for ignored in (False, True):
            sums = [patient_sums(method.curves, ignore_wmh=ignored) for method in (one, other)]
            values = np.subtract(*(sensitivity_at(s)[0] for s in sums))
            resampled = np.subtract(*(sensitivity_at(s, RATES, weights) for s in sums))
            low, high = _interval(resampled, weights)
            for k, rate in enumerate(RATES):
                yield {
                    "method": one.name,
                    "less": other.name,
                    "wmh": "ignored" if ignored else "counted",
                    "false_positives": rate,
                    "patients": len(set(one.curves.patients)),
                    "lesions": len(one.curves.lesions),
                    "difference": _plain(values[k]),
                    "difference_low": _plain(low[k]),
                    "difference_high": _plain(high[k]),
                    "resamples_above_0": _plain((resampled[:, k] > 0).mean()),
                }


def strata_rows(methods: Sequence[Method], weights: np.ndarray) -> Iterator[Row]:
    """Sensitivity (any overlap) by `strata`: at the main operating point and at `RATES`.

    False positives have no size or kind of a lesion: those of all scans count in each class. The columns that end in
    "_no_wmh" ignore those on other known lesions.
    """
    for method in methods:
        curves, place = method.curves, method.points[0][1]
        for stratum, name, among in strata(curves.lesions):
            sums = patient_sums(curves, ANY, among)
            with np.errstate(invalid="ignore", divide="ignore"):
                lesions = weights @ sums.lesions
                resampled = np.where(lesions > 0, (weights @ sums.found[:, place]) / lesions, np.nan)
            low, high = _interval(resampled[:, None], weights)
            count, found = int(sums.lesions.sum()), int(sums.found[:, place].sum())
            row = {
                "method": method.name,
                "stratum": stratum,
                "class": name,
                "patients": int((sums.lesions > 0).sum()),
                "lesions": count,
                "found": found,
                "sensitivity": found / count if count else None,
                "sensitivity_low": _plain(low[0]),
                "sensitivity_high": _plain(high[0]),
            }
            for ending, ignored in (("", False), ("_no_wmh", True)):
                sums = patient_sums(curves, ANY, among, ignore_wmh=ignored)
                rates = sensitivity_at(sums)[0]
                low, high = _interval(sensitivity_at(sums, RATES, weights), weights)
                for k, rate in enumerate(RATES):
                    row[f"sensitivity_at_{rate:g}{ending}"] = _plain(rates[k])
                    row[f"sensitivity_at_{rate:g}{ending}_low"] = _plain(low[k])
                    row[f"sensitivity_at_{rate:g}{ending}_high"] = _plain(high[k])
            yield row


def lesion_free_rows(methods: Sequence[Method], weights: np.ndarray) -> Iterator[Row]:
    """What every method finds in scans without, and beside them with, a lesion, at its operating points."""
    figures = ("findings", "false_positives", "false_positives_no_wmh", "on_known_lesions", "flagged_ml")
    for method in methods:
        free = method.curves.lesion_free
        for name, which in (("without infarct", free), ("with infarct", ~free)):
            for what, place in method.points if which.any() else ():
                point = operating_point(method.curves, place, weights, scans=which)
                yield {
                    "method": method.name,
                    "operating_point": what,
                    "scans_are": name,
                    **_counts(point),
                    **{
                        column: value for figure in figures for column, value in _with_interval(point, figure)
                    },
                }


def scan_rows(methods: Sequence[Method]) -> Iterator[Row]:
    """Every scan by every method, at the main operating point."""
    for method in methods:
        curves, place = method.curves, method.points[0][1]
        found = curves.found()[place]
        for s, (subject, patient) in enumerate(zip(curves.subjects, curves.patients, strict=True)):
            own = curves.lesion_scan == s
            yield {
                "subject": subject,
                "patient": patient,
                "method": method.name,
                "brain_ml": float(curves.brain_ml[s]),
                "lesions": int(own.sum()),
                "lesion_ml": float(curves.lesion_ml[own].sum()),
                "found": int(found[own].sum()),
                "findings": int(curves.findings[place, s]),
                "false_positives": int(curves.false_positives[place, s]),
                "false_positives_no_wmh": int(curves.false_positives_no_wmh[place, s]),
                "flagged_ml": float(curves.flagged_ml[place, s]),
            }


def lesion_and_finding_rows(
    methods: Sequence[Method], progress: Callable[[str, float], None] | None = None
) -> Iterator[tuple[list[Row], list[Row], list[Row]]]:
    """Scan by scan: every lesion, and every finding, by every method at its main operating point; and every candidate of
    those methods that look a second time, those under the threshold, too.
    """
    subjects = methods[0].curves.subjects
    for s, subject in enumerate(subjects):
        if progress is not None:
            progress(subject, s / len(subjects))
        lesions: list[Row] = []
        findings: list[Row] = []
        candidates: list[Row] = []
        for method in methods:
            place = method.points[0][1]
            threshold = float(method.curves.thresholds[place])
            scored = method.scored(subject)
            patient = method.curves.patients[s]
            peaks = lesion_peaks(scored.scores, scored.truth)
            lesions += _lesions_of_scan(method.name, method.curves, s, place, peaks)
            names = {"subject": subject, "patient": patient, "method": method.name}
            for finding in categorised_findings(
                scored.scores,
                scored.truth,
                threshold,
                scored.smallest,
                scored.neighbourhood,
                scored.candidates,
            ):
                called = finding.hint if scored.candidates is not None else None
                findings.append({**names, **vars(finding), "hint": called})
            if scored.candidates is not None:
                candidates += [
                    {**names, "volume_ml": one.volume_ml, "category": one.category, "hint": one.hint}
                    for one in categorised_candidates(scored.candidates, scored.truth)
                ]
        yield lesions, findings, candidates


def _lesions_of_scan(
    method: str, curves: CohortCurves, s: int, place: int, peaks: np.ndarray
) -> Iterator[Row]:
    found = {criterion: curves.found(criterion) for criterion in CRITERIA}
    for index, at in enumerate(np.flatnonzero(curves.lesion_scan == s)):
        lesion = curves.lesions[at]
        ever = np.flatnonzero(found[ANY][:, at])
        yield {
            "subject": curves.subjects[s],
            "patient": curves.patients[s],
            "lesion": lesion.number,
            "kind": lesion.kind,
            "region": lesion.region,
            "side": lesion.side,
            "cavitated": lesion.cavitated,
            "volume_ml": lesion.volume_ml,
            "contrast": lesion.contrast,
            "method": method,
            "found": bool(found[ANY][place, at]),
            "found_one_to_one": bool(found[ONE_TO_ONE][place, at]),
            "found_covered": bool(found[CRITERIA[2]][place, at]),
            "coverage": float(curves.coverage[place, at]),
            "dice": float(curves.dice[place, at]),
            "peak_score": _plain(peaks[index]),
            "highest_threshold": float(curves.thresholds[ever[-1]]) if len(ever) else None,
        }


def _counts(point: Point) -> Row:
    found = dict(zip(("found", "found_one_to_one", "found_covered"), point.found.values(), strict=True))
    return {"patients": point.patients, "scans": point.scans, "lesions": point.lesions, **found}


def _with_interval(point: Point, figure: str) -> list[tuple[str, float | None]]:
    resampled = point.resampled[figure]
    # As in `_interval`: a single patient varies with nobody.
    low, high = interval(resampled) if point.patients > 1 else (np.nan, np.nan)
    return [
        (figure, _plain(point.values[figure])),
        (f"{figure}_low", _plain(low)),
        (f"{figure}_high", _plain(high)),
    ]


def _interval(resampled: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of each column; none where there is but one patient."""
    if weights.shape[1] < 2:
        return (np.full(resampled.shape[1], np.nan),) * 2
    return interval(resampled)


def _plain(value: float | np.floating | np.ndarray) -> float | None:
    """A number for a table, or None."""
    number = float(value)
    return None if math.isnan(number) else number
