"""From the stored scores of several models, at several percentiles, to what each setting finds at each threshold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
from AnomalyDetectionLib.errors import InputError

from ..evaluation import published
from ..evaluation.store import Store
from ..evaluation.threshold_curves import ScanCurve
from .latent_sweep import SweepCounts

FLAGGED = np.geomspace(2e-6, 0.2, 120)
"""Shares of all the cohort's patches that the thresholds of a setting let through."""

_BINS = np.geomspace(1e-3, 1e4, 4001)
_NAME = re.compile(r"latent-(\d+)")

Progress = Callable[[str, float, str], None]


def latent_models(store: Store) -> dict[int, str]:
    """The methods of a store that are models of a sweep, named latent-NNN, by their latent size.

    An `InputError` if there is none.
    """
    found = {}
    for method in store.methods():
        match = _NAME.fullmatch(method)
        if match:
            found[int(match[1])] = method
    if not found:
        raise InputError(
            f"{store.folder} holds no scores of a sweep: evaluate models named latent-050, latent-075 and so on there."
        )
    return dict(sorted(found.items()))


def count_sweep(store: Store, models: Mapping[int, str], progress: Progress | None = None) -> SweepCounts:
    """Count what every latent size and percentile finds in every scan, at thresholds of its own.

    Scans are read one after the other, once to choose the thresholds and once to count; only counts stay in memory.

    Args:
        models: latent size to method of the store.

    Raises:
        InputError: there are no scans, a score file is missing, or the models were scored at different percentiles.
    """
    subjects = [subject for subject in store.subjects() if _scored(store, models, subject)]
    if not subjects:
        raise InputError(
            f"{store.folder} holds no scan that all models have scored: see its tables/errors.csv."
        )
    steps = 2 * len(subjects)

    def report(done: int, message: str) -> None:
        if progress is not None:
            progress("counting", done / steps, message)

    percentiles: tuple[float, ...] | None = None
    tails: np.ndarray | None = None
    for number, subject in enumerate(subjects):
        report(number, f"thresholds {subject}")
        for latent, method in enumerate(models.values()):
            scores = store.read_scores(method, subject)
            of_this = tuple(round(float(p), 4) for p in scores.percentiles)
            if percentiles is None:
                percentiles, tails = of_this, np.zeros((len(models), len(of_this), len(_BINS)))
            if of_this != percentiles:
                raise InputError(
                    f"{store.folder} holds scores at different percentiles: evaluate all models with the same ones."
                )
            assert tails is not None
            tails[latent] += [np.searchsorted(np.sort(-s), -_BINS) for s in scores.scores]
    assert percentiles is not None
    assert tails is not None
    thresholds = np.array([[_thresholds(tail) for tail in of_model] for of_model in tails])
    counts = _Counts((len(subjects), *thresholds.shape))
    patients = []
    for number, subject in enumerate(subjects):
        report(len(subjects) + number, subject)
        truth = store.read_truth(subject)
        patients.append(truth.patient)
        volumes = np.array([lesion.volume_ml for lesion in truth.lesions])
        for latent, method in enumerate(models.values()):
            scores = store.read_scores(method, subject)
            on_cells = truth.on_cells(scores.scoring.stride)
            for place, percentile in enumerate(percentiles):
                curve = scores.curve(on_cells, thresholds[latent, place], percentile)
                counts.take((number, latent, place), curve, volumes)
        counts.lesions[number], counts.volume_ml[number] = len(volumes), volumes.sum()
        counts.brain_ml[number] = truth.brain_ml
    return SweepCounts(
        latent_sizes=tuple(models), percentiles=percentiles, thresholds=thresholds, patients=tuple(patients),
        **vars(counts),
    )  # fmt: skip


class _Counts:
    """The counts of `SweepCounts`, filled setting by setting."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.lesions = np.zeros(shape[0], np.int64)
        self.volume_ml, self.brain_ml = np.zeros(shape[0]), np.zeros(shape[0])
        self.found, self.findings = (np.zeros(shape, np.int32) for _ in range(2))
        self.false_positives, self.false_positives_no_wmh = (np.zeros(shape, np.int32) for _ in range(2))
        self.found_ml, self.flagged_ml = (np.zeros(shape, np.float32) for _ in range(2))

    def take(self, place: tuple[int, int, int], curve: ScanCurve, volumes: np.ndarray) -> None:
        touched = curve.coverage > 0
        self.found[place] = touched.sum(axis=1)
        self.found_ml[place] = touched @ volumes
        self.findings[place] = curve.findings
        self.false_positives[place] = curve.false_positives
        self.false_positives_no_wmh[place] = curve.false_positives_no_wmh
        self.flagged_ml[place] = curve.flagged_ml


def _thresholds(tail: np.ndarray) -> np.ndarray:
    """Ascending thresholds that let through `FLAGGED` shares, the paper's 3, and one that lets nothing through.

    Args:
        tail: how many scores lie above each of `_BINS`.
    """
    shares = tail / max(1.0, tail[0])
    wanted = np.interp(-FLAGGED, -shares, _BINS)
    silent = _BINS[min(int(np.argmax(tail == 0)), len(_BINS) - 1)] if (tail == 0).any() else _BINS[-1]
    # Not unique: every setting has as many thresholds. Equal ones count alike.
    return np.sort(np.concatenate([wanted, [published.THRESHOLD, max(silent, published.THRESHOLD + 1)]]))


def _scored(store: Store, models: Mapping[int, str], subject: str) -> bool:
    return all(store.key("scores", subject, method) is not None for method in models.values())
