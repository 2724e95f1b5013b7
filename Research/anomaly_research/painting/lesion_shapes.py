"""Shapes of painted lesions: depths below a surface in mm, from noise, melted ellipsoids and real lesions' outlines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

Shape = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Depth in mm below a lesion's surface, negative outside, at z, y, x in mm from its centre (float32, one shape)."""

_WAVES = 10
_SMALLEST_ML, _LARGEST_ML = 0.1, 60.0  # of real lesions whose outlines are used


def draw_shape(volume_ml: float, rng: np.random.Generator, outlines: Sequence[np.ndarray]) -> Shape:
    """A shape of about this volume, of three families; of two without outlines (see `read_outlines`)."""
    radius = radius_mm(volume_ml)
    family = rng.choice(3, p=(0.35, 0.3, 0.35) if len(outlines) else (0.55, 0.45, 0.0))
    if family == 0:
        return noise_shape(radius, rng)
    if family == 1:
        return melted_ellipsoids(radius, rng)
    return outline_shape(outlines[int(rng.integers(len(outlines)))], volume_ml, rng)


def radius_mm(volume_ml: float) -> float:
    """Of the ball of this volume."""
    return float((3000 * volume_ml / (4 * np.pi)) ** (1 / 3))


def noise_shape(radius: float, rng: np.random.Generator) -> Shape:
    """A stretched ball whose surface is moved in and out by smooth noise: a sum of plane waves of random direction."""
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    axes = radius * np.exp(rng.normal(0, 0.35, 3))
    matrix = (rotation / axes[:, None]).astype(np.float32)
    directions = rng.normal(size=(_WAVES, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = radius * np.exp(rng.uniform(np.log(0.5), np.log(2.5), _WAVES))
    waves = (2 * np.pi * directions / lengths[:, None]).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, _WAVES).astype(np.float32)
    height = np.float32(radius * rng.uniform(0.0, 0.9) / np.sqrt(_WAVES / 2))

    def depth(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        norm = np.sqrt(sum((m[0] * z + m[1] * y + m[2] * x) ** 2 for m in matrix))
        noise = sum(np.cos(w[0] * z + w[1] * y + w[2] * x + p) for w, p in zip(waves, phases, strict=True))
        return np.asarray((1 - norm) * np.float32(radius) + height * noise, np.float32)

    return depth


def melted_ellipsoids(radius: float, rng: np.random.Generator) -> Shape:
    """One to five ellipsoids melted into one shape."""
    count = int(rng.choice([1, 2, 3, 4, 5], p=[0.3, 0.25, 0.2, 0.15, 0.1]))
    shrunk = radius / count**0.25
    balls = []
    for k in range(count):
        rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        axes = shrunk * np.exp(rng.normal(0, 0.3, 3))
        shift = rng.normal(0, 0.55 * radius, 3) if k else np.zeros(3)
        balls.append(((rotation / axes[:, None]).astype(np.float32), shift.astype(np.float32)))

    def depth(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        total = np.zeros(z.shape, np.float32)
        for matrix, shift in balls:
            away = (z - shift[0], y - shift[1], x - shift[2])
            norm = sum((m[0] * away[0] + m[1] * away[1] + m[2] * away[2]) ** 2 for m in matrix)
            total += np.exp(-4 * np.sqrt(norm))
        return np.asarray((1 + np.log(total + 1e-20) / 4) * np.float32(shrunk), np.float32)

    return depth


def outline_shape(distance: np.ndarray, volume_ml: float, rng: np.random.Generator) -> Shape:
    """A real lesion's outline (see `read_outlines`), turned at random and resized; it may be mirrored."""
    scale = float((volume_ml * 1000 / max((distance > 0).sum(), 1)) ** (1 / 3))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    centre = np.array([a.mean() for a in np.nonzero(distance > 0)])

    def depth(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        away = np.stack([z, y, x]).reshape(3, -1)
        index = (rotation @ away) / scale + centre[:, None]
        values = ndimage.map_coordinates(distance, index, order=1, mode="constant", cval=-9.0)
        return np.asarray((values * scale).reshape(z.shape), np.float32)

    return depth


def flattened(shape: Shape, factor: float) -> Shape:
    """The shape, so many times thinner from slice to slice."""
    return lambda z, y, x: shape(z * np.float32(factor), y, x)


def read_outlines(masks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The pieces of lesion masks, bool of 1 mm voxels, as float32 boxes: mm below the surface, negative outside."""
    found = []
    for mask in masks:
        labels, _ = ndimage.label(mask)
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            piece = np.pad(labels[box] == number, 3)
            if _SMALLEST_ML <= piece.sum() / 1000 <= _LARGEST_ML:
                inside = ndimage.distance_transform_edt(piece) - ndimage.distance_transform_edt(~piece)
                found.append(np.asarray(inside, np.float32))
    return found
