"""Slices with painted lesions and distractors, one after another, for training the context detector."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from AnomalyDetectionLib.imaging.brain_extent import BrainExtent, mirrored
from AnomalyDetectionLib.model.classes import IGNORED, NORMAL
from scipy import ndimage
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from ..painting.distractors import bright_edge, disturb, inflow, local_ghost, perivascular_spaces, widen_sulci
from ..painting.lesion_contents import KINDS
from ..painting.lesion_painting import Block, paint_lesion
from .lesion_scan import LesionScan

CANVAS = (208, 176)
"""Rows and columns of a slice that is painted on: a brain at 0.9 mm with a little round it."""

WINDOW = 80
"""Voxels along the side of what is learnt from: a sixth of the slice, most often with a lesion or a false alarm in it, so
that more of them are seen in the same time."""

WINDOWS = 3
"""Windows of every slice that is painted, since painting takes longer than learning from a window."""

_AT_A_LESION = 0.75

_WITHOUT_LESION, _MINED = 0.15, 0.25
DISTRACTORS = (
    (widen_sulci, 0.35),
    (perivascular_spaces, 0.3),
    (inflow, 0.2),
    (bright_edge, 0.25),
    (local_ghost, 0.12),
)


class FalseAlarm(NamedTuple):
    """A voxel of real normal tissue that the detector took for a lesion; scans are numbered from 0."""

    scan: int
    slice: int
    row: int
    column: int


@dataclass(frozen=True)
class Sample:
    """Windows for the network, and what it should say."""

    images: Tensor  # float32 (windows, slices, 2, rows, columns)
    brain: Tensor  # float32 (windows, rows, columns) of the slice in the middle
    place: Tensor  # float32 (windows, 3, rows, columns) (see `BrainExtent.coordinates`)
    other_side: Tensor  # float32 (windows, 2, rows, columns) (see `context_inputs`)
    target: Tensor  # uint8 (windows, rows, columns), a class or IGNORED, which is also outside the brain
    weight: Tensor  # float32, like target

    @staticmethod
    def together(samples: Sequence[Sample]) -> Sample:
        """A batch."""
        return Sample(*map(torch.cat, zip(*(vars(sample).values() for sample in samples), strict=True)))


class ContextSamples(Dataset[Sample]):
    """Painted slices, each seen through `WINDOWS` windows; same seed, index and false alarms, same sample.

    People are drawn first, old brains and others in equal shares, then one of a person's scans, then a slice.

    Args:
        outlines: of real lesions (see `lesion_shapes.read_outlines`), or none.
        count: of painted slices.
        neighbours: slices to either side.
        false_alarms: a share of the slices shows one of these in its first window.
        kinds: of lesions that are painted (see `lesion_contents.KINDS`).
    """

    def __init__(
        self,
        scans: Sequence[LesionScan],
        outlines: Sequence[np.ndarray],
        count: int,
        *,
        seed: int,
        neighbours: int = 1,
        false_alarms: Sequence[FalseAlarm] = (),
        kinds: Collection[str] = KINDS,
    ) -> None:
        self._scans, self._outlines, self._count, self._seed = scans, outlines, count, seed
        self._neighbours, self._false_alarms, self._kinds = neighbours, false_alarms, kinds
        groups: dict[str, dict[str, list[int]]] = {}
        for number, scan in enumerate(scans):
            groups.setdefault(scan.group, {}).setdefault(scan.patient, []).append(number)
        self._people = [list(people.values()) for people in groups.values()]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([self._seed, index])
        mined = None
        if self._false_alarms and rng.random() < _MINED:
            mined = self._false_alarms[int(rng.integers(len(self._false_alarms)))]
        scan = self._scans[self._draw(rng) if mined is None else mined.scan]
        block, place, opposite, at = self._block(scan, rng, None if mined is None else mined.slice)
        for change, share in DISTRACTORS:
            if rng.random() < share and mined is None:
                change(block, rng)
        if rng.random() > (_WITHOUT_LESION if mined is None else 0.7):
            other = self._scans[self._draw(rng)] if rng.random() < 0.3 else None
            foreign = None if other is None else self._block(other, rng, None)[0].images
            for _ in range(1 + rng.poisson(1.5 if mined is None else 0.2)):
                paint_lesion(block, rng, self._outlines, foreign, kinds=self._kinds)
        disturb(block, rng)
        middle = self._neighbours
        target = np.where(block.brain[middle], block.target[middle], IGNORED)
        centres = [_centre(target, rng) for _ in range(WINDOWS)]
        if mined is not None:
            away = np.abs(at[0] - mined.row) + np.abs(at[1] - mined.column)
            centres[0] = divmod(int(away.argmin()), CANVAS[1])
        windows = [_window(centre, rng) for centre in centres]
        other_side = mirrored(block.images[middle].astype(np.float32), opposite)
        brain, weight = block.brain[middle].astype(np.float32), block.weight[middle]
        whole = (block.images, brain, place, other_side, target, weight)
        return Sample(*(torch.from_numpy(np.stack([array[window] for window in windows])) for array in whole))

    def _draw(self, rng: np.random.Generator) -> int:
        people = self._people[rng.integers(len(self._people))]
        scans = people[rng.integers(len(people))]
        return scans[rng.integers(len(scans))]

    def _block(
        self, scan: LesionScan, rng: np.random.Generator, s: int | None
    ) -> tuple[Block, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Neighbouring slices on the canvas, turned and resized a little, or only moved, half of them mirrored.

        Returns:
            The block; where its voxels lie in the brain; for each column the one on the other side; row and column of
            the scan at every voxel.
        """
        area = scan.brain.sum(axis=(1, 2)).astype(np.float64)
        if s is None:
            s = int(rng.choice(len(area), p=np.sqrt(area) / np.sqrt(area).sum()))
        numbers = np.arange(s - self._neighbours, s + self._neighbours + 1)
        there = (numbers >= 0) & (numbers < len(area))
        numbers = np.clip(numbers, 0, len(area) - 1)
        matrix, shift = np.eye(2), np.rint(rng.uniform(-4, 4, 2))
        bent = np.zeros((2, *CANVAS), np.float32)
        if rng.random() < 0.75:
            angle, stretch, shear = rng.normal(0, 0.07), rng.normal(0, 0.07, 2), rng.normal(0, 0.03)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            matrix = turn @ np.array([[np.exp(stretch[0]), shear], [0, np.exp(stretch[1])]])
            bent = _bent(rng)
        if rng.random() < 0.5:
            matrix = matrix * [1, -1]
        middle = np.floor(np.array(scan.place.middle[1:])) + shift
        y = np.arange(CANVAS[0])[:, None] - CANVAS[0] // 2 + bent[0]
        x = np.arange(CANVAS[1])[None, :] - CANVAS[1] // 2 + bent[1]
        rows = matrix[0, 0] * y + matrix[0, 1] * x + middle[0]
        columns = matrix[1, 0] * y + matrix[1, 1] * x + middle[1]
        stack = np.concatenate([scan.images[numbers], scan.brain[numbers, None]], axis=1, dtype=np.float32)
        moved = _resampled(stack.reshape(-1, *stack.shape[2:]), rows, columns).reshape(-1, 3, *CANVAS)
        brain = (moved[:, 2] > 0.5) & there[:, None, None]
        images = moved[:, :2] * brain[:, None]
        target = _nearest(scan.target[numbers], rows, columns)
        place = scan.place.coordinates(np.full(CANVAS, s), rows, columns)
        if rng.random() < 0.5:  # upside down, the neighbours change places: anatomy above and below is alike
            images, brain, target = images[::-1].copy(), brain[::-1].copy(), target[::-1].copy()
        weight = np.stack([_weight(layer) for layer in target])
        # The midline where the canvas has its middle row; a turned head's other side is as far off as at detection.
        column = float(np.abs(columns[CANVAS[0] // 2] - scan.place.middle[2]).argmin())
        opposite = BrainExtent((0.0, 0.0, column), (1.0, 1.0, 1.0)).other_side(CANVAS[1])
        block = Block(images, brain, target, weight, scan.slice_mm, scan.noise)
        return block, place, opposite, (rows, columns)


def _centre(target: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Row and column of what a window is to show: one lesion as likely as another, or any voxel of the brain."""
    lesions, count = ndimage.label((target != NORMAL) & (target != IGNORED))
    chosen = target != IGNORED
    if count and rng.random() < _AT_A_LESION:
        chosen = lesions == 1 + rng.integers(count)
    places = np.flatnonzero(chosen)
    if not places.size:
        return target.shape[0] // 2, target.shape[1] // 2
    return divmod(int(places[rng.integers(places.size)]), target.shape[1])


def _window(centre: tuple[int, int], rng: np.random.Generator) -> tuple[Any, ...]:
    """The last two axes of a window of `WINDOW` x `WINDOW` voxels on the canvas that shows this voxel somewhere."""
    first = np.array(centre) - WINDOW // 2 + rng.integers(-WINDOW // 3, WINDOW // 3 + 1, 2)
    row, column = np.clip(first, 0, np.array(CANVAS) - WINDOW)
    return ..., slice(row, row + WINDOW), slice(column, column + WINDOW)


def _weight(target: np.ndarray) -> np.ndarray:
    """How much each voxel of a slice counts: real lesions, small and large ones alike, as painted ones do."""
    labels, _ = ndimage.label((target != NORMAL) & (target != IGNORED))
    each = np.clip(60 / np.sqrt(np.bincount(labels.ravel())), 1.5, 15.0)
    each[0] = 1.0
    return each[labels].astype(np.float32)


def _resampled(stack: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Images (n, rows, columns) at fractional places, linear, 0 beyond their border."""
    height, width = stack.shape[1:]
    grid = np.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], axis=-1).astype(np.float32)
    moved = functional.grid_sample(
        torch.from_numpy(stack)[None], torch.from_numpy(grid)[None], mode="bilinear", align_corners=True
    )
    return moved[0].numpy()


def _nearest(labels: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Labels (n, rows, columns) at the nearest places; NORMAL beyond their border, where no brain is either."""
    r, c = np.rint(rows).astype(np.int64), np.rint(columns).astype(np.int64)
    there = (r >= 0) & (r < labels.shape[1]) & (c >= 0) & (c < labels.shape[2])
    taken = labels[:, np.clip(r, 0, labels.shape[1] - 1), np.clip(c, 0, labels.shape[2] - 1)]
    return np.where(there, taken, np.uint8(NORMAL))


def _bent(rng: np.random.Generator) -> np.ndarray:
    """A smooth displacement of the canvas in voxels, float32 (2, rows, columns): other people's gyri and ventricles."""
    coarse = torch.from_numpy(rng.normal(0, rng.uniform(0, 3.5), (1, 2, 9, 8)).astype(np.float32))
    return functional.interpolate(coarse, CANVAS, mode="bicubic", align_corners=True)[0].numpy()
