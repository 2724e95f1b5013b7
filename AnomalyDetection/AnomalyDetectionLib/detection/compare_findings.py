"""Two results of one patient: which findings are new, grown, shrunken, known, or gone.

The earlier outlines are brought onto the later FLAIR by a rigid registration of the two FLAIRs. Findings belong
together where they overlap there; what has split or run together is compared as one. A volume has changed where the
difference is more than the outlines are sure of.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
import SimpleITK as sitk

from ..grid import Grid
from ..imaging.voxels import voxels_of

Status = Literal["new", "grown", "shrunken", "known", "gone", "not covered"]
LEAST_OVERLAP = 0.1  # Of the smaller of two findings: less is two that touch

NEAR_MM = 3.0
"""Two findings without a counterpart that lie so near to each other are one: registration and outlines are no better."""

OUTLINE_SHARE = 0.1
"""Standard deviation of an outline's position as a share of its step size. It was chosen on heads
that were detected twice, turned and with more noise the second time; see docs/review.md, "Earlier result"."""

SUSPICIOUS = 0.5
"""Of the threshold. A median score above it, in the place of a finding that is new or gone, says that it nearly was, or is,
one there, too. It was chosen on the same heads."""

SURE = 1.96  # Standard deviations that a difference of volumes must exceed: chance does it once in 20


@dataclass(frozen=True)
class Outlined:
    """The findings of one result, as they are compared."""

    labels: sitk.Image  # number of the finding, on the FLAIR's own grid (LPS)
    scores: np.ndarray  # anomaly scores (slices, rows, columns) on it, 0 where none were looked for
    threshold: float  # above which they are findings
    # how finely outlines are drawn: the distance of patches on the model's grid; 0: by voxel
    step_mm: float = 0.0


@dataclass(frozen=True)
class Change:
    """The change of findings that belong together."""

    later: tuple[int, ...]  # numbers of the later result; empty: gone
    earlier: tuple[int, ...]  # numbers of the earlier one; empty: new
    status: Status  # "not covered": where one of the two has not looked for anomalies
    # later_ml, earlier_ml: volumes of all of them
    later_ml: float
    earlier_ml: float
    # a difference up to this is within what the outlines are sure of, or of the part that one of the two does not show
    limit_ml: float
    # of what is new or gone, the median score in that place in the other scan; None for what is in both, and
    # where nothing was looked for
    score_there: float | None = None
    # new or gone, but so small, or the score there so high, that a second scan of the same head may differ by as
    # much
    unsure: bool = False


def compare(later: Outlined, earlier: Outlined, to_earlier: sitk.Transform) -> tuple[Change, ...]:
    """The change of each group of findings, sorted by the later numbers; findings that are gone come last.
    `to_earlier`: from LPS points of the later scan to those of the earlier one."""
    here = _volumes(later)
    there = _volumes(earlier)
    edges = _belonging_together(later.labels, earlier.labels, here, there, to_earlier)
    then_there = _scores_there(earlier, later, to_earlier)
    now_there = _scores_there(later, earlier, to_earlier.GetInverse())
    changes = []
    for ours, theirs in _groups(sorted(here), sorted(there), edges):
        now_ml, then_ml = sum(here[n][0] for n in ours), sum(there[n][0] for n in theirs)
        layers = sum(here[n][1] for n in ours), sum(there[n][1] for n in theirs)
        limit = SURE * OUTLINE_SHARE * float(np.hypot(*layers))
        if ours and theirs:  # what the other scan does not show has not grown or shrunken
            limit += sum(here[n][0] * (1 - then_there[n][0]) for n in ours)
            limit += sum(there[n][0] * (1 - now_there[n][0]) for n in theirs)
        score: float | None = None
        status: Status
        if not theirs:
            score = then_there[ours[0]][1]
            status = "not covered" if score is None else "new"
        elif not ours:
            score = now_there[theirs[0]][1]
            status = "not covered" if score is None else "gone"
        elif abs(now_ml - then_ml) <= limit:
            status = "known"
        else:
            status = "grown" if now_ml > then_ml else "shrunken"
        threshold = (earlier if ours else later).threshold
        unsure = score is not None and (score >= SUSPICIOUS * threshold or abs(now_ml - then_ml) <= limit)
        changes.append(Change(ours, theirs, status, now_ml, then_ml, limit, score, unsure))
    return tuple(sorted(changes, key=lambda change: (not change.later, change.later, change.earlier)))


def _brought(image: sitk.Image, onto: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    return sitk.Resample(image, onto, transform, sitk.sitkNearestNeighbor, 0.0, image.GetPixelID())


def _volumes(result: Outlined) -> dict[int, tuple[float, float]]:
    """Of each finding: volume, and the volume of a layer round it that is one step thick, in ml."""
    grid = Grid.of(result.labels)
    labels = voxels_of(result.labels)
    found = {}
    for number, place in enumerate(scipy.ndimage.find_objects(labels.astype(np.int32)), start=1):
        if place is None:
            continue
        mask = np.pad(labels[place] == number, 1)
        layer = 0.0
        for axis, spacing in enumerate(grid.spacing[::-1]):
            faces = int(np.count_nonzero(np.diff(mask, axis=axis)))
            layer += faces * grid.voxel_ml / spacing * max(spacing, result.step_mm)
        found[number] = (float(mask.sum()) * grid.voxel_ml, layer)
    return found


def _belonging_together(
    later: sitk.Image,
    earlier: sitk.Image,
    here: Mapping[int, tuple[float, float]],
    there: Mapping[int, tuple[float, float]],
    to_earlier: sitk.Transform,
) -> set[tuple[int, int]]:
    """Pairs of numbers, later and earlier. They are looked for on both grids: a thin finding may lie between the slices
    of the other scan."""
    on_later = voxels_of(later), voxels_of(_brought(earlier, later, to_earlier)), Grid.of(later)
    on_earlier = (
        voxels_of(_brought(later, earlier, to_earlier.GetInverse())),
        voxels_of(earlier),
        Grid.of(earlier),
    )
    edges = _overlapping(*on_later, here, there) | _overlapping(*on_earlier, here, there)
    edges |= _near(*on_later, edges)
    ours, theirs, grid = on_earlier
    turned = {(then, now) for now, then in edges}
    return edges | {(now, then) for then, now in _near(theirs, ours, grid, turned)}


def _overlapping(
    now: np.ndarray,
    then: np.ndarray,
    grid: Grid,
    here: Mapping[int, tuple[float, float]],
    there: Mapping[int, tuple[float, float]],
) -> set[tuple[int, int]]:
    """Pairs of numbers, later and earlier, that share enough of the smaller one."""
    shared = (now > 0) & (then > 0)
    pairs, counts = np.unique(np.stack([now[shared], then[shared]]), axis=1, return_counts=True)
    return {
        (ours, theirs)
        for (ours, theirs), count in zip(pairs.T.tolist(), counts, strict=True)
        if count * grid.voxel_ml >= LEAST_OVERLAP * min(here[ours][0], there[theirs][0])
    }


def _near(
    own: np.ndarray, other: np.ndarray, grid: Grid, edges: Set[tuple[int, int]]
) -> set[tuple[int, int]]:
    """Further pairs of numbers, own and other, of those without a counterpart: the nearest, if it is near enough."""
    own_alone = {*np.unique(own[own > 0]).tolist()} - {mine for mine, _ in edges}
    lone = np.where(np.isin(other, [its for _, its in edges]), 0, other)
    if not own_alone or not lone.any():
        return set()
    distance, nearest = scipy.ndimage.distance_transform_edt(
        lone == 0, sampling=grid.spacing[::-1], return_indices=True
    )
    reach = max(NEAR_MM, *grid.spacing)
    pairs = set()
    for number in sorted(own_alone):
        at = np.argmin(np.where(own == number, distance, np.inf))
        if distance.ravel()[at] <= reach:
            pairs.add((number, int(lone[tuple(axis.ravel()[at] for axis in nearest)])))
    return pairs


def _groups(
    later: list[int], earlier: list[int], edges: set[tuple[int, int]]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    size = len(later) + len(earlier)
    if size == 0:
        return []
    rows = [later.index(ours) for ours, _ in edges]
    columns = [len(later) + earlier.index(theirs) for _, theirs in edges]
    graph = scipy.sparse.csr_matrix((np.ones(len(edges)), (rows, columns)), shape=(size, size))
    count, group = scipy.sparse.csgraph.connected_components(graph, directed=False)
    return [
        (
            tuple(number for place, number in enumerate(later) if group[place] == k),
            tuple(number for place, number in enumerate(earlier, len(later)) if group[place] == k),
        )
        for k in range(count)
    ]


def _scores_there(
    other: Outlined, of: Outlined, transform: sitk.Transform
) -> dict[int, tuple[float, float | None]]:
    """The share of each finding that the other scan has searched, and the median score there; None in place of the
    score where that is less than half. `of`: whose findings. `transform`: from LPS points of `of` to those of `other`."""
    grid = Grid.of(other.labels)
    near = scipy.ndimage.distance_transform_edt(other.scores == 0, sampling=grid.spacing[::-1]) <= NEAR_MM
    searched, scores = (
        sitk.GetArrayFromImage(_brought(grid.image(array), of.labels, transform))
        for array in (near.astype(np.uint8), other.scores.astype(np.float32))
    )
    labels = voxels_of(of.labels)
    numbers = np.unique(labels[labels > 0])
    if len(numbers) == 0:
        return {}
    shares = scipy.ndimage.mean(searched, labels, numbers)
    medians = scipy.ndimage.median(scores, labels, numbers)
    return {
        int(number): (float(share), float(score) if share >= 0.5 else None)
        for number, share, score in zip(numbers, shares, medians, strict=True)
    }
