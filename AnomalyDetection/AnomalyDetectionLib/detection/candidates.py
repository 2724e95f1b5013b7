"""Candidates of the context detector, and the input of the second look for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..imaging.brain_extent import BrainExtent, mirrored
from ..model.candidate_network import CHANNELS, FEATURES, SIZE, SLICES, WIDER
from ..model.classes import ANOMALIES, CLASSES, NORMAL
from .lattice import peaks_of, windows_of

LEVELS = (0.35, 0.5)
"""Probabilities of an anomaly: voxels above the first make a candidate; where it has voxels above the next, these do.
What stays below the first is hardly ever a lesion (docs/trials.md), and would be three candidates in five."""

LEAST_VOXELS = 2

_TOUCHING = np.ones((3, 3, 3), bool)
_FAR_MM = 40.0
_DEEP_MM = 18.0


@dataclass(frozen=True)
class Candidates:
    """Places that may hold a lesion. `labels`: int32 (slices, rows, columns) on the model's grid: 0, or the
    candidate's number from 1. `count`: how many there are."""

    labels: np.ndarray
    count: int


def find_candidates(probabilities: np.ndarray) -> Candidates:
    """Connected voxels that may be anomalous. `probabilities`: float32 (classes, slices, rows, columns), of
    `context.class_probabilities`."""
    anomaly = anomaly_of(probabilities)
    members = anomaly > LEVELS[0]
    for level in LEVELS[1:]:
        labels, count = ndimage.label(members, _TOUCHING)
        peaks = peaks_of(labels, count, anomaly)
        members[members] = (anomaly[members] > level) | (peaks <= level)[labels[members]]
    labels, count = ndimage.label(members, _TOUCHING)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    kept = sizes >= LEAST_VOXELS
    kept[0] = False
    renumbered = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return Candidates(renumbered[labels], int(kept.sum()))


def anomaly_of(probabilities: np.ndarray) -> np.ndarray:
    """Probability of any anomaly: float32 (slices, rows, columns)."""
    return np.asarray(sum(probabilities[k] for k in ANOMALIES), np.float32)


PEAK, MEANS, T1_CONTRAST = 2, slice(3, 3 + len(CLASSES)), 3 + len(CLASSES)
"""Columns of the features: the highest probability of an anomaly, the mean one of each class, and the T1's difference from
the tissue round it, divided by four SDs of that tissue."""


@dataclass(frozen=True)
class Surroundings:
    """Input of the second look, in the order of the candidates. `near`, `wide`: float32 (candidates, CHANNELS,
    SIZE, SIZE), at the model's resolution and three times wider. `features`: float32 (candidates, FEATURES)."""

    near: np.ndarray
    wide: np.ndarray
    features: np.ndarray


def surroundings_of(
    candidates: Candidates,
    t1: np.ndarray,
    flair: np.ndarray,
    brain: np.ndarray,
    probabilities: np.ndarray,
    spacing: tuple[float, float, float],
    numbers: np.ndarray | None = None,
) -> Surroundings:
    """Crops and numbers of candidates.

    Args:
        t1, flair: float32 (slices, rows, columns), scaled by tissue modes.
        brain: bool, same shape.
        probabilities: of `context.class_probabilities`.
        spacing: mm of columns, rows and slices, as a grid's.
        numbers: of the candidates wanted; None: all.
    """
    anomaly = anomaly_of(probabilities)
    extent = BrainExtent.of(brain)
    opposite = extent.other_side(brain.shape[2])
    images = np.stack([t1, flair]) * brain
    s, i, j = (np.arange(size) for size in brain.shape)
    surface, deep = distances(t1, flair, brain, spacing[0])
    beside = np.concatenate(
        [
            mirrored(images, opposite),
            probabilities[NORMAL + 1 :],
            extent.coordinates(s[:, None, None], i[None, :, None], j[None, None, :]),
            np.stack([surface, deep]) / _FAR_MM,
        ]
    ).astype(np.float32)
    shown = np.concatenate([images, anomaly[None]]).astype(np.float32)
    half = WIDER * SIZE // 2
    inner = slice(half - SIZE // 2, half + SIZE // 2)
    wanted = np.arange(1, candidates.count + 1) if numbers is None else numbers
    near = np.empty((len(wanted), CHANNELS, SIZE, SIZE), np.float32)
    wide = np.empty_like(near)
    centres = _centres(candidates, anomaly)
    for k, number in enumerate(wanted):
        crop = np.zeros((CHANNELS, 2 * half, 2 * half), np.float32)
        stack = crop[: 4 * SLICES].reshape(SLICES, 4, 2 * half, 2 * half)
        z, y, x = centres[number - 1]
        rows, to_rows = _overlap(y - half, 2 * half, brain.shape[1])
        columns, to_columns = _overlap(x - half, 2 * half, brain.shape[2])
        slices, to_slices = _overlap(z - SLICES // 2, SLICES, len(brain))
        stack[to_slices, :3, to_rows, to_columns] = shown[:, slices, rows, columns].swapaxes(0, 1)
        stack[to_slices, 3, to_rows, to_columns] = candidates.labels[slices, rows, columns] == number
        crop[4 * SLICES :, to_rows, to_columns] = beside[:, z, rows, columns]
        near[k] = crop[:, inner, inner]
        wide[k] = _averaged(crop)
    features = _features(candidates, images, brain, probabilities, anomaly, spacing)[wanted - 1]
    return Surroundings(near, wide, features)


def _overlap(first: int, length: int, size: int) -> tuple[slice, slice]:
    """Of a window of an axis that may reach beyond its ends: where it lies on the axis, and that part of the window."""
    low, high = max(first, 0), min(first + length, size)
    return slice(low, high), slice(low - first, high - first)


def _averaged(crop: np.ndarray) -> np.ndarray:
    """The means of `WIDER` x `WIDER` voxels of each channel."""
    rows = np.add.reduce([crop[:, k::WIDER] for k in range(WIDER)])
    return np.asarray(np.add.reduce([rows[..., k::WIDER] for k in range(WIDER)])) / WIDER**2


def distances(
    t1: np.ndarray, flair: np.ndarray, brain: np.ndarray, in_plane_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Distance in mm within the slice to the brain's surface, and to fluid deep in the brain; at most 40.

    Deep fluid is that of the ventricles, found without an atlas: connected fluid that lies deep for the most part.
    """
    surface = np.stack([ndimage.distance_transform_edt(part) for part in brain]) * in_plane_mm
    fluid = (t1 < 0.4) & (flair < 0.6) & brain
    deep = ndimage.binary_opening(fluid & (surface > _DEEP_MM), np.ones((1, 2, 2), bool))
    away = [
        ndimage.distance_transform_edt(~part) * in_plane_mm if part.any() else np.full(part.shape, _FAR_MM)
        for part in deep
    ]
    return np.minimum(surface, _FAR_MM), np.minimum(np.stack(away), _FAR_MM)


def _centres(candidates: Candidates, anomaly: np.ndarray) -> list[tuple[int, int, int]]:
    """Slice with the most of each candidate, and the middle of what lies in it."""
    found = []
    for number, box in enumerate(ndimage.find_objects(candidates.labels), start=1):
        piece = (candidates.labels[box] == number) * anomaly[box]
        z = int(piece.sum(axis=(1, 2)).argmax())
        rows, columns = np.nonzero(piece[z])
        middle = z, round(rows.mean()), round(columns.mean())
        found.append(tuple(at + part.start for at, part in zip(middle, box, strict=True)))
    return found


def _features(
    candidates: Candidates,
    images: np.ndarray,
    brain: np.ndarray,
    probabilities: np.ndarray,
    anomaly: np.ndarray,
    spacing: tuple[float, float, float],
) -> np.ndarray:
    """float32 (candidates, FEATURES): size, probabilities, contrast, and the general noise of the scan."""
    labels, count = candidates.labels, candidates.count
    result = np.zeros((count, FEATURES), np.float32)
    ml = float(np.prod(spacing)) / 1000
    quiet = anomaly[brain & (labels == 0)]
    noise = float(np.quantile(quiet, 0.99)) if quiet.size else 0.0
    for number, wider in windows_of(labels, count, (0, 4, 4)):
        mine = labels[wider] == number
        ring = ndimage.binary_dilation(mine, np.ones((1, 7, 7), bool)) & (labels[wider] == 0) & brain[wider]
        contrast = []
        for image in images:
            inside = float(image[wider][mine].mean())
            around = image[wider][ring] if ring.sum() > 8 else image[brain]
            difference = (inside - float(around.mean())) / max(float(around.std()), 0.02)
            contrast.append(np.clip(difference, -8, 8) / 4)
        result[number - 1] = [
            np.log10(np.count_nonzero(mine) * ml),
            np.log2(len(mine)),
            float(anomaly[wider][mine].max()),
            *(float(probabilities[c][wider][mine].mean()) for c in range(len(CLASSES))),
            *contrast,
            float(anomaly[wider][ring].mean()) if ring.any() else 0.0,
            np.log10(count + 1.0),
            noise,
            spacing[2] / 5.0,
        ]
    return result
