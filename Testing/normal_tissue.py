"""A small model that has a library of normal patches: random, but the library's latent vectors are the encoder's."""

from __future__ import annotations

import numpy as np
import torch
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model.library import NormalLibrary, dequantised, quantised
from AnomalyDetectionLib.model.model_file import Model
from AnomalyDetectionLib.model.model_settings import NetworkSettings, ScoringSettings
from AnomalyDetectionLib.model.networks import Generator, initialise

SMALL = NetworkSettings(latent_size=8, widths=(4, 8))


def a_library(n: int, latent_size: int) -> NormalLibrary:
    """Random bytes, random vectors."""
    random = np.random.default_rng(0)
    return NormalLibrary(
        patches=random.integers(0, 256, (n, 2, 15, 15), np.uint8),
        latents=random.normal(size=(n, latent_size)).astype(np.float16),
        low=(-0.5, -0.4),
        step=(0.01, 0.012),
        usual=(1.0, 2.0),
    )


def a_model_with_library(patches: int = 60, network: NetworkSettings = SMALL, **settings: object) -> Model:
    """A model with random weights and batch statistics, and a library of smooth random patches.

    Args:
        settings: of the preparation.
    """
    generator = Generator(network)
    initialise(generator, 3)
    random = torch.Generator().manual_seed(4)
    for name, buffer in generator.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.05, generator=random)
        elif name.endswith("running_var"):
            buffer.uniform_(0.05, 0.2, generator=random)
    generator.eval()
    rng = np.random.default_rng(5)
    levels = rng.uniform(0, 1, (patches, 2, 1, 1)) + rng.normal(0, 0.1, (patches, 2, 15, 15))
    values, low, step = quantised(levels.astype(np.float32))
    with torch.inference_mode():
        latents = generator.encoder(torch.from_numpy(dequantised(values, low, step))).half().numpy()
    return Model(
        name="small",
        weights={name: tensor.detach().clone() for name, tensor in generator.state_dict().items()},
        median=torch.zeros(network.latent_size),
        deviation=torch.ones(network.latent_size),
        network=network,
        preparation=PreparationSettings(**settings),  # type: ignore[arg-type]
        scoring=ScoringSettings(),
        card={"summary": "random weights"},
        library=NormalLibrary(values, latents, low, step, (0.01, 0.02)),
    )
