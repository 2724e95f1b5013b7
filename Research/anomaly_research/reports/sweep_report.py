"""Experiment 1 as files: the data of figure 4, the settings at equal false positives, the joint optimum, figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from AnomalyDetectionLib.model.model_file import Model

from ..evaluation.csv_rows import Row, write_rows
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


def write_sweep(
    counts: SweepCounts, folder: Path, *, about: dict[str, Any], models: Sequence[Model] = ()
) -> None:
    """Write all tables and figures of experiment 1 into a folder.

    Args:
        about: what was evaluated.
        models: of the sweep; how they were trained becomes a table, too.
    """
    write_rows(folder / "sweep.csv", (_row(p) for p in at_threshold(counts)))
    equal = [
        {**_allowed(rate, wmh), **_row(p)}
        for wmh in _WMH
        for rate in RATES
        for p in at_false_positives(counts, rate, ignore_wmh=_WMH[wmh])
    ]
    write_rows(folder / "equal_false_positives.csv", equal)
    write_rows(folder / "optimum.csv", (_optimum_row(counts, rate, wmh) for wmh in _WMH for rate in RATES))
    if models:
        ordered = sorted(models, key=lambda model: model.network.latent_size)
        write_rows(folder / "trained.csv", map(_training_row, ordered))
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
    best, paper = optimum.best, optimum.paper
    theirs = "" if paper is None else f" (the paper's 100 and 50: {100 * paper.sensitivity:.0f} %)"
    return (
        f"At {JUDGED_AT:g} false positives a scan a latent size of {best.latent_size}, percentile "
        f"{best.percentile:g} and threshold {best.threshold:.2f} find most: {100 * best.sensitivity:.0f} % "
        f"of the infarcts{theirs}."
    )


def _allowed(rate: float, wmh: str) -> Row:
    return {"false_positives_allowed": f"{rate:g}", "wmh": wmh}


def _row(p: Performance) -> Row:
    return {
        "latent_size": p.latent_size,
        "percentile": f"{p.percentile:g}",
        "threshold": _threshold(p),
        "infarcts_found_percent": f"{100 * p.sensitivity:.1f}",
        "volume_found_percent": f"{100 * p.volume_share:.1f}",
        "findings_a_scan": f"{p.findings:.2f}",
        "false_positives_a_scan": f"{p.false_positives:.2f}",
        "flagged_ml_a_scan": f"{p.flagged_ml:.1f}",
    }


def _optimum_row(counts: SweepCounts, allowed: float, wmh: str) -> Row:
    """The joint optimum; without a setting where none finds anything."""
    optimum = joint_optimum(counts, allowed, ignore_wmh=_WMH[wmh])
    best, paper = _row(optimum.best), optimum.paper
    if optimum.best.sensitivity == 0:
        best = {**dict.fromkeys(best), "infarcts_found_percent": "0.0", "volume_found_percent": "0.0"}
    return {
        **_allowed(allowed, wmh),
        **best,
        "found_low_percent": _percent(optimum.interval[0]),
        "found_high_percent": _percent(optimum.interval[1]),
        "paper_setting_threshold": "" if paper is None else _threshold(paper),
        "paper_setting_found_percent": "" if paper is None else _percent(paper.sensitivity),
        "gain_points": _percent(optimum.gain),
        "gain_low_points": _percent(optimum.gain_interval[0]),
        "gain_high_points": _percent(optimum.gain_interval[1]),
        "gain_in_unseen_patients_points": _percent(optimum.out_of_bag),
        "chosen_again_percent": _percent(optimum.chosen_again),
    }


def _training_row(model: Model) -> Row:
    duration, settings = (model.card.get(name, {}) for name in ("duration", "training settings"))
    losses = [float(epoch["validation"]) for epoch in model.card.get("curves", [])]
    return {
        "latent_size": model.network.latent_size,
        "scans": len(model.card.get("trained on", {}).get("scans", [])),
        **{name: str(settings.get(name, "")) for name in ("training_patches", "sampling", "seed")},
        **{
            name.replace("-", "_").replace(" ", "_"): str(duration.get(name, ""))
            for name in ("patch-steps", "epochs", "best epoch")
        },
        "best_validation_loss": f"{min(losses):.3f}" if losses else "",
    }


def _threshold(p: Performance) -> str:
    return f"{p.threshold:.4g}" if np.isfinite(p.threshold) else ""


def _percent(value: float) -> str:
    return "" if np.isnan(value) else f"{100 * value:.1f}"
