"""How far a figure would vary with other patients: the patients are drawn anew, with replacement."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .csv_rows import Row

RESAMPLES = 1000
CONFIDENCE = 95.0
"""Per cent of the resamples that an interval holds."""


def patient_weights(patients: Sequence[str], resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """How often each patient is drawn in each resample: int64 (resamples, patients), by sorted name.

    A patient of several scans counts once. One set of weights serves all methods: differences are paired.
    """
    if (count := len(set(patients))) == 0:
        return np.zeros((resamples, 0), np.int64)
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)


def interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval over resamples (first axis); NaN where they have no value."""
    tail = (100 - CONFIDENCE) / 2
    nothing = np.isnan(values).all(axis=0)
    low, high = np.nanpercentile(np.where(nothing, 0.0, values), [tail, 100 - tail], axis=0)
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def columns(name: str, value: float, resampled: np.ndarray, patients: int) -> Row:
    """A figure (NaN: there is none) and the ends of its interval, as `name`, `name_low` and `name_high`.

    A single patient varies with nobody, so that there is no interval.
    """
    low, high = interval(resampled) if patients > 1 else (math.nan, math.nan)
    return {name: plain(value), f"{name}_low": plain(low), f"{name}_high": plain(high)}


def plain(value: float | np.ndarray) -> float | None:
    """A number for a table, None for NaN."""
    number = float(value)
    return None if math.isnan(number) else number
