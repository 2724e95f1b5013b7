"""The training of the context detector: steps, a checkpoint that a killed run goes on from, averaged weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Subset

from ..model.context_network import STRIDE, ContextNetwork, ContextSettings, look
from .context_checkpoint import Parts, Step, load, save
from .context_lesions import HYPERINTENSE, IGNORED, NORMAL
from .context_sampling import ContextSamples, ContextScan, Sample

CHECKPOINT = "context_checkpoint.safetensors"
_SAVED_EVERY_S = 120.0
_AVERAGING = 0.998


@dataclass(frozen=True)
class ContextTrainingSettings:
    """How the context detector is trained.

    Attributes:
        network: the architecture.
        steps: of the optimiser.
        batch_size: slices a step.
        learning_rate: at its highest; it rises over the first 3 % and falls along a cosine to 0.
        weight_decay: of AdamW.
        normative: weight of the normative head's loss.
        hyperintense_weight: of a cell of that class, against 1 for a normal one.
        false_alarms: how much more a normal cell counts that is surely taken for a lesion.
        seed: of weights and samples.
    """

    network: ContextSettings = field(default_factory=ContextSettings)
    steps: int = 6000
    batch_size: int = 12
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    normative: float = 0.2
    hyperintense_weight: float = 2.0
    false_alarms: float = 3.0
    seed: int = 1
    data: str = ""


def train_context(
    scans: Sequence[ContextScan],
    outlines: Sequence[np.ndarray],
    folder: Path,
    settings: ContextTrainingSettings,
    *,
    start: dict[str, Tensor] | None = None,
    device: str = "cpu",
    workers: int = 1,
    report: Callable[[Step], None] | None = None,
    report_every: int = 50,
) -> tuple[dict[str, Tensor], tuple[Step, ...]]:
    """Train, or go on with a training that was stopped.

    Samples depend on the seed and their number alone, so that a run that was stopped draws the ones it would
    have drawn.

    Args:
        outlines: of real lesions, that lend their shapes; may be empty.
        folder: of the checkpoint.
        start: weights to begin with, such as of a model to be fine-tuned.
        workers: processes that paint samples while others are learnt from.

    Returns:
        The averaged weights, and what was reported.

    Raises:
        InputError: the folder holds a checkpoint that is damaged, or of other settings.
    """
    torch.manual_seed(settings.seed)
    network = ContextNetwork(settings.network)
    if start is not None:
        network.load_state_dict(start)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    averaged = copy.deepcopy(network).eval()
    parts, path = Parts(network, averaged, optimiser), folder / CHECKPOINT
    done, history = load(path, parts, settings) if path.exists() else (0, [])
    samples = ContextSamples(
        scans,
        outlines,
        settings.steps * settings.batch_size,
        seed=settings.seed,
        neighbours=settings.network.neighbours,
    )
    sums, count, begin, last_saved = np.zeros(2), 0, time.perf_counter(), time.perf_counter()
    for number, sample in zip(
        range(done, settings.steps), _batches(samples, done, settings.batch_size, workers), strict=False
    ):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _schedule(number / settings.steps)
        sample = Sample(*(getattr(sample, name).to(device) for name in Sample.__annotations__))
        network.train()
        anomaly, normative = context_losses(network, sample, settings)
        optimiser.zero_grad(set_to_none=True)
        (anomaly + settings.normative * normative).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        _average(averaged, network, min(_AVERAGING, (1 + number) / (10 + number)))
        sums += [anomaly.item(), normative.item()]
        count += 1
        last = number + 1 == settings.steps
        if count == report_every or last:
            speed = count * settings.batch_size / (time.perf_counter() - begin)
            history.append(Step(number + 1, float(sums[0] / count), float(sums[1] / count), speed))
            sums, count, begin = np.zeros(2), 0, time.perf_counter()
            if report is not None:
                report(history[-1])
        if last or time.perf_counter() - last_saved > _SAVED_EVERY_S:
            save(path, parts, settings, number + 1, history)
            last_saved = time.perf_counter()
    return {name: tensor.detach().cpu() for name, tensor in averaged.state_dict().items()}, tuple(history)


def context_losses(
    network: ContextNetwork, sample: Sample, settings: ContextTrainingSettings
) -> tuple[Tensor, Tensor]:
    """The loss of the anomaly head, where both images are seen, and of the normative head, where one is hidden."""
    device = sample.images.device.type
    with torch.autocast(device, dtype=torch.bfloat16):
        answer = look(network, sample.images, sample.brain, sample.place, sample.other_side, sample.seen)
    both = sample.seen.all(dim=1)
    target = sample.target.long()
    counted = (target != IGNORED) & both[:, None, None]
    each = functional.cross_entropy(answer.logits, torch.where(counted, target, 0), reduction="none")
    # What is normal and not taken for it counts more: a detector is judged by its false alarms.
    wrong = torch.where(target == NORMAL, 1 - answer.logits.detach().softmax(dim=1)[:, NORMAL], 0.0)
    weight = (
        sample.weight
        * (0.5 + settings.false_alarms * wrong + 0.5 * (target != NORMAL))
        * torch.where(target == HYPERINTENSE, settings.hyperintense_weight, 1.0)
        * counted
    )
    anomaly = (each * weight).sum() / counted.sum().clamp_min(1)
    observed = functional.avg_pool2d(sample.images[:, sample.images.shape[1] // 2], STRIDE)
    normal = ((target == NORMAL) & ~both[:, None, None])[:, None] & ~sample.seen[:, :, None, None]
    unlikely = 0.5 * ((observed - answer.mean) ** 2 * torch.exp(-answer.log_variance) + answer.log_variance)
    return anomaly, (unlikely * normal).sum() / normal.sum().clamp_min(1)


def _batches(samples: ContextSamples, done: int, size: int, workers: int) -> Iterator[Sample]:
    rest = Subset(samples, range(done * size, len(samples)))
    loader = DataLoader(
        rest, batch_size=size, num_workers=workers, collate_fn=Sample.together,
        prefetch_factor=4 if workers else None, worker_init_fn=_one_thread,
    )  # fmt: skip
    return iter(loader)


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def _schedule(share: float) -> float:
    return min(share / 0.03, 1.0) * 0.5 * (1 + math.cos(math.pi * share)) + 1e-4


@torch.no_grad()
def _average(averaged: ContextNetwork, network: ContextNetwork, keep: float) -> None:
    for mean, now in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - keep)
        else:
            mean.copy_(now)
