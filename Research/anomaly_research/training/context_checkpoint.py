"""A training of the context detector on disk (see `run_file`)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from AnomalyDetectionLib.errors import InputError

from .run_file import Parts, read_run

FORMAT = "anomaly-detection context checkpoint 2"


@dataclasses.dataclass(frozen=True)
class Step:
    """A moment of a training: its number, the loss averaged over the last steps, and slices a second."""

    number: int
    loss: float
    slices_per_second: float


Mined = list[list[tuple[int, ...]]]
"""False alarms of each search: number of the scan, slice, row, column."""


def save(path: Path, parts: Parts, settings: Any, step: int, history: Sequence[Step], mined: Mined) -> None:
    """Write the run in place of its last checkpoint; its settings are a dataclass."""
    about = {
        "settings": dataclasses.asdict(settings),
        "history": [dataclasses.asdict(moment) for moment in history],
        "mined": mined,
        "step": step,
    }
    parts.write(path, FORMAT, about, {})


def load(path: Path, parts: Parts, settings: Any) -> tuple[int, list[Step], Mined]:
    """Put a run back as `save` left it, and say how many steps are done, what was reported, what was mined.

    An InputError for a file that is damaged, or of a run with other settings.
    """
    with read_run(path, FORMAT) as (about, tensors):
        if about["settings"] != json.loads(json.dumps(dataclasses.asdict(settings))):
            raise InputError(
                f"{path.parent} holds a training with other settings; use the same, or another --output."
            )
        parts.restore(tensors)
        mined = [[tuple(alarm) for alarm in alarms] for alarms in about["mined"]]
        return about["step"], [Step(**moment) for moment in about["history"]], mined
