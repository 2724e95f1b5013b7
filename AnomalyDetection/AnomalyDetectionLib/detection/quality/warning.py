"""What a check says when it doubts a scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class QualityWarning:
    """A reason to trust a result less."""

    name: str  # of the check, lower case, such as "noise"; for programs
    sentence: str  # what was seen, with a number, and what to do; one line without a full stop
    # numbers, texts or lists of these that the warning rests on; for programs
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"name": self.name, "sentence": self.sentence, "measured": dict(self.measured)}


def from_plain(items: Iterable[Mapping[str, Any]]) -> tuple[QualityWarning, ...]:
    """Warnings from what `QualityWarning.plain` gave. Raises KeyError, TypeError, ValueError where they are
    something else."""
    return tuple(
        QualityWarning(str(item["name"]), str(item["sentence"]), dict(item["measured"])) for item in items
    )
