"""Candidates of the context detector in painted scans, and what each of them is: what the second look learns from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from AnomalyDetectionLib.detection.candidates import (
    Candidates,
    Surroundings,
    find_candidates,
    surroundings_of,
)
from AnomalyDetectionLib.detection.context import class_probabilities
from AnomalyDetectionLib.model.classes import ANOMALIES, ARTEFACT, CLASSES, IGNORED, NORMAL
from AnomalyDetectionLib.model.context_network import ContextNetwork
from torch.utils.data import Dataset

from ..painting.lesion_contents import KINDS
from ..painting.lesion_painting import IN_PLANE_MM, Block, paint_lesion
from .context_sampling import DISTRACTORS, disturb
from .lesion_scan import LesionScan
from .workers import in_order

_UNPAINTED = 0.3
_LESIONS = 5.0
_MOST = 30
"""Candidates of a scan that are kept; lesions go first."""


@dataclass(frozen=True)
class Examples:
    """Candidates and their classes.

    Attributes:
        near, wide: float16 (candidates, CHANNELS, SIZE, SIZE).
        features: float32 (candidates, FEATURES).
        label: uint8 (candidates,), of `CLASSES`.
        scan: int32 (candidates,): number of the painted scan that each comes from.
        scans: how many painted scans there were.
    """

    near: np.ndarray
    wide: np.ndarray
    features: np.ndarray
    label: np.ndarray
    scan: np.ndarray
    scans: int

    @staticmethod
    def joined(parts: Sequence[Examples]) -> Examples:
        """All of them, one after another."""
        before = np.cumsum([0, *(part.scans for part in parts)])
        scan = np.concatenate([part.scan + first for part, first in zip(parts, before, strict=False)])
        near, wide, features, label = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("near", "wide", "features", "label")
        )
        return Examples(near, wide, features, label, scan, int(before[-1]))


def draw_examples(
    network: ContextNetwork,
    scans: Sequence[LesionScan],
    outlines: Sequence[np.ndarray],
    count: int,
    *,
    seed: int,
    kinds: Collection[str] = tuple(KINDS),
    device: str = "cpu",
    workers: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Examples:
    """Candidates of painted scans; people are drawn as for the detector.

    Args:
        count: of painted scans.
        kinds: of lesions that are painted (see `lesion_contents.KINDS`).
        workers: processes that share the work on the CPU; the examples do not depend on it.
        progress: called with the number of scans that are done.
    """
    drawn = _PaintedScans(network, scans, outlines, count, seed, device, kinds)
    parts = []
    for number, part in enumerate(in_order(drawn, workers, device), start=1):
        parts.append(part)
        if progress is not None:
            progress(number)
    return Examples.joined(parts)


class _PaintedScans(Dataset[Examples]):
    """The candidates of one painted scan after another."""

    def __init__(
        self,
        network: ContextNetwork,
        scans: Sequence[LesionScan],
        outlines: Sequence[np.ndarray],
        count: int,
        seed: int,
        device: str,
        kinds: Collection[str],
    ) -> None:
        self._network, self._outlines, self._count = network, outlines, count
        self._seed, self._device, self._kinds = seed, device, kinds
        groups: dict[str, list[LesionScan]] = {}
        for scan in scans:
            groups.setdefault(scan.group, []).append(scan)
        self._groups = list(groups.values())

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Examples:
        rng = np.random.default_rng([self._seed, number])
        group = self._groups[int(rng.integers(len(self._groups)))]
        scan = group[int(rng.integers(len(group)))]
        block = painted(scan, self._outlines, rng, self._kinds)
        images = block.images.astype(np.float32)
        probabilities = class_probabilities(
            images[:, 0], images[:, 1], block.brain, self._network, device=self._device
        )
        candidates = find_candidates(probabilities)
        labels = classes_of(candidates, block.target)
        chosen = _chosen(labels, rng)
        spacing = (IN_PLANE_MM, IN_PLANE_MM, scan.slice_mm)
        look = surroundings_of(
            candidates, images[:, 0], images[:, 1], block.brain, probabilities, spacing, chosen + 1
        )
        return _examples(look, labels[chosen])


def painted(
    scan: LesionScan,
    outlines: Sequence[np.ndarray],
    rng: np.random.Generator,
    kinds: Collection[str] = tuple(KINDS),
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

    A candidate is the lesion that fills a quarter of it, or half of which it covers.
    """
    n = candidates.count
    owner = candidates.labels.ravel()
    counts = np.stack(
        [
            np.bincount(owner, weights=(target == value).ravel(), minlength=n + 1)[1:]
            for value in (*range(len(CLASSES)), IGNORED)
        ],
        axis=1,
    )
    size = np.maximum(counts.sum(axis=1), 1)
    result = np.full(n, NORMAL, np.uint8)
    result[counts[:, ARTEFACT] > 0.3 * size] = ARTEFACT
    result[counts[:, -1] > 0.5 * size] = IGNORED
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


def _examples(look: Surroundings, labels: np.ndarray) -> Examples:
    return Examples(
        look.near.astype(np.float16),
        look.wide.astype(np.float16),
        look.features,
        labels.astype(np.uint8),
        np.zeros(len(labels), np.int32),
        1,
    )


def as_tensors(examples: Examples, chosen: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Crops and features of some, as the network takes them."""
    return (
        torch.from_numpy(examples.near[chosen].astype(np.float32)),
        torch.from_numpy(examples.wide[chosen].astype(np.float32)),
        torch.from_numpy(examples.features[chosen]),
    )
