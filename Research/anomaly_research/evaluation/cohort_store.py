"""From a cohort to its store, scan by scan; and from the store to the curves of a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from AnomalyDetectionLib.detection.anatomy import segment_anatomy
from AnomalyDetectionLib.detection.detector import context_scores, lattice_scores, patch_size
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.imaging.reading import read_study
from AnomalyDetectionLib.imaging.unusable import Unusable
from AnomalyDetectionLib.model.model_file import AnyModel, ContextModel
from AnomalyDetectionLib.model.stored_settings import identity

from .flair_threshold import BASELINES, SMALLEST_ML, THRESHOLDS, baseline_curves
from .store import LatticeScores, Store, folder_name, preparation_name
from .stored_arrays import digest_of
from .threshold_curves import CohortCurves, gather, threshold_grid
from .truth import check_truth_is_there, scan_truth
from .truth_files import BidsScan

_Model = TypeVar("_Model", bound=AnyModel)


def method_names(models: Sequence[_Model]) -> dict[str, _Model]:
    """The models by the names they go by: their own, with a piece of their hash where two have the same.

    An `InputError` if a model is given twice.
    """
    named: dict[str, _Model] = {}
    names = [folder_name(model.name) for model in models]
    for model in models:
        alone = names.count(folder_name(model.name)) == 1 and model.name not in BASELINES
        name = model.name if alone else f"{model.name}-{model.fingerprint[:6]}"
        if name in named:
            raise InputError(f"The model {model.name} is given twice: give it once.")
        named[name] = model
    return named


def store_cohort(
    scans: Sequence[BidsScan],
    folder: Path,
    models: Mapping[str, AnyModel],
    *,
    percentiles: Sequence[float] = (),
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
) -> tuple[tuple[str, ...], tuple[Unusable, ...]]:
    """Prepare and score every scan of a cohort, as far as that is not stored yet.

    Args:
        folder: of the store.
        models: by name, at least one (see `method_names`); the baselines use the preparation of the first.
        percentiles: to score besides each model's own.
        device: "cpu", "cuda" or "mps".
        progress: called with a line for people and the fraction done.

    Returns:
        The scans that are stored now, by name, and those that failed. A scan fails as a whole, so that all
        methods are compared on the same scans.
    """
    stored, failures = [], []
    for place, scan in enumerate(scans):
        if progress is not None:
            progress(f"{scan.subject} ({place + 1} of {len(scans)})", place / len(scans))
        try:
            _store_scan(scan, folder, models, percentiles, device)
            stored.append(scan.subject)
        except Exception as error:  # one scan must not take the others with it
            failures.append(Unusable.by(scan.subject, error))
    return tuple(stored), tuple(failures)


def cohort_curves(
    store: Store,
    method: str,
    subjects: Sequence[str] | None = None,
    *,
    percentile: float | None = None,
    thresholds: np.ndarray | None = None,
    scoring: Mapping[str, Any] | None = None,
) -> CohortCurves:
    """What a model finds in a cohort at every threshold, from its stored scores.

    Args:
        subjects: None: all that are stored.
        percentile: None: the model's own.
        thresholds: ascending; None: `threshold_grid` with the model's own threshold.
        scoring: settings to read the stored scores with instead of the model's own, by name.

    Raises:
        InputError: if something is not stored, or damaged.
        ValueError: if the percentile was not scored, or the scores do not follow from those that are stored.
    """
    parts = []
    for subject in store.subjects() if subjects is None else subjects:
        truth, scores = store.read_truth(subject), store.read_scores(method, subject).read_with(scoring or {})
        if thresholds is None:
            thresholds = threshold_grid(scores.scoring.threshold)
        cells = truth.on_cells(scores.scoring.stride)
        parts.append((truth.facts, scores.curve(cells, thresholds, percentile)))
    return gather(parts)


def _store_scan(
    scan: BidsScan, folder: Path, models: Mapping[str, AnyModel], percentiles: Sequence[float], device: str
) -> None:
    """Store what is missing of one scan."""
    check_truth_is_there(scan)
    images = digest_of(scan.t1, scan.flair, scan.brain_mask)
    truth = {
        "files": digest_of(scan.infarcts, scan.infarct_table, scan.confounders),
        "patient": scan.patient,
        "lesion_free": scan.lesion_free,
    }
    prepared: dict[str, _Prepared] = {}
    for name, model in models.items():
        way = preparation_name(model.preparation)
        if way not in prepared:
            prepared[way] = _Prepared(scan, Store(folder, model.preparation), images, device)
            prepared[way].store_truth({"images": images, "truth": truth}, baselines=len(prepared) == 1)
        prepared[way].store_scores(name, model, percentiles)


@dataclass
class _Prepared:
    """A scan, prepared in one way; what is costly is made only when it is asked for, and once for all models."""

    scan: BidsScan
    store: Store
    images: str
    device: str

    @cached_property
    def study(self) -> PreparedStudy:
        """From the store if it is there, else prepared and stored now."""
        subject = self.scan.subject
        key = {"images": self.images, "preparation": preparation_name(self.store.preparation)}
        if self.store.key("prepared", subject) == key:
            return self.store.read_prepared(subject)
        images = read_study(self.scan.t1, self.scan.flair, self.scan.brain_mask)
        study = prepare(images, self.store.preparation, self.device)
        self.store.write_prepared(subject, study, key)
        return study

    @cached_property
    def anatomy(self) -> np.ndarray:
        return segment_anatomy(self.study, self.device)

    def store_truth(self, key: dict[str, Any], *, baselines: bool) -> None:
        store, subject = self.store, self.scan.subject
        if store.key("scans", subject) != key:
            store.write_truth(scan_truth(self.scan, self.study), key)
        for baseline in BASELINES if baselines else ():
            curves_key = {**key, "smallest_ml": list(SMALLEST_ML), "thresholds": THRESHOLDS.tolist()}
            if store.key("curves", subject, baseline) != curves_key:
                curves = baseline_curves(store.read_truth(subject), baseline)
                store.write_curves(baseline, subject, curves, curves_key)

    def store_scores(self, method: str, model: AnyModel, percentiles: Sequence[float]) -> None:
        own, subject = model.scoring.percentile, self.scan.subject
        # Another kind of model than the paper's has one score a patch, and no percentiles of it.
        wanted = [own] if isinstance(model, ContextModel) else sorted({own, *map(float, percentiles)})
        key = {"images": self.images, "model": model.fingerprint, "scoring": identity(model.scoring)}
        there = self.store.key("scores", subject, method) or {}
        if {**there, "percentiles": None} == {**key, "percentiles": None}:
            if set(wanted) <= set(there["percentiles"]):
                return
            wanted = sorted({*wanted, *there["percentiles"]})
        candidates = None
        if isinstance(model, ContextModel):
            _, scores, candidates = context_scores(self.study, model, device=self.device)
        else:
            anatomy = self.anatomy if model.scoring.statistics == "tissue" else None
            _, scores = lattice_scores(self.study, model, wanted, device=self.device, anatomy=anatomy)
        what = model.scoring, model.fingerprint, patch_size(model), self.study.brain, candidates
        stored = LatticeScores(np.array(wanted, np.float32), scores, *what)
        self.store.write_scores(method, subject, stored, {**key, "percentiles": wanted})
