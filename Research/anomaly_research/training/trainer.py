"""One step of the two networks against each other, by the paper's losses ("Network architecture")."""

from __future__ import annotations

from typing import NamedTuple

import torch
from AnomalyDetectionLib.model.networks import Discriminator, Encoding, Generator, initialise
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from .processes import Processes
from .run_file import Parts
from .settings import LossWeights, TrainingSettings


class GeneratorLosses(NamedTuple):
    """Scalars: the three losses before weighting, and their weighted sum."""

    reconstruction: Tensor
    encoding: Tensor
    adversarial: Tensor
    total: Tensor


def generator_losses(
    patches: Tensor,
    encoding: Encoding,
    real_features: tuple[Tensor, ...],
    made_features: tuple[Tensor, ...],
    weights: LossWeights,
) -> GeneratorLosses:
    """What the generator minimises, means over all elements: 70 L_con + 10 L_enc + 1 L_adv.

    L_con is the L1 distance of patch and reconstruction, L_enc the L2 distance of z and z_hat, L_adv the L2
    distance of the discriminator's features of patch and reconstruction.
    """
    con = F.l1_loss(encoding.reconstruction.float(), patches)
    enc = F.mse_loss(encoding.z_hat.float(), encoding.z.float())
    pairs = zip(real_features, made_features, strict=True)
    adv = torch.stack([F.mse_loss(made.float(), real.float()) for real, made in pairs]).mean()
    total = weights.reconstruction * con + weights.encoding * enc + weights.adversarial * adv
    return GeneratorLosses(con, enc, adv, total)


def soft_labels(count: int, real: bool, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Labels (count,) drawn uniformly from [0.8, 1] for real patches and [0, 0.2] for reconstructions."""
    labels = torch.rand(count, device=like.device, generator=generator) * 0.2
    return labels + 0.8 if real else labels


def discriminator_loss(real: Tensor, made: Tensor, real_labels: Tensor, made_labels: Tensor) -> Tensor:
    """The sum of two binary cross-entropies of logits with soft labels (scalar)."""
    entropy = F.binary_cross_entropy_with_logits
    return entropy(real.float(), real_labels) + entropy(made.float(), made_labels)


class Trainer:
    """Generator and discriminator with their optimisers."""

    def __init__(self, settings: TrainingSettings, device: torch.device, processes: Processes) -> None:
        self.settings, self.device, self.processes = settings, device, processes
        self.generator, self.discriminator = Generator(settings.network), Discriminator(settings.network)
        initialise(self.generator, settings.seed)
        initialise(self.discriminator, settings.seed + 1)
        for network in (self.generator, self.discriminator):
            processes.synchronise(network).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        adams = {f"{name}.adam": (self._adam(network), network) for name, network in networks.items()}
        self._generator_adam, self._discriminator_adam = (adam for adam, _ in adams.values())
        self.parts = Parts(networks, adams)

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        rate, betas, fused = (
            self.settings.learning_rate,
            self.settings.betas,
            self.device.type in ("cpu", "cuda"),
        )
        return torch.optim.Adam(network.parameters(), rate, betas, fused=fused)

    def step(self, patches: Tensor, labels: tuple[Tensor, Tensor]) -> Tensor:
        """Train both networks on this process's share of a batch.

        Args:
            patches: float32 (n, 2, size, size).
            labels: soft labels (n,) for the patches and for their reconstructions.

        Returns:
            (5,): reconstruction, encoding, adversarial, discriminator, weighted generator sum. It stays on the
            device, so that a GPU is never waited for.
        """
        discriminator, weights = self.discriminator, list(self.generator.parameters())
        with self._autocast():
            encoding = self.generator(patches)
            real = discriminator.features(patches)
            made = discriminator.features(encoding.reconstruction)
            known = tuple(feature.detach() for feature in real)
            losses = generator_losses(patches, encoding, known, made, self.settings.losses)
        # Only the generator's gradients: the features' path into the discriminator is not its to follow.
        gradients = list(torch.autograd.grad(losses.total, weights))
        self.processes.average_(gradients)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        with self._autocast():
            answer = discriminator(encoding.reconstruction.detach())
            adversary = discriminator_loss(discriminator.classify(real), answer, *labels)
        self._discriminator_adam.zero_grad(set_to_none=True)
        adversary.backward()
        self.processes.average_([w.grad for w in discriminator.parameters() if w.grad is not None])
        self._discriminator_adam.step()
        self._generator_adam.step()
        return torch.stack([*losses[:3], adversary, losses.total]).detach()

    @torch.no_grad()
    def measure(self, patches: Tensor) -> Tensor:
        """The weighted generator loss (scalar, on the device) of patches, in evaluation mode."""
        self.generator.eval()
        self.discriminator.eval()
        try:
            encoding = self.generator(patches)
            real = self.discriminator.features(patches)
            made = self.discriminator.features(encoding.reconstruction)
            return generator_losses(patches, encoding, real, made, self.settings.losses).total
        finally:
            self.generator.train()
            self.discriminator.train()

    def draw_labels(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Soft labels for a whole batch; every process draws the same and takes its share."""
        like = next(self.generator.parameters())
        return soft_labels(count, True, like, random), soft_labels(count, False, like, random)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16")
