"""Outlines of the lesions themselves: the voxels that belong to a finding, by score and edge."""

from __future__ import annotations

import numpy as np
import scipy

from ..imaging.prepared import PreparedStudy
from .lattice import bounding_box, windows_of

_REACH = 4  # Voxels beyond the cells of a finding in which its border is looked for: its patches see so far, and more
_RING = 14  # Voxels beyond the cells in which the tissue round it lies

_LEAST_DEVIATION, _MOST_DEVIATION = 1.8, 6.0
"""Robust standard deviations from the tissue round it: a voxel of a lesion has at least the first, and above the second is
one whatever the rest of the finding looks like."""

_LEAST_SHARE = 0.03


def lesion_voxels(cells: np.ndarray, count: int, study: PreparedStudy, suspected: np.ndarray) -> np.ndarray:
    """Findings made of square cells, refined to the voxels that differ from the tissue round them.

    In the cells and up to 4 voxels round them, in each slice, a voxel belongs to the finding where T1 and FLAIR
    lie far from those of the tissue round it (robust Mahalanobis distance), halfway at least towards what the
    most conspicuous tenth of the finding shows. A finding that has no such voxels keeps its cells.

    Returns uint16, same shape.

    `cells`: uint16 (slices, rows, columns) on the model's grid: 0, or the number of the finding. `count`: how
    many there are. `study`: prepared, on that grid. `suspected`: bool, same shape: all that scores above the
    threshold; it is not tissue round a finding."""
    result = np.zeros_like(cells)
    images = np.stack([study.t1, study.flair])
    grow = np.ones((1, 2 * _REACH + 1, 2 * _REACH + 1), bool)
    for number, wider in windows_of(cells, count, (1, _RING, _RING)):
        mine, brain = cells[wider] == number, study.brain[wider]
        reach = scipy.ndimage.binary_dilation(mine, grow) & brain & ~((cells[wider] > 0) & ~mine)
        around = brain & ~scipy.ndimage.binary_dilation(suspected[wider], grow) & ~reach
        refined = _refined(images[(slice(None), *wider)], mine & brain, reach, around)
        target = result[wider]
        target[(mine if refined is None else refined) & (target == 0)] = number
    return result


def _refined(
    images: np.ndarray, mine: np.ndarray, reach: np.ndarray, around: np.ndarray
) -> np.ndarray | None:
    if np.count_nonzero(around) < 50 or not mine.any():
        return None
    tissue = images[:, around]
    level = np.median(tissue, axis=1)
    robust_sd = np.maximum(1.4826 * np.median(np.abs(tissue - level[:, None]), axis=1), 0.02)
    away = (images - level[:, None, None, None]) / robust_sd[:, None, None, None]
    away = scipy.ndimage.gaussian_filter(away, (0, 0, 0.6, 0.6))
    distance = np.sqrt((away**2).sum(axis=0))
    strongest = float(np.quantile(distance[mine], 0.9))
    limit = float(np.clip(strongest / 2, _LEAST_DEVIATION, _MOST_DEVIATION))
    # What deviates as the finding does: a sulcus beside a bright lesion is far from the tissue, too, but the other way.
    core = mine & (distance >= max(limit, float(np.quantile(distance[mine], 0.8))))
    if not core.any():
        return None
    main = away[int(np.argmax(np.abs(away[:, core]).mean(axis=1)))]
    alike = main * np.sign(main[core].mean()) > 0
    members = reach & (distance > limit) & (alike | mine)
    labels, found = scipy.ndimage.label(members, np.ones((3, 3, 3), bool))
    kept = np.unique(labels[mine & members])
    members = np.isin(labels, kept[kept > 0]) if found else members
    if np.count_nonzero(members) < max(2, _LEAST_SHARE * np.count_nonzero(mine)):
        return None
    return members


def smooth_labels(labels: np.ndarray, study: PreparedStudy) -> np.ndarray:
    """Findings on the FLAIR's own grid with smooth borders within the slice: uint16.

    The border lies halfway between a finding's voxels, softened and interpolated linearly, and what surrounds them;
    or further in or out, where the finding's volume is better kept by that. Slices are not mixed.
    `labels`: uint16 (slices, rows, columns) on the model's grid."""
    result = np.zeros(study.flair_grid.shape, np.uint16)
    box = bounding_box(labels > 0, (0, 4, 4))  # the borders are softened by two voxels
    if box is not None:
        soft = np.zeros(labels.shape, np.float32)
        soft[box] = scipy.ndimage.gaussian_filter((labels[box] > 0).astype(np.float32), (0, 0.4, 0.4))
        softened = _linear_within_slices(soft, study)
        voxels = np.nonzero((softened > 0) & study.flair_brain)
        numbers = _nearest_label(labels, study, np.stack(voxels[::-1], axis=1))
        counts = np.bincount(labels.ravel()) * (study.grid.voxel_ml / study.flair_grid.voxel_ml)
        result[voxels] = np.where(_highest(softened[voxels], numbers, counts), numbers, 0)
    return result


def _highest(values: np.ndarray, numbers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Whether each value is among the highest with its number, as nearly so many (`counts`) as go without parting equal ones."""
    levels = np.rint(values * 100)
    order = np.lexsort((-levels, numbers))
    starts = np.searchsorted(numbers[order], np.arange(len(counts) + 1))
    chosen = np.zeros(len(values), bool)
    for count, start, end in zip(counts[1:], starts[1:], starts[2:], strict=False):
        mine = order[start:end]
        ends = 1 + np.flatnonzero(np.diff(levels[mine], append=-1))
        if len(ends):
            chosen[mine[: ends[np.abs(ends - count).argmin()]]] = True
    return chosen


def _nearest_label(labels: np.ndarray, study: PreparedStudy, index: np.ndarray) -> np.ndarray:
    """The label of the voxel in which each voxel (x, y, z) of the FLAIR's grid lies; beside a finding, the finding's.

    So a border that has moved outwards by a voxel still finds its number.
    """
    places = study.grid.indices(study.flair_grid.points(index))
    s, row, column = np.floor(places + 0.5).astype(int).T[::-1]
    within = np.array(labels.shape) - 1
    s, row, column = (np.clip(place, 0, last) for place, last in zip((s, row, column), within, strict=True))
    found = labels[s, row, column]
    free = found == 0
    around = [
        labels[s[free], np.clip(row[free] + i, 0, within[1]), np.clip(column[free] + j, 0, within[2])]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    ]
    found[free] = np.max(around, axis=0)
    return found


def _linear_within_slices(values: np.ndarray, study: PreparedStudy) -> np.ndarray:
    """Values on the model's grid, on the FLAIR's: linear within a slice, that of the nearest slice across."""
    grid, flair = study.grid, study.flair_grid
    order = np.abs(np.linalg.inv(np.reshape(grid.direction, (3, 3))) @ np.reshape(flair.direction, (3, 3)))
    axis = int(np.argmax(order[2]))  # the FLAIR's axis across the slices
    result = np.zeros(flair.shape, np.float32)
    for k in range(flair.size[axis]):
        middle = [(n - 1) / 2 for n in flair.size]
        middle[axis] = float(k)
        s = round(float(grid.indices(flair.points(np.array([middle])))[0][2]))
        if 0 <= s < grid.size[2] and values[s].any():
            place = tuple(slice(None) if a != 2 - axis else k for a in range(3))
            _interpolate(values[s], study, axis, k, result[place])
    return result


def _interpolate(plane: np.ndarray, study: PreparedStudy, axis: int, k: int, out: np.ndarray) -> None:
    """Fill one slice of the FLAIR's grid, where it shows what is not 0 in a slice of the model's grid."""
    grid, flair = study.grid, study.flair_grid
    corners = np.zeros((3, 3))
    corners[:, axis] = k
    across, down = (a for a in range(3) if a != axis)
    corners[1, down], corners[2, across] = 1, 1
    places = grid.indices(flair.points(corners))[:, 1::-1]  # rows and columns of the model's slice
    matrix, start = (places[1:] - places[0]).T, places[0]
    occupied = [np.flatnonzero(plane.any(axis=other)) for other in (1, 0)]
    box = np.array([(rows, columns) for rows in occupied[0][[0, -1]] for columns in occupied[1][[0, -1]]])
    reach = np.linalg.solve(matrix, (box - start).T)
    margin = np.abs(np.linalg.inv(matrix)).sum(axis=1)
    first = np.maximum(np.floor(reach.min(axis=1) - margin), 0).astype(int)
    end = np.minimum(np.ceil(reach.max(axis=1) + margin) + 1, out.shape).astype(int)
    if (end > first).all():
        size = (int(end[0] - first[0]), int(end[1] - first[1]))
        out[first[0] : end[0], first[1] : end[1]] = scipy.ndimage.affine_transform(
            plane, matrix, start + matrix @ first, size, order=1
        )
