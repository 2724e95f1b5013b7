"""A training of the paper's model on disk (see `run_file`)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.tensor_file import with_prefix
from torch import Tensor

from .run_file import read_run
from .settings import Epoch, History
from .trainer import Trainer

FORMAT = "anomaly-detection checkpoint 1"


@dataclass
class Position:
    """Where a run is: changes while it trains."""

    random: Tensor  # the state of the run's random numbers
    history: History = field(default_factory=History)  # the epochs done
    best: dict[str, Tensor] = field(default_factory=dict)  # the generator's weights after the best epoch
    # float64 (5,), sums of the step losses of the epoch under way
    sums: Tensor = field(default_factory=lambda: torch.zeros(5, dtype=torch.float64))
    epoch: int = 1  # the number of the epoch under way
    batch: int = 0  # batches of it done
    seconds: float = 0.0  # trained so far, all sittings together
    epoch_seconds: float = 0.0  # of the epoch under way


def save(path: Path, trainer: Trainer, position: Position, scans_sha256: str) -> None:
    """Write the run in place of its last checkpoint."""
    about = {
        "settings": asdict(trainer.settings),
        "history": [asdict(epoch) for epoch in position.history.epochs],
        "position": [position.epoch, position.batch, position.seconds, position.epoch_seconds, scans_sha256],
    }
    more = {"sums": position.sums, "random": position.random}
    more |= {f"best.{name}": tensor for name, tensor in position.best.items()}
    trainer.parts.write(path, FORMAT, about, more)


def load(path: Path, trainer: Trainer, scans_sha256: str) -> Position:
    """Put a run back as `save` left it; an InputError for one that is damaged, or of other settings or scans."""
    with read_run(path, FORMAT) as (about, tensors):
        epoch, batch, seconds, epoch_seconds, scans = about["position"]
        present = json.loads(json.dumps(asdict(trainer.settings)))
        # More patience or epochs is how one goes on with a finished run.
        compared = sorted(present.keys() - {"patience", "max_epochs"})
        different = [name for name in compared if present[name] != about["settings"].get(name)]
        if different or scans != scans_sha256:
            what = ", ".join(different) or "the file of scans"
            raise InputError(
                f"{path} was trained with another {what}; use the same, or another output folder."
            )
        trainer.parts.restore(tensors)
        history = History(tuple(Epoch(**entry) for entry in about["history"]))
        state = tensors["random"], history, with_prefix(tensors, "best."), tensors["sums"]
        return Position(*state, epoch, batch, seconds, epoch_seconds)
