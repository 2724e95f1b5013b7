"""The score of a patch, written a second time, straight from docs/method.md: slow, plain, and nothing shared.

It takes only numbers from a model (weights, statistics, settings), none of the library's code, so that a
mistake in the folded, batched scorer cannot hide in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def images_of(study: Any, outside_brain: str) -> tuple[np.ndarray, np.ndarray]:
    """T1 and FLAIR of a prepared study with, beyond the brain, what the model's setting says."""
    t1, flair = study.t1.copy(), study.flair.copy()
    if outside_brain == "zero":
        t1[~study.brain] = flair[~study.brain] = 0
    return t1, flair


def cut(t1: np.ndarray, flair: np.ndarray, centre: np.ndarray, size: int = 15) -> np.ndarray:
    """One patch, (2, size, size), round (slice, row, column); beyond the image are zeros."""
    s, r, c = (int(index) for index in centre)
    patch = np.zeros((2, size, size), np.float32)
    for number, image in enumerate((t1, flair)):
        for i in range(size):
            for j in range(size):
                row, column = r + i - size // 2, c + j - size // 2
                if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
                    patch[number, i, j] = image[s, row, column]
    return patch


@torch.no_grad()
def latent_difference(patches: Tensor, weights: Mapping[str, Tensor], output_activation: str) -> Tensor:
    """z - z_hat, (n, latent size), of patches (n, 2, 15, 15): docs/method.md's table of layers, in order."""

    def normalise(x: Tensor, layer: str) -> Tensor:
        mean, variance = weights[f"{layer}.running_mean"], weights[f"{layer}.running_var"]
        return F.batch_norm(x, mean, variance, weights[f"{layer}.weight"], weights[f"{layer}.bias"])

    def encode(x: Tensor, name: str) -> Tensor:
        x = F.leaky_relu(F.conv2d(x, weights[f"{name}.0.weight"], stride=2, padding=1), 0.2)
        x = normalise(F.conv2d(x, weights[f"{name}.2.weight"], stride=2, padding=1), f"{name}.3")
        return F.conv2d(F.leaky_relu(x, 0.2), weights[f"{name}.5.weight"])

    def decode(z: Tensor) -> Tensor:
        x = normalise(F.conv_transpose2d(z, weights["decoder.1.weight"]), "decoder.2")
        x = F.conv_transpose2d(F.relu(x), weights["decoder.4.weight"], stride=2, padding=1)
        x = F.relu(normalise(x, "decoder.5"))
        x = F.conv_transpose2d(x, weights["decoder.7.weight"], stride=2, padding=1)
        return torch.tanh(x) if output_activation == "tanh" else x

    z = encode(patches, "encoder")
    return (z - encode(decode(z), "second_encoder")).flatten(1)


def percentile_of_z_scores(
    difference: np.ndarray, median: np.ndarray, deviation: np.ndarray, factor: float, percentile: float
) -> np.ndarray:
    """The Nth percentile, (n,), of the modified Z-scores of z - z_hat (n, latent size).

    An element whose deviation is 0 counts as usual, with a Z-score of 0.
    """
    difference, median, deviation = (np.asarray(a, np.float64) for a in (difference, median, deviation))
    alive = deviation > 0
    z_scores = np.zeros(difference.shape)
    z_scores[:, alive] = np.abs(factor * (difference - median)[:, alive] / deviation[alive])
    return np.percentile(z_scores, percentile, axis=1)


def scores_of(patches: np.ndarray, model: Any, percentile: float | None = None) -> np.ndarray:
    """The scores (n,) of patches (n, 2, 15, 15), in one batch, with the numbers that a model file holds."""
    difference = latent_difference(
        torch.from_numpy(patches), model.weights, model.network.output_activation
    ).numpy()
    return percentile_of_z_scores(
        difference,
        model.median.numpy(),
        model.deviation.numpy(),
        model.scoring.z_factor,
        model.scoring.percentile if percentile is None else percentile,
    )


def scores_one_by_one(
    study: Any, centres: np.ndarray, model: Any, percentile: float | None = None
) -> np.ndarray:
    """The scores (n,) of a study's patches round centres (n, 3), each cut and scored on its own."""
    t1, flair = images_of(study, model.preparation.outside_brain)
    return np.concatenate([scores_of(cut(t1, flair, c)[None], model, percentile) for c in centres])
