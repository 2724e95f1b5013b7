"""The scores of the context detector: slices with their neighbours through the network, two heads into one score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..errors import InputError
from ..imaging.brain_place import BrainPlace, mirrored
from ..imaging.memory import in_batches
from ..imaging.prepared import PreparedStudy
from ..model.context_model import ContextModel
from ..model.context_network import (
    STRIDE,
    ContextNetwork,
    ContextSettings,
    expected,
    look,
    mahalanobis_squared,
)
from ..model.slice_unet import pad_to
from .patches import PatchLattice

_BATCH = 8
_MARGIN = 16
"""Voxels of nothing round the brain, as the network was trained with."""

_LEAST, _MOST = 1e-6, 1 - 1e-6


@dataclass(frozen=True)
class ContextFeatures:
    """What the two heads say of the cells of a brain, in the order of `PatchLattice.centres()`.

    Attributes:
        hyperintense, anomalous: float32 (cells,), probabilities of the anomaly head.
        surprise: float32 (cells,), squared Mahalanobis distance from what the other image lets expect.
    """

    hyperintense: np.ndarray
    anomalous: np.ndarray
    surprise: np.ndarray


def context_scores(
    study: PreparedStudy,
    model: ContextModel,
    *,
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
) -> np.ndarray:
    """Anomaly scores of the cells of a brain.

    Args:
        study: prepared with the model's preparation settings.
        device: "cpu", "cuda" or "mps".
        progress: called with "scoring" and the fraction done.

    Returns:
        float32 (cells,), in the order of the centres of `PatchLattice.over(study.brain, STRIDE)`; 0 and more.

    Raises:
        InputError: a brain that holds no cell.
    """
    features = context_features(
        study.t1, study.flair, study.brain, model.context_network(), device=device, progress=progress
    )
    return fused(features, model.settings)


def fused(features: ContextFeatures, settings: ContextSettings) -> np.ndarray:
    """One score of the two heads: -log(1 - p), p being a logistic of both; float32 (cells,).

    Raises:
        InputError: a damaged model's answers are no numbers.
    """
    anomalous = features.anomalous + settings.hyperintense * features.hyperintense
    p = np.clip(anomalous, _LEAST, _MOST).astype(np.float64)
    bias, first, second = settings.fusion
    log_odds = bias + first * np.log(p / (1 - p)) + second * np.log1p(features.surprise)
    scores = np.logaddexp(0.0, log_odds).astype(np.float32)
    if not np.isfinite(scores).all():
        raise InputError("The model gives scores that are no numbers: it is damaged; get it anew.")
    return scores


@torch.inference_mode()
def context_features(
    t1: np.ndarray,
    flair: np.ndarray,
    brain: np.ndarray,
    network: ContextNetwork,
    *,
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
) -> ContextFeatures:
    """What both heads say of every cell; the normative one is skipped where it does not count.

    Args:
        t1, flair: float32 (slices, rows, columns), prepared.
        brain: bool, likewise.
        network: in evaluation mode.

    Raises:
        InputError: a brain that holds no cell.
    """
    lattice = PatchLattice.over(brain, STRIDE)
    if not lattice.inside.any():
        raise InputError("The brain mask is too small to hold a single cell; check the mask.")
    settings = network.settings
    # Cells are whole: an odd last row or column belongs to none, as on the lattice.
    even = tuple(slice(n // STRIDE * STRIDE) for n in brain.shape[1:])
    margin = ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))
    t1, flair, brain = (np.pad(array[:, even[0], even[1]], margin) for array in (t1, flair, brain))
    torch.backends.cudnn.allow_tf32 = False  # CPU and GPU are to agree
    extent = BrainPlace.of(brain)
    images = np.stack([t1, flair], axis=1) * brain[:, None]
    other_side = mirrored(images, extent.other_side(brain.shape[2]))
    s, i, j = (np.arange(size) for size in brain.shape)
    place = extent.at(s[:, None, None], i[None, :, None], j[None, None, :]).swapaxes(0, 1)
    rows, columns = (_even_range(np.any(brain, axis=axes)) for axes in ((0, 2), (0, 1)))
    shown, sides, places, mask = (
        torch.from_numpy(np.ascontiguousarray(array[..., rows, columns]))
        for array in (images, other_side, place, brain)
    )
    n = settings.neighbours
    # Nothing lies below the lowest slice, nor above the highest.
    around = functional.pad(shown, (0, 0, 0, 0, 0, 0, n, n))
    occupied = np.flatnonzero(brain.any(axis=(1, 2)))
    size = ((rows.stop - rows.start) // STRIDE, (columns.stop - columns.start) // STRIDE)
    maps = np.zeros((3, brain.shape[0], *size), np.float32)

    def answers(device: str) -> Callable[[slice], None]:
        placed = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

        def answer(part: slice) -> None:
            chosen = torch.from_numpy(occupied[part])
            stack = torch.stack([around[chosen + k] for k in range(2 * n + 1)], dim=1)
            slices = _Shown(stack, mask[chosen], places[chosen], sides[chosen])
            maps[:, chosen.numpy()] = _answers(placed, slices, device)

        return answer

    said = None if progress is None else partial(progress, "scoring")
    in_batches(answers, len(occupied), _BATCH, device, "The scoring", said)
    cells = tuple(slice(part.start // STRIDE, part.stop // STRIDE) for part in (rows, columns))
    whole = np.zeros((3, *(n // STRIDE if axis else n for axis, n in enumerate(brain.shape))), np.float32)
    whole[:, :, cells[0], cells[1]] = maps
    edge = _MARGIN // STRIDE
    whole = whole[:, :, edge:-edge, edge:-edge]
    hyperintense, anomalous, surprise = (part[lattice.inside] for part in whole)
    return ContextFeatures(hyperintense, anomalous, surprise)


@dataclass(frozen=True)
class _Shown:
    """Slices as `context_inputs` takes them."""

    images: Tensor
    brain: Tensor
    place: Tensor
    other_side: Tensor

    def each(self, change: Callable[[Tensor], Tensor]) -> _Shown:
        return _Shown(*(change(part) for part in (self.images, self.brain, self.place, self.other_side)))


def _answers(network: ContextNetwork, shown: _Shown, device: str) -> np.ndarray:
    """Probabilities of "hyperintense" and "anomalous" and the surprise of slices: (3, n, rows, columns) of cells."""
    settings = network.settings
    rows, columns = shown.brain.shape[1:]
    shown = shown.each(lambda part: pad_to(part.to(device), network.multiple))
    maps = _maps(network, shown)
    if settings.mirrored:
        maps = (maps + _maps(network, shown.each(lambda part: part.flip(-1))).flip(-1)) / 2
    return maps[:, :, : rows // STRIDE, : columns // STRIDE].transpose(0, 1).cpu().numpy()


def _maps(network: ContextNetwork, shown: _Shown) -> Tensor:
    """The same as a tensor (n, 3, rows, columns), on the network's device."""

    both = (shown.images, shown.brain, shown.place, shown.other_side)
    probabilities = look(network, *both, (True, True)).logits.softmax(dim=1)[:, 1:]
    surprise = torch.zeros_like(probabilities[:, 0])
    if network.settings.fusion[2] != 0:
        observed = functional.avg_pool2d(shown.images[:, shown.images.shape[1] // 2], STRIDE)
        surprise = mahalanobis_squared(observed, expected(network, *both), network.settings.covariance)
    return torch.cat([probabilities, surprise[:, None]], dim=1)


def _even_range(occupied: np.ndarray) -> slice:
    """From the first to the last True, with a margin; it begins and ends on a cell's border."""
    places = np.flatnonzero(occupied)
    first, last = int(places[0]) - _MARGIN, int(places[-1]) + _MARGIN
    return slice(first // STRIDE * STRIDE, (last // STRIDE + 1) * STRIDE)
