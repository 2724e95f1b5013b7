"""Class probabilities of every voxel, from the context network slice by slice with neighbouring slices."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..imaging.brain_extent import BrainExtent, mirrored
from ..imaging.out_of_memory import in_batches
from ..model.classes import CLASSES
from ..model.context_network import ContextNetwork, context_inputs
from ..model.slice_unet import pad_to

_BATCH = 8
_MARGIN = 16
"""Empty voxels round the brain, as in training."""


@torch.inference_mode()
def class_probabilities(
    t1: np.ndarray,
    flair: np.ndarray,
    brain: np.ndarray,
    network: ContextNetwork,
    *,
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
) -> np.ndarray:
    """Probabilities of the classes.

    Returns float32 (classes, slices, rows, columns); outside the brain, normal.

    Args:
        t1, flair: float32 (slices, rows, columns), prepared with the model's settings.
        brain: bool, same shape, not empty.
        network: in evaluation mode.
        device: "cpu", "cuda" or "mps".
        progress: called with "scoring" and the fraction done.
    """
    torch.backends.cudnn.allow_tf32 = False  # CPU and GPU are to agree
    extent = BrainExtent.of(brain)
    images = np.stack([t1, flair], axis=1) * brain[:, None]
    other_side = mirrored(images, extent.other_side(brain.shape[2]))
    occupied = np.flatnonzero(brain.any(axis=(1, 2)))
    rows, columns = (_range(np.any(brain, axis=axes)) for axes in ((0, 2), (0, 1)))
    shown, sides, mask = (
        torch.from_numpy(_cut(array, rows, columns).astype(np.float32))
        for array in (images, other_side, brain)
    )
    s, i, j = np.arange(len(brain)), *(np.arange(part.start, part.stop) for part in (rows, columns))
    places = torch.from_numpy(
        np.ascontiguousarray(
            extent.coordinates(s[:, None, None], i[None, :, None], j[None, None, :]).swapaxes(0, 1)
        )
    )
    n = network.settings.neighbours
    # Nothing lies below the lowest slice, nor above the highest.
    around = functional.pad(shown, (0, 0, 0, 0, 0, 0, n, n))
    maps = np.zeros((len(CLASSES), *mask.shape), np.float32)

    def scorer(device: str) -> Callable[[slice], None]:
        placed = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

        def score(part: slice) -> None:
            chosen = torch.from_numpy(occupied[part])
            stack = torch.stack([around[chosen + k] for k in range(2 * n + 1)], dim=1)
            inputs = context_inputs(stack, mask[chosen], places[chosen], sides[chosen]).to(device)
            maps[:, chosen.numpy()] = _class_probabilities(placed, inputs).transpose(0, 1).cpu().numpy()

        return score

    scoring_progress = None if progress is None else partial(progress, "scoring")
    in_batches(scorer, len(occupied), _BATCH, device, "The scoring", scoring_progress)
    whole = np.zeros((len(CLASSES), *brain.shape), np.float32)
    inner = tuple(
        slice(max(part.start, 0), min(part.stop, n))
        for part, n in zip((rows, columns), brain.shape[1:], strict=True)
    )
    a, b = inner[0].start - rows.start, inner[1].start - columns.start
    whole[:, :, inner[0], inner[1]] = maps[
        :, :, a : a + inner[0].stop - inner[0].start, b : b + inner[1].stop - inner[1].start
    ]
    whole *= brain
    whole[0][~brain] = 1.0
    return whole


def _class_probabilities(network: ContextNetwork, inputs: Tensor) -> Tensor:
    """Probabilities (n, classes, rows, columns)."""
    rows, columns = inputs.shape[-2:]
    inputs = pad_to(inputs, network.multiple)
    probabilities = network(inputs).softmax(dim=1)
    if network.settings.mirrored:
        probabilities = (probabilities + network(inputs.flip(-1)).softmax(dim=1).flip(-1)) / 2
    return probabilities[..., :rows, :columns]


def _range(occupied: np.ndarray) -> slice:
    """From the first to the last True, with a margin; it may reach beyond the array."""
    places = np.flatnonzero(occupied)
    return slice(int(places[0]) - _MARGIN, int(places[-1]) + 1 + _MARGIN)


def _cut(array: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """The last two axes cut to ranges that may reach beyond them; zeros there."""
    pads = [(0, 0)] * (array.ndim - 2)
    for part, size in zip((rows, columns), array.shape[-2:], strict=True):
        pads.append((max(-part.start, 0), max(part.stop - size, 0)))
    padded = np.pad(array, pads)
    r, c = (part.start + pad[0] for part, pad in zip((rows, columns), pads[-2:], strict=True))
    return padded[..., r : r + rows.stop - rows.start, c : c + columns.stop - columns.start]
