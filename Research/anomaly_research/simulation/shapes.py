"""Irregular closed shapes of a wanted volume."""

from __future__ import annotations

import numpy as np

from .random_fields import smooth_noise


def radius_mm(volume_ml: float) -> float:
    """The radius of the ball of a volume."""
    return float((volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3))


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A 3 x 3 rotation matrix, evenly drawn (QR of a Gaussian matrix)."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def ellipsoid_field(
    offsets_mm: tuple[np.ndarray, np.ndarray, np.ndarray], axes: np.ndarray, rotation: np.ndarray
) -> np.ndarray:
    """Distance from the centre, 1 on the ellipsoid with semi-axes `axes` (mm) along `rotation`'s columns.

    Args:
        offsets_mm: distances from the centre along the three array axes, broadcastable to one shape.
    """
    total: np.ndarray | float = 0.0
    for column, axis in zip(rotation.T, axes, strict=True):
        along = sum(float(c) * o for c, o in zip(column, offsets_mm, strict=True))
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


def random_blob(
    rng: np.random.Generator,
    volume_ml: float,
    spacing_mm: tuple[float, float, float],
    elongation: float = 1.5,
) -> np.ndarray:
    """A noise-deformed ellipsoid in a random direction, cut out so that it fits its array.

    Args:
        volume_ml: of the shape; met to within one voxel.
        spacing_mm: of the array's axes, in array order (slices, rows, columns).
        elongation: longest over shortest axis of the ellipsoid before it is deformed.

    Returns:
        bool, just large enough to hold the shape with one empty voxel on each side.

    Raises:
        ValueError: if the volume is not positive or the elongation is below 1.
    """
    if volume_ml <= 0 or elongation < 1:
        raise ValueError(f"cannot make a shape of {volume_ml} ml with elongation {elongation}")
    radius = radius_mm(volume_ml)
    axes = np.array([elongation**-0.5, elongation ** rng.uniform(-0.25, 0.25), elongation**0.5])
    axes = radius * axes / np.prod(axes) ** (1 / 3)
    reach = 1.6 * axes.max() + 2 * max(spacing_mm)
    halves = [int(np.ceil(reach / s)) for s in spacing_mm]
    z, y, x = ((np.arange(-h, h + 1) * s).astype(np.float32) for h, s in zip(halves, spacing_mm, strict=True))
    field = ellipsoid_field(
        (z[:, None, None], y[None, :, None], x[None, None, :]), axes, random_rotation(rng)
    )
    field = field * (1 + 0.15 * smooth_noise(rng, field.shape, spacing_mm, 0.7 * radius))
    count = max(1, round(volume_ml * 1000 / float(np.prod(spacing_mm))))
    shape = lowest(field, np.ones(field.shape, bool), count)
    box = tuple(
        slice(np.flatnonzero(line)[0], np.flatnonzero(line)[-1] + 1)
        for line in (shape.any((1, 2)), shape.any((0, 2)), shape.any((0, 1)))
    )
    return np.pad(shape[box], 1)
