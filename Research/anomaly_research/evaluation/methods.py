"""The methods of a comparison, on the same scans: models at their own thresholds, baselines set beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from AnomalyDetectionLib.detection.candidate_probabilities import CandidateProbabilities
from AnomalyDetectionLib.model.model_file import AnyModel

from .cohort_store import baseline_cohort_curves, cohort_curves
from .flair_threshold import BASELINES, SMALLEST_ML, THRESHOLDS, baseline_scores, smallest_voxels
from .froc import patient_sums, sensitivity_at, threshold_at, threshold_flagging
from .store import Store, preparation_name
from .threshold_curves import CohortCurves
from .truth import ElementTruth, ScanTruth


@dataclass(frozen=True)
class Method:
    """A method and what it finds in the cohort.

    Attributes:
        name: a model's, or that of a baseline.
        curves: over the cohort.
        points: operating points, the main one first: what it is, and the index of its threshold.
        smallest_ml: findings below it are dropped; None: the model's rule.
        scored: the scores, truth, smallest number of elements and neighbourhood of a scan, by subject.
    """

    name: str
    curves: CohortCurves
    points: tuple[tuple[str, int], ...]
    smallest_ml: float | None
    scored: Callable[[str], Scored]


@dataclass(frozen=True)
class Scored:
    """One scan by one method: scores on elements (NaN: none), the truth on them, and what makes a finding.

    `candidates`: what the second look says of them; None: this method has none.
    """

    truth: ElementTruth
    scores: np.ndarray
    smallest: int
    neighbourhood: str
    candidates: CandidateProbabilities | None = None


def compared_methods(
    folder: Path,
    subjects: Sequence[str],
    models: Mapping[str, AnyModel],
    progress: Callable[[str, float], None] | None = None,
) -> tuple[Method, ...]:
    """The models in their order, then the baselines, from what is stored.

    The baselines have no threshold of their own. They get the one with as many false positives as the first
    model, and the one that flags as much.

    Args:
        folder: of the store.
        subjects: stored scans.
        models: by name; at least one.

    Raises:
        InputError: if something is not stored, or damaged.
    """
    methods: list[Method] = []
    readers: dict[str, Truths] = {}
    for place, (name, model) in enumerate(models.items()):
        if progress is not None:
            progress(name, place / len(models))
        store = Store(folder, model.preparation)
        truths = readers.setdefault(preparation_name(model.preparation), Truths(store))
        methods.append(model_method(store, truths, name, subjects, model.scoring.threshold))
    first, at = methods[0], methods[0].points[0][1]
    rate, flagged = (
        float(values[at].mean()) for values in (first.curves.false_positives, first.curves.flagged_ml)
    )
    store = Store(folder, next(iter(models.values())).preparation)
    truths = next(iter(readers.values()))
    for baseline in BASELINES:
        methods.append(baseline_method(store, truths, baseline, first, (rate, flagged)))
    return tuple(methods)


def baseline_method(
    store: Store,
    truths: Truths,
    baseline: str,
    first: Method,
    like: tuple[float, float],
    judged: Callable[[CohortCurves], float] | None = None,
) -> Method:
    """A baseline with the smallest size of its findings chosen on this very cohort, in its favour.

    Args:
        first: the model that it is set beside.
        like: false positives a scan and flagged ml of its operating points: those of the first model.
        judged: what the size is chosen by; None: the mean sensitivity at 1, 2, 4 and 8 false positives a scan.

    Raises:
        InputError: if something is not stored, or damaged.
    """
    every = baseline_cohort_curves(store, baseline, first.curves.scans)
    judged = judged or (lambda curves: float(sensitivity_at(patient_sums(curves), (1, 2, 4, 8)).mean()))
    size = int(np.argmax([judged(curves) for curves in every]))
    rate, flagged = like
    places = (
        (f"false positives of {first.name}", threshold_at(every[size], rate)),
        (f"flagged volume of {first.name}", threshold_flagging(every[size], flagged)),
    )
    points = tuple((what, place) for what, place in places if place is not None)
    points = points or (("highest threshold", len(THRESHOLDS) - 1),)
    scored = _baseline_scores(truths, baseline, SMALLEST_ML[size])
    return Method(baseline, every[size], points, SMALLEST_ML[size], scored)


def model_method(
    store: Store,
    truths: Truths,
    stored_as: str,
    subjects: Sequence[str],
    threshold: float,
    *,
    name: str | None = None,
    scoring: Mapping[str, Any] | None = None,
) -> Method:
    """A model as a method, from its stored scores.

    Args:
        threshold: of its operating point.
        name: None: as it is stored.
        scoring: settings to read the scores with instead of the model's own, by name.

    Raises:
        InputError: if something is not stored, or damaged.
    """
    curves = cohort_curves(store, stored_as, subjects, scoring=scoring)
    point = f"own threshold {threshold:g}", curves.at(threshold)

    def scored(subject: str) -> Scored:
        scores = store.read_scores(stored_as, subject).read_with(scoring or {})
        settings = scores.scoring
        return Scored(
            truths.on_cells(subject, settings.stride), scores.lattice(), settings.min_patches, settings.neighbourhood,
            scores.candidates,
        )  # fmt: skip

    return Method(name or stored_as, curves, (point,), None, scored)


class Truths:
    """The truth of the scan that was asked for last; several methods ask for one scan after another."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._subject = ""
        self._truth: ScanTruth | None = None
        self._cells: dict[int, ElementTruth] = {}

    def truth(self, subject: str) -> ScanTruth:
        if self._truth is None or self._subject != subject:
            self._subject, self._truth, self._cells = subject, self._store.read_truth(subject), {}
        return self._truth

    def on_cells(self, subject: str, stride: int) -> ElementTruth:
        truth = self.truth(subject)
        if stride not in self._cells:
            self._cells[stride] = truth.on_cells(stride)
        return self._cells[stride]


def _baseline_scores(truths: Truths, baseline: str, smallest_ml: float) -> Callable[[str], Scored]:
    def scored(subject: str) -> Scored:
        truth = truths.truth(subject)
        on_voxels = truth.on_voxels()
        scores = baseline_scores(truth, baseline)
        return Scored(on_voxels, scores, smallest_voxels(on_voxels, smallest_ml), "26")

    return scored
