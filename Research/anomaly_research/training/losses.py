"""The paper's losses ("Network architecture"): 70 L_con + 10 L_enc + 1 L_adv, and the discriminator's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from AnomalyDetectionLib.model.networks import Encoding
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True)
class LossWeights:
    """The weights of the three generator losses."""

    reconstruction: float = 70.0
    encoding: float = 10.0
    adversarial: float = 1.0


@dataclass(frozen=True)
class GeneratorLosses:
    """Scalars: the three losses before weighting, and their weighted sum."""

    reconstruction: Tensor
    encoding: Tensor
    adversarial: Tensor
    total: Tensor


def generator_losses(
    patches: Tensor,
    encoding: Encoding,
    real_features: tuple[Tensor, ...],
    reconstructed_features: tuple[Tensor, ...],
    weights: LossWeights,
) -> GeneratorLosses:
    """What the generator minimises, means over all elements.

    L_con is the L1 distance of patch and reconstruction, L_enc the L2 distance of z and z_hat, L_adv the L2
    distance of the discriminator's features of patch and reconstruction.
    """
    reconstruction = F.l1_loss(encoding.reconstruction.float(), patches)
    enc = F.mse_loss(encoding.z_hat.float(), encoding.z.float())
    pairs = zip(real_features, reconstructed_features, strict=True)
    adversarial = torch.stack([F.mse_loss(made.float(), real.float()) for real, made in pairs]).mean()
    total = (
        weights.reconstruction * reconstruction + weights.encoding * enc + weights.adversarial * adversarial
    )
    return GeneratorLosses(reconstruction, enc, adversarial, total)


def soft_labels(count: int, real: bool, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Labels (count,) drawn uniformly from [0.8, 1] for real patches and [0, 0.2] for reconstructions."""
    labels = torch.rand(count, device=like.device, generator=generator) * 0.2
    return labels + 0.8 if real else labels


def discriminator_loss(
    real_logits: Tensor, reconstructed_logits: Tensor, real_labels: Tensor, reconstructed_labels: Tensor
) -> Tensor:
    """The sum of two binary cross-entropies with soft labels (scalar)."""
    real = F.binary_cross_entropy_with_logits(real_logits.float(), real_labels)
    made = F.binary_cross_entropy_with_logits(reconstructed_logits.float(), reconstructed_labels)
    return real + made
