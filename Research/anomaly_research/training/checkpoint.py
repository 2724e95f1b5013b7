"""A training run on disk, from which it goes on exactly where it was: tensors and JSON, no pickle."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.tensor_file import write_tensors
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .settings import Epoch, History
from .trainer import Trainer

FORMAT = "anomaly-detection checkpoint 1"
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclasses.dataclass
class Position:
    """Where a run is: changes while it trains.

    Attributes:
        history: the epochs done.
        epoch: the number of the epoch under way, from 1.
        batch: batches of it done.
        sums: float64 (5,), sums of the step losses of the epoch under way.
        random: the state of the run's random numbers.
        best: the generator's weights after the best epoch.
        seconds: trained so far, all sittings together.
        epoch_seconds: of the epoch under way.
    """

    history: History
    epoch: int
    batch: int
    sums: Tensor
    random: Tensor
    best: dict[str, Tensor]
    seconds: float
    epoch_seconds: float


def save(path: Path, trainer: Trainer, position: Position, scans_sha256: str) -> None:
    """Write the run in place of its last checkpoint, in one move."""
    tensors: dict[str, Tensor] = {"sums": position.sums, "random": position.random}
    tensors |= {f"best.{name}": tensor for name, tensor in position.best.items()}
    for prefix, network, optimiser in _parts(trainer):
        tensors |= {f"{prefix}.{name}": tensor for name, tensor in network.state_dict().items()}
        for number, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{prefix}.adam.{number}.{name}": tensor for name, tensor in state.items()}
    header = {
        "format": FORMAT,
        "settings": json.dumps(dataclasses.asdict(trainer.settings)),
        "history": json.dumps([dataclasses.asdict(epoch) for epoch in position.history.epochs]),
        "position": json.dumps(
            [position.epoch, position.batch, position.seconds, position.epoch_seconds, scans_sha256]
        ),
    }
    write_tensors(tensors, header, path)


@torch.no_grad()
def load(path: Path, trainer: Trainer, scans_sha256: str) -> Position:
    """Put a run back as `save` left it.

    Raises:
        InputError: the file is damaged, or belongs to a run with other settings or other scans.
    """
    try:
        with safe_open(path, framework="pt") as content:
            header = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        if header.get("format") != FORMAT:
            raise InputError(
                f"{path} is not a checkpoint of this version; start a new run in another folder."
            )
        epoch, batch, seconds, epoch_seconds, scans = json.loads(header["position"])
        settings, epochs = json.loads(header["settings"]), json.loads(header["history"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(
            f"The checkpoint {path} is damaged ({error}); start a new run in another folder."
        ) from error
    present = json.loads(json.dumps(dataclasses.asdict(trainer.settings)))
    different = sorted(name for name in present if present[name] != settings.get(name))
    # More patience or epochs is how one goes on with a finished run.
    different = [name for name in different if name not in ("patience", "max_epochs")]
    if different or scans != scans_sha256:
        what = ", ".join(different) or "the file of scans"
        raise InputError(f"{path} was trained with another {what}; use the same, or another output folder.")
    try:
        for prefix, network, optimiser in _parts(trainer):
            network.load_state_dict({name: tensors[f"{prefix}.{name}"] for name in network.state_dict()})
            state = {}
            for number, weight in enumerate(network.parameters()):
                key = f"{prefix}.adam.{number}"
                if f"{key}.step" in tensors:
                    # The moments need their weight's memory layout: fused Adam walks through both alike.
                    moments = {n: torch.empty_like(weight).copy_(tensors[f"{key}.{n}"]) for n in MOMENTS}
                    state[number] = {"step": tensors[f"{key}.step"], **moments}
            optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        best = {name.removeprefix("best."): t for name, t in tensors.items() if name.startswith("best.")}
        history = History(tuple(Epoch(**entry) for entry in epochs))
        return Position(
            history, epoch, batch, tensors["sums"], tensors["random"], best, seconds, epoch_seconds
        )
    except (KeyError, TypeError, RuntimeError) as error:
        raise InputError(
            f"The checkpoint {path} is incomplete ({error}); start a new run in another folder."
        ) from error


def _parts(trainer: Trainer) -> tuple[tuple[str, torch.nn.Module, torch.optim.Optimizer], ...]:
    return (
        ("generator", trainer.generator, trainer.generator_optimiser),
        ("discriminator", trainer.discriminator, trainer.discriminator_optimiser),
    )
