"""The training loop: epochs until the training-validation loss has stopped falling, interruptible anywhere.

It needs torch, numpy and safetensors, and one file of prepared scans, on a laptop as on a GPU machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from AnomalyDetectionLib.calibration.patch_source import Augmentation, PatchSource
from AnomalyDetectionLib.calibration.scan_file import TrainingScan, read_scans, split_patients
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.file_hash import sha256_of
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model.paper_model import Model
from torch import Tensor

from . import checkpoint
from .checkpoint import Position
from .processes import Processes
from .settings import Epoch, History, TrainingSettings
from .trainer import Trainer

CHECKPOINT = "checkpoint.safetensors"
MEASURING_BATCH = 2048
REPORT_EVERY = 50  # batches; losses are read back from the device only then


@dataclass(frozen=True)
class Moment:
    """What a progress display shows."""

    epoch: int  # under way
    fraction: float  # how much of it is done
    # Means of it so far: reconstruction, encoding, adversarial, discriminator, generator
    losses: tuple[float, ...]
    patches_per_second: float  # since the last report
    utilisation: int | None  # of the GPU in per cent where the driver tells
    history: History  # the epochs done


@dataclass(frozen=True)
class Trained:
    """What a run ends with."""

    weights: dict[str, Tensor]  # the generator's state after the best epoch, on the CPU
    history: History  # all epochs
    seconds: float  # trained, all sittings together
    source: PatchSource  # the training patches, from which the latent statistics are taken
    measured: PatchSource  # those of the held-out patients
    scans: tuple[TrainingScan, ...]  # trained on
    preparation: PreparationSettings  # of the scans
    notes: str  # of their file: what was kept out


def train(
    scan_file: Path,
    folder: Path,
    settings: TrainingSettings,
    *,
    start: Model | None = None,
    device: str = "cpu",
    processes: Processes | None = None,
    report: Callable[[Moment], None] | None = None,
    checkpoint_seconds: float = 120.0,
    stop_after_seconds: float = float("inf"),
) -> Trained | None:
    """Train, or go on with the run that `folder` holds.

    Args:
        scan_file: prepared scans, see `scan_file.write_scans`.
        settings: of the run; those of a run that is gone on with must be the same.
        start: the model that `settings.start` names, whose generator a new run begins with; the discriminator of a
            model is not kept, and begins anew.
        processes: several that train as one; None for this process alone.
        report: called every few batches.
        checkpoint_seconds: at least so often, and after each epoch, the checkpoint is written.
        stop_after_seconds: leave the run for another sitting, and return None, after that time.

    Raises:
        InputError: the scans or the checkpoint cannot be used.
    """
    processes = processes or Processes()
    content = read_scans(scan_file).scaled("percentiles")
    training, validation = split_patients(
        content.scans, settings.held_out, settings.left_out, fine_tuning=settings.start is not None
    )
    if start is not None and start.preparation != content.preparation:
        raise InputError(
            f"These scans were prepared otherwise than the model {start.name} wants them: prepare them for it."
        )
    scans_sha256 = sha256_of(scan_file)
    if settings.training_patches < settings.batch_size or settings.batch_size % processes.count:
        raise InputError(
            f"A batch of {settings.batch_size} patches must not exceed the {settings.training_patches} training patches, "
            f"and must divide evenly among {processes.count} processes."
        )
    size, sampling = settings.network.patch_size, settings.sampling
    counts = (training, settings.training_patches), (validation, settings.validation_patches)
    source, measured = (
        PatchSource(scans, size, count, seed=settings.seed + k, sampling=sampling, device=device)
        for k, (scans, count) in enumerate(counts)
    )
    trainer = Trainer(settings, torch.device(device), processes)
    if start is not None:
        trainer.generator.load_state_dict(start.weights)
    random = torch.Generator(device=device).manual_seed(settings.seed + 2)
    path = folder / CHECKPOINT
    if path.exists():
        position = checkpoint.load(path, trainer, scans_sha256)
        random.set_state(position.random)
    else:
        position = Position(random.get_state())
    run = _Run(trainer, source, measured, random, position, path, scans_sha256, report, checkpoint_seconds)
    until = time.monotonic() + stop_after_seconds
    while not position.history.finished(settings):
        if not run.epoch(until):
            return None
    done = position.best, position.history, position.seconds
    return Trained(*done, source, measured, tuple(training), content.preparation, content.notes)


@dataclass
class _Run:
    """The state of a run and what moves it on."""

    trainer: Trainer
    source: PatchSource
    measured: PatchSource
    random: torch.Generator
    position: Position
    path: Path
    scans_sha256: str
    report: Callable[[Moment], None] | None
    checkpoint_seconds: float
    _charged: float = 0.0

    def epoch(self, until: float) -> bool:
        """Finish the epoch under way; False when the time was over before."""
        position, settings, processes = self.position, self.trainer.settings, self.trainer.processes
        size = settings.batch_size
        batches = len(self.source) // size
        # The order depends on seed and epoch alone, so that it need not be kept in the checkpoint.
        shuffle = torch.Generator().manual_seed(settings.seed * 1_000_003 + position.epoch)
        order = torch.randperm(len(self.source), generator=shuffle).to(self.source.centres.device)
        precision = torch.float32 if order.device.type == "mps" else torch.float64
        sums = position.sums.to(precision).to(order.device)
        self._charged = saved = reported = time.monotonic()
        since_report = 0
        while position.batch < batches:
            which = order[position.batch * size : (position.batch + 1) * size]
            patches = self.source.gather(which, settings.augmentation, self.random)
            real, made = self.trainer.draw_labels(size, self.random)
            labels = processes.share(real), processes.share(made)
            sums += self.trainer.step(processes.share(patches), labels)
            position.batch += 1
            since_report += 1
            if position.batch % REPORT_EVERY == 0 or position.batch == batches:
                means = tuple((sums / position.batch).tolist())
                now = time.monotonic()
                if self.report is not None and processes.is_first:
                    speed = since_report * size / max(now - reported, 1e-9)
                    share, busy = position.batch / batches, _utilisation(order.device)
                    self.report(Moment(position.epoch, share, means, speed, busy, position.history))
                reported, since_report = now, 0
                over = now > until and processes.count == 1
                if over or now - saved > self.checkpoint_seconds:
                    self._save(sums)
                    saved = time.monotonic()
                if over:
                    return False
        self._finish(sums / batches, batches * size)
        return True

    def _finish(self, means: Tensor, patch_steps: int) -> None:
        position, trainer = self.position, self.trainer
        average = [means.clone()]
        trainer.processes.average_(average)
        validation = self._validate()
        self._charge()
        earlier = position.history.epochs[-1].patch_steps if position.history.epochs else 0
        patches, seconds = earlier + patch_steps, position.epoch_seconds
        con, enc, adv, discriminator, generator = average[0].tolist()
        done = Epoch(position.epoch, patches, con, enc, adv, discriminator, generator, validation, seconds)
        position.history = History((*position.history.epochs, done))
        if position.history.best is done:
            position.best = {k: v.detach().cpu().clone() for k, v in trainer.generator.state_dict().items()}
        position.epoch, position.batch, position.epoch_seconds = position.epoch + 1, 0, 0.0
        self._save(torch.zeros(5))

    def _validate(self) -> float:
        """The mean generator loss on the training-validation patches, flipped anew like the training's."""
        settings, device = self.trainer.settings, self.source.centres.device
        flips = Augmentation(flips=settings.augmentation.flips)
        random = torch.Generator(device=device).manual_seed(settings.seed + 3)
        total = 0.0
        for which in torch.arange(len(self.measured), device=device).split(MEASURING_BATCH):
            total += float(self.trainer.measure(self.measured.gather(which, flips, random))) * which.numel()
        return total / len(self.measured)

    def _save(self, sums: Tensor) -> None:
        self._charge()
        self.position.sums, self.position.random = sums.cpu().double(), self.random.get_state()
        if self.trainer.processes.is_first:
            checkpoint.save(self.path, self.trainer, self.position, self.scans_sha256)

    def _charge(self) -> None:
        """Add the time since this was last done, or since the epoch was gone on with, to the run's."""
        now = time.monotonic()
        self.position.seconds += now - self._charged
        self.position.epoch_seconds += now - self._charged
        self._charged = now


def _utilisation(device: torch.device) -> int | None:
    """How busy the GPU is, in per cent; None without one, or without the driver's library."""
    if device.type != "cuda":
        return None
    try:
        return torch.cuda.utilization(device)
    except Exception:  # the NVML binding is optional, and its errors are many
        return None
