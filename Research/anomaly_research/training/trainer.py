"""One step of the two networks against each other, and the losses of a batch they are not trained on."""

from __future__ import annotations

import torch
from AnomalyDetectionLib.model.networks import Discriminator, Generator, initialise
from torch import Tensor, nn

from .losses import discriminator_loss, generator_losses, soft_labels
from .processes import Processes
from .run_file import Parts
from .settings import TrainingSettings


class Trainer:
    """Generator and discriminator with their optimisers."""

    def __init__(self, settings: TrainingSettings, device: torch.device, processes: Processes) -> None:
        self.settings, self.device, self.processes = settings, device, processes
        self.generator, self.discriminator = Generator(settings.network), Discriminator(settings.network)
        initialise(self.generator, settings.seed)
        initialise(self.discriminator, settings.seed + 1)
        for network in (self.generator, self.discriminator):
            processes.synchronise(network).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._generator_optimiser = self._adam(self.generator)
        self._discriminator_optimiser = self._adam(self.discriminator)
        self.parts = Parts(
            {"generator": self.generator, "discriminator": self.discriminator},
            {
                "generator.adam": (self._generator_optimiser, self.generator),
                "discriminator.adam": (self._discriminator_optimiser, self.discriminator),
            },
        )

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.Adam(
            network.parameters(), self.settings.learning_rate, self.settings.betas, fused=fused
        )

    def step(self, patches: Tensor, labels: tuple[Tensor, Tensor]) -> Tensor:
        """Train both networks on this process's share of a batch.

        Args:
            patches: float32 (n, 2, size, size).
            labels: soft labels (n,) for the patches and for their reconstructions.

        Returns:
            (5,): reconstruction, encoding, adversarial, discriminator, weighted generator sum. It stays on the
            device, so that a GPU is never waited for.
        """
        real_labels, made_labels = labels
        discriminator, weights = self.discriminator, list(self.generator.parameters())
        with self._autocast():
            encoding = self.generator(patches)
            real = discriminator.features(patches)
            made = discriminator.features(encoding.reconstruction)
            losses = generator_losses(
                patches, encoding, tuple(f.detach() for f in real), made, self.settings.losses
            )
        # Only the generator's gradients: the features' path into the discriminator is not its to follow.
        gradients = list(torch.autograd.grad(losses.total, weights))
        self.processes.average_(gradients)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        with self._autocast():
            made_logits = discriminator(encoding.reconstruction.detach())
            adversary = discriminator_loss(
                discriminator.classify(real), made_logits, real_labels, made_labels
            )
        self._discriminator_optimiser.zero_grad(set_to_none=True)
        adversary.backward()
        self.processes.average_([w.grad for w in discriminator.parameters() if w.grad is not None])
        self._discriminator_optimiser.step()
        self._generator_optimiser.step()
        return torch.stack(
            [losses.reconstruction, losses.encoding, losses.adversarial, adversary, losses.total]
        ).detach()

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
