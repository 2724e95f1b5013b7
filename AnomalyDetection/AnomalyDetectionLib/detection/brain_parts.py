"""Name the part of the brain that a finding lies in, from the anatomy segmentation."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import scipy

from ..grid import Grid
from .anatomy import AnatomyLabel
from .lattice import windows_of

PERIVENTRICULAR_MM = 5.0  # White matter nearer to a ventricle than this is periventricular
SUBCORTICAL_MM = 4.0  # White matter nearer to the cortex than this, and not periventricular, is subcortical

LEAST_TISSUE = 0.3
"""A finding with less tissue in it than this share is a cavity, or lies in a sulcus: what surrounds it counts too."""
_MOSTLY = 0.6
_COARSE = 2  # voxels of the model's grid to a sample, within the slice


class _Part(IntEnum):
    """The anatomy labels, with the white matter in three."""

    OUTSIDE = AnatomyLabel.OUTSIDE
    CSF = AnatomyLabel.CSF
    VENTRICLES = AnatomyLabel.VENTRICLES
    CORTEX = AnatomyLabel.CORTEX
    DEEP_WHITE = AnatomyLabel.WHITE_MATTER
    DEEP_GREY = AnatomyLabel.DEEP_GREY
    CEREBELLUM = AnatomyLabel.CEREBELLUM
    BRAIN_STEM = AnatomyLabel.BRAIN_STEM
    PERIVENTRICULAR = 8
    SUBCORTICAL = 9


_WORDS = {
    _Part.CSF: "CSF space",
    _Part.VENTRICLES: "ventricles",
    _Part.CORTEX: "cortex",
    _Part.DEEP_WHITE: "deep white matter",
    _Part.DEEP_GREY: "deep grey matter",
    _Part.CEREBELLUM: "cerebellum",
    _Part.BRAIN_STEM: "brain stem",
    _Part.PERIVENTRICULAR: "periventricular white matter",
    _Part.SUBCORTICAL: "subcortical white matter",
}
_WHITE = [_Part.DEEP_WHITE, _Part.PERIVENTRICULAR, _Part.SUBCORTICAL]
_FLUID = [_Part.OUTSIDE, _Part.CSF]

NO_THIRDS = frozenset(_WORDS[part] for part in (_Part.DEEP_GREY, _Part.CEREBELLUM, _Part.BRAIN_STEM))
"""Parts whose name already gives their location."""


class BrainParts:
    """The parts of one brain. `anatomy`: uint8 (slices, rows, columns), values of `AnatomyLabel`. `grid`: the
    model's grid, on which it lies."""

    def __init__(self, anatomy: np.ndarray, grid: Grid) -> None:
        """Divide the white matter by its distance to cortex and ventricles."""
        self._parts = anatomy[:, ::_COARSE, ::_COARSE].copy()
        spacing = (grid.spacing[2], grid.spacing[1] * _COARSE, grid.spacing[0] * _COARSE)
        white = self._parts == AnatomyLabel.WHITE_MATTER
        for label, reach_mm, part in (
            (AnatomyLabel.CORTEX, SUBCORTICAL_MM, _Part.SUBCORTICAL),
            (AnatomyLabel.VENTRICLES, PERIVENTRICULAR_MM, _Part.PERIVENTRICULAR),
        ):
            source = self._parts == label
            if source.any():
                near = scipy.ndimage.distance_transform_edt(~source, sampling=spacing) <= reach_mm
                self._parts[white & near] = part

    def names(self, cells: np.ndarray, count: int) -> list[str]:
        """The part that each finding lies in.

        That of most of its voxels. A finding that holds hardly any tissue is a cavity or lies between gyri: the
        tissue within two samples of it counts as well. `cells`: (slices, rows, columns) on the model's grid,
        the number of the finding or 0. `count`: how many findings there are."""
        coarse = cells[:, ::_COARSE, ::_COARSE]
        names = {}
        for number, window in windows_of(coarse, count, (0, 2, 2)):
            inside = coarse[window] == number
            beside = scipy.ndimage.binary_dilation(inside, np.ones((1, 3, 3)), iterations=2)
            parts = self._parts[window]
            names[number] = _name(_count(parts[inside]), _count(parts[beside]))
        for number in {*range(1, count + 1)} - names.keys():  # thinner than a sample
            here = np.argwhere(cells == number) // (1, _COARSE, _COARSE)
            votes = _count(self._parts[tuple(here.T)])
            names[number] = _name(votes, votes)
        return [names[number] for number in range(1, count + 1)]


def _count(parts: np.ndarray) -> np.ndarray:
    return np.bincount(parts.ravel(), minlength=len(_Part)).astype(float)


def _name(inside: np.ndarray, beside: np.ndarray) -> str:
    votes = (inside if _tissue(inside) >= LEAST_TISSUE else beside).copy()
    if _tissue(votes) < LEAST_TISSUE:
        return _WORDS[_Part.CSF]
    votes[_FLUID] = 0
    # What lies at their wall is flagged with a part of the ventricle: it is no finding of the ventricle.
    if votes[_Part.VENTRICLES] < _MOSTLY * votes.sum():
        votes[_Part.VENTRICLES] = 0
    white = votes[_WHITE].sum()
    others = votes.copy()
    others[_WHITE] = 0
    best = _Part(int(others.argmax()))
    if others[best] >= white:
        return _WORDS[best]
    if votes[_Part.PERIVENTRICULAR] >= 0.25 * white:
        return _WORDS[_Part.PERIVENTRICULAR]
    return _WORDS[max(_Part.DEEP_WHITE, _Part.SUBCORTICAL, key=lambda part: votes[part])]


def _tissue(votes: np.ndarray) -> float:
    """The share of what is neither sulcal fluid nor outside."""
    return 1.0 - float(votes[_FLUID].sum() / max(votes.sum(), 1.0))
