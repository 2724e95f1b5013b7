"""False alarms of the detector on real normal tissue: what it has to learn next."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from AnomalyDetectionLib.detection.context import class_probabilities
from AnomalyDetectionLib.model.classes import ANOMALIES, NORMAL
from AnomalyDetectionLib.model.context_network import ContextNetwork
from scipy import ndimage

from .context_sampling import FalseAlarm
from .lesion_scan import LesionScan
from .workers import in_order

_ABOVE = 0.3
_LEAST_VOXELS = 4
_MOST_A_SCAN = 25


def mine_false_alarms(
    network: ContextNetwork, scans: Sequence[LesionScan], device: str = "cpu", workers: int = 0
) -> list[FalseAlarm]:
    """The largest clusters of each scan, as it is, that are normal tissue and were taken for a lesion.

    Each slice is seen once, not mirrored as well, which takes half as long.

    Args:
        workers: processes that share the work on the CPU; what is found does not depend on it.

    Returns:
        The voxel of each cluster that looked most like a lesion.
    """
    once = copy.deepcopy(network)
    once.settings = replace(network.settings, mirrored=False)
    found = in_order(partial(_false_alarms, once, scans, device), len(scans), workers, device)
    return [alarm for alarms in found for alarm in alarms]


def _false_alarms(
    network: ContextNetwork, scans: Sequence[LesionScan], device: str, number: int
) -> list[FalseAlarm]:
    """Those of one scan."""
    scan = scans[number]
    t1, flair = scan.images.astype(np.float32).swapaxes(0, 1)
    probabilities = class_probabilities(t1, flair, scan.brain, network, device=device)
    suspected = sum(probabilities[k] for k in ANOMALIES) * (scan.target == NORMAL)
    labels, count = ndimage.label(suspected > _ABOVE)
    if not count:
        return []
    sizes = np.bincount(labels.ravel())[1:]
    excess = ndimage.sum_labels(suspected, labels, range(1, count + 1))
    kept = [k + 1 for k in np.argsort(-excess) if sizes[k] >= _LEAST_VOXELS][:_MOST_A_SCAN]
    places = ndimage.maximum_position(suspected, labels, kept) if kept else []
    return [FalseAlarm(number, int(s), int(i), int(j)) for s, i, j in places]
