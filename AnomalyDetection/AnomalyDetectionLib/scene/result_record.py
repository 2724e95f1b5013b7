"""The record of a result: a text node that says, in JSON, how it was made and how its findings are numbered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..detection.numbering import Numbering
from ..errors import InputError


@dataclass(frozen=True)
class ResultRecord:
    """What the nodes of a result do not say themselves.

    Attributes:
        threshold, min_patches: what the findings that are shown were derived with.
        numbering: all numbers that findings of these scores have had.
        provenance: model, settings, versions, device, inputs; plain values.
        hidden: hints whose findings are not shown.
        scores: the record of the stored scores (see `detection.stored_scores`).
    """

    threshold: float
    min_patches: int
    numbering: Numbering
    provenance: Mapping[str, Any]
    scores: Mapping[str, Any]
    hidden: tuple[str, ...] = ()


def record_text(record: ResultRecord) -> str:
    """The record as the text of its vtkMRMLTextNode.

    Raises:
        TypeError: the provenance is not of plain values.
    """
    content = {
        "threshold": record.threshold,
        "min_patches": record.min_patches,
        "numbers": record.numbering.peaks,
        "hidden": record.hidden,
        "provenance": record.provenance,
        "scores": record.scores,
    }
    return json.dumps(content)  # an indentation would take ten times as long, at every step of a slider


def read_record(text_node: Any) -> ResultRecord:
    """Read the record from a vtkMRMLTextNode.

    Raises:
        InputError: it is not there or damaged.
    """
    try:
        content = json.loads(text_node.GetText() or "")
        return ResultRecord(
            threshold=float(content["threshold"]),
            min_patches=int(content["min_patches"]),
            numbering=Numbering(tuple(map(_peak, content["numbers"]))),
            provenance=dict(content["provenance"]),
            scores=dict(content["scores"]),
            hidden=tuple(str(hint) for hint in content.get("hidden", ())),  # earlier scenes have none
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f'"{text_node.GetName()}" is damaged: detect anomalies again.') from error


def _peak(patch: Any) -> tuple[int, int, int] | None:
    if patch is None:  # of the reader's own finding
        return None
    s, i, j = patch
    return int(s), int(i), int(j)
