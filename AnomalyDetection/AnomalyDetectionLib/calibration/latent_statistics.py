"""Latent statistics: how far apart the two encodings of normal tissue usually are (paper, "Anomaly scoring")."""

from __future__ import annotations

import torch
from torch import Tensor

from ..model.networks import Generator
from ..model.tissue_statistics import CLASSES, TissueStatistics
from .patch_source import PatchSource

BATCH = 4096
LEAST_OF_A_CLASS = 2000  # Patches; a class with fewer has the statistics of all tissue

SHRINKAGE = 0.1
"""Weight of the identity in the covariance (see `whitening`). The optimum of Ledoit and Wolf is 0.002 if all patches are
independent, 0.02 if only scans are; on people held out for training-validation 0.001 to 0.3 find the same infarcts."""

_MOST = 10.0
"""Deviations beyond it count as it in the covariance: a few patches must not decide how elements vary together."""


def latent_statistics(generator: Generator, source: PatchSource) -> tuple[Tensor, Tensor]:
    """Median and median absolute deviation of z - z_hat per latent element, over all patches of a source.
    Returns two float32 tensors (latent_size,) on the CPU."""
    return median_and_deviation(latent_differences(generator, source))


@torch.inference_mode()
def latent_differences(generator: Generator, source: PatchSource) -> Tensor:
    """z - z_hat of all patches of a source, float32 (patches, latent_size) on the CPU."""
    generator.eval()
    differences = []
    for first in range(0, len(source), BATCH):
        which = torch.arange(first, min(first + BATCH, len(source)), device=source.centres.device)
        encoding = generator(source.gather(which))
        differences.append((encoding.z - encoding.z_hat).float().cpu())
    return torch.cat(differences)


def median_and_deviation(difference: Tensor) -> tuple[Tensor, Tensor]:
    """Median and median absolute deviation of each column (patches, latent_size)."""
    # One element at a time: sorting a million by a hundred at once would take gigabytes.
    medians = torch.stack([column.median() for column in difference.T])
    deviations = torch.stack([(c - m).abs().median() for c, m in zip(difference.T, medians, strict=True)])
    return medians, deviations


def tissue_statistics(
    difference: Tensor,
    tissue: Tensor,
    overall: tuple[Tensor, Tensor],
    *,
    shrinkage: float = SHRINKAGE,
    least: int = LEAST_OF_A_CLASS,
) -> TissueStatistics:
    """Statistics of normal patches by the tissue at their centre.

    Args:
        difference: z - z_hat, float32 (patches, latent_size).
        tissue: anatomy label at the centre of each, int (patches,).
        overall: median and deviation of all tissue, the model's own.
        shrinkage: see `whitening`.
        least: patches that a class needs for statistics of its own.
    """
    rows = [(*overall, whitening(difference, overall, shrinkage))]
    for label in range(1, CLASSES):
        here = difference[tissue == label]
        if len(here) < least:
            rows.append(rows[0])
        else:
            own = median_and_deviation(here)
            rows.append((*own, whitening(here, own, shrinkage)))
    median, deviation, whiten = (torch.stack(column) for column in zip(*rows, strict=True))
    return TissueStatistics(median, deviation, whiten.half())  # half precision: a model file is small


def whitening(difference: Tensor, statistics: tuple[Tensor, Tensor], shrinkage: float) -> Tensor:
    """What turns deviations from the median into a Mahalanobis distance, as of `TissueStatistics.whitening`.

    The covariance of the deviations is shrunk towards a multiple of the identity, after Ledoit and Wolf (A
    well-conditioned estimator for large-dimensional covariance matrices, J Multivar Anal 2004), with a fixed
    weight. Returns float32 (latent_size, latent_size).

    `difference`: z - z_hat of normal patches (n, latent_size). `statistics`: their median and median absolute
    deviation. `shrinkage`: weight of the identity, above 0, at most 1."""
    median, mad = statistics
    size = len(median)
    usable = mad > 0
    deviation = torch.where(usable, (difference - median) / mad.clamp_min(1e-30), 0.0)
    clipped = deviation.clamp(-_MOST, _MOST).double()
    covariance = clipped.T @ clipped / len(clipped)
    mean = covariance.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
    shrunk = (1 - shrinkage) * covariance + shrinkage * mean * torch.eye(size, dtype=torch.float64)
    factor = torch.linalg.cholesky(torch.linalg.inv(shrunk)).float()
    usual = deviation.abs().median(dim=1).values.median()
    length = torch.linalg.vector_norm(deviation @ factor, dim=1).median()
    return factor * (usual / length.clamp_min(1e-30))
