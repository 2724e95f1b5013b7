"""The training of the context detector: steps, false alarms mined on the way, a checkpoint, averaged weights."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.classes import IGNORED, NORMAL
from AnomalyDetectionLib.model.context_network import ContextNetwork, ContextSettings, context_inputs
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from ..painting.lesion_contents import KINDS
from .context_sampling import ContextSamples, FalseAlarm, Sample
from .lesion_scan import LesionScan
from .mining import mine_false_alarms
from .run_file import Parts, read_run
from .workers import one_thread

CHECKPOINT = "context_checkpoint.safetensors"
FORMAT = "anomaly-detection context checkpoint 2"
_SAVED_EVERY_S = 180.0
_AVERAGING = 0.999


@dataclass(frozen=True)
class ContextTrainingSettings:
    """How the context detector is trained."""

    network: ContextSettings = field(default_factory=ContextSettings)
    steps: int = 20000
    batch_size: int = 16  # painted slices a step, with `WINDOWS` windows each
    learning_rate: float = 2e-3  # at its highest; it rises over the first 2 % and falls along a cosine to 0
    weight_decay: float = 1e-4  # of AdamW
    false_alarms: float = 1.0  # how much more a normal voxel counts that is surely taken for a lesion
    mined_at: tuple[float, ...] = (0.3, 0.55, 0.8)  # false alarms, after these shares of the training
    kinds: tuple[str, ...] = tuple(KINDS)  # of lesions that are painted (see `lesion_contents.KINDS`)
    seed: int = 1  # of weights and samples
    data: str = ""  # a hash of all that is trained on


@dataclass(frozen=True)
class Step:
    """A moment of a training: its number, the loss averaged over the last steps, and slices a second."""

    number: int
    loss: float
    slices_per_second: float


_Mined = list[list[FalseAlarm]]
"""The false alarms of each search."""


def train_context(
    scans: Sequence[LesionScan],
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

    Samples depend on the seed, their number and the false alarms that were mined, so that a run that was stopped draws
    the ones it would have drawn.

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
    rate, size = settings.learning_rate, settings.batch_size
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=settings.weight_decay)
    averaged = copy.deepcopy(network).eval()
    parts = Parts({"network": network, "averaged": averaged}, {"adam": (optimiser, network)})
    path = folder / CHECKPOINT
    done, history, mined = _load(path, parts, settings) if path.exists() else (0, [], [])
    mining = [round(share * settings.steps) for share in settings.mined_at]
    saved = time.perf_counter()
    while done < settings.steps:
        if done in mining and len(mined) < 1 + mining.index(done):
            all_of_them = workers + 1 if workers else 0  # nothing is learnt meanwhile
            mined.append(mine_false_alarms(averaged, scans, device, all_of_them))
            _save(path, parts, settings, done, history, mined)
        until = min((step for step in mining if step > done), default=settings.steps)
        samples = ContextSamples(
            scans, outlines, settings.steps * size, seed=settings.seed, kinds=settings.kinds,
            neighbours=settings.network.neighbours, false_alarms=list(chain.from_iterable(mined)),
        )  # fmt: skip
        batches = DataLoader(
            samples, size, sampler=range(done * size, until * size), collate_fn=Sample.together,
            num_workers=workers, prefetch_factor=4 if workers else None, worker_init_fn=one_thread,
        )  # fmt: skip
        sums, count, begin = 0.0, 0, time.perf_counter()
        for batch in batches:
            for group in optimiser.param_groups:
                group["lr"] = rate * _schedule(done / settings.steps)
            network.train()
            loss = context_loss(
                network, Sample(*(part.to(device) for part in vars(batch).values())), settings
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            _average(averaged, network, min(_AVERAGING, (1 + done) / (10 + done)))
            done += 1
            sums += loss.item()
            count += 1
            if count == report_every or done == until:
                speed = count * size / (time.perf_counter() - begin)
                history.append(Step(done, sums / count, speed))
                sums, count, begin = 0.0, 0, time.perf_counter()
                if report is not None:
                    report(history[-1])
            if done == settings.steps or time.perf_counter() - saved > _SAVED_EVERY_S:
                _save(path, parts, settings, done, history, mined)
                saved = time.perf_counter()
    return {name: tensor.detach().cpu() for name, tensor in averaged.state_dict().items()}, tuple(history)


def context_loss(network: ContextNetwork, sample: Sample, settings: ContextTrainingSettings) -> Tensor:
    """Weighted cross-entropy; what is normal and not taken for it counts more: a detector is judged by its false alarms."""
    with torch.autocast(sample.images.device.type, dtype=torch.bfloat16):
        logits = network(context_inputs(sample.images, sample.brain, sample.place, sample.other_side))
    target = sample.target.long()
    counted = target != IGNORED
    each = functional.cross_entropy(logits, torch.where(counted, target, 0), reduction="none")
    wrong = torch.where(target == NORMAL, 1 - logits.detach().softmax(dim=1)[:, NORMAL], 0.0)
    weight = sample.weight * (0.5 + settings.false_alarms * wrong + 0.5 * (target != NORMAL)) * counted
    return (each * weight).sum() / counted.sum().clamp_min(1)


def _save(
    path: Path, parts: Parts, settings: ContextTrainingSettings, step: int, history: list[Step], mined: _Mined
) -> None:
    about = {
        "settings": asdict(settings),
        "history": list(map(asdict, history)),
        "mined": mined,
        "step": step,
    }
    parts.write(path, FORMAT, about, {})


def _load(path: Path, parts: Parts, settings: ContextTrainingSettings) -> tuple[int, list[Step], _Mined]:
    """Put a run back as `_save` left it: how many steps are done, what was reported, what was mined."""
    with read_run(path, FORMAT) as (about, tensors):
        if about["settings"] != json.loads(json.dumps(asdict(settings))):
            raise InputError(
                f"{path.parent} holds a training with other settings; use the same, or another --output."
            )
        parts.restore(tensors)
        mined = [[FalseAlarm(*alarm) for alarm in alarms] for alarms in about["mined"]]
        return about["step"], [Step(**moment) for moment in about["history"]], mined


def _schedule(share: float) -> float:
    return min(share / 0.02, 1.0) * 0.5 * (1 + math.cos(math.pi * share)) + 1e-4


@torch.no_grad()
def _average(averaged: ContextNetwork, network: ContextNetwork, keep: float) -> None:
    for mean, now in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - keep)
        else:
            mean.copy_(now)
