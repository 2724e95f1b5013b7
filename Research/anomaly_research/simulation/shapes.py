"""Irregular shapes of a wanted volume, and the smooth random fields that make outlines irregular."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .rendering import Box


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: tuple[float, ...], scale_mm: float
) -> np.ndarray:
    """Gaussian noise that varies over about `scale_mm`: float32, with mean 0 and variance 1 (over draws).

    White noise on a lattice of step `scale_mm`, interpolated by cubic B-splines one axis at a time, so that
    a field over a whole head takes a second. Structures are about twice as wide as the step.
    """
    bases, weights = [], []
    for length, spacing in zip(shape, spacing_mm, strict=True):
        # A random phase, or the lattice would show at the same place in every draw.
        position = np.arange(length) * (spacing / scale_mm) + rng.uniform(0, 1)
        base = position.astype(int)
        t = position - base
        spline = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], 1)
        # Each row with unit norm: independent nodes of variance 1 then give variance 1 everywhere.
        weights.append((spline / np.linalg.norm(spline, axis=1, keepdims=True)).astype(np.float32))
        bases.append(base)
    field = rng.standard_normal([int(base[-1]) + 4 for base in bases], dtype=np.float32)
    for axis, (base, weight) in enumerate(zip(bases, weights, strict=True)):
        along = [-1 if a == axis else 1 for a in range(field.ndim)]
        # Summed in a fixed order: matrix products would round differently from one machine to the next.
        total = np.take(field, base, axis) * weight[:, 0].reshape(along)
        for k in range(1, 4):
            total += np.take(field, base + k, axis) * weight[:, k].reshape(along)
        field = total
    return field


def pick(rng: np.random.Generator, sites: np.ndarray) -> tuple[int, ...] | None:
    """The index of one of the true voxels, each as likely; None if there is none.

    Every voxel draws a lot and the highest among the sites wins. So a voxel more or less among millions,
    which rounding may cost on another machine, leaves the choice as it was.
    """
    lots = rng.random(sites.shape, dtype=np.float32)
    lots[~sites] = -1
    winner = np.unravel_index(int(lots.argmax()), sites.shape)
    return tuple(int(i) for i in winner) if sites[winner] else None


def radius_mm(volume_ml: float) -> float:
    """The radius of the ball of a volume."""
    return float((volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3))


def rotation_of(matrix: np.ndarray) -> np.ndarray:
    """The rotation in a 3 x 3 matrix, by QR: evenly drawn if the matrix is Gaussian."""
    q, r = np.linalg.qr(matrix)
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def ellipsoid(offsets: Sequence[np.ndarray], axes: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Distance from the centre, 1 on the ellipsoid with semi-axes `axes` (mm) along `rotation`'s columns.

    `offsets`: mm from the centre along the three array axes, broadcastable to one shape.
    """
    along = (sum(float(c) * o for c, o in zip(column, offsets, strict=True)) for column in rotation.T)
    total = sum((distance / axis) ** 2 for distance, axis in zip(along, axes, strict=True))
    return np.sqrt(total).astype(np.float32)


def lowest(field: np.ndarray, allowed: np.ndarray, count: int) -> np.ndarray:
    """The `count` allowed voxels where the field is lowest, as a bool array (all allowed ones if fewer)."""
    chosen = np.zeros(field.shape, bool)
    candidates = np.flatnonzero(allowed)
    if count < candidates.size:
        candidates = candidates[np.argpartition(field.ravel()[candidates], count)[:count]]
    chosen.ravel()[candidates] = True
    return chosen


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest piece of a mask whose voxels hang together by their faces, as a bool array."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


def closed_with_ball(mask: np.ndarray, spacing: tuple[float, ...], radius: float) -> np.ndarray:
    """A mask closed with a ball (mm); the array has to reach beyond the mask by more than the radius."""
    dilated = ndimage.distance_transform_edt(~mask, sampling=spacing) < radius
    return mask | (ndimage.distance_transform_edt(dilated, sampling=spacing) > radius)


def offsets_mm(box: Box, centre: Sequence[int], spacing: Sequence[float]) -> Sequence[np.ndarray]:
    """Distances (mm) of a box's voxels from one along each axis: float32, broadcastable to its shape."""
    lines = (
        ((np.arange(b.start, b.stop) - c) * s).astype(np.float32)
        for b, c, s in zip(box, centre, spacing, strict=True)
    )
    return np.meshgrid(*lines, indexing="ij", sparse=True)


def random_blob(
    rng: np.random.Generator, volume_ml: float, spacing_mm: tuple[float, float, float], elongation: float
) -> np.ndarray:
    """A noise-deformed ellipsoid in a random direction: bool, with one empty voxel on each side.

    Args:
        volume_ml: of the shape, more than 0; met to within one voxel.
        elongation: longest over shortest axis of the ellipsoid before it is deformed, at least 1.
    """
    radius = radius_mm(volume_ml)
    axes = np.array([elongation**-0.5, elongation ** rng.uniform(-0.25, 0.25), elongation**0.5])
    axes = radius * axes / np.prod(axes) ** (1 / 3)
    reach = 1.6 * axes.max() + 2 * max(spacing_mm)
    box = tuple(slice(-int(np.ceil(reach / s)), int(np.ceil(reach / s)) + 1) for s in spacing_mm)
    rotation = rotation_of(rng.standard_normal((3, 3)))
    field = ellipsoid(offsets_mm(box, (0, 0, 0), spacing_mm), axes, rotation)
    field = field * (1 + 0.15 * smooth_noise(rng, field.shape, spacing_mm, 0.7 * radius))
    count = max(1, round(volume_ml * 1000 / float(np.prod(spacing_mm))))
    shape = lowest(field, np.ones(field.shape, bool), count)
    return np.pad(shape[ndimage.find_objects(shape.astype(np.uint8))[0]], 1)
