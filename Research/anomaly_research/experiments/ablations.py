"""What each open question of the method is worth: one change at a time, all else equal (docs/method.md, "Left open").

Two kinds of change. Some need a training of their own: these models are trained alike, apart from the one setting,
and stand beside one that was trained alike without it. The others only read the scores of a model differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.unusable import Unusable
from AnomalyDetectionLib.model.model_file import Model
from AnomalyDetectionLib.model.tissue_statistics import needs_tissue_statistics

from ..evaluation.bootstrap import columns, patient_weights
from ..evaluation.cohort_store import cohort_curves, method_names, store_cohort
from ..evaluation.csv_rows import write_rows
from ..evaluation.froc import RATES, operating_point, patient_sums, sensitivity_at
from ..evaluation.store import NEEDS_NETWORK, Store
from ..evaluation.threshold_curves import CohortCurves
from ..evaluation.truth_files import BidsScan

RATE = 4.0
"""False positives a scan at which changes are compared, white matter hyperintensities ignored."""


@dataclass(frozen=True)
class Reading:
    """Another way to read a model's scores: question and value for the table, the settings that differ."""

    question: str
    value: str
    scoring: Mapping[str, Any]


_BY_TISSUE = {"statistics": "tissue", "distance": "mahalanobis"}

READINGS = (
    Reading("back-projection", "mean of overlapping patches", {"back_projection": "mean"}),
    Reading("isolated patch", "kept", {"min_patches": 1}),
    Reading("smallest finding", "8 patches (0.4 ml)", {"min_patches": 8}),
    Reading(
        "smallest finding, back-projection",
        "8 patches, mean of overlapping patches",
        {"min_patches": 8, "back_projection": "mean"},
    ),
    Reading("neighbours of a finding", "in-plane 8", {"neighbourhood": "8"}),
    Reading("factor 0.6745", "left out", {"z_factor": 1.0}),
    Reading("percentile N", "25", {"percentile": 25.0}),
    Reading("percentile N", "75", {"percentile": 75.0}),
    Reading("percentile N", "90", {"percentile": 90.0}),
    Reading("stride", "2, smallest finding of the same volume", {"stride": 2, "min_patches": 8}),
    Reading("statistics", "of the scan itself", {"statistics": "scan"}),
    Reading(
        "several",
        "mean of overlapping patches, percentile 90, statistics of the scan",
        {"back_projection": "mean", "percentile": 90.0, "statistics": "scan"},
    ),
    Reading("statistics", "by tissue", {"statistics": "tissue"}),
    Reading("distance", "Mahalanobis", {"distance": "mahalanobis"}),
    Reading("distance, statistics", "Mahalanobis by tissue", {**_BY_TISSUE}),
    Reading(
        "distance, back-projection",
        "Mahalanobis by tissue, mean of overlapping patches",
        {**_BY_TISSUE, "back_projection": "mean"},
    ),
)
"""One at a time, but for those that name several."""


@dataclass(frozen=True)
class Ablation:
    """One row of the table.

    Attributes:
        question, value: what was changed, and to what.
        found, lesions: infarcts found at the model's own threshold, and how many there are.
        volume_share: of the infarcts' volume, found infarcts whole.
        findings, false_positives: a scan, at that threshold; false positives without those on hyperintensities.
        sensitivity: at `RATES` false positives a scan, hyperintensities ignored.
        difference: of the sensitivity at `RATE` from the row it is compared with, and its 95 % interval over
            patients, paired, without ends of a single patient; None for the rows that the others are compared with.
    """

    question: str
    value: str
    found: int
    lesions: int
    volume_share: float
    findings: float
    false_positives: float
    sensitivity: tuple[float, ...]
    difference: tuple[float | None, ...] | None


def ablations(
    scans: Sequence[BidsScan],
    folder: Path,
    model: Model,
    trained: Sequence[Model] = (),
    alike: Model | None = None,
    *,
    readings: Sequence[Reading] = READINGS,
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
) -> tuple[tuple[Ablation, ...], tuple[Unusable, ...]]:
    """Change one thing at a time, and measure.

    Args:
        folder: of the store of scores; what is there already is not computed again.
        model: whose scores are read differently.
        readings: those that need statistics by tissue are left out where the model has none.
        trained: models of other settings, each trained like `alike` but for one (see `differences`).
        alike: None: they are compared with `model`.

    Returns:
        The rows, those that others are compared with first in their group; and the scans that failed.

    An `InputError` if a model is given twice, or no scan can be used.
    """
    # Stored scores are told apart by the models' names, so each needs one of its own.
    own = (model.name, model.fingerprint)
    other = [] if alike is None or (alike.name, alike.fingerprint) == own else [alike]
    model, *others = (
        replace(one, name=name) for name, one in method_names([model, *other, *trained]).items()
    )
    reference, trained = (others[0], others[1:]) if other else (model, others)
    models = {one.name: one for one in (model, *others)}
    readings = [reading for reading in readings if _can_be_read(model, reading)]
    for reading in readings:
        models.setdefault(*_variant(model, reading))
    percentiles = [r.scoring["percentile"] for r in readings if "percentile" in r.scoring]
    subjects, failures = store_cohort(
        scans, folder, models, percentiles=percentiles, device=device, progress=progress
    )
    if not subjects:
        raise InputError(f"No scan can be used: {failures[0].reason if failures else 'there is none'}")

    def curves(method: str, scoring: Mapping[str, Any] | None = None) -> CohortCurves:
        return cohort_curves(Store(folder, models[method].preparation), method, subjects, scoring=scoring)

    base = curves(model.name)
    rows = [_row("as in the paper", f"the model {model.name}", base, None, model.scoring.threshold)]
    for reading in readings:
        rest = {name: value for name, value in reading.scoring.items() if name not in NEEDS_NETWORK}
        changed = curves(_variant(model, reading)[0], rest)
        rows.append(_row(reading.question, reading.value, changed, base, model.scoring.threshold))
    if trained:
        against = base if reference is model else curves(reference.name)
        threshold = reference.scoring.threshold
        if reference is not model:
            rows.append(_row("trained alike", f"the model {reference.name}", against, None, threshold))
        rows += [
            _row(*differences(one, reference), curves(one.name), against, one.scoring.threshold)
            for one in trained
        ]
    return tuple(rows), failures


def differences(model: Model, other: Model) -> tuple[str, str]:
    """In which settings of training and preparation a model differs from another: their names, and its values."""
    mine, others = _settings(model), _settings(other)
    names = [name for name in mine if mine[name] != others.get(name)]
    words = [name.rpartition(".")[2].replace("_", " ") for name in names]
    values = [_plain(mine[name]) for name in names]
    if len(names) > 1:
        values = [f"{word} {value}" for word, value in zip(words, values, strict=True)]
    return ", ".join(words) or "nothing", ", ".join(values)


def _settings(model: Model) -> dict[str, Any]:
    """All settings that made a model, flat."""
    flat: dict[str, Any] = {}

    def add(prefix: str, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if isinstance(value, Mapping):
                add(f"{prefix}{name}.", value)
            else:
                flat[f"{prefix}{name}"] = list(value) if isinstance(value, tuple) else value

    add("", {"training": model.card.get("training settings", {}), "preparation": asdict(model.preparation)})
    return flat


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _can_be_read(model: Model, reading: Reading) -> bool:
    scoring = replace(model.scoring, **reading.scoring)
    return model.tissue_statistics is not None or not needs_tissue_statistics(scoring)


def _variant(model: Model, reading: Reading) -> tuple[str, Model]:
    """The model whose stored scores a reading follows from, with its name: only some settings need scores anew."""
    anew = {name: reading.scoring[name] for name in NEEDS_NETWORK if name in reading.scoring}
    if not anew:
        return model.name, model
    name = ", ".join([model.name, *(f"{setting} {value}" for setting, value in anew.items())])
    return name, replace(model, scoring=replace(model.scoring, **anew))


def _row(
    question: str, value: str, curves: CohortCurves, against: CohortCurves | None, threshold: float
) -> Ablation:
    point = operating_point(curves, threshold)
    sums = patient_sums(curves, ignore_wmh=True)
    difference = None
    if against is not None:
        # One set of resamples for both, so that the difference is paired.
        other, weights = patient_sums(against, ignore_wmh=True), patient_weights(curves.patients)

        def gained(drawn: np.ndarray) -> np.ndarray:
            return sensitivity_at(sums, [RATE], drawn)[:, 0] - sensitivity_at(other, [RATE], drawn)[:, 0]

        whole, drawn = float(gained(sums.everyone)[0]), gained(weights)
        difference = tuple(columns("difference", whole, drawn, weights.shape[1]).values())
    values = point.values
    return Ablation(
        question=question,
        value=value,
        found=point.found["any overlap"],
        lesions=point.lesions,
        volume_share=values["volume_share"],
        findings=values["findings"],
        false_positives=values["false_positives_no_wmh"],
        sensitivity=tuple(float(s) for s in sensitivity_at(sums, RATES)[0]),
        difference=difference,
    )


def write_ablations(rows: Sequence[Ablation], path: Path) -> None:
    """Write the table as CSV, one row an ablation.

    Found, findings and false positives are those at the model's own threshold; the sensitivities are at so
    many false positives a scan, findings on white matter hyperintensities ignored.
    """
    table = []
    for row in rows:
        low_to_high = ["" if d is None else f"{100 * d:+.1f}" for d in row.difference or (None,) * 3]
        columns = (f"difference at {RATE:g} FP", "95 % interval, low", "95 % interval, high")
        table.append(
            {
                "question": row.question,
                "value": row.value,
                "infarcts found": row.found,
                "infarcts": row.lesions,
                "share of infarct volume, %": f"{100 * row.volume_share:.1f}",
                "findings a scan": f"{row.findings:.1f}",
                "false positives a scan, WMH ignored": f"{row.false_positives:.1f}",
                **{
                    f"sensitivity at {rate:g} FP, %": f"{100 * share:.1f}"
                    for rate, share in zip(RATES, row.sensitivity, strict=True)
                },
                **dict(zip(columns, low_to_high, strict=True)),
            }
        )
    write_rows(path, table, line_end="\n")
