"""The training loop: epochs until the training-validation loss has stopped falling, interruptible anywhere.

It needs torch, numpy and safetensors, and one file of prepared scans: nothing else, so that it runs
unchanged on a laptop and on a GPU machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from AnomalyDetectionLib.calibration.patch_source import Augmentation, PatchSource
from AnomalyDetectionLib.calibration.scan_file import ScanFile, TrainingScan, read_scans, split_patients
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
    """What a progress display shows.

    Attributes:
        epoch, fraction: the epoch under way and how much of it is done.
        losses: (reconstruction, encoding, adversarial, discriminator, generator) means of the epoch so far.
        patches_per_second: since the last report.
        utilisation: of the GPU in per cent where the driver tells; else None.
        history: the epochs done.
    """

    epoch: int
    fraction: float
    losses: tuple[float, ...]
    patches_per_second: float
    utilisation: int | None
    history: History


@dataclass(frozen=True)
class Trained:
    """What a run ends with.

    Attributes:
        weights: the generator's state after the best epoch, on the CPU.
        history: all epochs.
        seconds: trained, all sittings together.
        source: the training patches, from which the latent statistics are taken.
        measured: the patches of the held-out patients.
        scans: the training scans (without the held-out patients').
        preparation, notes: of the scan file: how the scans were prepared, what was kept out.
    """

    weights: dict[str, Tensor]
    history: History
    seconds: float
    source: PatchSource
    measured: PatchSource
    scans: tuple[TrainingScan, ...]
    preparation: PreparationSettings
    notes: str


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
        folder: receives the checkpoint.
        settings: of the run; those of a run that is gone on with must be the same.
        start: the model that `settings.start` names, whose generator a new run begins with; the discriminator of a
            model is not kept, and begins anew.
        device: "cpu", "cuda", or any other that torch knows.
        processes: several that train as one; None for this process alone.
        report: called every few batches.
        checkpoint_seconds: at least so often, and after each epoch, the checkpoint is written.
        stop_after_seconds: leave the run for another sitting after that time.

    Returns:
        The result, or None when the sitting's time was over first.

    Raises:
        InputError: the scans or the checkpoint cannot be used.
        KeyboardInterrupt: when interrupted; the run goes on from its last checkpoint.
    """
    processes = processes or Processes()
    content = read_scans(scan_file).scaled("percentiles")
    training, validation = _split(content, settings)
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
    source = _source(training, settings, settings.training_patches, settings.seed, device)
    measured = _source(validation, settings, settings.validation_patches, settings.seed + 1, device)
    trainer = Trainer(settings, torch.device(device), processes)
    if start is not None:
        trainer.generator.load_state_dict(start.weights)
    random = torch.Generator(device=device).manual_seed(settings.seed + 2)
    path = folder / CHECKPOINT
    if path.exists():
        position = checkpoint.load(path, trainer, scans_sha256)
        random.set_state(position.random)
    else:
        position = Position(
            History(), 1, 0, torch.zeros(5, dtype=torch.float64), random.get_state(), {}, 0.0, 0.0
        )
    run = _Run(trainer, source, measured, random, position, path, scans_sha256, report, checkpoint_seconds)
    until = time.monotonic() + stop_after_seconds
    while not position.history.finished(settings):
        if not run.epoch(until):
            return None
    return Trained(
        position.best,
        position.history,
        position.seconds,
        source,
        measured,
        tuple(training),
        content.preparation,
        content.notes,
    )


def _split(content: ScanFile, settings: TrainingSettings) -> tuple[list[TrainingScan], list[TrainingScan]]:
    """Scans to train on and to measure on; with a handful of scans, a model may be fine-tuned on all of them."""
    if settings.start is None or settings.held_out:
        return split_patients(content.scans, settings.held_out, settings.left_out)
    everyone = [scan for scan in content.scans if scan.patient not in settings.left_out]
    if not everyone:
        raise InputError(
            "All patients of the file of prepared scans are left out: nobody is left to train on."
        )
    return everyone, everyone


def _source(
    scans: list[TrainingScan], settings: TrainingSettings, count: int, seed: int, device: str
) -> PatchSource:
    return PatchSource(
        scans, settings.network.patch_size, count, seed=seed, sampling=settings.sampling, device=device
    )


class _Run:
    """The state of a run and what moves it on."""

    def __init__(self, trainer: Trainer, source: PatchSource, measured: PatchSource, random: torch.Generator,
                 position: Position, path: Path, scans_sha256: str, report: Callable[[Moment], None] | None,
                 checkpoint_seconds: float) -> None:  # fmt: skip
        self.trainer, self.source, self.measured, self.random = trainer, source, measured, random
        self.position, self.path, self.scans_sha256 = position, path, scans_sha256
        self.report, self.checkpoint_seconds = report, checkpoint_seconds

    def epoch(self, until: float) -> bool:
        """Finish the epoch under way; False when the time was over before."""
        position, settings, processes = self.position, self.trainer.settings, self.trainer.processes
        size = settings.batch_size
        batches = len(self.source) // size
        # The order depends on seed and epoch alone, so that it need not be kept in the checkpoint.
        shuffle = torch.Generator().manual_seed(settings.seed * 1_000_003 + position.epoch)
        order = torch.randperm(len(self.source), generator=shuffle).to(self.source.centres.device)
        sums = position.sums.to(torch.float32 if order.device.type == "mps" else torch.float64).to(
            order.device
        )
        clock = _Clock()
        saved = reported = time.monotonic()
        since_report = 0
        while position.batch < batches:
            which = order[position.batch * size : (position.batch + 1) * size]
            patches = self.source.gather(which, settings.augmentation, self.random)
            labels = self.trainer.draw_labels(size, self.random)
            losses = self.trainer.step(
                processes.share(patches), (processes.share(labels[0]), processes.share(labels[1]))
            )
            sums += losses.stacked()
            position.batch += 1
            since_report += 1
            if position.batch % REPORT_EVERY == 0 or position.batch == batches:
                means = tuple((sums / position.batch).tolist())
                now = time.monotonic()
                if self.report is not None and processes.is_first:
                    speed = since_report * size / max(now - reported, 1e-9)
                    self.report(
                        Moment(
                            position.epoch,
                            position.batch / batches,
                            means,
                            speed,
                            _utilisation(order.device),
                            position.history,
                        )
                    )
                reported, since_report = now, 0
                if now - saved > self.checkpoint_seconds:
                    self._save(sums, clock)
                    saved = time.monotonic()
                if now > until and processes.count == 1:
                    self._save(sums, clock)
                    return False
        self._finish(sums / batches, batches * size, clock)
        return True

    def _finish(self, means: Tensor, patch_steps: int, clock: _Clock) -> None:
        position, trainer = self.position, self.trainer
        average = [means.clone()]
        trainer.processes.average_(average)
        reconstruction, encoding, adversarial, discriminator, generator = average[0].tolist()
        validation = self._validate()
        clock.charge(position)
        earlier = position.history.epochs[-1].patch_steps if position.history.epochs else 0
        done = Epoch(position.epoch, earlier + patch_steps, reconstruction, encoding, adversarial,
                     discriminator, generator, validation, position.epoch_seconds)  # fmt: skip
        position.history = History((*position.history.epochs, done))
        if position.history.best is done:
            position.best = {k: v.detach().cpu().clone() for k, v in trainer.generator.state_dict().items()}
        position.epoch, position.batch, position.epoch_seconds = position.epoch + 1, 0, 0.0
        self._save(torch.zeros(5, dtype=torch.float64), clock)

    def _validate(self) -> float:
        """The mean generator loss on the training-validation patches, flipped anew like the training's."""
        flips = Augmentation(flips=self.trainer.settings.augmentation.flips)
        random = torch.Generator(device=self.source.centres.device).manual_seed(
            self.trainer.settings.seed + 3
        )
        total = 0.0
        for first in range(0, len(self.measured), MEASURING_BATCH):
            which = torch.arange(
                first, min(first + MEASURING_BATCH, len(self.measured)), device=self.measured.centres.device
            )
            total += float(self.trainer.measure(self.measured.gather(which, flips, random))) * which.numel()
        return total / len(self.measured)

    def _save(self, sums: Tensor, clock: _Clock) -> None:
        clock.charge(self.position)
        self.position.sums, self.position.random = sums.cpu().double(), self.random.get_state()
        if self.trainer.processes.is_first:
            checkpoint.save(self.path, self.trainer, self.position, self.scans_sha256)


class _Clock:
    """Charges the time since it was last asked to a run."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def charge(self, position: Position) -> None:
        now = time.monotonic()
        position.seconds += now - self._since
        position.epoch_seconds += now - self._since
        self._since = now


def _utilisation(device: torch.device) -> int | None:
    """How busy the GPU is, in per cent; None without one, or without the driver's library."""
    if device.type != "cuda":
        return None
    try:
        return torch.cuda.utilization(device)
    except Exception:  # the NVML binding is optional, and its errors are many
        return None
