"""Latent statistics: how far apart the two encodings of normal tissue usually are (paper, "Anomaly scoring")."""

from __future__ import annotations

import torch
from torch import Tensor

from ..model.networks import Generator
from .sampling import PatchSource

BATCH = 4096


@torch.inference_mode()
def latent_statistics(generator: Generator, source: PatchSource) -> tuple[Tensor, Tensor]:
    """Median and median absolute deviation of z - z_hat per latent element, over all patches of a source.

    Returns:
        Two float32 tensors (latent_size,) on the CPU.
    """
    generator.eval()
    differences = []
    for first in range(0, len(source), BATCH):
        which = torch.arange(first, min(first + BATCH, len(source)), device=source.centres.device)
        encoding = generator(source.gather(which))
        differences.append((encoding.z - encoding.z_hat).float().cpu())
    difference = torch.cat(differences)
    # One element at a time: sorting a million by a hundred at once would take gigabytes.
    medians = torch.stack([column.median() for column in difference.T])
    deviations = torch.stack([(c - m).abs().median() for c, m in zip(difference.T, medians, strict=True)])
    return medians, deviations
