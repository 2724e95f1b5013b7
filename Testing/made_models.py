"""Models with random weights: enough to get through the program, not to find anything."""

from __future__ import annotations

from typing import Any

import torch
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model.candidate_network import CandidateNetwork, CandidateSettings
from AnomalyDetectionLib.model.context_network import ContextNetwork, ContextSettings
from AnomalyDetectionLib.model.model_file import ContextModel, Model
from AnomalyDetectionLib.model.model_settings import NetworkSettings, ScoringSettings
from AnomalyDetectionLib.model.networks import Generator


def random_model(latent_size: int = 8, widths: tuple[int, int] = (4, 8), **changes: Any) -> Model:
    """A model that scores patches; `changes` of its fields."""
    torch.manual_seed(1)
    network = NetworkSettings(latent_size=latent_size, widths=widths)
    fields = {
        "name": "random",
        "weights": Generator(network).state_dict(),
        "median": torch.zeros(latent_size),
        "deviation": torch.ones(latent_size),
        "network": network,
        "preparation": PreparationSettings(),
        "scoring": ScoringSettings(),
        "card": {"summary": "random weights"},
    }
    return Model(**{**fields, **changes})


def random_context_model(widths: tuple[int, int] = (4, 6), **changes: Any) -> ContextModel:
    """The other kind: some of the brain is a candidate, and most candidates findings; `changes` of its fields."""
    torch.manual_seed(1)
    settings, candidate = ContextSettings(neighbours=1, widths=widths), CandidateSettings(width=4)
    network = ContextNetwork(settings)
    with torch.no_grad():
        network.unet.last.weight *= 600.0
        network.unet.last.bias[:4] += 2.5  # of the class "normal"
    fields = {
        "name": "surroundings",
        "weights": network.state_dict(),
        "settings": settings,
        "second_look": CandidateNetwork(candidate).state_dict(),
        "candidate": candidate,
        "preparation": PreparationSettings(scaling="modes"),
        "scoring": ScoringSettings(stride=1, threshold=0.1, min_patches=1),
        "card": {"title": "Surroundings (random)", "summary": "random weights that see whole slices"},
    }
    return ContextModel(**{**fields, **changes})
