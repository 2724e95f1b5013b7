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
from .lattice import bounding_box

_BATCH = 8
_MARGIN = 16  # Empty voxels round the brain, as in training


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

    `t1`, `flair`: float32 (slices, rows, columns), prepared with the model's settings. `brain`: bool, same
    shape, not empty. `network`: in evaluation mode. `progress`: called with "scoring" and the fraction done."""
    torch.backends.cudnn.allow_tf32 = False  # CPU and GPU are to agree
    extent, box = BrainExtent.of(brain), bounding_box(brain)
    assert box is not None
    images = np.stack([t1, flair], axis=1) * brain[:, None]
    other_side = mirrored(images, extent.other_side(brain.shape[2]))
    occupied = np.flatnonzero(brain.any(axis=(1, 2)))
    # The brain's box with a margin, which may reach beyond the image: places in the padded image.
    rows, columns = (slice(part.start, part.stop + 2 * _MARGIN) for part in box[1:])
    shown, sides, mask = (
        torch.from_numpy(_padded(array)[..., rows, columns].astype(np.float32))
        for array in (images, other_side, brain)
    )
    s = np.arange(len(brain))
    i, j = (np.arange(part.start, part.stop) - _MARGIN for part in (rows, columns))
    coordinates = extent.coordinates(s[:, None, None], i[None, :, None], j[None, None, :])
    places = torch.from_numpy(np.ascontiguousarray(coordinates.swapaxes(0, 1)))
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
    whole = _padded(np.zeros((len(CLASSES), *brain.shape), np.float32))
    whole[..., rows, columns] = maps
    whole = whole[..., _MARGIN:-_MARGIN, _MARGIN:-_MARGIN] * brain
    whole[0][~brain] = 1.0
    return whole


def _class_probabilities(network: ContextNetwork, inputs: Tensor) -> Tensor:
    rows, columns = inputs.shape[-2:]
    inputs = pad_to(inputs, network.multiple)
    probabilities = network(inputs).softmax(dim=1)
    if network.settings.mirrored:
        probabilities = (probabilities + network(inputs.flip(-1)).softmax(dim=1).flip(-1)) / 2
    return probabilities[..., :rows, :columns]


def _padded(array: np.ndarray) -> np.ndarray:
    return np.pad(array, [(0, 0)] * (array.ndim - 2) + [(_MARGIN, _MARGIN)] * 2)
