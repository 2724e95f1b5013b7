"""False alarms of the detector on real normal tissue: what it has to learn next."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from AnomalyDetectionLib.detection.context import class_probabilities
from AnomalyDetectionLib.model.classes import ANOMALIES, NORMAL
from AnomalyDetectionLib.model.context_network import ContextNetwork
from scipy import ndimage
from torch.utils.data import Dataset

from .lesion_scan import LesionScan
from .workers import in_order

_ABOVE = 0.3
_LEAST_VOXELS = 4
_MOST_A_SCAN = 25

Alarm = tuple[int, ...]


def mine_false_alarms(
    network: ContextNetwork, scans: Sequence[LesionScan], device: str = "cpu", workers: int = 0
) -> list[Alarm]:
    """The largest clusters of each scan, as it is, that are normal tissue and were taken for a lesion.

    Each slice is seen once, not mirrored as well, which takes half as long.

    Args:
        workers: processes that share the work on the CPU; what is found does not depend on it.

    Returns:
        Number of the scan, slice, row and column of the voxel of each that looked most like a lesion.
    """
    once = copy.deepcopy(network)
    once.settings = replace(network.settings, mirrored=False)
    return [alarm for alarms in in_order(_Mined(once, scans, device), workers, device) for alarm in alarms]


class _Mined(Dataset[list[Alarm]]):
    """The false alarms of one scan after another."""

    def __init__(self, network: ContextNetwork, scans: Sequence[LesionScan], device: str) -> None:
        self._network, self._scans, self._device = network, scans, device

    def __len__(self) -> int:
        return len(self._scans)

    @torch.no_grad()
    def __getitem__(self, number: int) -> list[Alarm]:
        scan = self._scans[number]
        t1, flair = scan.images[:, 0].astype(np.float32), scan.images[:, 1].astype(np.float32)
        probabilities = class_probabilities(t1, flair, scan.brain, self._network, device=self._device)
        suspected = sum(probabilities[k] for k in ANOMALIES) * (scan.target == NORMAL)
        labels, count = ndimage.label(suspected > _ABOVE)
        if not count:
            return []
        sizes = np.bincount(labels.ravel())[1:]
        excess = ndimage.sum_labels(suspected, labels, range(1, count + 1))
        kept = [k for k in np.argsort(-excess) if sizes[k] >= _LEAST_VOXELS][:_MOST_A_SCAN]
        places = ndimage.maximum_position(suspected, labels, [k + 1 for k in kept]) if kept else []
        return [(number, int(s), int(i), int(j)) for s, i, j in places]
