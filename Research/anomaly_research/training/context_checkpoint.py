"""A training of the context detector on disk, from which it goes on: tensors and JSON, no pickle."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.tensor_file import write_tensors
from safetensors import SafetensorError, safe_open
from torch import nn

FORMAT = "anomaly-detection context checkpoint 2"
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclasses.dataclass(frozen=True)
class Step:
    """A moment of a training: its number, the loss averaged over the last steps, and slices a second."""

    number: int
    loss: float
    slices_per_second: float


@dataclasses.dataclass(frozen=True)
class Parts:
    """What changes while it trains."""

    network: nn.Module
    averaged: nn.Module
    optimiser: torch.optim.Optimizer


Mined = list[list[tuple[int, ...]]]
"""False alarms of each search: number of the scan, slice, row, column."""


def save(path: Path, parts: Parts, settings: Any, step: int, history: Sequence[Step], mined: Mined) -> None:
    """Write the run in place of its last checkpoint, in one move.

    Args:
        settings: a dataclass.
        step: how many are done.
        mined: the false alarms that samples are drawn from.
    """
    tensors = {f"network.{name}": tensor for name, tensor in parts.network.state_dict().items()}
    tensors |= {f"averaged.{name}": tensor for name, tensor in parts.averaged.state_dict().items()}
    for number, state in parts.optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": tensor for name, tensor in state.items()}
    header = {
        "format": FORMAT,
        "settings": json.dumps(dataclasses.asdict(settings)),
        "history": json.dumps([dataclasses.asdict(moment) for moment in history]),
        "mined": json.dumps(mined),
        "step": str(step),
    }
    write_tensors(tensors, header, path)


@torch.no_grad()
def load(path: Path, parts: Parts, settings: Any) -> tuple[int, list[Step], Mined]:
    """Put a run back as `save` left it.

    Returns:
        How many steps are done, what was reported, and the false alarms that were mined.

    Raises:
        InputError: the file is damaged, or belongs to a run with other settings.
    """
    try:
        with safe_open(path, framework="pt") as content:
            header = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        if header["format"] != FORMAT:
            raise KeyError(header["format"])
        theirs, step = json.loads(header["settings"]), int(header["step"])
        mined = [[tuple(alarm) for alarm in alarms] for alarms in json.loads(header["mined"])]
        history = [Step(**moment) for moment in json.loads(header["history"])]
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"The checkpoint {path} is damaged ({error}); start a new run in another folder."
        ) from error
    if theirs != json.loads(json.dumps(dataclasses.asdict(settings))):
        raise InputError(
            f"{path.parent} holds a training with other settings; use the same, or another --output."
        )
    try:
        for prefix, network in (("network", parts.network), ("averaged", parts.averaged)):
            network.load_state_dict({name: tensors[f"{prefix}.{name}"] for name in network.state_dict()})
        state = {}
        for number, weight in enumerate(parts.network.parameters()):
            # The moments need their weight's memory layout.
            moments = {n: torch.empty_like(weight).copy_(tensors[f"adam.{number}.{n}"]) for n in _MOMENTS}
            state[number] = {"step": tensors[f"adam.{number}.step"], **moments}
        parts.optimiser.load_state_dict({**parts.optimiser.state_dict(), "state": state})
    except (KeyError, RuntimeError) as error:
        raise InputError(
            f"The checkpoint {path} is incomplete ({error}); start a new run in another folder."
        ) from error
    return step, history, mined
