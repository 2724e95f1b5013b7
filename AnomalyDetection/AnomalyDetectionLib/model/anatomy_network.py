"""The anatomy network, which segments the parts of the brain: file, input, output.

A small U-Net (see `slice_unet`) that reads T1 and FLAIR slice by slice with the neighbours above and below.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..imaging.out_of_memory import in_batches
from .bundled import SUFFIX, resources
from .slice_unet import SliceUNet, pad_to
from .tensor_file import read_tensors, write_tensors

FORMAT = "anomaly-detection anatomy"
VERSION = "1"
CHANNELS = 8  # T1 below, here and above; the same of FLAIR; the brain mask here; the height
CLASSES = 8

_BATCH = 8


@dataclass(frozen=True)
class AnatomyModel:
    """A trained network."""

    weights: dict[str, Tensor]  # its state
    widths: tuple[int, ...]  # of its feature maps
    card: dict[str, Any]  # for people: data, licences, command, seed, measured agreement

    def network(self) -> SliceUNet:
        """The network with its weights, in evaluation mode. Raises RuntimeError where the weights are not those
        of such a network."""
        network = anatomy_network(self.widths)
        network.load_state_dict(self.weights)
        return network.eval()


def anatomy_network(widths: tuple[int, ...]) -> SliceUNet:
    """An untrained network: (n, CHANNELS, rows, columns) to (n, CLASSES, rows, columns)."""
    return SliceUNet(CHANNELS, CLASSES, widths, full=True)


def anatomy_inputs(t1: np.ndarray, flair: np.ndarray, brain: np.ndarray, height_mm: np.ndarray) -> np.ndarray:
    """What the network reads of each slice but the first and the last.

    Returns float32 (slices - 2, CHANNELS, rows, columns).

    `t1`, `flair`: float32 (slices, rows, columns), scaled. `brain`: bool, same shape; images are 0 beyond it,
    here as in training. `height_mm`: (slices,), how far each slice lies below the top of the brain."""
    count = len(brain) - 2
    inputs = np.empty((count, CHANNELS, *brain.shape[1:]), np.float32)
    for first, image in ((0, t1), (3, flair)):
        # Beyond the usual range only the sign matters.
        masked = np.where(brain, np.clip(image, -0.5, 2.5), 0)
        for place in range(3):
            inputs[:, first + place] = masked[place : place + count]
    inputs[:, 6] = brain[1:-1]
    inputs[:, 7] = (height_mm[1:-1] / 100)[:, None, None] * inputs[:, 6]
    return inputs


@torch.inference_mode()
def class_scores(
    model: AnatomyModel,
    t1: np.ndarray,
    flair: np.ndarray,
    brain: np.ndarray,
    slice_mm: float,
    device: str = "cpu",
) -> np.ndarray:
    """The network's output.

    Returns float32 (CLASSES, slices, rows, columns), logits; 0 outside a box round the brain.

    `model`: trained. `t1`, `flair`, `brain`: as for `anatomy_inputs`. `slice_mm`: between slices."""
    scores = np.zeros((CLASSES, *brain.shape), np.float32)
    held = np.argwhere(brain)
    if not len(held):
        return scores
    low, high = held.min(axis=0), held.max(axis=0) + 1
    box = tuple(map(slice, low, high))
    t1, flair, brain = (np.pad(array[box], ((1, 1), (0, 0), (0, 0))) for array in (t1, flair, brain))
    height_mm = (high[0] - low[0] - np.arange(len(brain), dtype=np.float32)) * slice_mm
    _, rows, columns = brain.shape

    def scorer(device: str) -> Callable[[slice], None]:
        network = model.network().to(device)

        def score(slices: slice) -> None:
            part = slice(slices.start, slices.stop + 2)
            inputs = torch.from_numpy(anatomy_inputs(t1[part], flair[part], brain[part], height_mm[part]))
            found = network(pad_to(inputs.to(device), network.multiple))[:, :, :rows, :columns]
            here = slice(low[0] + slices.start, low[0] + slices.stop)
            scores[:, here, box[1], box[2]] = found.transpose(0, 1).cpu().numpy()

        return score

    in_batches(scorer, len(brain) - 2, _BATCH, device, "Telling the parts of the brain apart")
    return scores


def save_anatomy(model: AnatomyModel, path: Path) -> None:
    """Write the network into one .safetensors file. Raises OSError where it cannot be written."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "widths": json.dumps(model.widths),
        "card": json.dumps(model.card, ensure_ascii=False),
    }
    write_tensors(model.weights, header, path)


def load_anatomy(path: Path) -> AnatomyModel:
    """A network that `save_anatomy` wrote. Raises InputError where the file is missing, damaged, or something else."""
    try:
        header, weights, _ = read_tensors(path)
        if (header["format"], header["version"]) != (FORMAT, VERSION):
            raise KeyError("format")
        if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
            raise ValueError("weights that are not finite")
        model = AnatomyModel(weights, tuple(json.loads(header["widths"])), json.loads(header["card"]))
        model.network()
    except (InputError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"The anatomy network {path} is missing, damaged or of another version: install the program anew."
        ) from error
    return model


@lru_cache(maxsize=1)
def anatomy_model() -> AnatomyModel:
    """The network that ships with the program. Raises InputError where its file is missing or damaged."""
    return load_anatomy(anatomy_file())


def anatomy_file() -> Path:
    """Where the network that ships with the program lies."""
    return resources() / "Networks" / f"anatomy{SUFFIX}"
