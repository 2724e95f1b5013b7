"""A second run keeps the numbers of findings that the first run found, too."""

from __future__ import annotations

import numpy as np

from ..detection.findings import Findings
from ..detection.numbering import FindingNumbers
from ..detection.score_map import ScoreMap
from ..imaging.voxels import voxels_of


def carried_numbering(
    old: Findings, old_scores: ScoreMap, old_numbering: FindingNumbers, new: Findings, new_scores: ScoreMap
) -> FindingNumbers:
    """The old numbers, each assigned to a patch of the new scores.

    A new finding takes the number of the old finding that it shares most voxels with. Every other old number is
    assigned to the nearest patch, and used if a finding appears there.

    `new`, `new_scores`: of the second run, on the same FLAIR grid (the volume itself may have been moved).
    """
    peak_of_new = {finding.number: finding.peak_patch for finding in new.items}
    peaks: dict[int, tuple[int, int, int] | None] = {}
    for before, now in _by_overlap(old, new):
        if before not in peaks and now in peak_of_new:
            peaks[before] = peak_of_new.pop(now)
    numbers = list(enumerate(old_numbering.peaks, start=1))
    peaks |= {number: None for number, peak in numbers if peak is None}
    left = [(number, peak) for number, peak in numbers if number not in peaks]
    if left:
        free = np.isfinite(new_scores.lattice)
        for patch in peaks.values():
            if patch is not None:
                free[patch] = False
        patches = np.argwhere(free)
        places = _patch_points(new_scores, patches)
    for number, peak in left:
        index = old_scores.study.flair_grid.indices(_patch_points(old_scores, np.array([peak])))
        point = new_scores.study.flair_grid.points(index)
        nearest = patches[np.argmin(np.sum((places - point) ** 2, axis=1))].tolist()
        peaks[number] = (nearest[0], nearest[1], nearest[2])
    return FindingNumbers(tuple(peaks[number] for number in sorted(peaks)))


def _by_overlap(old: Findings, new: Findings) -> list[tuple[int, int]]:
    """Pairs of old and new numbers of findings that share voxels, those with most shared voxels first."""
    before, now = voxels_of(old.labels), voxels_of(new.labels)
    shared = (before > 0) & (now > 0)
    pairs, voxels = np.unique(np.stack([before[shared], now[shared]], axis=1), axis=0, return_counts=True)
    return [(int(pairs[k, 0]), int(pairs[k, 1])) for k in np.argsort(-voxels, kind="stable")]


def _patch_points(scores: ScoreMap, patches: np.ndarray) -> np.ndarray:
    """The centres (LPS mm, (n, 3)) of patches given as lattice indices (n, 3), (slice, row, column)."""
    stride = scores.settings.stride
    rows, columns = (scores.first[axis] + stride * patches[:, axis + 1] for axis in range(2))
    return scores.study.grid.points(np.stack([columns, rows, patches[:, 0]], axis=1))
