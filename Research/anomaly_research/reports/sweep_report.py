"""Experiment 1 as files: the data of figure 4, the settings at equal false positives, the joint optimum, figures."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from AnomalyDetectionLib.model.model_file import Model

from ..evaluation.froc import RATES
from ..experiments.latent_sweep import (
    Performance,
    SweepCounts,
    at_false_positives,
    at_threshold,
    joint_optimum,
)
from .experiment_about import write_about
from .sweep_figures import draw_froc, draw_joint, draw_thresholds, draw_volume_shares

JUDGED_AT = 8.0
"""False positives a scan at which settings are compared first: near the paper's 7.0, hyperintensities counted."""

JUDGED_AT_WITHOUT_WMH = 4.0
"""And with findings on hyperintensities ignored."""

_WMH = {"counted": False, "ignored": True}
_ALLOWED = ("false_positives_allowed", "wmh")

_PERFORMANCE = (
    "latent_size",
    "percentile",
    "threshold",
    "infarcts_found_percent",
    "volume_found_percent",
    "findings_a_scan",
    "false_positives_a_scan",
    "flagged_ml_a_scan",
)
_TRAINED = (
    "latent_size",
    "scans",
    "training_patches",
    "sampling",
    "seed",
    "patch_steps",
    "epochs",
    "best_epoch",
    "best_validation_loss",
)
_OPTIMUM = (
    *_ALLOWED,
    *_PERFORMANCE,
    "found_low_percent",
    "found_high_percent",
    "paper_setting_threshold",
    "paper_setting_found_percent",
    "gain_points",
    "gain_low_points",
    "gain_high_points",
    "gain_in_unseen_patients_points",
    "chosen_again_percent",
)


def write_sweep(
    counts: SweepCounts, folder: Path, *, about: dict[str, Any], models: Sequence[Model] = ()
) -> None:
    """Write all tables and figures of experiment 1 into a folder.

    Args:
        about: what was evaluated.
        models: of the sweep; how they were trained becomes a table, too.

    Raises:
        OSError: if they cannot be written.
    """
    at_3 = at_threshold(counts)
    _write(folder / "sweep.csv", _PERFORMANCE, (_cells(p) for p in at_3))
    _write(
        folder / "equal_false_positives.csv",
        (*_ALLOWED, *_PERFORMANCE),
        (
            [f"{k:g}", wmh, *_cells(p)]
            for wmh in _WMH
            for k in RATES
            for p in at_false_positives(counts, k, ignore_wmh=_WMH[wmh])
        ),
    )
    _write(
        folder / "optimum.csv",
        _OPTIMUM,
        (_optimum_cells(counts, k, wmh) for wmh in _WMH for k in RATES),
    )
    if models:
        ordered = sorted(models, key=lambda model: model.network.latent_size)
        _write(folder / "trained.csv", _TRAINED, (_training_cells(model) for model in ordered))
    draw_froc(counts, folder / "sweep_froc.png")
    draw_volume_shares(counts, folder / "sweep_volume.png")
    draw_joint(counts, JUDGED_AT, JUDGED_AT_WITHOUT_WMH, folder / "sweep_joint.png")
    draw_thresholds(counts, JUDGED_AT, folder / "sweep_thresholds.png")
    write_about(
        {
            **about,
            "latent sizes": list(counts.latent_sizes),
            "percentiles": list(counts.percentiles),
            "scans": len(counts.patients),
            "people": len(set(counts.patients)),
            "infarcts": int(np.sum(counts.lesions)),
            "trained on": models[0].card.get("trained on", {}).get("scans", []) if models else [],
        },
        folder,
    )


def best_in_words(counts: SweepCounts) -> str:
    """The joint optimum in one sentence."""
    optimum = joint_optimum(counts, JUDGED_AT, resamples=0)
    best = optimum.best
    sentence = (
        f"At {JUDGED_AT:g} false positives a scan a latent size of {best.latent_size}, percentile {best.percentile:g} and "
        f"threshold {best.threshold:.2f} find most: {100 * best.sensitivity:.0f} % of the infarcts"
    )
    if optimum.paper is not None:
        sentence += f" (the paper's 100 and 50: {100 * optimum.paper.sensitivity:.0f} %)"
    return sentence + "."


def _cells(p: Performance) -> list[str]:
    return [
        str(p.latent_size),
        f"{p.percentile:g}",
        f"{p.threshold:.4g}" if np.isfinite(p.threshold) else "",
        f"{100 * p.sensitivity:.1f}",
        f"{100 * p.volume_share:.1f}",
        f"{p.findings:.2f}",
        f"{p.false_positives:.2f}",
        f"{p.flagged_ml:.1f}",
    ]


def _optimum_cells(counts: SweepCounts, allowed: float, wmh: str) -> list[str]:
    """One row of the joint optimum; without a setting where none finds anything."""
    optimum = joint_optimum(counts, allowed, ignore_wmh=_WMH[wmh])
    low, high = optimum.gain_interval or (None, None)
    paper = optimum.paper
    return [
        f"{allowed:g}",
        wmh,
        *(_cells(optimum.best) if optimum.best.sensitivity > 0 else ["", "", "", "0.0", "0.0", "", "", ""]),
        *(_percent(value) for value in optimum.interval),
        "" if paper is None or not np.isfinite(paper.threshold) else f"{paper.threshold:.4g}",
        _percent(None if paper is None else paper.sensitivity),
        *(_percent(value) for value in (optimum.gain, low, high, optimum.out_of_bag, optimum.chosen_again)),
    ]


def _training_cells(model: Model) -> list[str]:
    duration, settings = (model.card.get(name, {}) for name in ("duration", "training settings"))
    curves = model.card.get("curves", [])
    best = min((float(epoch["validation"]) for epoch in curves), default=float("nan"))
    return [
        str(model.network.latent_size),
        str(len(model.card.get("trained on", {}).get("scans", []))),
        *(str(settings.get(name, "")) for name in ("training_patches", "sampling", "seed")),
        *(str(duration.get(name, "")) for name in ("patch-steps", "epochs", "best epoch")),
        f"{best:.3f}" if curves else "",
    ]


def _percent(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{100 * value:.1f}"


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)
