"""From latent differences to one anomaly score a patch (paper, "Anomaly scoring"; and other readings of them)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError
from ..model.model_settings import ScoringSettings
from ..model.paper_model import Model
from ..model.tissue_statistics import TissueStatistics, needs_tissue_statistics


def deviations(difference: Tensor, statistics: tuple[Tensor, Tensor], factor: float) -> Tensor:
    """How many median absolute deviations each latent element lies from its usual value, with its sign.

    factor (d - median) / MAD: the modified Z-score of Iglewicz and Hoaglin (1993). Returns float32 (n,
    latent_size).

    `difference`: z - z_hat (n, latent_size). `statistics`: median and median absolute deviation of each
    element, (latent_size,) or (n, latent_size). `factor`: 0.6745, or 1."""
    median, deviation = (tensor.to(difference.device) for tensor in statistics)
    # A constant latent element carries no information; avoid dividing by zero.
    scale = factor / deviation.clamp_min(torch.finfo(torch.float32).tiny)
    return torch.where(deviation > 0, (difference - median) * scale, 0.0)


def scan_statistics(difference: Tensor) -> tuple[Tensor, Tensor]:
    """Median and median absolute deviation of each element over one scan's own patches (n, latent_size)."""
    median = difference.median(dim=0).values
    return median, (difference - median).abs().median(dim=0).values


def patch_scores(
    difference: Tensor,
    model: Model,
    percentiles: Sequence[float],
    settings: ScoringSettings,
    tissue: Tensor | None = None,
) -> Tensor:
    """Percentiles of each patch's modified Z-scores, linearly interpolated; or its Mahalanobis distance.

    Returns float32 (percentiles, n). Raises InputError where the model has no statistics for these settings.

    Args:
        difference: z - z_hat of patches (n, latent_size); with statistics "scan", of all patches of the
            scan.
        percentiles: N, each 0 to 100. With distance "mahalanobis" all rows are the same.
        settings: their `statistics`, `distance` and `z_factor` count; their percentile does not.
        tissue: anatomy label at the centre of each patch, int64 (n,); for statistics "tissue".
    """
    extra = tissue_statistics_of(model, settings)
    if settings.statistics == "scan":
        statistics = scan_statistics(difference)
    elif settings.statistics == "tissue":
        assert extra is not None
        assert tissue is not None
        statistics = extra.median[tissue.cpu()], extra.deviation[tissue.cpu()]
    else:
        statistics = model.median, model.deviation
    deviation = deviations(difference, statistics, settings.z_factor)
    if settings.distance == "mahalanobis":
        assert extra is not None
        by_tissue = tissue if settings.statistics == "tissue" else None
        return mahalanobis(deviation, extra.whitening, by_tissue).expand(len(percentiles), -1)
    ordered = deviation.abs().sort(dim=1).values
    rows = []
    for percentile in percentiles:
        position = percentile / 100 * (ordered.shape[1] - 1)
        below = int(position)
        above = min(below + 1, ordered.shape[1] - 1)
        rows.append(torch.lerp(ordered[:, below], ordered[:, above], position - below))
    return torch.stack(rows)


def mahalanobis(deviation: Tensor, whitening: Tensor, tissue: Tensor | None = None) -> Tensor:
    """The length of each patch's deviations (n, latent_size) after whitening, float32 (n,).

    `whitening`: (classes, latent_size, latent_size), as of `TissueStatistics`. `tissue`: class of each patch,
    int64 (n,); None: class 0, all tissue."""
    whitening = whitening.to(deviation.device, torch.float32)
    if tissue is None:
        return torch.linalg.vector_norm(deviation @ whitening[0], dim=1)
    lengths = deviation.new_zeros(len(deviation))
    for label in tissue.unique():
        here = tissue == label
        lengths[here] = torch.linalg.vector_norm(deviation[here] @ whitening[label], dim=1)
    return lengths


def tissue_statistics_of(model: Model, settings: ScoringSettings) -> TissueStatistics | None:
    """What these settings need of a model beside its median and deviation; None: nothing. Raises InputError
    where the model does not have it."""
    if not needs_tissue_statistics(settings):
        return None
    if model.tissue_statistics is None:
        raise InputError(
            f"The model {model.name} has no statistics by tissue, which statistics 'tissue' and distance 'mahalanobis' "
            "need: add them, choose another model, or leave these settings out.",
            see=("models add-statistics", "statistics", "distance"),
        )
    return model.tissue_statistics
