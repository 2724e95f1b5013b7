"""Everything that a training run is made of, by name; kept in the checkpoint and in the model's card."""

from __future__ import annotations

from dataclasses import dataclass, field

from AnomalyDetectionLib.calibration.patch_source import Augmentation
from AnomalyDetectionLib.model.model_settings import NetworkSettings


@dataclass(frozen=True)
class LossWeights:
    """The weights of the three generator losses (paper)."""

    reconstruction: float = 70.0
    encoding: float = 10.0
    adversarial: float = 1.0


@dataclass(frozen=True)
class TrainingSettings:
    """The paper's training ("Image preprocessing", "Network architecture"), what it leaves open named."""

    network: NetworkSettings = field(default_factory=NetworkSettings)
    losses: LossWeights = field(default_factory=LossWeights)
    augmentation: Augmentation = field(default_factory=Augmentation)
    held_out: tuple[str, ...] = ()  # patients whose scans make the training-validation set; never trained on
    left_out: tuple[str, ...] = ()  # patients whose scans are not used at all: the model is tested on them
    training_patches: int = 1_000_000  # (paper)
    validation_patches: int = 100_000  # (paper)
    sampling: str = "brain"  # (paper), or "tissue": see `PatchSource`
    batch_size: int = 64  # (paper), over all processes together
    learning_rate: float = 0.001  # Adam's (paper)
    betas: tuple[float, float] = (0.9, 0.999)  # Adam's
    patience: int = 10  # epochs without a lower loss on training-validation before it stops (paper)
    max_epochs: int = 0  # stop after so many epochs even if the loss still falls; 0: no limit
    precision: str = "32"  # or "bf16", for autocast of the convolutions
    seed: int = 0  # of weights, patch positions, order, flips and soft labels
    # Fingerprint of the model whose generator it starts from (fine-tuning); None: random weights. With a model,
    # no patient need be held out: the loss is then measured on other patches of the training patients.
    start: str | None = None


@dataclass(frozen=True)
class Epoch:
    """What one epoch did: losses are means over it."""

    number: int  # from 1
    patch_steps: int  # patches trained on since the run began
    reconstruction: float  # these four before weighting
    encoding: float
    adversarial: float
    discriminator: float
    generator: float  # weighted sum of the first three
    validation: float  # the same on training-validation, with the networks in evaluation mode
    seconds: float  # of training and validation


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
