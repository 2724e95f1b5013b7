"""From latent differences to one anomaly score a patch (paper, "Anomaly scoring")."""

from __future__ import annotations

import torch
from torch import Tensor

from ..model.model_file import Model


def modified_z_scores(difference: Tensor, model: Model) -> Tensor:
    """How many median absolute deviations each latent element lies from its usual value.

    |z_factor (d - median) / MAD|, after Iglewicz and Hoaglin (1993).

    Args:
        difference: z - z_hat (n, latent_size).

    Returns:
        float32 (n, latent_size).
    """
    median, deviation = (tensor.to(difference.device) for tensor in (model.median, model.deviation))
    # A latent element that never varies says nothing: it must not divide by zero.
    scale = model.scoring.z_factor / deviation.clamp_min(torch.finfo(torch.float32).tiny)
    return torch.where(deviation > 0, ((difference - median) * scale).abs(), 0.0)


def patch_scores(difference: Tensor, model: Model, percentile: float) -> Tensor:
    """The Nth percentile of a patch's modified Z-scores, linearly interpolated: float32 (n,)."""
    ordered = modified_z_scores(difference, model).sort(dim=1).values
    position = percentile / 100 * (ordered.shape[1] - 1)
    below = int(position)
    above = min(below + 1, ordered.shape[1] - 1)
    return torch.lerp(ordered[:, below], ordered[:, above], position - below)
