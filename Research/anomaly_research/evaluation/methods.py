"""The methods of a comparison, on the same scans: models at their own thresholds, baselines set beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from AnomalyDetectionLib.model.model_file import AnyModel

from .categories import Scored
from .cohort_store import cohort_curves
from .flair_threshold import BASELINES, SMALLEST_ML, THRESHOLDS, baseline_scores, smallest_voxels
from .froc import patient_sums, sensitivity_at, threshold_at, threshold_flagging
from .store import Store, preparation_name
from .threshold_curves import CohortCurves, side_by_side


@dataclass(frozen=True)
class Method:
    """A method and what it finds in the cohort.

    Attributes:
        name: a model's, or that of a baseline.
        curves: over the cohort.
        points: operating points, the main one first: what it is, and the index of its threshold.
        smallest_ml: findings below it are dropped; None: the model's rule.
        scored: what it says of a scan, by subject.
    """

    name: str
    curves: CohortCurves
    points: tuple[tuple[str, int], ...]
    smallest_ml: float | None
    scored: Callable[[str], Scored]


def compared_methods(
    folder: Path,
    subjects: Sequence[str],
    models: Mapping[str, AnyModel],
    progress: Callable[[str, float], None],
) -> tuple[Method, ...]:
    """The models (at least one) in their order, then the baselines, from what is stored in a folder.

    The baselines have no threshold of their own. They get the one with as many false positives as the first
    model, and the one that flags as much. An `InputError` if something is not stored, or damaged.
    """
    methods: list[Method] = []
    readers: dict[str, Truths] = {}
    for place, (name, model) in enumerate(models.items()):
        progress(name, place / len(models))
        way = preparation_name(model.preparation)
        truths = readers.setdefault(way, Truths(Store(folder, model.preparation)))
        methods.append(_model_method(truths, name, subjects, model.scoring.threshold))
    truths = next(iter(readers.values()))
    return (*methods, *(_baseline_method(truths, baseline, methods[0]) for baseline in BASELINES))


def _baseline_method(truths: Truths, baseline: str, first: Method) -> Method:
    """A baseline beside the first model; the smallest size of its findings is chosen on this very cohort, in its favour:
    by the mean sensitivity at 1, 2, 4 and 8 false positives a scan.
    """
    by_scan = [truths.store.read_curves(baseline, subject) for subject in first.curves.subjects]
    every = [replace(first.curves, **side_by_side(own)) for own in zip(*by_scan, strict=True)]
    size = int(np.argmax([sensitivity_at(patient_sums(curves), (1, 2, 4, 8)).mean() for curves in every]))
    curves, smallest_ml, at = every[size], SMALLEST_ML[size], first.points[0][1]
    rate, flagged = (
        float(each[at].mean()) for each in (first.curves.false_positives, first.curves.flagged_ml)
    )
    places = {
        f"false positives of {first.name}": threshold_at(curves, rate),
        f"flagged volume of {first.name}": threshold_flagging(curves, flagged),
    }
    points = tuple((what, place) for what, place in places.items() if place is not None)

    def scored(subject: str) -> Scored:
        truth = truths.truth(subject)
        on_voxels = truth.on_voxels()
        return Scored(on_voxels, baseline_scores(truth, baseline), smallest_voxels(on_voxels, smallest_ml))

    points = points or (("highest threshold", len(THRESHOLDS) - 1),)
    return Method(baseline, curves, points, smallest_ml, scored)


def _model_method(truths: Truths, name: str, subjects: Sequence[str], threshold: float) -> Method:
    """A model at its own threshold, from its stored scores."""
    curves = cohort_curves(truths.store, name, subjects)

    def scored(subject: str) -> Scored:
        scores = truths.store.read_scores(name, subject)
        settings = scores.scoring
        cells, smallest = truths.on_cells(subject, settings.stride), settings.min_patches
        return Scored(cells, scores.lattice(), smallest, settings.neighbourhood, scores.candidates)

    return Method(name, curves, ((f"own threshold {threshold:g}", curves.at(threshold)),), None, scored)


class Truths:
    """The truth of the scan that was asked for last; several methods ask for one scan after another."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.truth = lru_cache(1)(store.read_truth)
        self.on_cells = lru_cache(2)(lambda subject, stride: self.truth(subject).on_cells(stride))
