"""A training of the paper's model on disk (see `run_file`)."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from AnomalyDetectionLib.errors import InputError
from torch import Tensor

from .run_file import read_run
from .settings import Epoch, History
from .trainer import Trainer

FORMAT = "anomaly-detection checkpoint 1"


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
    """Write the run in place of its last checkpoint."""
    about = {
        "settings": dataclasses.asdict(trainer.settings),
        "history": [dataclasses.asdict(epoch) for epoch in position.history.epochs],
        "position": [position.epoch, position.batch, position.seconds, position.epoch_seconds, scans_sha256],
    }
    more = {"sums": position.sums, "random": position.random}
    more |= {f"best.{name}": tensor for name, tensor in position.best.items()}
    trainer.parts.write(path, FORMAT, about, more)


def load(path: Path, trainer: Trainer, scans_sha256: str) -> Position:
    """Put a run back as `save` left it; an InputError for one that is damaged, or of other settings or scans."""
    with read_run(path, FORMAT) as (about, tensors):
        epoch, batch, seconds, epoch_seconds, scans = about["position"]
        present = json.loads(json.dumps(dataclasses.asdict(trainer.settings)))
        # More patience or epochs is how one goes on with a finished run.
        compared = sorted(present.keys() - {"patience", "max_epochs"})
        different = [name for name in compared if present[name] != about["settings"].get(name)]
        if different or scans != scans_sha256:
            what = ", ".join(different) or "the file of scans"
            raise InputError(
                f"{path} was trained with another {what}; use the same, or another output folder."
            )
        trainer.parts.restore(tensors)
        best = {name.removeprefix("best."): t for name, t in tensors.items() if name.startswith("best.")}
        history = History(tuple(Epoch(**entry) for entry in about["history"]))
        sums, random = tensors["sums"], tensors["random"]
        return Position(history, epoch, batch, sums, random, best, seconds, epoch_seconds)
