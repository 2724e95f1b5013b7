"""From a finished training run to a model file with its card and its library of normal patches."""

from __future__ import annotations

import dataclasses
from typing import Any

from AnomalyDetectionLib.calibration.latent_statistics import latent_statistics
from AnomalyDetectionLib.calibration.patch_source import PatchSource
from AnomalyDetectionLib.calibration.scan_file import ScanFile, TrainingScan
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.model_file import Model
from AnomalyDetectionLib.model.model_settings import ScoringSettings
from AnomalyDetectionLib.model.networks import Generator

from .library import CANDIDATES, HELD_OUT, build_library
from .loop import Trained
from .settings import TrainingSettings


def make_model(
    name: str,
    trained: Trained,
    settings: TrainingSettings,
    scoring: ScoringSettings,
    command: str,
    about: dict[str, Any],
    start: Model | None = None,
) -> Model:
    """The model of a run: its best epoch, the latent statistics and a library of its training patches, and the card.

    Args:
        command: that trained it, as one would type it.
        about: what a person has to say, such as licences; added to the card.
        start: the model that it was fine-tuned from. What its card says about itself stays in it.
    """
    generator = Generator(settings.network)
    generator.load_state_dict(trained.weights)
    generator.to(trained.source.centres.device)
    median, deviation = latent_statistics(generator, trained.source)
    built = build_library(generator, trained.source, trained.measured, seed=settings.seed)
    best, last = trained.history.best, trained.history.epochs[-1]
    assert best is not None  # a finished run has an epoch
    card: dict[str, Any] = {
        **about,
        "trained on": {
            "scans": [scan.name for scan in trained.scans],
            "held out for training-validation": list(settings.held_out),
            "left out for testing": list(settings.left_out),
            "patches": settings.training_patches,
            "kept out": trained.notes,
        },
        "command": command,
        "seed": settings.seed,
        "duration": {
            "hours": round(trained.seconds / 3600, 2),
            "epochs": last.number,
            "best epoch": best.number,
            "patch-steps": last.patch_steps,
            "patch-steps of the best epoch": best.patch_steps,
        },
        "library": built.note(),
        "training settings": dataclasses.asdict(settings),
        "curves": [dataclasses.asdict(epoch) for epoch in trained.history.epochs],
    }
    if start is not None:
        known = {name: start.card[name] for name in ("licences", "trained on") if name in start.card}
        card["fine-tuned from"] = {"name": start.name, "fingerprint": start.fingerprint, **known}
    parts = (trained.weights, median, deviation, settings.network, trained.preparation, scoring, card)
    return Model(name, *parts, library=built.library)


def with_library(model: Model, scans: ScanFile) -> Model:
    """A model with a library chosen anew from the scans of its training (see `scans_of`).

    An InputError if nobody was held out.
    """
    training, held_out = scans_of(model, scans)
    if not held_out:
        raise InputError(
            f"The model {model.name} was trained with nobody held out, and a library is measured on such people: train it "
            "anew with --held-out."
        )
    parts = (training, CANDIDATES), (held_out, HELD_OUT)
    seed = int(model.card.get("seed", 0))
    sampling = str(model.card.get("training settings", {}).get("sampling", "brain"))
    source, measured = (
        PatchSource(part, model.network.patch_size, count, seed=seed + k, sampling=sampling, device="cpu")
        for k, (part, count) in enumerate(parts)
    )
    built = build_library(model.generator(), source, measured, seed=seed)
    return dataclasses.replace(model, library=built.library, card={**model.card, "library": built.note()})


def scans_of(model: Model, scans: ScanFile) -> tuple[list[TrainingScan], list[TrainingScan]]:
    """The scans that a model was trained on, and those of the people held out, by its card.

    Raises:
        InputError: the card does not say which scans these are, they are not there, or they were prepared
            otherwise than the model wants them.
    """
    try:
        trained = model.card["trained on"]
        training = [str(name) for name in trained["scans"]]
        held_out = [str(patient) for patient in trained["held out for training-validation"]]
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"The card of the model {model.name} does not say which scans it was trained on: train it anew."
        ) from None
    scans = scans.scaled(model.preparation.scaling)
    if scans.preparation != model.preparation:
        raise InputError(
            f"These scans were prepared otherwise than the model {model.name} wants them; give the file that it was "
            "trained on."
        )
    names, patients = {scan.name for scan in scans.scans}, {scan.patient for scan in scans.scans}
    missing = [*(n for n in training if n not in names), *(p for p in held_out if p not in patients)]
    if missing or not training:
        raise InputError(
            f"These are not the scans that the model {model.name} was trained on (missing: "
            f"{', '.join(missing) or 'all'}); give the file that it was trained on."
        )
    return (
        [scan for scan in scans.scans if scan.name in training],
        [scan for scan in scans.scans if scan.patient in held_out],
    )
