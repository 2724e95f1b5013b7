"""What findings are called against what they are: the same table for simulated and for real lesions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from AnomalyDetectionLib.detection.hints import EDGE, HINTS, INFARCT_LIKE, OTHER_ANOMALY, WMH_LIKE
from AnomalyDetectionLib.errors import InputError

from .bootstrap import columns, patient_weights
from .categories import INFARCT, NORMAL
from .csv_rows import Row, rows_of_method
from .truth import TUMOUR, WMH
from .truth_files import CONFOUNDERS

MS_LESION = "MS lesion"

RIGHT: Mapping[str, str] = {
    INFARCT: INFARCT_LIKE,
    CONFOUNDERS[WMH]: WMH_LIKE,
    MS_LESION: WMH_LIKE,
    CONFOUNDERS[TUMOUR]: OTHER_ANOMALY,
    NORMAL: EDGE,
}
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


def called_findings(rows: Iterable[Row]) -> list[CalledFinding]:
    """From rows of findings or candidates with patient, category and hint."""
    return [CalledFinding(row["patient"], truth_of(row["category"]), row["hint"]) for row in rows]


def read_called(evaluation: Path, method: str, which: str) -> tuple[list[CalledFinding], tuple[str, ...]]:
    """The findings of a method at its operating point, and the patients of all scans, from what `evaluate` wrote.

    Args:
        which: one of `CALLED`.

    Raises:
        InputError: as of `rows_of_method`, or the method calls its findings nothing.
    """
    columns = {"scans": ("patient",), which: ("patient", "category", "hint")}
    scans, findings = rows_of_method(evaluation, method, **columns)
    called = called_findings(row for row in findings if row["hint"])
    if findings and not called:
        raise InputError(f"The method '{method}' does not say what its findings may be: choose another.")
    return called, tuple(row["patient"] for row in scans)


def confusion(
    findings: Sequence[CalledFinding], patients: Sequence[str], weights: np.ndarray | None = None
) -> list[Row]:
    """Truth against hint, and the share called right with its interval over patients.

    A row for each truth that there is, then `ALL` and `ALIKE`; no row at all without findings.

    Args:
        patients: of all scans, those without findings among them, in any order.
        weights: (resamples, patients) of `patient_weights(patients)`; None: drawn here.
    """
    weights = patient_weights(patients) if weights is None else weights
    names = sorted(set(patients))
    truths = [truth for truth in RIGHT if any(finding.truth == truth for finding in findings)]
    if not truths:
        return []
    counts = np.zeros((len(truths), len(HINTS), len(names)))
    for finding in findings:
        counts[truths.index(finding.truth), HINTS.index(finding.hint), names.index(finding.patient)] += 1
    right = np.stack([counts[k, HINTS.index(RIGHT[truth])] for k, truth in enumerate(truths)])
    # All findings together are the last of the kinds.
    counts, right = (np.concatenate([each, each.sum(axis=0, keepdims=True)]) for each in (counts, right))
    total = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = (weights @ right.T) / (weights @ total.T)  # (resamples, truths + 1)
    shares = right.sum(axis=1) / total.sum(axis=1)
    kinds = zip((*truths, ALL), counts, right, shares, resampled.T, strict=True)
    # A resample without one of the kinds has no mean of all of them.
    alike = ALIKE, counts[-1], right[-1], np.mean(shares[:-1]), resampled[:, :-1].mean(axis=1)
    return [_row(*kind) for kind in (*kinds, alike)]


def _row(truth: str, counts: np.ndarray, right: np.ndarray, share: float, resampled: np.ndarray) -> Row:
    """A row from counts (hints, patients), the right ones (patients,) and the share in each resample."""
    return {
        "truth": truth,
        "expected": RIGHT.get(truth, ""),
        "patients": int((counts.sum(axis=0) > 0).sum()),
        "findings": int(counts.sum()),
        **{hint: int(n) for hint, n in zip(HINTS, counts.sum(axis=1), strict=True)},
        "right": int(right.sum()),
        **columns("right_share", share, resampled, counts.shape[1]),
    }
