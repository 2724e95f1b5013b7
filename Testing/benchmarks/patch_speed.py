"""Patches a second: our scorer beside a plain implementation and beside anomalib's, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import anomalib_ganomaly
import numpy as np
import torch
from AnomalyDetectionLib.detection.detector import BATCH, score
from AnomalyDetectionLib.detection.patches import PatchLattice
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.model.model_file import Model
from plain_reference import cut, images_of, scores_of, scores_one_by_one
from torch.utils.flop_counter import FlopCounterMode

ONE_BY_ONE, BATCHES, ROUNDS = 500, 4, 3


@dataclass(frozen=True)
class Contender:
    """One way to score patches.

    Attributes:
        name: for people.
        patches: scored by one call.
        score: scores them.
        megaflop: a patch, by the network alone.
    """

    name: str
    patches: int
    score: Callable[[], object]
    megaflop: float


def contenders(study: PreparedStudy, model: Model) -> list[Contender]:
    """Ours first, then a plain one patch by patch, a plain one in batches, and anomalib's if installed."""
    centres = PatchLattice.over(study.brain, model.scoring.stride).centres()
    some = np.random.default_rng(0).permutation(centres)
    t1, flair = images_of(study, model.preparation.outside_brain)
    batches = [
        np.stack([cut(t1, flair, centre) for centre in some[first : first + BATCH]])
        for first in range(0, min(BATCHES * BATCH, len(some)), BATCH)
    ]
    in_batches = sum(map(len, batches))
    network = model.generator()
    flop = _megaflop(network, torch.from_numpy(batches[0][:8]))
    listed = [
        Contender(
            f"this scorer, the sample's {len(centres)} patches, cut and painted back",
            len(centres),
            lambda: score(study, model, device="cpu"),
            flop,
        ),
        Contender(
            f"plain, {ONE_BY_ONE} patches one by one",
            ONE_BY_ONE,
            lambda: scores_one_by_one(study, some[:ONE_BY_ONE], model),
            flop,
        ),
        Contender(
            f"plain, batches of {BATCH}, cut beforehand",
            in_batches,
            lambda: [scores_of(batch, model) for batch in batches],
            flop,
        ),
    ]
    if anomalib_ganomaly.installed_version() is None:
        return listed
    ganomaly = anomalib_ganomaly.scorer()
    side = anomalib_ganomaly.SIDE
    before = (side - model.network.patch_size) // 2
    margins = (before, side - model.network.patch_size - before) * 2
    padded = [torch.nn.functional.pad(torch.from_numpy(batch), margins) for batch in batches]
    listed.append(
        Contender(
            f"anomalib {anomalib_ganomaly.installed_version()} GANomaly, {side} x {side} (its smallest),"
            f" batches of {BATCH}, cut beforehand",
            in_batches,
            lambda: [ganomaly(batch) for batch in padded],
            _megaflop(ganomaly, padded[0][:8]),
        )
    )
    return listed


@torch.inference_mode()
def patches_a_second(listed: list[Contender]) -> list[float]:
    """The best of some rounds of each contender; in turns, so that a busy machine slows all of them."""
    best = [float("inf")] * len(listed)
    for _ in range(ROUNDS):
        for place, contender in enumerate(listed):
            begin = time.perf_counter()
            contender.score()
            best[place] = min(best[place], time.perf_counter() - begin)
    return [contender.patches / seconds for contender, seconds in zip(listed, best, strict=True)]


def largest_difference(study: PreparedStudy, model: Model, count: int = 1000) -> float:
    """The largest relative difference between our scores and the plain ones, over patches drawn at random."""
    scores = score(study, model, device="cpu").lattice
    lattice = PatchLattice.over(study.brain, model.scoring.stride)
    chosen = np.random.default_rng(1).permutation(len(lattice.centres()))[:count]
    plain = scores_one_by_one(study, lattice.centres()[chosen], model)
    return float(np.max(np.abs(scores[lattice.inside][chosen] - plain) / plain))


def with_cpu_fallback(study: PreparedStudy, model: Model, device: str) -> tuple[float, float]:
    """Patches a second on a GPU, and the largest relative difference of its scores from the CPU's."""
    on_cpu = score(study, model, device="cpu").lattice
    seconds = []
    for _ in range(ROUNDS + 1):
        begin = time.perf_counter()
        there = score(study, model, device=device).lattice
        seconds.append(time.perf_counter() - begin)
    scored = np.isfinite(on_cpu)
    difference = np.abs(there[scored] - on_cpu[scored]) / on_cpu[scored]
    return float(scored.sum() / min(seconds)), float(difference.max())


def _megaflop(network: Callable[[torch.Tensor], object], patches: torch.Tensor) -> float:
    """Multiplications and additions of one patch, in millions."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(patches)
    return counter.get_total_flops() / len(patches) / 1e6
