"""What findings are called against what they are: the same table for simulated and for real lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from AnomalyDetectionLib.detection.hints import EDGE, HINTS, INFARCT_LIKE, OTHER_ANOMALY, WMH_LIKE
from AnomalyDetectionLib.errors import InputError

from .bootstrap import columns, patient_weights
from .categories import INFARCT, NORMAL
from .csv_rows import Row, read_rows
from .truth import TUMOUR, WMH
from .truth_files import CONFOUNDERS

MS_LESION = "MS lesion"

RIGHT: Mapping[str, str] = MappingProxyType(
    {
        INFARCT: INFARCT_LIKE,
        CONFOUNDERS[WMH]: WMH_LIKE,
        MS_LESION: WMH_LIKE,
        CONFOUNDERS[TUMOUR]: OTHER_ANOMALY,
        NORMAL: EDGE,
    }
)
"""What a finding is, and the hint that is right for it. Wide sulci, perivascular spaces and artefacts are normal."""

CALLED = ("findings", "candidates")
"""What is called something: what lies above the threshold, and all that the second look judged. A finding has a high
probability of a lesion and so is hardly ever called normal tissue; whether normal tissue is known, the candidates tell."""

ALL, ALIKE = "all of them", "each kind alike"
"""The last rows of the table: all findings counted, and the mean of the kinds' shares."""


@dataclass(frozen=True)
class CalledFinding:
    """A finding of a patient: what it is, one of `RIGHT`, and what it was called, one of `HINTS`."""

    patient: str
    truth: str
    hint: str


def truth_of(category: str) -> str:
    """What a finding is, from its category (see `CategorisedFinding`)."""
    return category if category in RIGHT else NORMAL


def read_called(evaluation: Path, method: str, which: str) -> tuple[list[CalledFinding], tuple[str, ...]]:
    """The findings of a method at its operating point, and the patients of all scans, from what `evaluate` wrote.

    Args:
        which: one of `CALLED`.

    Raises:
        InputError: the tables are missing or damaged, or hold no such method.
    """
    tables = evaluation / "tables"
    scans = read_rows(tables / "scans.csv", ("method", "patient"))
    findings = read_rows(tables / f"{which}.csv", ("method", "patient", "category", "hint"))
    methods = list(dict.fromkeys(row["method"] for row in scans))
    if method not in methods:
        raise InputError(
            f"The evaluation {evaluation} holds no method '{method}': choose one of {', '.join(methods)}."
        )
    called = [
        CalledFinding(row["patient"], truth_of(row["category"]), row["hint"])
        for row in findings
        if row["method"] == method and row["hint"]
    ]
    if not called and any(row["method"] == method for row in findings):
        raise InputError(f"The method '{method}' does not say what its findings may be: choose another.")
    return called, tuple(row["patient"] for row in scans if row["method"] == method)


def confusion(
    findings: Sequence[CalledFinding], patients: Sequence[str], weights: np.ndarray | None = None
) -> list[Row]:
    """Truth against hint, and the share called right with its interval over patients.

    Args:
        patients: of all scans, those without findings among them, in any order.
        weights: (resamples, patients) of `patient_weights(patients)`; None: drawn here.

    Returns:
        A row for each truth that there is, then `ALL` and `ALIKE`: truth, expected hint, patients and findings with
        it, how many got each hint, how many the right one, and their share, None for nothing or for a single patient's
        interval. No row at all without findings.
    """
    weights = patient_weights(patients) if weights is None else weights
    names = sorted(set(patients))
    truths = [truth for truth in RIGHT if any(finding.truth == truth for finding in findings)]
    if not truths:
        return []
    counts = np.zeros((len(truths), len(HINTS), len(names)))
    for finding in findings:
        place = truths.index(finding.truth), HINTS.index(finding.hint), names.index(finding.patient)
        counts[place] += 1
    right = np.stack([counts[k, HINTS.index(RIGHT[truth])] for k, truth in enumerate(truths)])
    total = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = (weights @ right.T) / (weights @ total.T)  # (resamples, truths)
        together = (weights @ right.sum(axis=0)) / (weights @ total.sum(axis=0))
    rows = [
        _row(truth, RIGHT[truth], counts[k], right[k], right[k].sum() / total[k].sum(), shares[:, k])
        for k, truth in enumerate(truths)
    ]
    everything = counts.sum(axis=0)
    rows.append(_row(ALL, "", everything, right.sum(axis=0), right.sum() / total.sum(), together))
    mean = float(np.mean([row["right_share"] for row in rows[:-1]]))
    # A resample without one of the kinds has no mean of all of them.
    rows.append(_row(ALIKE, "", everything, right.sum(axis=0), mean, shares.mean(axis=1)))
    return rows


def _row(
    truth: str, expected: str, counts: np.ndarray, right: np.ndarray, share: float, resampled: np.ndarray
) -> Row:
    """A row from counts (hints, patients), the right ones (patients,) and the share in each resample."""
    return {
        "truth": truth,
        "expected": expected,
        "patients": int((counts.sum(axis=0) > 0).sum()),
        "findings": int(counts.sum()),
        **{hint: int(n) for hint, n in zip(HINTS, counts.sum(axis=1), strict=True)},
        "right": int(right.sum()),
        **columns("right_share", share, resampled, counts.shape[1]),
    }
