"""What the engine tells the program that started it: a JSON object a line, on standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_ERROR = "error"


@dataclass(frozen=True)
class Progress:
    """How far a run is: the stage's name, the fraction of the whole run (0 to 1), a line for people."""

    stage: str
    fraction: float
    message: str

    @property
    def line(self) -> str:
        """As it is written."""
        return json.dumps({**asdict(self), "fraction": round(self.fraction, 4)})

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Progress | None:
        """The reverse of `line`; None: the record is another."""
        try:
            return cls(str(record["stage"]), float(record["fraction"]), str(record["message"]))
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True)
class Failure:
    """Why a run ends.

    Attributes:
        message: a sentence with its remedy, free of the words of any one door.
        code: with which the process exits.
        see: as of `InputError`.
    """

    message: str
    code: int
    see: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """As it is written."""
        return json.dumps({"stage": _ERROR, **asdict(self)})

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Failure | None:
        """The reverse of `line`; None: the record is another."""
        message, see = record.get("message"), record.get("see")
        if record.get("stage") != _ERROR or not isinstance(message, str):
            return None
        code, names = record.get("code"), see if isinstance(see, list) else ()
        return cls(message, code if isinstance(code, int) else 1, tuple(map(str, names)))


def record_of(line: bytes) -> dict[str, Any] | None:
    """A line of the engine's, or None for what a library wrote to standard output on its own."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
