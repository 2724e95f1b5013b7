"""Scans unlike the rest of their group, by modified z-scores (Iglewicz and Hoaglin, 1993): median and median deviation.

An outlier should be checked, not excluded: a large burden can be caused by disease as well as by a bad brain mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .summaries import ScanSummary

LIMIT = 3.5
"""Absolute z-score above which a value is unusual (Iglewicz and Hoaglin)."""

FEWEST = 8
"""Minimum number of scans for outliers to be computed."""


@dataclass(frozen=True)
class _Measure:
    """A measure that is compared between scans.

    Attributes:
        words: its name.
        form: format of its value, with the unit.
        of: returns the value of a scan.
        logarithm: compare log(1 + value), for measures that are never negative and have a long tail.
        both_sides: whether low values can be unusual, too.
        least: values below this are never unusual.
    """

    words: str
    form: str
    of: Callable[[ScanSummary], float]
    logarithm: bool = False
    both_sides: bool = True
    least: float = -np.inf


MEASURES = (
    _Measure("the number of findings", "{:.0f}", lambda scan: float(scan.findings), True, False),
    _Measure("their volume", "{:.1f} ml", lambda scan: scan.burden_ml, True, False),
    _Measure("the volume of the brain", "{:.0f} ml", lambda scan: scan.brain_ml),
    _Measure("the shift between T1 and FLAIR", "{:.1f} mm", lambda scan: scan.shift_mm, True, False, 2.0),
    _Measure("the contrast of the T1", "{:.2f}", lambda scan: scan.t1_contrast),
    _Measure("the contrast of the FLAIR", "{:.2f}", lambda scan: scan.flair_contrast),
)


@dataclass(frozen=True)
class Outlier:
    """An unusual value of a scan.

    Attributes:
        sentence: without full stop.
        z: the modified z-score.
    """

    sentence: str
    z: float


def modified_z(values: np.ndarray) -> np.ndarray:
    """0.6745 x (value - median) / median absolute deviation; where that is 0, by the mean absolute deviation.

    All 0 if all values are equal; NaN stays NaN.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return np.full(len(values), np.nan)
    median = np.median(known)
    deviation = np.median(np.abs(known - median)) / 0.6745
    if deviation == 0:
        deviation = np.abs(known - median).mean() * 1.2533
    difference = values - median
    return difference / deviation if deviation > 0 else np.where(np.isfinite(values), 0.0, np.nan)


def find_unusual(scans: Sequence[ScanSummary]) -> list[tuple[Outlier, ...]]:
    """The outliers of each scan, strongest first; none in groups of fewer than `FEWEST` scans."""
    if len(scans) < FEWEST:
        return [()] * len(scans)
    found: list[list[Outlier]] = [[] for _ in scans]
    for measure in MEASURES:
        values = np.array([measure.of(scan) for scan in scans], float)
        z = modified_z(np.log1p(np.maximum(values, 0)) if measure.logarithm else values)
        unusual = (np.abs(z) > LIMIT if measure.both_sides else z > LIMIT) & (values >= measure.least)
        median = float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")
        for k in np.flatnonzero(unusual):
            side = "high" if z[k] > 0 else "low"
            value, usual = (measure.form.format(number) for number in (values[k], median))
            sentence = f"Unusually {side}: {measure.words}, {value}; the median is {usual}"
            found[k].append(Outlier(f"{sentence} (robust z {z[k]:+.1f})", float(z[k])))
    return [tuple(sorted(items, key=lambda item: -abs(item.z))) for items in found]


def warnings_of(scan: ScanSummary, outliers: Sequence[Outlier]) -> list[str]:
    """The warnings of a scan's analysis, and its outliers, one sentence each."""
    return [*scan.warnings, *(outlier.sentence for outlier in outliers)]
