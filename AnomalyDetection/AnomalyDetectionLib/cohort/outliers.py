"""Scans unlike the rest of their group, by modified z-scores (Iglewicz and Hoaglin, 1993): median and median deviation.

An outlier is to be looked at, and not to be left out: a large burden may be a disease as well as a bad brain mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .summaries import ScanSummary

LIMIT = 3.5
"""Beyond it a value is unusual (Iglewicz and Hoaglin)."""

FEWEST = 8
"""Scans that there have to be for the rest to be a group."""


@dataclass(frozen=True)
class _Measure:
    """A value that is compared.

    Attributes:
        words: what it is called.
        form: how its value is written, with its unit.
        of: the value of a scan.
        logarithm: compare log(1 + value), for what is never negative and has a long tail.
        both_sides: whether small values are unusual, too.
        least: smaller values are never unusual.
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
    """A value of a scan that is unlike the others'.

    Attributes:
        sentence: without full stop.
        z: the modified z-score.
    """

    sentence: str
    z: float


def modified_z(values: np.ndarray) -> np.ndarray:
    """0.6745 x (value - median) / median absolute deviation; where that is 0, by the mean absolute deviation.

    All 0 where all values are the same; NaN stays NaN.
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
    """What is unusual about each scan, strongest first; nothing in groups of fewer than `FEWEST`."""
    found: list[list[Outlier]] = [[] for _ in scans]
    if len(scans) < FEWEST:
        return [()] * len(scans)
    for measure in MEASURES:
        values = np.array([measure.of(scan) for scan in scans], float)
        z = modified_z(np.log1p(np.maximum(values, 0)) if measure.logarithm else values)
        unusual = (np.abs(z) > LIMIT if measure.both_sides else z > LIMIT) & (values >= measure.least)
        median = float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")
        for k in np.flatnonzero(unusual):
            side = "high" if z[k] > 0 else "low"
            value, usual = measure.form.format(values[k]), measure.form.format(median)
            sentence = f"Unusually {side}: {measure.words}, {value}; usual is {usual} (robust z {z[k]:+.1f})"
            found[k].append(Outlier(sentence, float(z[k])))
    return [tuple(sorted(items, key=lambda item: -abs(item.z))) for items in found]
