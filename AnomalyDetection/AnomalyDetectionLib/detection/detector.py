"""The detector: a prepared study and a model make a score map."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..imaging.flair_grid import to_flair_grid
from ..imaging.prepared import PreparedStudy
from ..model.folding import LatentDifference
from ..model.model_file import Model
from ..model.settings import ScoringSettings
from .lattice import at_centres, mean_of_patches, paint_cells
from .patches import PatchGatherer, PatchLattice
from .score_map import ScoreMap
from .scoring import patch_scores

BATCH = 1024


def score(
    study: PreparedStudy,
    model: Model,
    *,
    device: str = "cpu",
    percentile: float | None = None,
    stride: int | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> ScoreMap:
    """Score every patch of a brain.

    Args:
        study: prepared with the model's preparation settings.
        model: a trained model.
        device: "cpu", "cuda" or "mps".
        percentile, stride: None: the model's own.
        progress: called with "scoring" and the fraction done.

    Raises:
        InputError: a percentile or stride that makes no sense, or a brain that holds no patch.
    """
    begin = time.perf_counter()
    changes: dict[str, Any] = {"percentile": percentile, "stride": stride}
    try:
        settings = replace(
            model.scoring, **{name: value for name, value in changes.items() if value is not None}
        )
    except ValueError as error:
        raise InputError(f"These scoring settings cannot be used: {error}.") from error
    lattice, values = lattice_scores(
        study, model, (settings.percentile,), settings=settings, device=device, progress=progress
    )
    scores = lattice.spread(values[0])
    if settings.back_projection == "mean":
        shape, size = study.grid.shape, model.network.patch_size
        painted = mean_of_patches(scores, lattice.first, settings.stride, shape, size)
        scores = np.where(lattice.inside, at_centres(painted, lattice.first, settings.stride), np.nan).astype(
            np.float32
        )
    else:
        painted = paint_cells(scores, lattice.first, settings.stride, study.grid.shape)
    image = to_flair_grid(painted, study)
    return ScoreMap(scores, lattice.first, image, study, settings, {"scoring": time.perf_counter() - begin})


@torch.inference_mode()
def lattice_scores(
    study: PreparedStudy,
    model: Model,
    percentiles: Sequence[float],
    *,
    settings: ScoringSettings | None = None,
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
) -> tuple[PatchLattice, np.ndarray]:
    """Scores of every patch at several percentiles, from one pass through the network.

    Args:
        study, model, device, progress: as for `score`.
        percentiles: N, each 0 to 100.
        settings: stride, statistics and factor; None: the model's own.

    Returns:
        The lattice, and float32 (percentiles, patches) in the order of its centres.

    Raises:
        InputError: a brain that holds no patch.
    """
    settings = settings or model.scoring
    lattice = PatchLattice.over(study.brain, settings.stride)
    centres = torch.from_numpy(lattice.centres()).to(device)
    if not len(centres):
        raise InputError("The brain mask is too small to hold a single patch; check the mask.")
    network = LatentDifference(model.generator()).to(device)
    gather = PatchGatherer(study, model.network.patch_size, model.preparation.outside_brain, device)
    torch.backends.cudnn.allow_tf32 = False  # ten bits of mantissa would part CPU and GPU by more than 1e-4
    whole_scan = settings.statistics == "scan"
    rows, differences = [], []
    for first in range(0, len(centres), BATCH):
        difference = network(gather(centres[first : first + BATCH]))
        if whole_scan:
            differences.append(difference)
        else:
            rows.append(patch_scores(difference, model, percentiles, settings))
        if progress is not None:
            progress("scoring", min(1.0, (first + BATCH) / len(centres)))
    if whole_scan:
        rows.append(patch_scores(torch.cat(differences), model, percentiles, settings))
    return lattice, torch.cat(rows, dim=1).cpu().numpy()
