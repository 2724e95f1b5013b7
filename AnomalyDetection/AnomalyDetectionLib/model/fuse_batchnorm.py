"""A generator for scoring only, with batch normalisation fused into the preceding convolutions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .networks import Generator


def fuse_batchnorm(layers: nn.Sequential) -> nn.Sequential:
    result: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            convolution: Any = result.pop()
            transposed = isinstance(convolution, nn.ConvTranspose2d)
            result.append(fuse_conv_bn_eval(convolution, layer, transpose=transposed))
        else:
            result.append(layer)
    return nn.Sequential(*result)


class LatentDifference(nn.Module):
    """Patches (n, 2, 15, 15) to z - z_hat (n, latent_size), the same as the generator's to rounding."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        generator.eval()
        self.encoder = fuse_batchnorm(generator.encoder)
        self.decoder = fuse_batchnorm(generator.decoder)
        self.second_encoder = fuse_batchnorm(generator.second_encoder)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (n, 2, 15, 15), best in channels_last, to (n, latent_size)."""
        z = self.encoder(patches)
        return z - self.second_encoder(self.decoder(z))
