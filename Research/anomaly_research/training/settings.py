"""Everything that a training run is made of, by name; kept in the checkpoint and in the model's card."""

from __future__ import annotations

from dataclasses import dataclass, field

from AnomalyDetectionLib.calibration.patch_source import Augmentation
from AnomalyDetectionLib.model.model_settings import NetworkSettings

from .losses import LossWeights


@dataclass(frozen=True)
class TrainingSettings:
    """The paper's training ("Image preprocessing", "Network architecture"), what it leaves open named.

    Attributes:
        network: the architecture.
        losses: 70, 10 and 1 (paper).
        augmentation: flips (paper), and what else makes scanner differences normal.
        held_out: patients whose scans make the training-validation set; never trained on.
        left_out: patients whose scans are not used at all, because the model is tested on them.
        training_patches, validation_patches: 1,000,000 and 100,000 (paper).
        sampling: "brain" (paper) or "tissue": see `PatchSource`.
        batch_size: 64 (paper), over all processes together.
        learning_rate, betas: Adam's; 0.001 (paper), betas left open.
        patience: epochs without a lower generator loss on training-validation before it stops: 10 (paper).
        max_epochs: stop after so many epochs even if the loss still falls; 0: no limit.
        precision: "32", or "bf16" for autocast of the convolutions.
        seed: of weights, patch positions, order, flips and soft labels.
        start: fingerprint of the model whose generator it starts from (fine-tuning); None: from random weights. Then no
            patient need be held out; without, the loss is measured on other patches of the training patients.
    """

    network: NetworkSettings = field(default_factory=NetworkSettings)
    losses: LossWeights = field(default_factory=LossWeights)
    augmentation: Augmentation = field(default_factory=Augmentation)
    held_out: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    training_patches: int = 1_000_000
    validation_patches: int = 100_000
    sampling: str = "brain"
    batch_size: int = 64
    learning_rate: float = 0.001
    betas: tuple[float, float] = (0.9, 0.999)
    patience: int = 10
    max_epochs: int = 0
    precision: str = "32"
    seed: int = 0
    start: str | None = None


@dataclass(frozen=True)
class Epoch:
    """What one epoch did: mean losses in training, and the generator loss on training-validation.

    Attributes:
        number: from 1.
        patch_steps: patches trained on since the run began.
        reconstruction, encoding, adversarial, discriminator: means over the epoch, before weighting.
        generator: weighted sum of the three, over the epoch.
        validation: the same on training-validation, with the networks in evaluation mode.
        seconds: of training and validation.
    """

    number: int
    patch_steps: int
    reconstruction: float
    encoding: float
    adversarial: float
    discriminator: float
    generator: float
    validation: float
    seconds: float


@dataclass(frozen=True)
class History:
    """The epochs so far, and which was best."""

    epochs: tuple[Epoch, ...] = ()

    @property
    def best(self) -> Epoch | None:
        """The epoch with the lowest training-validation loss, the earliest on a tie."""
        return min(self.epochs, key=lambda epoch: epoch.validation, default=None)

    def finished(self, settings: TrainingSettings) -> bool:
        """Whether early stopping or the limit of epochs ends the run."""
        if self.best is None:
            return False
        waited = self.epochs[-1].number - self.best.number
        return waited >= settings.patience or 0 < settings.max_epochs <= self.epochs[-1].number
