"""The whole way of an evaluation: from a cohort's folder to the methods compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from AnomalyDetectionLib.detection.device import resolve_device
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.unusable import Unusable
from AnomalyDetectionLib.model.model_file import AnyModel, load_model

from .bootstrap import RESAMPLES, patient_weights
from .cohort_store import method_names, store_cohort
from .methods import Method, compared_methods
from .truth_files import BidsScan, read_bids

Progress = Callable[[str, float, str], None]
"""Called with the stage's name, the fraction of the whole done (0 to 1), and a line for people."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate, where, and how.

    Attributes:
        cohort: a folder in the layout of BIDS, with truth (see `truth_files`).
        output: folder of the store.
        models: names or files; the first is the one that baselines are set beside.
        percentiles: to score and store besides each model's own.
        subjects: only these ("sub-XX", or "sub-XX_ses-YY"); empty: all.
        device: "auto", "cpu", "cuda" or "mps".
        seed, resamples: of the bootstrap over patients.
    """

    cohort: Path
    output: Path
    models: tuple[str, ...]
    percentiles: tuple[float, ...] = ()
    subjects: tuple[str, ...] = ()
    device: str = "auto"
    seed: int = 0
    resamples: int = RESAMPLES


@dataclass(frozen=True)
class Evaluation:
    """The methods compared on the scans of a cohort.

    Attributes:
        models: by the names that their methods have.
        scans, failures: those that were evaluated; those that could not be, and why.
        methods: the models, then the baselines.
        weights: (resamples, patients) for intervals.
    """

    request: EvaluationRequest
    models: Mapping[str, AnyModel]
    scans: tuple[BidsScan, ...]
    failures: tuple[Unusable, ...]
    methods: tuple[Method, ...]
    weights: np.ndarray


def run_evaluation(request: EvaluationRequest, progress: Progress) -> Evaluation:
    """Prepare and score what is not stored yet, then compare all methods from what is stored.

    `Evaluation.methods` is empty where no scan could be evaluated.

    Raises:
        InputError: if the cohort, a model, a subject that was named, or the device cannot be used.
    """

    def part(stage: str, begin: float, end: float) -> Callable[[str, float], None]:
        return lambda line, done: progress(stage, begin + (end - begin) * done, line)

    device = resolve_device(request.device)
    models = method_names([load_model(name) for name in request.models])
    scans, failures = read_bids(request.cohort)
    if request.subjects:
        there = {scan.subject for scan in scans} | {failure.subject for failure in failures}
        if missing := sorted(set(request.subjects) - there):
            raise InputError(
                f"The cohort {request.cohort} has no subject {', '.join(missing)}: check --subjects."
            )
        scans = tuple(scan for scan in scans if scan.subject in request.subjects)
        failures = tuple(failure for failure in failures if failure.subject in request.subjects)
    scoring = part("scoring", 0.0, 0.9)
    done, failed = store_cohort(
        scans, request.output, models, percentiles=request.percentiles, device=device, progress=scoring
    )
    kept = tuple(scan for scan in scans if scan.subject in done)
    methods: tuple[Method, ...] = ()
    if done:
        methods = compared_methods(request.output, done, models, part("comparing", 0.9, 0.95))
    weights = patient_weights([scan.patient for scan in kept], request.resamples, request.seed)
    return Evaluation(request, models, kept, (*failures, *failed), methods, weights)
