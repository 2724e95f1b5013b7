"""Remove what identifies the patient from the record of a result, so that it can leave the clinic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT_OF_AN_INPUT = ("sha256", "grid")
"""Keys of an input that are kept. Names of files, DICOM series and nodes are left out: they often contain the patient's name."""


def anonymous_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """A provenance record without paths, file names and dates.

    The SHA256 of the inputs are kept: they identify nobody, and whoever has the images can match the result to them.
    The durations of the stages are kept, too.
    """
    kept = dict(record)
    if isinstance(kept.get("inputs"), Mapping):
        kept["inputs"] = {name: _input(block) for name, block in kept["inputs"].items()}
    # The path of a model file may contain the user's name; a model that ships with the program has no path.
    for block, left_out in (("run", "finished_utc"), ("model", "file")):
        if isinstance(kept.get(block), Mapping):
            kept[block] = {name: value for name, value in kept[block].items() if name != left_out}
    return kept


def _input(block: Any) -> Any:
    if not isinstance(block, Mapping):
        return None
    return {name: value for name, value in block.items() if name in _KEPT_OF_AN_INPUT}
