"""What looks odd and is normal: changes to slices that the context detector must not report.

Widened sulci, perivascular spaces, inflow, dura and fat in the brain mask, bias, motion, ghosts, blur, noise, and
T1 and FLAIR that do not lie quite on each other.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .context_lesions import IN_PLANE_MM, Block


def widen_sulci(block: Block, rng: np.random.Generator) -> None:
    """Pull tissue away from a place in the fluid, so that it widens: all slices alike."""
    middle = len(block.images) // 2
    fluid = block.brain[middle] & (block.images[middle].max(axis=0) < 0.3)
    places = np.flatnonzero(fluid)
    if len(places) < 20:
        return
    row, column = np.unravel_index(places[rng.integers(len(places))], fluid.shape)
    sigma = rng.uniform(4, 12) / IN_PLANE_MM
    strength = rng.uniform(0.2, 0.6)
    reach = int(3 * sigma)
    rows = slice(max(row - reach, 0), min(row + reach + 1, fluid.shape[0]))
    columns = slice(max(column - reach, 0), min(column + reach + 1, fluid.shape[1]))
    y = (np.arange(rows.start, rows.stop) - row)[:, None]
    x = (np.arange(columns.start, columns.stop) - column)[None, :]
    nearer = 1 - strength * np.exp(-(y**2 + x**2) / (2 * sigma**2))
    index = np.stack([y * nearer + (row - rows.start), x * nearer + (column - columns.start)])
    for s in range(len(block.images)):
        for image in block.images[s]:
            image[rows, columns] = ndimage.map_coordinates(
                image[rows, columns], index, order=1, mode="nearest"
            )
        brain = block.brain[s, rows, columns]
        block.brain[s, rows, columns] = ndimage.map_coordinates(brain, index, order=0, mode="nearest")
    target = block.target[rows, columns]
    block.target[rows, columns] = ndimage.map_coordinates(target, index, order=0, mode="nearest")


def perivascular_spaces(block: Block, rng: np.random.Generator) -> None:
    """A few dots of fluid, at most 2.5 mm wide, in the white and the deep grey matter."""
    middle = len(block.images) // 2
    t1 = block.images[middle, 0]
    tissue = ndimage.uniform_filter(((t1 > 0.55) & block.brain[middle]).astype(np.float32), 9) > 0.95
    places = np.flatnonzero(tissue)
    if len(places) < 20:
        return
    for _ in range(rng.integers(1, 7)):
        row, column = np.unravel_index(places[rng.integers(len(places))], tissue.shape)
        radius = rng.uniform(0.4, 1.2) / IN_PLANE_MM
        rows, columns = slice(max(row - 4, 0), row + 5), slice(max(column - 4, 0), column + 5)
        y = (np.arange(rows.start, min(rows.stop, tissue.shape[0])) - row)[:, None]
        x = (np.arange(columns.start, min(columns.stop, tissue.shape[1])) - column)[None, :]
        fluid = np.clip(radius - np.hypot(y, x) + 0.5, 0, 1) * rng.uniform(0.4, 1.0)
        for s in range(len(block.images)):
            if s != middle and rng.random() < 0.5:
                continue
            for channel, image in enumerate(block.images[s]):
                image[rows, columns] += fluid * (block.levels.csf[channel] - image[rows, columns])


def inflow(block: Block, rng: np.random.Generator) -> None:
    """FLAIR bright in flowing fluid, as round the septum and in the basal cisterns; T1 stays fluid."""
    middle = len(block.images) // 2
    fluid = block.brain[middle] & (block.images[middle, 0] < 0.3)
    places = np.flatnonzero(fluid)
    if len(places) < 20:
        return
    for _ in range(rng.integers(1, 4)):
        row, column = np.unravel_index(places[rng.integers(len(places))], fluid.shape)
        radius = rng.uniform(2, 8) / IN_PLANE_MM
        reach = int(2 * radius)
        rows, columns = (
            slice(max(row - reach, 0), row + reach + 1),
            slice(max(column - reach, 0), column + reach + 1),
        )
        y = (np.arange(rows.start, min(rows.stop, fluid.shape[0])) - row)[:, None]
        x = (np.arange(columns.start, min(columns.stop, fluid.shape[1])) - column)[None, :]
        share = np.exp(-(y**2 + x**2) / radius**2) * rng.uniform(0.2, 0.9)
        for image in block.images:
            dark = np.clip((0.35 - image[0, rows, columns]) / 0.2, 0, 1)
            image[1, rows, columns] += share * dark * np.clip(1.0 - image[1, rows, columns], 0, 1)


def bright_edge(block: Block, rng: np.random.Generator) -> None:
    """Dura and fat that the brain mask has kept: a seam of its edge bright on FLAIR, anything on T1."""
    middle = len(block.images) // 2
    edge = block.brain[middle] & ~ndimage.binary_erosion(block.brain[middle], iterations=1)
    places = np.flatnonzero(edge)
    if len(places) < 20:
        return
    row, column = np.unravel_index(places[rng.integers(len(places))], edge.shape)
    y, x = np.arange(edge.shape[0])[:, None] - row, np.arange(edge.shape[1])[None, :] - column
    near = np.exp(-(y**2 + x**2) / (2 * (rng.uniform(5, 25) / IN_PLANE_MM) ** 2))
    width = rng.uniform(0.8, 3.0)
    values = rng.uniform(-0.1, 1.5), rng.uniform(0.7, 2.0)
    for s in range(len(block.images)):
        depth = ndimage.distance_transform_edt(block.brain[s])
        share = near * np.clip(width - depth + 0.5, 0, 1) * block.brain[s]
        share = np.where(share > 0.05, share, 0)
        for channel, value in enumerate(values):
            block.images[s, channel] += share * (value - block.images[s, channel])


def disturb(block: Block, rng: np.random.Generator) -> None:
    """Change contrast, field, sharpness, noise and alignment of both images, and trim the brain mask a little."""
    rows, columns = block.target.shape
    y, x = (
        np.linspace(-1, 1, rows, dtype=np.float32)[:, None],
        np.linspace(-1, 1, columns, dtype=np.float32)[None, :],
    )
    blur_both = rng.uniform(0, 0.8) if rng.random() < 0.4 else 0.0
    for channel in range(2):
        images = block.images[:, channel]
        a, b, c, d = rng.normal(0, 0.06, 4)
        field = np.exp(a * x + b * y + c * (x * x + y * y) + d * x * y)
        gamma = np.exp(rng.normal(0, 0.12))
        changed = np.sign(images) * np.abs(images) ** gamma * field * np.exp(rng.normal(0, 0.08))
        changed = changed + rng.normal(0, 0.03)
        blur = blur_both + (rng.uniform(0, 0.7) if rng.random() < 0.25 else 0.0)
        if blur > 0.2:
            changed = ndimage.gaussian_filter(changed, (0, blur, blur))
        if rng.random() < 0.1:
            along = int(rng.integers(1, 3))
            shift = int(rng.integers(8, 60))
            changed = changed + rng.uniform(0.03, 0.12) * np.roll(changed, shift, along)
        if channel == 0 and rng.random() < 0.3:
            moved = rng.normal(0, 0.6, 2)
            changed = ndimage.shift(changed, (0, *moved), order=1, mode="nearest")
        if rng.random() < 0.7:
            changed = changed + rng.uniform(0, 0.06) * rng.standard_normal(changed.shape)
        block.images[:, channel] = changed
    if rng.random() < 0.3:
        for s in range(len(block.brain)):
            block.brain[s] = ndimage.binary_erosion(block.brain[s], iterations=int(rng.integers(1, 3)))
    block.images *= block.brain[:, None]
