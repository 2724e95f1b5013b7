"""The record of a result: a text node with its provenance, settings and finding numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..detection.numbering import FindingNumbers
from ..errors import InputError


@dataclass(frozen=True)
class ResultRecord:
    """Information about a result that its other nodes do not have.

    Attributes:
        threshold, min_patches: settings of the shown findings.
        numbering: all numbers that findings of these scores have had.
        provenance: model, settings, versions, device, inputs, as JSON types.
        hidden: hints whose findings are not shown.
        scores: the record of the stored scores (see `detection.stored_scores`).
    """

    threshold: float
    min_patches: int
    numbering: FindingNumbers
    provenance: Mapping[str, Any]
    scores: Mapping[str, Any]
    hidden: tuple[str, ...] = ()


def record_text(record: ResultRecord) -> str:
    """The record as the text of its vtkMRMLTextNode.

    Raises a TypeError if the provenance has other than JSON types.
    """
    content = {
        "threshold": record.threshold,
        "min_patches": record.min_patches,
        "numbers": record.numbering.peaks,
        "hidden": record.hidden,
        "provenance": record.provenance,
        "scores": record.scores,
    }
    return json.dumps(content)  # indented JSON would take ten times as long, at every step of a slider


def read_record(text_node: Any) -> ResultRecord:
    """Read the record from a vtkMRMLTextNode. Raises an InputError if it is missing or damaged."""
    try:
        return _record_of(text_node.GetText() or "")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f'"{text_node.GetName()}" is damaged: detect anomalies again.') from error


@lru_cache(maxsize=8)  # a new threshold reads it ten times
def _record_of(text: str) -> ResultRecord:
    content = json.loads(text)
    return ResultRecord(
        threshold=float(content["threshold"]),
        min_patches=int(content["min_patches"]),
        numbering=FindingNumbers(tuple(map(_peak, content["numbers"]))),
        provenance=dict(content["provenance"]),
        scores=dict(content["scores"]),
        hidden=tuple(str(hint) for hint in content.get("hidden", ())),  # missing in earlier scenes
    )


def _peak(patch: Any) -> tuple[int, int, int] | None:
    if patch is None:  # for a finding added by the reader
        return None
    s, i, j = patch
    return int(s), int(i), int(j)
