"""Statistics by tissue for a model that is trained already."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from AnomalyDetectionLib.calibration import latent_statistics
from AnomalyDetectionLib.calibration.patch_source import PatchSource
from AnomalyDetectionLib.calibration.scan_file import ScanFile
from AnomalyDetectionLib.detection.anatomy import AnatomyLabel
from AnomalyDetectionLib.model.anatomy_network import anatomy_model, class_scores
from AnomalyDetectionLib.model.paper_model import Model

from .publish import scans_of

PATCHES_A_SCAN = 20_000


def with_tissue_statistics(
    model: Model, scans: ScanFile, progress: Callable[[str, float], None] | None = None
) -> Model:
    """A model with statistics by tissue, from the scans that it was trained on (see `scans_of`).

    `progress`: called with a scan's name and the fraction done.
    """
    training, _ = scans_of(model, scans)
    generator, parts, size = model.generator(), anatomy_model(), model.network.patch_size
    differences, tissues = [], []
    for number, scan in enumerate(training):
        if progress is not None:
            progress(scan.name, number / len(training))
        source = PatchSource([scan], size, PATCHES_A_SCAN, seed=number, sampling="brain", device="cpu")
        differences.append(latent_statistics.latent_differences(generator, source))
        labels = class_scores(parts, scan.t1, scan.flair, scan.brain, scan.slice_mm).argmax(axis=0)
        z, y, x = np.unravel_index(source.centres.numpy(), (len(scan.brain), source.rows, source.columns))
        tissues.append(labels[z, y - size // 2, x - size // 2])
    tissue = torch.from_numpy(np.concatenate(tissues))
    overall = model.median, model.deviation
    made = latent_statistics.tissue_statistics(torch.cat(differences), tissue, overall)
    counts = tissue.bincount(minlength=len(AnatomyLabel)).tolist()
    note = {
        "what": "median, deviation and covariance of the latent differences by the tissue at a patch's centre, for other "
        "readings of the scores than the paper's",
        "scans": [scan.name for scan in training],
        "patches": {
            name.lower().replace("_", " "): counts[label] for name, label in AnatomyLabel.__members__.items()
        },
        "least patches of a class": latent_statistics.LEAST_OF_A_CLASS,
        "shrinkage of the covariance": latent_statistics.SHRINKAGE,
        "the tissues are told apart by": parts.card.get("title", "the network that ships with the program"),
    }
    return dataclasses.replace(
        model, tissue_statistics=made, card={**model.card, "statistics by tissue": note}
    )
