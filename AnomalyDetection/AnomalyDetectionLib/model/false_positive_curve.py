"""False positives per scan by score threshold; without torch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..files.text import counted

DEFAULT_FALSE_POSITIVES = 2.0  # False positives per normal scan that default thresholds are set for
_HEADER, _SCORES, _PER_SCAN = "rates", "rates.scores", "rates.per_scan"
_MOST = 1e6  # no score, rate or number of scans is larger
_LEAST = 0.1  # findings in all normal scans together: the curve is not extended beyond


@dataclass(frozen=True, eq=False)
class FalsePositiveCurve:
    """False positives per normal scan, by threshold.

    Between its points the logarithm of the rate is linear in the score, and beyond the last point goes on as
    between the last two, down to a tenth of a finding in all the scans together: rarer rates cannot be
    estimated from so few scans. Below the first point a normal scan has at least as many."""

    scores: np.ndarray  # float64 (points,), thresholds, ascending
    per_scan: np.ndarray  # float64 (points,), findings per normal scan above each, positive, never rising
    scans: int  # how many normal scans were counted
    min_patches: int  # findings of fewer patches were not counted
    variation: float  # SD of the rate from person to person as a share of the rate, beyond chance

    def __post_init__(self) -> None:
        """Raise ValueError for invalid values: curves may come from untrusted model files."""
        if self.scores.ndim != 1 or self.scores.shape != self.per_scan.shape or len(self.scores) < 2:
            raise ValueError("a curve of rates has two points or more, each a score and a rate")
        if not (np.isfinite(self.scores).all() and np.isfinite(self.per_scan).all()):
            raise ValueError("the curve of rates is not finite")
        if (np.diff(self.scores) <= 0).any() or (np.diff(self.per_scan) > 0).any() or self.per_scan[-1] <= 0:
            raise ValueError("rates must be positive, and not rise with the score")
        if not self.per_scan[-1] < self.per_scan[-2]:
            raise ValueError("the last rate must lie below the one before")
        if max(np.abs(self.scores).max(), self.per_scan.max()) > _MOST:
            raise ValueError("the curve of rates has numbers that make no sense")
        if not (1 <= self.scans <= _MOST and 1 <= self.min_patches <= _MOST and 0 <= self.variation <= _MOST):
            raise ValueError("a curve of rates comes from at least one scan, and from no more than 1e6")

    @property
    def least(self) -> float:
        """The smallest rate of the curve; lower rates are reported as this."""
        return _LEAST / self.scans

    @property
    def most(self) -> float:
        """The largest rate of the curve."""
        return float(self.per_scan[0])

    def rate(self, score: float) -> float:
        """False positives per normal scan at this threshold, `least` or more."""
        logs = np.log(self.per_scan)
        if score > self.scores[-1]:
            slope = (logs[-1] - logs[-2]) / (self.scores[-1] - self.scores[-2])
            log = logs[-1] + slope * (score - self.scores[-1])
        else:
            log = np.interp(score, self.scores, logs)
        return max(float(np.exp(log)), self.least)

    def interval(self, score: float) -> tuple[float, float]:
        """Where the rate lies with 95 % confidence, from the number of scans and how much people differ."""
        rate = self.rate(score)
        error = math.sqrt((1 / rate + self.variation**2) / self.scans)
        return rate * math.exp(-1.96 * error), rate * math.exp(1.96 * error)

    def threshold_for(self, per_scan: float) -> float:
        """The lowest threshold with at most this many false positives per normal scan. Raises InputError where
        the curve does not reach so far."""
        if not self.least <= per_scan <= self.most:
            raise InputError(
                f"{per_scan:g} findings per normal scan cannot be promised: from "
                f"{counted(self.scans, 'normal scan')}, this model knows the thresholds for {self.least:.2g} to "
                f"{self.most:.3g}."
            )
        logs, wanted = np.log(self.per_scan), math.log(per_scan)
        k = int(np.argmax(logs <= wanted)) if logs[-1] <= wanted else len(logs) - 1
        if k == 0 or logs[k] == wanted:
            return float(self.scores[k])
        share = (wanted - logs[k - 1]) / (logs[k] - logs[k - 1])
        return float(self.scores[k - 1] + share * (self.scores[k] - self.scores[k - 1]))


def in_words(rate: float) -> str:
    """A rate for people: 12, 2.4, 0.31, 0.02, under 0.01."""
    if rate < 0.01:
        return "under 0.01"
    return f"{rate:.0f}" if rate >= 9.95 else f"{rate:.1f}" if rate >= 0.95 else f"{rate:.2f}"


def plain(curve: FalsePositiveCurve) -> dict[str, Any]:
    """A curve as plain values, for JSON."""
    return {
        "scores": [round(float(value), 5) for value in curve.scores],
        "per_scan": [float(f"{value:.5g}") for value in curve.per_scan],
        **_about(curve),
    }


def from_plain(values: Mapping[str, Any] | None) -> FalsePositiveCurve | None:
    """The curve of plain values; None for None. Raises KeyError, TypeError, ValueError where it is damaged."""
    if values is None:
        return None
    scores, per_scan = (np.array(values[name], np.float64) for name in ("scores", "per_scan"))
    counts = int(values["scans"]), int(values["min_patches"])
    return FalsePositiveCurve(scores, per_scan, *counts, variation=float(values["variation"]))


def to_file(curve: FalsePositiveCurve | None) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The curve as arrays of a model file, and as an entry of its header; nothing for None."""
    if curve is None:
        return {}, {}
    return {_SCORES: curve.scores, _PER_SCAN: curve.per_scan}, {_HEADER: json.dumps(_about(curve))}


def from_file(array: Callable[[str], np.ndarray], header: Mapping[str, str]) -> FalsePositiveCurve | None:
    """The curve of a model file; None where it has none. Raises KeyError, TypeError, ValueError where it is damaged.

    `array`: gives an array of the file by its name.
    """
    if _HEADER not in header:
        return None
    about = json.loads(header[_HEADER])
    return from_plain({**about, "scores": array(_SCORES), "per_scan": array(_PER_SCAN)})


def _about(curve: FalsePositiveCurve) -> dict[str, Any]:
    variation = round(curve.variation, 4)
    return {"scans": curve.scans, "min_patches": curve.min_patches, "variation": variation}
