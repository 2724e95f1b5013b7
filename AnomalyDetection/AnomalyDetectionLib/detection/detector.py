"""The detector: compute the score map of a prepared study with a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..imaging.beside import beside
from ..imaging.flair_grid import to_flair_grid
from ..imaging.out_of_memory import in_batches
from ..imaging.prepared import PreparedStudy
from ..model.anatomy_network import anatomy_file
from ..model.fuse_batchnorm import LatentDifference
from ..model.model_file import AnyModel, ContextModel, Model
from ..model.model_settings import ScoringSettings
from .anatomy import segment_anatomy
from .candidate_probabilities import CandidateProbabilities
from .lattice import at_centres, mean_of_patches, paint_cells
from .patches import PatchGatherer, PatchLattice
from .score_map import ScoreMap
from .scoring import patch_scores, tissue_statistics_of
from .second_look import judge_candidates

BATCH = 1024


def score(
    study: PreparedStudy,
    model: AnyModel,
    *,
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
    **changes: Any,
) -> ScoreMap:
    """Score every patch of a brain.

    Raises InputError for invalid settings, settings without statistics in the model, a brain without a single
    patch, or a missing or damaged anatomy network with statistics by tissue.

    `study`: prepared with the model's preparation settings. `model`: a trained model, of either kind.
    `progress`: called with "anatomy", then "scoring", and the fraction done. `changes`: of the scoring settings
    (see `scoring_settings`)."""
    settings = scoring_settings(model, **changes)
    _lattice_over(study, settings.stride)  # refused before the work
    if progress is not None:
        progress("anatomy", 0.0)
    torch.backends.cudnn.allow_tf32 = False  # before two networks begin: CPU and GPU are to agree
    # Without the anatomy network, findings are described in less detail.
    known = settings.statistics == "tissue" or anatomy_file().is_file()
    find_anatomy = partial(segment_anatomy, study, device) if known else lambda: None
    begin, candidates = time.perf_counter(), None
    if isinstance(model, ContextModel):
        with beside(find_anatomy) as anatomy_job:
            lattice, rows, candidates = context_scores(study, model, device=device, progress=progress)
            scored = time.perf_counter()
        anatomy = anatomy_job.result()
        waited = time.perf_counter() - scored
    else:
        anatomy = find_anatomy()
        waited = time.perf_counter() - begin
        lattice, rows = lattice_scores(
            study, model, (settings.percentile,), settings=settings, device=device, anatomy=anatomy, progress=progress
        )  # fmt: skip
    scores, painted = back_projected(rows[0], lattice, study, model, settings)
    image = to_flair_grid(painted, study)
    seconds = {"anatomy": waited, "scoring": time.perf_counter() - begin - waited}
    # It was counted with the model's own settings.
    curve = model.false_positive_curve if settings == model.scoring else None
    return ScoreMap(scores, lattice.first, image, study, settings, seconds, anatomy, curve, candidates)


def back_projected(
    values: np.ndarray,
    lattice: PatchLattice,
    study: PreparedStudy,
    model: AnyModel,
    settings: ScoringSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (patches,) as the lattice that findings follow from, and painted on the model's grid: float32."""
    scores, shape = lattice.scatter(values), study.grid.shape
    if settings.back_projection == "cell":
        return scores, paint_cells(scores, lattice.first, lattice.stride, shape)
    painted = mean_of_patches(scores, lattice.first, lattice.stride, shape, patch_size(model))
    means = at_centres(painted, lattice.first, lattice.stride)
    return np.where(lattice.inside, means, np.float32(np.nan)), painted


def context_scores(
    study: PreparedStudy,
    model: ContextModel,
    *,
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
) -> tuple[PatchLattice, np.ndarray, CandidateProbabilities]:
    """The result of `lattice_scores` for a context model, and the class probabilities of its candidates."""
    lattice = _lattice_over(study, model.scoring.stride)
    scores, candidates = judge_candidates(study, model, device=device, progress=progress)
    return lattice, _finite(scores)[lattice.inside][None], candidates


def _lattice_over(study: PreparedStudy, stride: int) -> PatchLattice:
    lattice = PatchLattice.over(study.brain, stride)
    if not lattice.inside.any():
        raise InputError("The brain mask is too small to hold a single patch; check the mask.")
    return lattice


def _finite(scores: np.ndarray) -> np.ndarray:
    if not np.isfinite(scores).all():
        raise InputError("The model gives scores that are no numbers: it is damaged; get it anew.")
    return scores


def scoring_settings(model: AnyModel, **changes: Any) -> ScoringSettings:
    """A model's scoring settings with what is given instead of its own.

    `changes`: settings by name; None: the model's own. Raises InputError for an invalid setting, one of
    another kind of model, or one without statistics in the model."""
    changes = {name: value for name, value in changes.items() if value is not None}
    if isinstance(model, ContextModel):
        for name, value in changes.items():
            if value != getattr(model.scoring, name):
                raise InputError(
                    f"The setting '{name}' belongs to the paper's kind of model, and the model {model.name} is of the kind "
                    f"'{model.kind}': leave it out, or choose the paper's model."
                )
    try:
        settings = replace(model.scoring, **changes)
    except ValueError as error:
        raise InputError(f"These scoring settings cannot be used: {error}.") from error
    if isinstance(model, Model):
        tissue_statistics_of(model, settings)
    return settings


def patch_size(model: AnyModel) -> int:
    """Voxels along the side of what one score is about: a patch, or a cell."""
    return model.network.patch_size if isinstance(model, Model) else model.scoring.stride


@torch.inference_mode()
def lattice_scores(
    study: PreparedStudy,
    model: AnyModel,
    percentiles: Sequence[float],
    *,
    settings: ScoringSettings | None = None,
    device: str = "cpu",
    anatomy: np.ndarray | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[PatchLattice, np.ndarray]:
    """Scores of every patch at several percentiles, from one pass through the network.

    Returns the lattice, and float32 (percentiles or 1, patches) in the order of its centres. Raises InputError
    for a brain that holds no patch, or a model without the statistics that the settings need.

    Args:
        study, model, device, progress: as for `score`.
        percentiles: N, each 0 to 100. Another kind of model than the paper's has none: it gives one row.
        settings: stride, statistics, distance and factor; None: the model's own.
        anatomy: of `segment_anatomy`, for statistics "tissue"; None: it is found here, where it is needed.
    """
    settings = settings or model.scoring
    lattice = _lattice_over(study, settings.stride)
    if isinstance(model, ContextModel):
        return context_scores(study, model, device=device, progress=progress)[:2]
    centres = torch.from_numpy(lattice.centres())
    torch.backends.cudnn.allow_tf32 = False  # ten bits of mantissa would part CPU and GPU by more than 1e-4
    tissue: torch.Tensor | None = None
    if settings.statistics == "tissue":
        anatomy = segment_anatomy(study, device) if anatomy is None else anatomy
        tissue = torch.from_numpy(anatomy[tuple(lattice.centres().T)].astype(np.int64))
    whole_scan = settings.statistics == "scan"

    def scorer(device: str) -> Callable[[slice], torch.Tensor]:
        network = LatentDifference(model.generator()).to(device)
        gather = PatchGatherer(study, model.network.patch_size, model.preparation.outside_brain, device)

        def scores_of(part: slice) -> torch.Tensor:
            """Scores (percentiles, n); with statistics "scan" the differences (n, latent_size)."""
            difference = network(gather(centres[part].to(device)))
            if whole_scan:
                return difference.cpu()
            here = None if tissue is None else tissue[part].to(device)
            return patch_scores(difference, model, percentiles, settings, here).cpu()

        return scores_of

    scoring_progress = None if progress is None else partial(progress, "scoring")
    parts = in_batches(scorer, len(centres), BATCH, device, "The scoring", scoring_progress)
    if whole_scan:
        rows = patch_scores(torch.cat(parts), model, percentiles, settings)
    else:
        rows = torch.cat(parts, dim=1)
    return lattice, _finite(rows.numpy())
