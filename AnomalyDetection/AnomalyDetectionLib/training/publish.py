"""From a finished training run to a model file with its card."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..model.model_file import Model
from ..model.networks import Generator
from ..model.settings import ScoringSettings
from .loop import Trained
from .settings import TrainingSettings
from .statistics import latent_statistics


def make_model(
    name: str,
    trained: Trained,
    settings: TrainingSettings,
    scoring: ScoringSettings,
    command: str,
    about: dict[str, Any],
) -> Model:
    """The model of a run: its best epoch, the latent statistics of its training patches, and the card.

    Args:
        command: that trained it, as one would type it.
        about: what a person has to say, such as licences; added to the card.
    """
    generator = Generator(settings.network)
    generator.load_state_dict(trained.weights)
    generator.to(trained.source.centres.device)
    median, deviation = latent_statistics(generator, trained.source)
    best = trained.history.best
    assert best is not None  # a finished run has an epoch
    card = {
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
            "epochs": trained.history.epochs[-1].number,
            "best epoch": best.number,
            "patch-steps": trained.history.epochs[-1].patch_steps,
            "patch-steps of the best epoch": best.patch_steps,
        },
        "training settings": dataclasses.asdict(settings),
        "curves": [dataclasses.asdict(epoch) for epoch in trained.history.epochs],
    }
    return Model(
        name, trained.weights, median, deviation, settings.network, trained.preparation, scoring, card
    )
