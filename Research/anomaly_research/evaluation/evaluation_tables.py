"""The tables of an evaluation, as rows of plain values under fixed columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .bootstrap import columns, plain
from .categories import categorised_candidates, categorised_findings, lesion_peaks
from .csv_rows import Row
from .flair_threshold import BRIGHT
from .froc import RATES, PatientSums, Point, operating_point, patient_sums, sensitivity_at, threshold_at
from .methods import Method
from .strata import strata
from .threshold_curves import ANY, COVERED, CRITERIA, ONE_TO_ONE, CohortCurves

AIMED_AT = (1.0, 2.0)
"""False positives a scan that methods are compared at in full (see `rate_rows`)."""

_WMH = {False: "counted", True: "ignored"}


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
                **point.columns(),
            }


def sensitivity_rows(methods: Sequence[Method], weights: np.ndarray) -> Iterator[Row]:
    """Every method's sensitivity at `RATES` false positives a scan, by every criterion, WMH counted and not."""
    for method in methods:
        curves = method.curves
        for ignore_wmh in (False, True):
            places = [threshold_at(curves, rate, ignore_wmh=ignore_wmh) for rate in RATES]
            for criterion in CRITERIA:
                shares = _shares(patient_sums(curves, criterion, ignore_wmh=ignore_wmh), RATES, weights)
                for rate, place, share in zip(RATES, places, shares, strict=True):
                    yield {
                        "method": method.name,
                        "criterion": criterion,
                        "wmh": _WMH[ignore_wmh],
                        "false_positives": rate,
                        **_size(curves),
                        **share,
                        "lowest_threshold": None if place is None else float(curves.thresholds[place]),
                        "flagged_ml": None if place is None else float(curves.flagged_ml[place].mean()),
                    }


def rate_rows(methods: Sequence[Method], weights: np.ndarray) -> Iterator[Row]:
    """Every method at the thresholds with `AIMED_AT` false positives a scan, findings on known lesions ignored and not."""
    figures = ("volume_share", "voxel_share", "dice", "findings", "flagged_ml")
    nothing = {f"{figure}{end}": None for figure in figures for end in ("", "_low", "_high")}
    for method in methods:
        for ignore_wmh in (True, False):
            shares = _shares(patient_sums(method.curves, ignore_wmh=ignore_wmh), AIMED_AT, weights)
            for rate, share in zip(AIMED_AT, shares, strict=True):
                place = threshold_at(method.curves, rate, ignore_wmh=ignore_wmh)
                point = None if place is None else operating_point(method.curves, place, weights)
                yield {
                    "method": method.name,
                    "wmh": _WMH[ignore_wmh],
                    "rate": rate,
                    "threshold": None if point is None else point.threshold,
                    **_size(method.curves),
                    **share,
                    **(nothing if point is None else point.columns(figures)),
                }


def difference_rows(methods: Sequence[Method], weights: np.ndarray) -> Iterator[Row]:
    """Sensitivity (any overlap) of one method less another's, at the same false positives and resamples.

    Every model less bright FLAIR, and every other model less the first.
    """
    bright = next(method for method in methods if method.name == BRIGHT)
    models = [method for method in methods if method.smallest_ml is None]
    pairs = [(model, bright) for model in models] + [(model, models[0]) for model in models[1:]]
    for one, other in pairs:
        for ignore_wmh in (False, True):
            sums = [patient_sums(method.curves, ignore_wmh=ignore_wmh) for method in (one, other)]
            values = np.subtract(*(sensitivity_at(s)[0] for s in sums))
            resampled = np.subtract(*(sensitivity_at(s, RATES, weights) for s in sums))
            for rate, value, drawn in zip(RATES, values, resampled.T, strict=True):
                yield {
                    "method": one.name,
                    "less": other.name,
                    "wmh": _WMH[ignore_wmh],
                    "false_positives": rate,
                    **_size(one.curves),
                    **columns("difference", value, drawn, weights.shape[1]),
                    "resamples_above_0": plain((drawn > 0).mean()),
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
            count, found = int(sums.lesions.sum()), int(sums.found[:, place].sum())
            with np.errstate(invalid="ignore", divide="ignore"):
                share = np.divide(found, count)
                drawn = (weights @ sums.found[:, place]) / (weights @ sums.lesions)
            row = {
                "method": method.name,
                "stratum": stratum,
                "class": name,
                "patients": int((sums.lesions > 0).sum()),
                "lesions": count,
                "found": found,
                **columns("sensitivity", share, drawn, weights.shape[1]),
            }
            for ending, ignore_wmh in (("", False), ("_no_wmh", True)):
                sums = patient_sums(curves, ANY, among, ignore_wmh=ignore_wmh)
                for columns_at_rate in _shares(sums, RATES, weights, f"sensitivity_at_{{:g}}{ending}"):
                    row |= columns_at_rate
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
                    **point.columns(figures),
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
                **{
                    name: int(getattr(curves, name)[place, s])
                    for name in ("findings", "false_positives", "false_positives_no_wmh")
                },
                "flagged_ml": float(curves.flagged_ml[place, s]),
            }


def lesion_and_finding_rows(
    methods: Sequence[Method], progress: Callable[[str, float], None]
) -> Iterator[dict[str, list[Row]]]:
    """Scan by scan: every lesion and finding by every method at its main operating point, and every candidate of
    those methods that look a second time, those under the threshold, too.
    """
    subjects = methods[0].curves.subjects
    for s, subject in enumerate(subjects):
        progress(subject, s / len(subjects))
        rows: dict[str, list[Row]] = {"lesions": [], "findings": [], "candidates": []}
        for method in methods:
            scored = method.scored(subject)
            rows["lesions"] += _lesions_of_scan(method, s, lesion_peaks(scored.scores, scored.truth))
            names = {"subject": subject, "patient": method.curves.patients[s], "method": method.name}
            for finding in categorised_findings(scored, float(method.curves.thresholds[method.points[0][1]])):
                called = finding.hint if scored.candidates is not None else None
                rows["findings"].append({**names, **vars(finding), "hint": called})
            if scored.candidates is not None:
                rows["candidates"] += [
                    {**names, "volume_ml": one.volume_ml, "category": one.category, "hint": one.hint}
                    for one in categorised_candidates(scored.candidates, scored.truth)
                ]
        yield rows


def _lesions_of_scan(method: Method, s: int, peaks: np.ndarray) -> Iterator[Row]:
    curves, place = method.curves, method.points[0][1]
    found = {criterion: curves.found(criterion) for criterion in CRITERIA}
    for peak, at in zip(peaks, np.flatnonzero(curves.lesion_scan == s), strict=True):
        ever = np.flatnonzero(found[ANY][:, at])
        yield {
            "subject": curves.subjects[s],
            "patient": curves.patients[s],
            "lesion": curves.lesions[at].number,
            **{name: value for name, value in vars(curves.lesions[at]).items() if name != "number"},
            "method": method.name,
            "found": bool(found[ANY][place, at]),
            "found_one_to_one": bool(found[ONE_TO_ONE][place, at]),
            "found_covered": bool(found[COVERED][place, at]),
            "coverage": float(curves.coverage[place, at]),
            "dice": float(curves.dice[place, at]),
            "peak_score": plain(peak),
            "highest_threshold": float(curves.thresholds[ever[-1]]) if len(ever) else None,
        }


def _counts(point: Point) -> Row:
    found = dict(zip(("found", "found_one_to_one", "found_covered"), point.found.values(), strict=True))
    return {"patients": point.patients, "scans": point.scans, "lesions": point.lesions, **found}


def _size(curves: CohortCurves) -> Row:
    return {"patients": len(set(curves.patients)), "lesions": len(curves.lesions)}


def _shares(
    sums: PatientSums, rates: Sequence[float], weights: np.ndarray, name: str = "sensitivity"
) -> list[Row]:
    """The columns of the sensitivity at each rate; `name` may have a place for the rate."""
    values, resampled = sensitivity_at(sums, rates)[0], sensitivity_at(sums, rates, weights).T
    return [
        columns(name.format(rate), value, drawn, weights.shape[1])
        for rate, value, drawn in zip(rates, values, resampled, strict=True)
    ]
