"""Select images of a BIDS dataset by entities, in the convention of `--bids-filter-file`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from .bids_layout import entities_of

Filter = Mapping[str, Mapping[str, tuple[str | None, ...]]]
"""For "T1w" and "FLAIR": the values that an entity, by its short name, may have; None: the entity is not there."""

_SHORT = {
    "acquisition": "acq",
    "ceagent": "ce",
    "reconstruction": "rec",
    "direction": "dir",
    "inversion": "inv",
    "resolution": "res",
}
_ALWAYS = {"subject", "session", "datatype", "suffix", "extension"}  # chosen by the program itself


def read_filter(path: Path) -> Filter:
    """A filter file: JSON such as {"t1w": {"acquisition": "mprage"}, "flair": {"run": [1, null]}}.

    InputError: if it cannot be read, or has other content.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"The filter file {path} cannot be read ({reason}): give a JSON file.") from error
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise InputError(
            f'The filter file {path} has no usable content: give {{"t1w": {{"run": 1}}}}, for instance.'
        )
    suffixes = {"t1w": "T1w", "flair": "FLAIR"}
    chosen = {
        suffixes[key.lower()]: {
            _SHORT.get(name, name): _values(value) for name, value in entities.items() if name not in _ALWAYS
        }
        for key, entities in content.items()
        if key.lower() in suffixes
    }
    if not chosen:
        raise InputError(f'The filter file {path} has neither "t1w" nor "flair": see the page on cohorts.')
    return chosen


def plain_filter(entities: Filter) -> str:
    """A filter as canonical text; empty for no filter."""
    plain = {
        suffix: {name: sorted(values, key=str) for name, values in rules.items()}
        for suffix, rules in entities.items()
        if rules
    }
    return json.dumps(plain, sort_keys=True) if plain else ""


def has_entities(image: Path, rules: Mapping[str, tuple[str | None, ...]]) -> bool:
    """Whether the entities in an image's name are as the filter wants them."""
    entities = entities_of(image)
    return all(_matches(entities.get(name), values) for name, values in rules.items())


def _matches(value: str | None, allowed: Collection[str | None]) -> bool:
    """Indices may be written with leading zeros: run-1 is run-01."""
    if value in allowed:
        return True
    number = value is not None and value.isdecimal()
    return number and any(a is not None and a.isdecimal() and int(a) == int(value or 0) for a in allowed)


def _values(value: Any) -> tuple[str | None, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(None if item is None else str(item) for item in values)
