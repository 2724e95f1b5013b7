"""Candidates of the context detector in painted scans, and what each of them is: what the second look learns from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from AnomalyDetectionLib.detection.candidates import Candidates, find_candidates, surroundings_of
from AnomalyDetectionLib.detection.context import class_probabilities
from AnomalyDetectionLib.model.classes import ANOMALIES, ARTEFACT, IGNORED, NORMAL
from AnomalyDetectionLib.model.context_network import ContextNetwork

from ..painting.lesion_contents import KINDS
from ..painting.lesion_painting import IN_PLANE_MM, Block, paint_lesion
from .context_sampling import DISTRACTORS, disturb
from .lesion_scan import LesionScan
from .workers import in_order

_UNPAINTED = 0.3
_LESIONS = 5.0
_MOST = 30  # candidates of a scan that are kept; lesions go first


@dataclass(frozen=True)
class Examples:
    """Candidates and their classes."""

    near: np.ndarray  # float16 (candidates, CHANNELS, SIZE, SIZE)
    wide: np.ndarray  # likewise
    features: np.ndarray  # float32 (candidates, FEATURES)
    label: np.ndarray  # uint8 (candidates,), of `CLASSES`
    scans: int  # how many painted scans they come from


def draw_examples(
    network: ContextNetwork,
    scans: Sequence[LesionScan],
    outlines: Sequence[np.ndarray],
    count: int,
    *,
    seed: int,
    kinds: Collection[str] = KINDS,
    device: str = "cpu",
    workers: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Examples:
    """Candidates of painted scans: old brains and others in equal shares, each scan of them as likely.

    Args:
        count: of painted scans.
        kinds: of lesions that are painted (see `lesion_contents.KINDS`).
        workers: processes that share the work on the CPU; the examples do not depend on it.
        progress: called with the number of scans that are done.
    """
    groups: dict[str, list[LesionScan]] = {}
    for scan in scans:
        groups.setdefault(scan.group, []).append(scan)
    draw = partial(_drawn, network, list(groups.values()), outlines, kinds, seed, device)
    parts = []
    for part in in_order(draw, count, workers, device):
        parts.append(part)
        if progress is not None:
            progress(len(parts))
    near, wide, features, label = map(np.concatenate, zip(*parts, strict=True))
    return Examples(near, wide, features, label, count)


def _drawn(
    network: ContextNetwork,
    groups: Sequence[Sequence[LesionScan]],
    outlines: Sequence[np.ndarray],
    kinds: Collection[str],
    seed: int,
    device: str,
    number: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Crops, features and classes of the candidates of one painted scan."""
    rng = np.random.default_rng([seed, number])
    group = groups[int(rng.integers(len(groups)))]
    scan = group[int(rng.integers(len(group)))]
    block = painted(scan, outlines, rng, kinds)
    t1, flair = block.images.astype(np.float32).swapaxes(0, 1)
    probabilities = class_probabilities(t1, flair, block.brain, network, device=device)
    candidates = find_candidates(probabilities)
    labels = classes_of(candidates, block.target)
    chosen = _chosen(labels, rng)
    spacing = (IN_PLANE_MM, IN_PLANE_MM, scan.slice_mm)
    look = surroundings_of(candidates, t1, flair, block.brain, probabilities, spacing, chosen + 1)
    return look.near.astype(np.float16), look.wide.astype(np.float16), look.features, labels[chosen]


def painted(
    scan: LesionScan,
    outlines: Sequence[np.ndarray],
    rng: np.random.Generator,
    kinds: Collection[str] = KINDS,
) -> Block:
    """A whole scan with lesions and distractors painted in; some are left as they are but for noise and contrast."""
    block = Block(
        scan.images.astype(np.float32),
        scan.brain.copy(),
        scan.target.copy(),
        np.ones(scan.target.shape, np.float32),
        scan.slice_mm,
        scan.noise,
    )
    if rng.random() >= _UNPAINTED:
        area = scan.brain.sum(axis=(1, 2)).astype(float)
        for change, share in DISTRACTORS:
            if rng.random() < share:
                change(block, rng)
        for _ in range(1 + rng.poisson(_LESIONS)):
            at_slice = int(rng.choice(len(area), p=area / area.sum()))
            paint_lesion(block, rng, outlines, None, at_slice, kinds)
    if rng.random() < 0.6:
        disturb(block, rng)
    block.target[~block.brain] = IGNORED
    return block


def classes_of(candidates: Candidates, target: np.ndarray) -> np.ndarray:
    """What each candidate is: uint8 (candidates,), a class, or IGNORED where that is not known.

    A candidate over a quarter of which is lesion is the lesion that most of that is.
    """
    n = candidates.count
    pairs = 256 * candidates.labels.ravel().astype(np.int64) + target.ravel()
    counts = np.bincount(pairs, minlength=256 * (n + 1)).reshape(n + 1, 256)[1:]
    size = np.maximum(counts.sum(axis=1), 1)
    result = np.full(n, NORMAL, np.uint8)
    result[counts[:, ARTEFACT] > 0.3 * size] = ARTEFACT
    result[counts[:, IGNORED] > 0.5 * size] = IGNORED
    lesion = counts[:, list(ANOMALIES)]
    is_lesion = lesion.sum(axis=1) > 0.25 * size
    result[is_lesion] = np.array(ANOMALIES, np.uint8)[lesion.argmax(axis=1)][is_lesion]
    return result


def _chosen(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indices of lesions first, then of others, without those that are not known."""
    order = rng.permutation(len(labels))
    order = order[labels[order] != IGNORED]
    lesion = np.isin(labels[order], ANOMALIES)
    return np.sort(np.concatenate([order[lesion], order[~lesion]])[:_MOST])


def as_tensors(examples: Examples, chosen: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Crops and features of some, as the network takes them."""
    return (
        torch.from_numpy(examples.near[chosen].astype(np.float32)),
        torch.from_numpy(examples.wide[chosen].astype(np.float32)),
        torch.from_numpy(examples.features[chosen]),
    )
