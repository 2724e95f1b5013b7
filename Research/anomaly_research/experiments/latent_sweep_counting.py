"""From the stored scores of several models, at several percentiles, to what each setting finds at each threshold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from AnomalyDetectionLib.errors import InputError

from ..evaluation import published
from ..evaluation.froc import most_flagged_ml
from ..evaluation.store import Store
from .latent_sweep import SweepCounts

FLAGGED = np.geomspace(2e-6, 0.2, 120)
"""Shares of all the cohort's patches that the thresholds of a setting let through."""

_BINS = np.geomspace(1e-3, 1e4, 4001)
_NAME = re.compile(r"latent-(\d+)")

COUNTED = {
    **dict.fromkeys(("found", "findings", "false_positives", "false_positives_no_wmh"), np.int32),
    **dict.fromkeys(("found_ml", "flagged_ml"), np.float32),
}
"""What `SweepCounts` has of every scan, setting and threshold."""


def latent_models(store: Store) -> dict[int, str]:
    """The methods of a store that are models of a sweep, named latent-NNN, by their latent size.

    An `InputError` if there is none.
    """
    found = {int(match[1]): method for method in store.methods() if (match := _NAME.fullmatch(method))}
    if not found:
        raise InputError(
            f"{store.folder} holds no scores of a sweep: evaluate models named latent-050, latent-075 and so on there."
        )
    return dict(sorted(found.items()))


def count_sweep(
    store: Store,
    models: Mapping[int, str],
    evaluated: Sequence[str],
    progress: Callable[[str, float, str], None] | None = None,
) -> SweepCounts:
    """Count what every latent size and percentile finds in every scan, at thresholds of its own.

    Scans are read one after the other, once to choose the thresholds and once to count; only counts stay in memory.

    Args:
        models: latent size to method of the store.
        evaluated: the scans that count, as far as all models have scored them; others may be stored beside them.

    Raises:
        InputError: there are no scans, a score file is missing, or the models were scored at different percentiles.
    """
    methods = list(models.values())
    subjects = [
        subject
        for subject in evaluated
        if all(store.key("scores", subject, method) is not None for method in methods)
    ]
    if not subjects:
        raise InputError(
            f"{store.folder} holds no scan that all models have scored: see its tables/errors.csv."
        )

    def report(done: int, message: str) -> None:
        if progress is not None:
            progress("counting", done / (2 * len(subjects)), message)

    percentiles = tuple(round(float(p), 4) for p in store.read_scores(methods[0], subjects[0]).percentiles)
    tails = np.zeros((len(models), len(percentiles), len(_BINS)))
    for number, subject in enumerate(subjects):
        report(number, f"thresholds {subject}")
        for latent, method in enumerate(methods):
            scores = store.read_scores(method, subject)
            if tuple(round(float(p), 4) for p in scores.percentiles) != percentiles:
                raise InputError(
                    f"{store.folder} holds scores at different percentiles: evaluate all models with the same ones."
                )
            tails[latent] += [np.searchsorted(np.sort(-s), -_BINS) for s in scores.scores]
    thresholds = np.array([[_thresholds(tail) for tail in of_model] for of_model in tails])
    counts = {name: np.zeros((len(subjects), *thresholds.shape), kind) for name, kind in COUNTED.items()}
    truths, volume_ml = [], []
    for number, subject in enumerate(subjects):
        report(len(subjects) + number, subject)
        truth = store.read_truth(subject)
        truths.append(truth.facts)
        volumes = np.array([lesion.volume_ml for lesion in truth.lesions])
        volume_ml.append(volumes.sum())
        for latent, method in enumerate(methods):
            scores = store.read_scores(method, subject)
            cells = truth.on_cells(scores.scoring.stride)
            for place, percentile in enumerate(percentiles):
                curve = scores.curve(cells, thresholds[latent, place], percentile)
                touched = curve.coverage > 0
                here = {**vars(curve), "found": touched.sum(axis=1), "found_ml": touched @ volumes}
                for name, values in counts.items():
                    values[number, latent, place] = here[name]
    return SweepCounts(
        latent_sizes=tuple(models),
        percentiles=percentiles,
        thresholds=thresholds,
        patients=tuple(truth.patient for truth in truths),
        lesions=np.array([len(truth.lesions) for truth in truths]),
        volume_ml=np.array(volume_ml),
        most_flagged_ml=most_flagged_ml(
            np.array([truth.brain_ml for truth in truths]), np.array([truth.known_ml for truth in truths])
        ),
        **counts,
    )


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
