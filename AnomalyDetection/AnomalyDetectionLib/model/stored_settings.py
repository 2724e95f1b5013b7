"""Settings as stored in model files, and the hash of everything that scores depend on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import Tensor

SINCE: dict[str, int] = {"statistics": 2, "distance": 3, "scaling": 3}
"""File version that introduced a setting, if not the first."""

Settings = TypeVar("Settings")


def plain(settings: Any, before: int = 2) -> dict[str, Any]:
    """Settings as plain values.

    `settings`: a dataclass. `before`: settings that came with this version or a later one are left out where
    they have their default: of a file (2), so that earlier programs can read it; of what identifies scores (3),
    so that a setting that comes new changes nobody's identity."""
    values = dataclasses.asdict(settings)
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    return {
        name: value
        for name, value in values.items()
        if SINCE.get(name, 1) < before or value != defaults[name]
    }


def identity(settings: Any) -> dict[str, Any]:
    """Settings as what identifies scores."""
    return plain(settings, before=3)


def from_json(kind: type[Settings], text: str) -> Settings:
    """Settings from JSON; lists become the tuples that the dataclasses hold. Raises TypeError, ValueError where
    it is no JSON, or names or values are not those of the settings."""
    values = json.loads(text, parse_constant=_refuse)
    if not isinstance(values, dict):
        raise ValueError("settings that are no names with values")
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if not _alike(values.get(field.name, field.default), field.default):
            raise ValueError(f"the setting {field.name} cannot be {values[field.name]!r}")
    return kind(**values)


def needed_version(*blocks: Any) -> int:
    """The earliest version of the file that can say what these settings need."""
    return max(SINCE.get(name, 1) for block in blocks for name in plain(block))


def fingerprint(tensors: Mapping[str, Tensor], *blocks: Any) -> str:
    """A hash of tensors and settings."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    digest.update(json.dumps([identity(block) for block in blocks], sort_keys=True).encode())
    return digest.hexdigest()


def _alike(value: Any, default: Any) -> bool:
    """Whether a value is of its default's type; an integer may stand for any number."""
    if isinstance(default, tuple):
        return isinstance(value, tuple) and all(_alike(part, default[0]) for part in value)
    if isinstance(default, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is type(default)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number that can be used")
