"""Edits by the reader: take over changed segments, add findings, restore detected outlines."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..imaging.voxels import voxels_of
from .finding_row import ADDED, CHANGED, DELETED, FindingRow
from .findings_table import add_row, known_row, rows, set_edit, set_names
from .hand_edits import edited_row, mask_of, new_row
from .nodes import Logics
from .places import voxel_at
from .region_growing import grow_lesion
from .result import Result, detected_in, findings_of, score_map_of, show_again
from .result_record import read_record, record_text
from .segment_voxels import segment_voxels, voxels_of_segments
from .segmentation import name_by_hand, segment_id
from .volumes import array_view


def take_edits(result: Result) -> list[int]:
    """Update the table after segments were changed or renamed, for example in the Segment Editor.

    A finding counts as edited while its voxels differ from the detected ones.

    Returns the numbers of the findings that were changed or deleted.
    """
    segments = result.segmentation.GetSegmentation()
    kept = [row.number for row in rows(result.table) if row.edited != DELETED]
    named = {number: segments.GetSegment(segment_id(number)) for number in kept}
    set_names(result.table, {number: name_by_hand(one) for number, one in named.items() if one is not None})
    try:
        found = findings_of(result)
        present = rows(result.table)
        there = segment_voxels(result, [row.number for row in present])
    except InputError:  # edits cannot be recognised without the volumes
        return []
    known = voxels_of(found.labels)
    differ = known != there
    if not differ.any():
        return []
    numbers = {*np.unique(known[differ]).tolist(), *np.unique(there[differ]).tolist()}
    scores, first = score_map_of(result), detected_in(result)
    detected = voxels_of(first.labels)
    changed = []
    for row in present:
        mask = segment_voxels(result, [row.number]) > 0 if row.number in numbers else None
        if mask is None or _is_another_lesion(row, mask):  # `adopt_segments` makes a finding of it
            continue
        if not mask.any():
            kind = DELETED
        elif np.array_equal(mask, detected == row.number):
            kind = ""
        else:
            kind = ADDED if row.edited == ADDED or row.patches == 0 else CHANGED
        set_edit(result.table, edited_row(row, mask, known == row.number, kind, scores))
        changed.append(row.number)
    return changed


def _is_another_lesion(row: FindingRow, mask: np.ndarray) -> bool:
    """Whether a segment is not that of the finding that the reader has deleted: Slicer gives its name to the next one."""
    detected = mask_of(row.detected, mask.shape)
    return row.edited == DELETED and bool(detected.any()) and not bool((mask & detected).any())


def adopt_segments(scene: Any, logics: Logics, result: Result) -> list[int]:
    """Turn segments that the reader has added into findings; empty segments are ignored.

    Returns the numbers of the new findings. Raises an InputError if a volume of the result has no voxels.
    """
    segmentation = result.segmentation.GetSegmentation()
    ours = {segment_id(row.number) for row in rows(result.table) if row.edited != DELETED}
    added = [name for name in segmentation.GetSegmentIDs() if name not in ours]
    numbers = []
    for name in added:
        mask = voxels_of_segments(result, {1: name}) > 0
        if mask.any():
            called = name_by_hand(segmentation.GetSegment(name))
            segmentation.RemoveSegment(name)
            numbers.append(_add(result, mask, called))
    if numbers:
        show_again(scene, logics, result)
    return numbers


def add_finding(scene: Any, logics: Logics, result: Result, ras: Sequence[float]) -> int:
    """Add a missed finding: a lesion grown from a point to its edge.

    `ras`: the point, RAS of the world, mm. Returns its number. Raises an InputError if the point is outside
    the FLAIR or in another finding, or a volume has no voxels.
    """
    place = voxel_at(result.flair, ras)
    scores, found = score_map_of(result), findings_of(result)
    study, labels = scores.study, voxels_of(found.labels)
    if not all(0 <= index < size for index, size in zip(place, labels.shape, strict=True)):
        raise InputError(
            "The crosshair is outside the FLAIR: hold Shift and move the mouse over the lesion, then add it."
        )
    if labels[place]:
        raise InputError(f"Finding {labels[place]} is already here: correct it in the Segment Editor.")
    mask = grow_lesion(
        array_view(result.flair), voxels_of(scores.image), study.flair_brain, study.flair_grid.spacing, place
    )
    mask &= labels == 0  # voxels of other findings are left out
    number = _add(result, mask)
    show_again(scene, logics, result)
    return number


def as_detected(scene: Any, logics: Logics, result: Result, number: int) -> None:
    """Restore the detected outline of a finding; one that the reader has added is removed. Both can be undone.

    Raises a KeyError if there is no such finding. Raises an InputError if a volume of the result has no
    voxels.
    """
    row = known_row(result.table, number)
    if not row.edited:
        return
    detected = detected_in(result)
    mask = voxels_of(detected.labels) == number
    if mask.any():
        set_edit(result.table, edited_row(row, mask, mask, "", score_map_of(result)))
    else:  # added by hand, or below the threshold: remove it from the table
        set_edit(result.table, dataclasses.replace(row, edited="", voxels="", detected="", present=False))
    show_again(scene, logics, result)


def _add(result: Result, mask: np.ndarray, name: str = "") -> int:
    record = read_record(result.record)
    numbering, number = record.numbering.with_manual_finding()
    if number > np.iinfo(np.uint16).max:
        raise InputError("There are too many findings to number: delete some.")
    row = dataclasses.replace(new_row(number, mask, score_map_of(result)), name=name)
    result.record.SetText(record_text(dataclasses.replace(record, numbering=numbering)))
    add_row(result.table, row)
    return number
