"""The threshold at which a finding vanishes; its false positives per scan are read off there.

Not the peak score: a single patch is no finding, however high, and normal scans are counted by the same rule.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..model.model_settings import ScoringSettings
from .lattice import peaks_of

_NEAR = [(s, i, j) for s in (-1, 0, 1) for i in (-1, 0, 1) for j in (-1, 0, 1)]


def vanishing_thresholds(
    lattice: np.ndarray, groups: np.ndarray, count: int, scoring: ScoringSettings, threshold: float
) -> list[float]:
    """Of each group, the highest threshold at which a part of it is still a finding by the rules of the
    settings.

    `lattice`: scores (slices, lattice rows, lattice columns). `groups`: int, same shape: 1 to `count`, as of
    `connected_patches`; 0 elsewhere. `scoring`: their min_patches and neighbourhood count. `threshold`: that
    the groups were found with: what a group has that is smaller than the settings ask for."""
    if scoring.min_patches == 1:  # it lasts as long as its highest patch is above the threshold
        return [float(peak) for peak in peaks_of(groups, count, lattice)[1:]]
    flat = np.flatnonzero(groups > 0)
    owner, scores = groups.ravel()[flat], lattice.ravel()[flat].astype(np.float64)
    order = np.lexsort((-scores, owner))
    flat, scores = flat[order], scores[order]
    ends = np.searchsorted(owner[order], np.arange(1, count + 2))
    near = [step for step in _NEAR if scoring.neighbourhood == "26" or step[0] == 0]
    places = np.stack(np.unravel_index(flat, lattice.shape), axis=1)
    return [
        _vanishing_threshold(places[a:b].tolist(), scores[a:b].tolist(), near, scoring.min_patches, threshold)
        for a, b in pairwise(ends.tolist())
    ]


def _vanishing_threshold(
    places: list[list[int]],
    scores: list[float],
    near: list[tuple[int, int, int]],
    min_patches: int,
    threshold: float,
) -> float:
    """Patches join from the highest down, until so many touch."""
    part: dict[tuple[int, ...], int] = {}  # patch: the part of the group that it is in
    members: list[list[tuple[int, ...]]] = []
    for k, (place, score) in enumerate(zip(map(tuple, places), scores, strict=True)):
        beside = ((place[0] + s, place[1] + i, place[2] + j) for s, i, j in near)
        touched = {part[there] for there in beside if there in part}
        members.append([place, *(patch for other in touched for patch in members[other])])
        if len(members[k]) >= min_patches:
            return score
        for other in touched:
            members[other] = []
        for patch in members[k]:
            part[patch] = k
    return threshold
