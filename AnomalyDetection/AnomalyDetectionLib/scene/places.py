"""Positions of findings: a point to go to, and the slice of the FLAIR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..imaging.voxels import voxels_of
from .findings_table import known_row, rows
from .result import Result, findings_of, score_map_of
from .result_record import read_record
from .view_layout import thick_axis
from .volumes import ijk_to_ras

NEAR_VOXELS = 2  # distance from a finding at which a click still selects it, as outlines are thin


def centre_of(result: Result, number: int) -> np.ndarray:
    """A point in a finding, in the middle of a slice of the FLAIR: RAS of the current world space, mm, (3,).

    The point lies inside the finding even if its centroid does not. For a finding that has vanished it is the former
    position. If the result's volumes were not saved with the scene, it is the position at the detection.

    Raises a KeyError if there is no such finding.
    """
    row = known_row(result.table, number)
    try:
        grid = score_map_of(result).study.flair_grid
    except InputError:
        return np.array(row.centroid_ras)
    centroid = np.array([row.centroid_ras]) * (-1, -1, 1)
    index = grid.indices(centroid)[0]
    findings = findings_of(result)
    labels = voxels_of(findings.labels)
    nearest = np.rint(index).astype(int)[::-1]
    inside = bool(np.all((nearest >= 0) & (nearest < labels.shape)))
    if not inside or labels[tuple(nearest)] != number:  # search all voxels only in this case
        voxels = np.argwhere(labels == number)[:, ::-1]
        if len(voxels) > 0:
            distance = np.linalg.norm(grid.points(voxels) - centroid, axis=1)
            index = voxels[np.argmin(distance)]
    index, across = np.array(index, float), slice_axis(result)
    index[across] = round(index[across])
    local = ijk_to_ras(result.score) @ [*index, 1.0]
    world = [0.0, 0.0, 0.0]
    result.score.TransformPointToWorld(local[:3].tolist(), world)
    return np.array(world)


def slice_axis(result: Result) -> int:
    """The voxel axis (0 to 2) across the FLAIR's slices as they are shown: nearly isotropic voxels are shown as transversal
    slices, in whatever plane they were acquired."""
    grid = read_record(result.record).scores["flair_grid"]
    axis, height = thick_axis(grid["spacing"]), np.abs(grid["direction"][6:])
    return int(np.argmax(height)) if axis is None else axis


def slices_of(result: Result) -> dict[int, int]:
    """The number of the FLAIR slice (see `slice_axis`) through the middle of each finding: 1 is the lowest on the head.

    Sagittal slices are counted from the patient's right, coronal ones from the back.
    """
    grid = read_record(result.record).scores["flair_grid"]
    direction = np.array(grid["direction"], float).reshape(3, 3)
    axis = slice_axis(result)
    step = direction[:, axis] * grid["spacing"][axis]
    count = int(grid["size"][axis])
    # LPS: the patient's left, back and top are positive; coronal slices are counted from the back.
    along = int(np.argmax(np.abs(step)))
    upwards = step[along] * (1, -1, 1)[along] > 0
    slices = {}
    for row in rows(result.table, all=True):
        lps = np.array(row.centroid_ras) * (-1, -1, 1)
        index = round(float((lps - grid["origin"]) @ step / (step @ step)))
        index = min(max(index, 0), count - 1)
        slices[row.number] = index + 1 if upwards else count - index
    return slices


def voxel_at(volume: Any, ras: Sequence[float]) -> tuple[int, int, int]:
    """The voxel (slice, row, column) of a volume node at a point (RAS of the world, mm); it may lie outside."""
    local = [0.0, 0.0, 0.0]
    volume.TransformPointFromWorld(list(ras), local)
    index = np.linalg.inv(ijk_to_ras(volume)) @ [*local, 1.0]
    k, j, i = np.rint(index[2::-1]).astype(int).tolist()
    return k, j, i


def finding_at(result: Result, ras: Sequence[float]) -> int | None:
    """The finding at a point, or near enough for a click; None if there is none.

    `ras`: RAS of the world, mm.
    """
    try:
        findings = findings_of(result)
    except InputError:  # not known without the volumes of the result
        return None
    labels = voxels_of(findings.labels)
    place, across = voxel_at(result.score, ras), 2 - slice_axis(result)
    for reach in range(NEAR_VOXELS + 1):
        spans = [0 if axis == across else reach for axis in range(3)]
        near = labels[
            tuple(
                slice(max(0, at - span), max(0, at + span + 1)) for at, span in zip(place, spans, strict=True)
            )
        ]
        if near.any():
            return int(near[near > 0][0])
    return None
