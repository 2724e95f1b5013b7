"""The paper's networks: an encoder-decoder-encoder generator and a discriminator (GANomaly).

After figure 3 of van Hespen et al. (2021) and Akcay et al. (2018): three (transposed) convolutions each,
no biases, weights drawn from N(0, 0.02). A patch of 15 x 15 shrinks to 7, 3 and 1 and grows back.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .model_settings import NetworkSettings

CHANNELS = 2  # T1 and FLAIR, in this order
SLOPE = 0.2


class Encoder(nn.Sequential):
    """Patches (n, 2, 15, 15) to latent vectors (n, latent_size)."""

    def __init__(self, settings: NetworkSettings) -> None:
        first, second = settings.widths
        super().__init__(
            nn.Conv2d(CHANNELS, first, 5, stride=2, padding=1, bias=False),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(first, second, 5, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(second),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(second, settings.latent_size, 3, bias=False),
            nn.Flatten(),
        )


class Decoder(nn.Sequential):
    """Latent vectors (n, latent_size) to patches (n, 2, 15, 15)."""

    def __init__(self, settings: NetworkSettings) -> None:
        first, second = settings.widths
        layers: list[nn.Module] = [
            nn.Unflatten(1, (settings.latent_size, 1, 1)),
            nn.ConvTranspose2d(settings.latent_size, second, 3, bias=False),
            nn.BatchNorm2d(second),
            nn.ReLU(),
            nn.ConvTranspose2d(second, first, 5, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.ConvTranspose2d(first, CHANNELS, 5, stride=2, padding=1, bias=False),
        ]
        if settings.output_activation == "tanh":
            layers.append(nn.Tanh())
        super().__init__(*layers)


class Encoding(NamedTuple):
    """What the generator makes of a batch of patches."""

    z: Tensor
    reconstruction: Tensor
    z_hat: Tensor


class Generator(nn.Module):
    """Encodes a patch, reconstructs it, and encodes the reconstruction again.

    What it has learnt to see as normal is encoded twice the same way: z - z_hat is near its usual value.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.encoder = Encoder(settings)
        self.decoder = Decoder(settings)
        self.second_encoder = Encoder(settings)

    def forward(self, patches: Tensor) -> Encoding:
        """Patches (n, 2, 15, 15) to (z, reconstruction, z_hat)."""
        z = self.encoder(patches)
        reconstruction = self.decoder(z)
        return Encoding(z, reconstruction, self.second_encoder(reconstruction))


class Discriminator(nn.Module):
    """Tells patches from reconstructions; its features make the adversarial loss."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        first, second = settings.widths
        self.first = nn.Sequential(
            nn.Conv2d(CHANNELS, first, 5, stride=2, padding=1, bias=False), nn.LeakyReLU(SLOPE)
        )
        self.second = nn.Sequential(
            nn.Conv2d(first, second, 5, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(second),
            nn.LeakyReLU(SLOPE),
        )
        self.classifier = nn.Sequential(nn.Conv2d(second, 1, 3, bias=False), nn.Flatten(0))
        self.all_features = settings.features == "all"

    def features(self, patches: Tensor) -> tuple[Tensor, ...]:
        """The features L_adv compares: the penultimate layer's (n, 128, 3, 3), or those of all layers.

        The last element is always what `classify` takes.
        """
        early = self.first(patches)
        late = self.second(early)
        return (early, late) if self.all_features else (late,)

    def classify(self, features: tuple[Tensor, ...]) -> Tensor:
        """Logits (n,): above 0 where the patch is taken for a real one."""
        return self.classifier(features[-1])

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (n, 2, 15, 15) to logits (n,)."""
        return self.classify(self.features(patches))


def initialise(network: nn.Module, seed: int) -> None:
    """Draw convolution weights from N(0, 0.02) and batch-norm weights from N(1, 0.02), as in GANomaly."""
    generator = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, 0.0, 0.02, generator=generator)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02, generator=generator)
            nn.init.zeros_(layer.bias)
