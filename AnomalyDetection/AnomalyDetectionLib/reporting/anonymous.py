"""A result without whose it is: what may leave a clinic beside the images themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT_OF_AN_INPUT = ("sha256", "grid")
"""Names of files, of DICOM series and of nodes are given by people, often after the patient."""


def anonymous_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of provenance without paths, names of files and dates.

    The SHA256 of the inputs stay: they tell nobody who it is, and who has the images finds the result by them. So
    do the times that the stages took.

    Args:
        record: as `provenance.provenance` makes it; it is not changed.
    """
    kept = dict(record)
    if isinstance(kept.get("inputs"), Mapping):
        kept["inputs"] = {name: _input(block) for name, block in kept["inputs"].items()}
    if isinstance(kept.get("run"), Mapping):
        kept["run"] = {name: value for name, value in kept["run"].items() if name != "finished_utc"}
    if isinstance(kept.get("model"), Mapping):
        # Where a model file lies may name its user; one that ships has no path.
        kept["model"] = {name: value for name, value in kept["model"].items() if name != "file"}
    return kept


def _input(block: Any) -> Any:
    if not isinstance(block, Mapping):
        return None
    return {name: value for name, value in block.items() if name in _KEPT_OF_AN_INPUT}
