"""Irregular closed shapes of a wanted volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .random_fields import smooth_noise
from .rendering import Box


def radius_mm(volume_ml: float) -> float:
    """The radius of the ball of a volume."""
    return float((volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3))


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A 3 x 3 rotation matrix, evenly drawn (QR of a Gaussian matrix)."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def ellipsoid_field(offsets: Sequence[np.ndarray], axes: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Distance from the centre, 1 on the ellipsoid with semi-axes `axes` (mm) along `rotation`'s columns.

    Args:
        offsets: mm from the centre along the three array axes, broadcastable to one shape.
    """
    total: np.ndarray | float = 0.0
    for column, axis in zip(rotation.T, axes, strict=True):
        along = sum(float(c) * o for c, o in zip(column, offsets, strict=True))
        total = total + (along / axis) ** 2
    return np.sqrt(total).astype(np.float32)


def lowest(field: np.ndarray, allowed: np.ndarray, count: int) -> np.ndarray:
    """The `count` allowed voxels where the field is lowest, as a bool array (all allowed ones if fewer)."""
    chosen = np.zeros(field.shape, bool)
    candidates = np.flatnonzero(allowed)
    if count < candidates.size:
        order = np.argpartition(field.ravel()[candidates], count)[:count]
        candidates = candidates[order]
    chosen.ravel()[candidates] = True
    return chosen


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest piece of a mask whose voxels hang together by their faces, as a bool array."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


def box_round(centre: Sequence[int], reach: Sequence[int], shape: Sequence[int]) -> Box:
    """The box that reaches so many voxels to either side of one, as far as the array goes."""
    z, y, x = (slice(max(0, c - r), min(n, c + r + 1)) for c, r, n in zip(centre, reach, shape, strict=True))
    return z, y, x


def offsets_mm(box: Box, centre: Sequence[int], spacing: Sequence[float]) -> Sequence[np.ndarray]:
    """Distances (mm) of a box's voxels from one along each axis: float32, broadcastable to the box's shape."""
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
        spacing_mm: of the array's axes, in array order (slices, rows, columns).
        elongation: longest over shortest axis of the ellipsoid before it is deformed, at least 1.
    """
    radius = radius_mm(volume_ml)
    axes = np.array([elongation**-0.5, elongation ** rng.uniform(-0.25, 0.25), elongation**0.5])
    axes = radius * axes / np.prod(axes) ** (1 / 3)
    reach = 1.6 * axes.max() + 2 * max(spacing_mm)
    z, y, x = (slice(-int(np.ceil(reach / s)), int(np.ceil(reach / s)) + 1) for s in spacing_mm)
    field = ellipsoid_field(offsets_mm((z, y, x), (0, 0, 0), spacing_mm), axes, random_rotation(rng))
    field = field * (1 + 0.15 * smooth_noise(rng, field.shape, spacing_mm, 0.7 * radius))
    count = max(1, round(volume_ml * 1000 / float(np.prod(spacing_mm))))
    shape = lowest(field, np.ones(field.shape, bool), count)
    return np.pad(shape[ndimage.find_objects(shape.astype(np.uint8))[0]], 1)
