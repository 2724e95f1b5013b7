"""Whether the head lies as the header says (upside down, back to front and turned heads), and straight in the slices, by the
shape of the brain.

Which way left and right are cannot be told: a brain and its mirror image are equally good brains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations, product
from typing import TypeAlias

import numpy as np
import SimpleITK as sitk

from ...grid import Grid
from ...imaging.contrast import by_median
from ...imaging.prepared import PreparedStudy
from ...imaging.voxels import voxels_of
from ...model.bundled import resources
from .warning import QualityWarning

CELLS = 16  # Along each side of the cube that a brain is compared in

LEAST_BETTER = 0.02
"""By so much (correlation) another way must fit better. On 56 real scans as they lie no other fitted better, the nearest was
worse by 0.03; of brains turned in 5 ways, the true way fitted better by 0.05 and more."""

OBLIQUE_DEG = 20.0
"""From so many degrees between the slices and the body's axes on it is seen in which of both the head is straight. Slices along the
skull base or the corpus callosum are less oblique; those across the hippocampus are more."""

_STRAIGHT_MM = 2.0  # voxels in which an oblique brain is straightened

_SIDE = 1.1  # of the cube, in terms of the brain's longest extent
_MARGINAL = 0.01  # of the brain at either end of an axis: it may be a spur of the mask

Turn: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""Order of the axes (slices, rows, columns) and the direction (1, -1) of each."""

AS_IT_LIES: Turn = ((0, 1, 2), (1, 1, 1))


@dataclass(frozen=True)
class Orientation:
    """How well a brain fits the shape of brains."""

    own: float  # correlation as it lies
    best: float  # the highest of the 24 ways to lie that can be told apart
    turn: Turn  # that way
    oblique_deg: float = 0.0  # between slices and head; 0: it is straight in them

    @classmethod
    def of(cls, study: PreparedStudy) -> Orientation:
        """Of a prepared study."""
        darker = np.minimum(*(_tissue(image, study.brain) for image in (study.t1, study.flair)))
        found = cls._fitting(shape_of(study.brain, darker, study.grid.spacing[::-1]))
        degrees = _oblique_deg(study.grid)
        if degrees < OBLIQUE_DEG:
            return found
        straight = _straight(study.grid)
        images = (study.grid.image(each.astype(np.float32)) for each in (study.brain, darker * study.brain))
        brain, tissue = (voxels_of(straight.resampled(each, sitk.sitkLinear)) for each in images)
        by_header = cls._fitting(shape_of(brain >= 0.5, tissue, straight.spacing[::-1]))
        oblique = by_header.own - found.own >= LEAST_BETTER
        return replace(by_header, oblique_deg=degrees) if oblique else found

    @classmethod
    def _fitting(cls, shape: np.ndarray) -> Orientation:
        fits = {
            turn: float(np.corrcoef(shape.ravel(), usual.ravel())[0, 1]) for turn, usual in _ways().items()
        }
        turn = max(fits, key=lambda each: fits[each])
        return cls(fits[AS_IT_LIES], fits[turn], turn)

    @property
    def how(self) -> str:
        """The best way in words."""
        order, directions = self.turn
        if order != (0, 1, 2):
            return "strongly tilted in the slices, or turned by 90 degrees, its axes in another order"
        up, back = (direction < 0 for direction in directions[:2])
        return " and ".join(name for name, so in (("upside down", up), ("back to front", back)) if so)


def shape_of(brain: np.ndarray, tissue: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """A brain in coarse cubic cells round its middle: float64 (2, CELLS, CELLS, CELLS), share of brain and mean
    of tissue.

    `brain`: bool (slices, rows, columns). `tissue`: same shape, 0 in fluid and about 1 in tissue. `spacing_mm`:
    of slices, rows, columns."""
    spans = []
    for axis, mm in enumerate(spacing_mm):
        others = tuple(other for other in range(3) if other != axis)
        total = np.cumsum(brain.sum(axis=others)) / max(int(brain.sum()), 1)
        first, last = (int(np.searchsorted(total, share)) for share in (_MARGINAL, 1 - _MARGINAL))
        spans.append((first * mm, (last + 1) * mm))
    cell = _SIDE * max(high - low for low, high in spans) / CELLS
    place, inside = [], np.ones(int(brain.sum()), bool)
    for index, mm, (low, high) in zip(np.nonzero(brain), spacing_mm, spans, strict=True):
        at = np.floor(((index + 0.5) * mm - (low + high) / 2) / cell + CELLS / 2).astype(np.int64)
        inside &= (at >= 0) & (at < CELLS)
        place.append(at)
    flat = np.ravel_multi_index([at[inside] for at in place], (CELLS,) * 3)
    full = cell**3 / float(np.prod(spacing_mm))
    sums = [np.bincount(flat, weights, CELLS**3) for weights in (None, tissue[brain][inside])]
    return np.reshape(sums, (2, CELLS, CELLS, CELLS)) / full


def check(study: PreparedStudy) -> tuple[QualityWarning, ...]:
    """A warning if the brain fits better another way round, and one if the slices are oblique to it."""
    found, said = Orientation.of(study), []
    if found.best - found.own >= LEAST_BETTER:
        sentence = (
            f"The head seems to lie {found.how}, other than the header says (the brain's shape fits {found.best:.2f} so and"
            f" {found.own:.2f} as it lies): regions, sides and the result itself are worth little then, check the orientation"
            " in a viewer and export the scan again; whether left and right are exchanged cannot be seen"
        )
        measured = {"own": round(found.own, 3), "best": round(found.best, 3), "how": found.how}
        said.append(QualityWarning("orientation", sentence, measured))
    if found.oblique_deg:
        sentence = (
            f"The FLAIR's slices are oblique to the head by {found.oblique_deg:.0f} degrees, and the model looks at the head as"
            " it lies in them, but knows straight ones: lesions may be missed and regions wrong; give a transversal or a"
            " 3D FLAIR if there is one"
        )
        said.append(QualityWarning("oblique slices", sentence, {"degrees": round(found.oblique_deg, 1)}))
    return tuple(said)


def _oblique_deg(grid: Grid) -> float:
    """The angle between a grid and one whose axes go to left, posterior and superior."""
    trace = float(np.trace(np.array(grid.direction).reshape(3, 3)))
    return math.degrees(math.acos(min(1.0, max(-1.0, (trace - 1) / 2))))


def _straight(grid: Grid) -> Grid:
    """A grid along left, posterior and superior that covers another."""
    corners = grid.points(np.array(list(np.ndindex(2, 2, 2))) * (np.array(grid.size) - 1))
    low, extent = corners.min(axis=0), np.ptp(corners, axis=0)
    x, y, z = (math.ceil(mm / _STRAIGHT_MM) + 1 for mm in extent)
    axes = tuple(np.eye(3).ravel().tolist())
    return Grid((x, y, z), (_STRAIGHT_MM,) * 3, (float(low[0]), float(low[1]), float(low[2])), axes)


@cache
def _ways() -> dict[Turn, np.ndarray]:
    """The usual shape in every way to lie that can be told from the others."""
    with np.load(resources() / "Networks" / "brain_shape.npz", allow_pickle=False) as content:
        usual = content["shape"].astype(np.float64)
    ways: dict[Turn, np.ndarray] = {}
    # Right and left are alike: turning the columns of the usual brain round changes nothing.
    for order, directions in product(permutations(range(3)), product((1, -1), repeat=3)):
        turned = usual.transpose(0, *(axis + 1 for axis in order))
        turned = turned[(slice(None), *(slice(None, None, step) for step in directions))]
        if directions[order.index(2)] > 0:
            ways[order, directions] = turned
    return ways


def _tissue(image: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """0 in fluid, 1 at the median of the brain."""
    return np.clip(by_median(image, brain), 0.0, 1.3)
