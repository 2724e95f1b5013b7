"""From latent differences to one anomaly score a patch (paper, "Anomaly scoring")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..model.model_file import Model
from ..model.settings import ScoringSettings


def modified_z_scores(difference: Tensor, statistics: tuple[Tensor, Tensor], factor: float) -> Tensor:
    """How many median absolute deviations each latent element lies from its usual value.

    |factor (d - median) / MAD|, after Iglewicz and Hoaglin (1993).

    Args:
        difference: z - z_hat (n, latent_size).
        statistics: median and median absolute deviation of each element (latent_size,).
        factor: 0.6745, or 1.

    Returns:
        float32 (n, latent_size).
    """
    median, deviation = (tensor.to(difference.device) for tensor in statistics)
    # A latent element that never varies says nothing: it must not divide by zero.
    scale = factor / deviation.clamp_min(torch.finfo(torch.float32).tiny)
    return torch.where(deviation > 0, ((difference - median) * scale).abs(), 0.0)


def scan_statistics(difference: Tensor) -> tuple[Tensor, Tensor]:
    """Median and median absolute deviation of each element over one scan's own patches (n, latent_size)."""
    median = difference.median(dim=0).values
    return median, (difference - median).abs().median(dim=0).values


def patch_scores(
    difference: Tensor, model: Model, percentiles: Sequence[float], settings: ScoringSettings
) -> Tensor:
    """Percentiles of each patch's modified Z-scores, linearly interpolated.

    Args:
        difference: z - z_hat of patches (n, latent_size); with statistics "scan", of all patches of the scan.
        percentiles: N, each 0 to 100.
        settings: their `statistics` and `z_factor` count; their percentile does not.

    Returns:
        float32 (percentiles, n).
    """
    own = settings.statistics == "scan"
    statistics = scan_statistics(difference) if own else (model.median, model.deviation)
    ordered = modified_z_scores(difference, statistics, settings.z_factor).sort(dim=1).values
    rows = []
    for percentile in percentiles:
        position = percentile / 100 * (ordered.shape[1] - 1)
        below = int(position)
        above = min(below + 1, ordered.shape[1] - 1)
        rows.append(torch.lerp(ordered[:, below], ordered[:, above], position - below))
    return torch.stack(rows)
