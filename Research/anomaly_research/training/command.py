"""A training run from the command line's options to a model file, its checkpoint and its curves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from AnomalyDetectionLib.calibration.patch_source import Augmentation
from AnomalyDetectionLib.detection.device import resolve_device
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.model_file import SUFFIX, Model, load_paper_model, save_model
from AnomalyDetectionLib.model.model_settings import NetworkSettings, ScoringSettings
from AnomalyDetectionLib.model.tissue_statistics import needs_tissue_statistics

from .loop import Moment, train
from .processes import launch
from .publish import make_model
from .settings import History, TrainingSettings

Progress = Callable[[str, float, str], None]

_FINE_TUNING = {"max_epochs": 3, "learning_rate": 0.0002}
_FROM_RANDOM = {"max_epochs": 0, "learning_rate": 0.001}
"""What is taken where the options do not say: with a model to start from, and without one."""


def _settings(options: dict[str, Any], start: Model | None) -> TrainingSettings:
    usual = _FROM_RANDOM if start is None else _FINE_TUNING
    options = options | {name: value for name, value in usual.items() if options[name] is None}

    def taken(*names: str) -> dict[str, Any]:
        return {name: options[name] for name in names}

    network = NetworkSettings(**taken("latent_size", "widths", "output_activation", "features"))
    return TrainingSettings(
        network=network if start is None else start.network,
        augmentation=Augmentation(**taken("gain", "shift", "noise", "blur")),
        held_out=tuple(options["held_out"]),
        left_out=tuple(options["leave_out"]),
        training_patches=options["patches"],
        betas=(options["beta1"], 0.999),
        start=None if start is None else start.fingerprint,
        **taken("validation_patches", "sampling", "batch_size", "learning_rate"),
        **taken("patience", "max_epochs", "precision", "seed"),
    )


def train_from_options(options: dict[str, Any], command: str, progress: Progress) -> str:
    """Train, and write checkpoint, curves and, when the run is over, the model; returns what was done, in a sentence.

    An InputError if the scans, the card's JSON, the run's folder or the device cannot be used.
    """
    start = load_paper_model(options["start"], "This training") if options["start"] else None
    settings = _settings(options, start)
    name = checked_name(options["name"])
    if options["minutes"] and options["devices"] > 1:
        raise InputError("--minutes is for a single process; leave it out, or --devices.")
    about = read_about(options["about"])
    device = resolve_device(options["device"])
    folder: Path = options["output"]
    folder.mkdir(parents=True, exist_ok=True)
    processes = launch(options["devices"], device)

    def report(moment: Moment) -> None:
        progress("training", moment.fraction, _describe(moment))
        if moment.fraction == 1.0 and moment.history.epochs:
            draw_curves(moment.history, folder / "curves.png")

    minutes = options["minutes"]
    trained = train(
        options["scans"], folder, settings, start=start, device=processes.device(device), processes=processes, report=report,
        stop_after_seconds=60 * minutes if minutes else float("inf"),
    )  # fmt: skip
    if trained is None:
        return f"Left off after {minutes:g} minutes; the same command goes on from {folder}."
    path = folder / f"{name}{SUFFIX}"
    if processes.is_first:
        # Statistics by tissue are not estimated here.
        kept = start.scoring if start and not needs_tissue_statistics(start.scoring) else None
        scoring = kept or ScoringSettings()
        save_model(make_model(name, trained, settings, scoring, command, about, start), path)
        draw_curves(trained.history, folder / "curves.png")
    best = trained.history.best
    assert best is not None
    return (
        f"Trained on {trained.history.epochs[-1].patch_steps:,} patches in {trained.seconds / 3600:.1f} hours; "
        f"the best epoch was {best.number} (training-validation loss {best.validation:.3f}); model in {path}."
    )


def checked_name(name: str) -> str:
    """The name of a model, which is that of its file too; an InputError unless it can be one."""
    if not name or Path(name).name != name:
        raise InputError(f"A model cannot be named '{name}': leave out folders, they belong to --output.")
    return name


def read_about(path: Path | None) -> dict[str, Any]:
    """What a person has to say of a model, from a JSON file, or an InputError; nothing without one."""
    if path is None:
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"The card {path} cannot be read as a JSON object: {error}.") from error


def _describe(moment: Moment) -> str:
    reconstruction, encoding, adversarial, discriminator, total = moment.losses
    best = moment.history.best
    busy = "" if moment.utilisation is None else f", GPU {moment.utilisation} %"
    return (
        f"epoch {moment.epoch}: generator {total:.3f} (con {reconstruction:.4f}, enc {encoding:.4f}, adv {adversarial:.3f}), "
        f"discriminator {discriminator:.3f}" + (f", best validation {best.validation:.3f}" if best else "")
        + f"; {moment.patches_per_second:,.0f} patches/s{busy}"
    )  # fmt: skip


def draw_curves(history: History, path: Path) -> None:
    """Write the losses over patch-steps as a PNG: the generator's total, its parts, the discriminator's."""
    from matplotlib.figure import Figure

    epochs, best = history.epochs, history.best
    steps = [epoch.patch_steps / 1e6 for epoch in epochs]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    drawn = [(left, "generator", "training"), (left, "validation", "training-validation")]
    drawn += [(right, name, name) for name in ("reconstruction", "encoding", "adversarial", "discriminator")]
    for axes, name, label in drawn:
        values, marker = [getattr(epoch, name) for epoch in epochs], "o" if len(epochs) < 30 else None
        axes.plot(steps, values, label=label, marker=marker, ms=3)
    if best is not None:
        left.axvline(best.patch_steps / 1e6, color="grey", ls=":", label=f"best epoch ({best.number})")
    left.set(ylabel="generator loss (70 con + 10 enc + 1 adv)")
    right.set(ylabel="loss, before weighting", yscale="log")
    for axes in (left, right):
        axes.set_xlabel("patches trained on (millions)")
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
