"""The detector: a prepared study and a model make a score map."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..imaging.flair_grid import to_flair_grid
from ..imaging.prepared import PreparedStudy
from ..model.folding import LatentDifference
from ..model.model_file import Model
from .lattice import mean_of_patches, paint_cells
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
    lattice = PatchLattice.over(study.brain, settings.stride)
    centres = lattice.centres()
    if not len(centres):
        raise InputError("The brain mask is too small to hold a single patch; check the mask.")
    values = _scores(study, model, centres, settings.percentile, device, progress)
    scores = lattice.spread(values)
    if settings.back_projection == "mean":
        painted = mean_of_patches(
            scores, lattice.first, settings.stride, study.grid.shape, model.network.patch_size
        )
    else:
        painted = paint_cells(scores, lattice.first, settings.stride, study.grid.shape)
    image = to_flair_grid(painted, study)
    return ScoreMap(scores, lattice.first, image, study, settings, {"scoring": time.perf_counter() - begin})


@torch.inference_mode()
def _scores(study: PreparedStudy, model: Model, centres: np.ndarray, percentile: float, device: str,
            progress: Callable[[str, float], None] | None) -> np.ndarray:  # fmt: skip
    network = LatentDifference(model.generator()).to(device)
    gather = PatchGatherer(study, model.network.patch_size, model.preparation.outside_brain, device)
    every = torch.from_numpy(centres).to(device)
    torch.backends.cudnn.allow_tf32 = False  # ten bits of mantissa would part CPU and GPU by more than 1e-4
    scores = []
    for first in range(0, len(every), BATCH):
        difference = network(gather(every[first : first + BATCH]))
        scores.append(patch_scores(difference, model, percentile))
        if progress is not None:
            progress("scoring", min(1.0, (first + BATCH) / len(every)))
    return torch.cat(scores).cpu().numpy()
