"""False alarms of the detector on real normal tissue: what it has to learn next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from AnomalyDetectionLib.detection.context import class_probabilities
from AnomalyDetectionLib.model.classes import ANOMALIES, NORMAL
from AnomalyDetectionLib.model.context_network import ContextNetwork
from scipy import ndimage

from .lesion_scan import LesionScan

_ABOVE = 0.3
_LEAST_VOXELS = 4
_MOST_A_SCAN = 25


@torch.no_grad()
def mine_false_alarms(
    network: ContextNetwork, scans: Sequence[LesionScan], device: str = "cpu"
) -> list[tuple[int, int, int, int]]:
    """The largest clusters of each scan, as it is, that are normal tissue and were taken for a lesion.

    Returns:
        Number of the scan, slice, row and column of the voxel of each that looked most like a lesion.
    """
    found: list[tuple[int, int, int, int]] = []
    for number, scan in enumerate(scans):
        t1, flair = scan.images[:, 0].astype(np.float32), scan.images[:, 1].astype(np.float32)
        probabilities = class_probabilities(t1, flair, scan.brain, network, device=device)
        suspected = sum(probabilities[k] for k in ANOMALIES) * (scan.target == NORMAL)
        labels, count = ndimage.label(suspected > _ABOVE)
        if not count:
            continue
        sizes = np.bincount(labels.ravel())[1:]
        excess = ndimage.sum_labels(suspected, labels, range(1, count + 1))
        kept = [k for k in np.argsort(-excess) if sizes[k] >= _LEAST_VOXELS][:_MOST_A_SCAN]
        places = ndimage.maximum_position(suspected, labels, [k + 1 for k in kept]) if kept else []
        found += [(number, int(s), int(i), int(j)) for s, i, j in places]
    return found
