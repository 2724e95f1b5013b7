"""Smooth random fields: the source of every irregular outline, texture and deformation here."""

from __future__ import annotations

import numpy as np


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: tuple[float, ...], scale_mm: float
) -> np.ndarray:
    """Gaussian noise that varies over about `scale_mm`, with mean 0 and variance 1 (over draws).

    White noise on a lattice of step `scale_mm`, interpolated by cubic B-splines one axis at a time, so that
    a field over a whole head takes a second.

    Args:
        shape, spacing_mm: of the float32 array that is wanted, axes in array order.
        scale_mm: lattice step; structures are about twice as wide.
    """
    bases, weights, lattice = [], [], []
    for length, spacing in zip(shape, spacing_mm, strict=True):
        # A random phase, or the lattice would show at the same place in every draw.
        position = np.arange(length) * (spacing / scale_mm) + rng.uniform(0, 1)
        base = position.astype(int)
        t = position - base
        spline = np.stack(
            [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
        )
        # Each row with unit norm: independent nodes of variance 1 then give variance 1 everywhere.
        weights.append((spline / np.linalg.norm(spline, axis=1, keepdims=True)).astype(np.float32))
        bases.append(base)
        lattice.append(int(base[-1]) + 4)
    field = rng.standard_normal(lattice, dtype=np.float32)
    for axis, (base, weight) in enumerate(zip(bases, weights, strict=True)):
        along = [1] * field.ndim
        along[axis] = -1
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
