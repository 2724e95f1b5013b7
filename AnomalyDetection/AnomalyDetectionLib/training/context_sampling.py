"""Slices with painted lesions and distractors, one after another, for training the context detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from ..imaging.brain_place import BrainPlace, mirrored
from ..model.context_network import STRIDE
from .context_distractors import bright_edge, disturb, inflow, perivascular_spaces, widen_sulci
from .context_lesions import (
    ANOMALOUS,
    HYPERINTENSE,
    IGNORED,
    IN_PLANE_MM,
    NORMAL,
    Block,
    Levels,
    paint_lesion,
)
from .scan_file import TrainingScan

CANVAS = (208, 176)
"""Rows and columns of a training slice: a brain at 0.9 mm with a little round it."""

_WITHOUT_LESION, _ONE_IMAGE = 0.15, 0.2
_REAL = 0.7
"""Share of slices from real scans, where there are simulated ones besides."""
_EDGE_MM = 7.0
_MIDDLE_MM = 5.0


@dataclass(frozen=True)
class ContextScan:
    """A prepared scan made ready for drawing slices.

    Attributes:
        images: float16 (slices, 2, rows, columns), 0 outside the brain.
        brain: bool (slices, rows, columns).
        target: uint8, likewise: what the scan itself holds (see `known_target`).
        levels: of its tissues.
        place: the brain's extent.
        slice_mm: distance of its slices.
        real: whether it is a scan of a person, and not a simulated head.
    """

    images: np.ndarray
    brain: np.ndarray
    target: np.ndarray
    levels: Levels
    place: BrainPlace
    slice_mm: float
    real: bool

    @classmethod
    def of(cls, scan: TrainingScan) -> ContextScan:
        """Make a scan ready.

        Raises:
            ValueError: if it comes from a file that does not say where its lesions are.
        """
        if scan.lesion is None:
            raise ValueError(f"{scan.name} does not say where its lesions are")
        images = np.stack([scan.t1 * scan.brain, scan.flair * scan.brain], axis=1)
        levels = Levels.of(scan.t1, scan.flair, scan.brain & ~scan.lesion)
        target = known_target(scan, levels)
        return cls(
            images.astype(np.float16),
            scan.brain,
            target,
            levels,
            BrainPlace.of(scan.brain),
            scan.slice_mm,
            not scan.simulated,
        )


def known_target(scan: TrainingScan, levels: Levels) -> np.ndarray:
    """What is known of a scan before anything is painted: uint8 (slices, rows, columns), as of `context_lesions`.

    Lesions of its mask are HYPERINTENSE. Other clusters of bright FLAIR voxels near the edge of the brain mask are dura,
    fat and inflow, those in the midline the septum, others beside fluid the plexus: NORMAL. In white matter
    they are lesions that the mask lacks: HYPERINTENSE.
    """
    assert scan.lesion is not None
    known = np.zeros_like(scan.lesion) if scan.known is None else scan.known
    # The mask's own voxels may be wider apart than these.
    masked = scan.lesion & ndimage.binary_dilation(known, np.ones((1, 5, 5), bool))
    target = np.full(scan.brain.shape, NORMAL, np.uint8)
    target[masked] = HYPERINTENSE
    inside = np.stack([ndimage.distance_transform_edt(part) for part in scan.brain]) * IN_PLANE_MM
    middle = BrainPlace.of(scan.brain).middle[2]
    labels, _ = ndimage.label(scan.lesion & ~masked)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        piece = labels[box] == number
        columns = np.nonzero(piece)[2] + box[2].start
        at_edge = inside[box][piece].mean() < _EDGE_MM
        at_middle = abs(columns.mean() - middle) * IN_PLANE_MM < _MIDDLE_MM
        in_white = scan.t1[box][piece].mean() > 0.65 * levels.white[0]
        if not at_edge and not at_middle and in_white:
            target[box][piece] = HYPERINTENSE
    return target


@dataclass(frozen=True)
class Sample:
    """Slices for the network, and what it should say; one, or a batch with a first dimension more.

    Attributes:
        images: float32 (slices, 2, rows, columns).
        brain: float32 (rows, columns) of the slice in the middle.
        place: float32 (3, rows, columns) (see `BrainPlace.at`).
        other_side: float32 (2, rows, columns) (see `context_inputs`).
        seen: bool (2,): T1 and FLAIR; where one is not, the normative head says what it should be.
        target: uint8 (rows / 2, columns / 2), as of `context_lesions`; IGNORED outside the brain.
        weight: float32, like target.
    """

    images: Tensor
    brain: Tensor
    place: Tensor
    other_side: Tensor
    seen: Tensor
    target: Tensor
    weight: Tensor

    @staticmethod
    def together(samples: Sequence[Sample]) -> Sample:
        """A batch."""
        return Sample(*(torch.stack([getattr(s, name) for s in samples]) for name in Sample.__annotations__))


class ContextSamples(Dataset[Sample]):
    """As many samples as wanted; the same seed and index give the same sample.

    Args:
        scans: the heads that are painted on.
        outlines: of real lesions (see `context_lesions.read_outlines`), or none.
        count: of samples.
        neighbours: slices to either side.
        one_image: share of samples that show only T1 or only FLAIR.
    """

    def __init__(
        self,
        scans: Sequence[ContextScan],
        outlines: Sequence[np.ndarray],
        count: int,
        *,
        seed: int,
        neighbours: int = 1,
        one_image: float = _ONE_IMAGE,
    ) -> None:
        """Nothing is drawn yet."""
        self._scans, self._outlines, self._count = scans, outlines, count
        self._seed, self._neighbours, self._one_image = seed, neighbours, one_image

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def __getitem__(self, index: int) -> Sample:
        """The sample of a place."""
        rng = np.random.default_rng([self._seed, index])
        scan = self._scan(rng)
        block, place, opposite = self._block(scan, rng)
        one_image = rng.random() < self._one_image
        for change, share in (
            (widen_sulci, 0.4),
            (perivascular_spaces, 0.3),
            (inflow, 0.2),
            (bright_edge, 0.3),
        ):
            if rng.random() < share and not one_image:
                change(block, rng)
        if not one_image and rng.random() > _WITHOUT_LESION:
            foreign = None
            other = self._scan(rng)
            if rng.random() < 0.5:
                foreign = self._block(other, rng)[0].images
            for _ in range(1 + rng.poisson(1.5)):
                paint_lesion(block, rng, self._outlines, foreign)
        disturb(block, rng)
        middle = self._neighbours
        block.target[~block.brain[middle]] = IGNORED
        seen = np.array([True, True])
        if one_image:
            seen[rng.integers(2)] = False
        target, weight = _cells(block.target, block.weight)
        return Sample(
            torch.from_numpy(np.ascontiguousarray(block.images, np.float32)),
            torch.from_numpy(block.brain[middle].astype(np.float32)),
            torch.from_numpy(place),
            torch.from_numpy(mirrored(block.images[middle].astype(np.float32), opposite)),
            torch.from_numpy(seen),
            torch.from_numpy(target),
            torch.from_numpy(weight),
        )

    def _scan(self, rng: np.random.Generator) -> ContextScan:
        real = rng.random() < _REAL
        chosen = [scan for scan in self._scans if scan.real == real] or self._scans
        return chosen[int(rng.integers(len(chosen)))]

    def _block(self, scan: ContextScan, rng: np.random.Generator) -> tuple[Block, np.ndarray, np.ndarray]:
        """Neighbouring slices on the canvas, turned and resized a little, or only moved, for half of them mirrored."""
        area = scan.brain.sum(axis=(1, 2)).astype(np.float64)
        s = int(rng.choice(len(area), p=np.sqrt(area) / np.sqrt(area).sum()))
        n = self._neighbours
        numbers = np.arange(s - n, s + n + 1)
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
        stack = np.concatenate(
            [
                scan.images[numbers].reshape(-1, *scan.brain.shape[1:]).astype(np.float32),
                scan.brain[numbers].astype(np.float32),
                (scan.target[s] == HYPERINTENSE)[None].astype(np.float32),
            ]
        )
        moved = _resampled(stack, rows, columns)
        k = len(numbers)
        images = moved[: 2 * k].reshape(k, 2, *CANVAS) * there[:, None, None, None]
        brain = (moved[2 * k : 3 * k] > 0.5) & there[:, None, None]
        target = np.full(CANVAS, NORMAL, np.uint8)
        target[moved[3 * k] > 0.05] = IGNORED
        target[moved[3 * k] > 0.5] = HYPERINTENSE
        images *= brain[:, None]
        place = scan.place.at(np.full(CANVAS, s), rows, columns)
        levels = scan.levels
        if rng.random() < 0.5:  # upside down, the neighbours change places: anatomy above and below is alike
            images, brain = images[::-1].copy(), brain[::-1].copy()
        block = Block(
            images,
            brain,
            target,
            np.ones(CANVAS, np.float32),
            scan.slice_mm,
            levels,
        )
        # The midline where the canvas has its middle row; a turned head's other side is as far off as at detection.
        column = float(np.abs(columns[CANVAS[0] // 2] - scan.place.middle[2]).argmin())
        opposite = BrainPlace((0.0, 0.0, column), (1.0, 1.0, 1.0)).other_side(CANVAS[1])
        return block, place, opposite


def _resampled(stack: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Images (n, rows, columns) at fractional places, linear, 0 beyond their border."""
    height, width = stack.shape[1:]
    grid = np.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], axis=-1).astype(np.float32)
    moved = functional.grid_sample(
        torch.from_numpy(stack)[None], torch.from_numpy(grid)[None], mode="bilinear", align_corners=True
    )
    return moved[0].numpy()


def _bent(rng: np.random.Generator) -> np.ndarray:
    """A smooth displacement of the canvas in voxels, float32 (2, rows, columns): other people's gyri and ventricles."""
    coarse = torch.from_numpy(rng.normal(0, rng.uniform(0, 3.5), (1, 2, 9, 8)).astype(np.float32))
    return functional.interpolate(coarse, CANVAS, mode="bicubic", align_corners=True)[0].numpy()


def _cells(target: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Targets and weights of cells of 2 x 2 voxels: what half of a cell is, and IGNORED where it is mixed."""
    parts = target.reshape(target.shape[0] // STRIDE, STRIDE, target.shape[1] // STRIDE, STRIDE)

    def share(value: int) -> np.ndarray:
        return (parts == value).mean(axis=(1, 3))

    cells = np.full(parts.shape[::2], IGNORED, np.uint8)
    cells[share(NORMAL) == 1] = NORMAL
    cells[share(HYPERINTENSE) >= 0.5] = HYPERINTENSE
    cells[share(ANOMALOUS) >= 0.5] = ANOMALOUS
    heaviest = weight.reshape(parts.shape).max(axis=(1, 3))
    return cells, heaviest.astype(np.float32)
