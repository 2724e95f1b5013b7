"""The records that the engine writes to standard output for the program that started it, one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_ERROR = "error"


@dataclass(frozen=True)
class Progress:
    """The progress of a run: the name of the stage, the fraction of the run (0 to 1), and a message."""

    stage: str
    fraction: float
    message: str

    @property
    def line(self) -> str:
        """The record as a line of JSON."""
        return json.dumps({**asdict(self), "fraction": round(self.fraction, 4)})

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Progress | None:
        """The reverse of `line`; None if the record is of another kind."""
        try:
            return cls(str(record["stage"]), float(record["fraction"]), str(record["message"]))
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    Attributes:
        message: a sentence with its remedy, which names no command-line option or button.
        code: exit code of the process.
        see: options and commands to mention, as in `InputError`.
    """

    message: str
    code: int
    see: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The record as a line of JSON."""
        return json.dumps({"stage": _ERROR, **asdict(self)})

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Failure | None:
        """The reverse of `line`; None if the record is of another kind."""
        message, see = record.get("message"), record.get("see")
        if record.get("stage") != _ERROR or not isinstance(message, str):
            return None
        code, names = record.get("code"), see if isinstance(see, list) else ()
        return cls(message, code if isinstance(code, int) else 1, tuple(map(str, names)))


def record_of(line: bytes) -> dict[str, Any] | None:
    """The record in a line of the engine's output; None for a line that a library printed."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
