"""Training of the anatomy network on slices that are simulated as it goes, from label maps to a file."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from AnomalyDetectionLib.detection.anatomy import AnatomyLabel
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.anatomy_network import CLASSES, AnatomyModel, anatomy_network, save_anatomy
from torch import Tensor
from torch.nn import functional

from .anatomy_heads import LabelledHead, deformed_head, read_heads, write_heads
from .anatomy_simulation import NOT_JUDGED, HeadPainter, Slices

Report = Callable[[str, float, str], None]
SOURCES = (
    "Trained on simulated images alone, made from the label maps that come with SynthSeg "
    "(github.com/BBillot/SynthSeg, Billot et al., Med Image Anal 2023; Apache-2.0 licence)."
)


@dataclass(frozen=True)
class AnatomyTraining:
    """The settings of a run."""

    steps: int = 1500  # of the optimiser
    heads_a_step: int = 4  # of a batch
    slices_a_head: int = 4  # likewise
    uses: int = 2  # a slice is learnt from about so often
    kept: int = 12  # how many batches wait for it
    heads_a_map: int = 5  # how many people are made of each label map
    held_out: int = 4  # how many maps, the last by name, are kept for validation
    widths: tuple[int, ...] = (16, 32, 48, 64)  # of the network's feature maps
    learning_rate: float = 3e-3  # at its highest; it rises over the first hundredth and falls as a cosine
    seed: int = 1  # of weights and images; the people are the same for every seed


def train_anatomy(
    labels: Path, output: Path, settings: AnatomyTraining, command: str, report: Report
) -> dict[str, float]:
    """Train, and write the network's file at every validation, so that an interrupted run leaves one.

    Args:
        labels: folder of whole-head label maps (.nii.gz); InputError if there are too few or one is no map.
        output: the network's file; the deformed heads are kept beside it, as they take minutes to make.
        command: for the card.

    Returns:
        Dice by part of the brain on slices of the held-out maps.
    """
    training, validation = _heads(labels, output.with_name(f"{output.stem}_heads.npz"), settings, report)
    rng = np.random.default_rng([settings.seed, 1])
    painters = [HeadPainter(head, rng) for head in training.values()]
    judged = _validation_slices(validation)
    torch.manual_seed(settings.seed)
    network = anatomy_network(settings.widths).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = torch.optim.swa_utils.AveragedModel(network, avg_fn=_moving_average, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=1e-4)
    recent: deque[Slices] = deque(maxlen=settings.kept)
    begin, dice, mean_loss = time.perf_counter(), {}, 0.0
    for step in range(settings.steps):
        done, last = step + 1, step + 1 == settings.steps
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _rate(step / settings.steps)
        if step % settings.uses == 0:
            recent.append(_batch(painters, settings, rng))
        inputs, target = _mixed(recent, rng)
        with torch.autocast("cpu", torch.bfloat16):
            answer = network(inputs)
        loss = _loss(answer.float(), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        averaged.update_parameters(network)
        mean_loss += (float(loss.detach()) - mean_loss) * max(0.01, 1 / done)
        if done % max(1, settings.steps // 8) == 0 or last:
            dice = _dice(averaged.module, judged)
            card = {
                "summary": SOURCES,
                "command": command,
                "seed": settings.seed,
                "steps": done,
                "slices": done * settings.heads_a_step * settings.slices_a_head,
                "seconds": round(time.perf_counter() - begin),
                "dice_held_out_maps": {name: round(value, 3) for name, value in dice.items()},
                "maps": _maps(training),
                "maps_held_out": _maps(validation),
            }
            save_anatomy(AnatomyModel(averaged.module.state_dict(), settings.widths, card), output)
        if step % 10 == 0 or last:
            said = ", ".join(f"{name} {value:.2f}" for name, value in dice.items())
            report("training", done / settings.steps, f"loss {mean_loss:.3f}; Dice: {said or 'later'}")
    return dice


@torch.inference_mode()
def _dice(network: torch.nn.Module, batches: list[Slices]) -> dict[str, float]:
    """Dice of each part of the brain over all slices together, within their masks."""
    network.eval()
    common, either = np.zeros((2, CLASSES))
    for batch in batches:
        answer = network(torch.from_numpy(batch.inputs)).argmax(dim=1).numpy()
        for k in range(CLASSES):
            found, true = (answer == k) & (batch.labels != NOT_JUDGED), batch.labels == k
            common[k] += 2 * (found & true).sum()
            either[k] += found.sum() + true.sum()
    network.train()
    return {part.name.lower(): float(common[part] / max(either[part], 1)) for part in AnatomyLabel}


def _heads(
    labels: Path, cache: Path, settings: AnatomyTraining, report: Report
) -> tuple[dict[str, LabelledHead], dict[str, LabelledHead]]:
    """People to train on and to validate on, by name."""
    maps = sorted(labels.glob("*.nii.gz"))
    if len(maps) < settings.held_out + 1:
        raise InputError(
            f"{labels} holds {len(maps)} label maps (.nii.gz): give a folder with at least {settings.held_out + 1}."
        )
    held_out = maps[-settings.held_out :]
    wanted = {
        f"{path.name.removesuffix('.nii.gz')}-{number}": (path, number)
        for path in maps
        for number in range(2 if path in held_out else settings.heads_a_map)
    }
    heads = read_heads(cache) if cache.exists() else {}
    if set(heads) != set(wanted):
        heads = {}
        for place, (name, (path, number)) in enumerate(wanted.items()):
            report("heads", place / len(wanted), f"Deforming {path.name}")
            heads[name] = deformed_head(path, np.random.default_rng([maps.index(path) + 1, number]))
        write_heads(heads, cache)
    validation = {name: head for name, head in heads.items() if wanted[name][0] in held_out}
    return {name: head for name, head in heads.items() if name not in validation}, validation


def _validation_slices(heads: dict[str, LabelledHead]) -> list[Slices]:
    """The same slices whatever the run."""
    rng = np.random.default_rng(0)
    painters = (HeadPainter(head, rng) for head in heads.values())
    return [painter.draw(rng, 4) for painter in painters for _ in range(6)]


def _batch(painters: list[HeadPainter], settings: AnatomyTraining, rng: np.random.Generator) -> Slices:
    chosen = rng.choice(len(painters), min(settings.heads_a_step, len(painters)), replace=False)
    drawn = [painters[number].draw(rng, settings.slices_a_head) for number in chosen]
    return Slices(*(np.concatenate([getattr(s, name) for s in drawn]) for name in ("inputs", "labels")))


def _mixed(recent: Sequence[Slices], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A batch picked from what was drawn last, some of it mirrored: drawing costs as much as learning."""
    count = len(recent[-1].labels)
    chosen = list(zip(rng.integers(0, len(recent), count), rng.permutation(count), strict=True))
    slices = [(recent[batch].inputs[place], recent[batch].labels[place]) for batch, place in chosen]
    inputs, target = (torch.from_numpy(np.stack(part)) for part in zip(*slices, strict=True))
    if rng.random() < 0.5:
        inputs, target = inputs.flip(-1), target.flip(-1)
    return inputs.to(memory_format=torch.channels_last), target.long()


def _moving_average(average: Tensor, value: Tensor, seen: Tensor | int) -> Tensor:
    """Weights averaged over the last hundreds of steps; over fewer at the beginning."""
    weight = max(0.005, 9.0 / (10.0 + float(seen)))
    return average + weight * (value - average)


def _loss(answer: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy and soft Dice (Milletari et al. 2016) over the voxels that are judged, in equal parts."""
    judged = target != NOT_JUDGED
    answer = answer.permute(0, 2, 3, 1)[judged]
    target = target[judged]
    probability = answer.softmax(dim=1)
    true = functional.one_hot(target, CLASSES).float()
    overlap = (2 * (probability * true).sum(dim=0) + 20) / (probability.sum(dim=0) + true.sum(dim=0) + 20)
    return functional.cross_entropy(answer, target) + (1 - overlap).mean()


def _rate(progress: float) -> float:
    return min(1.0, progress / 0.01 + 0.01) * (0.5 + 0.5 * math.cos(math.pi * progress))


def _maps(heads: dict[str, LabelledHead]) -> list[str]:
    """The label maps that heads were made from."""
    return sorted({name.rpartition("-")[0] for name in heads})
