"""What looks odd and is not a lesion: changes to slices that the detector must not report.

Widened sulci and perivascular spaces stay normal tissue. Inflow, dura and fat in the brain mask, and ghosts are
artefacts where they are plainly seen. Bias, blur, noise and T1 and FLAIR that do not lie quite on each other
change nothing that is asked for. Intensities are scaled by tissue modes (fluid 0, white matter 1).
"""

from __future__ import annotations

import numpy as np
from AnomalyDetectionLib.model.classes import ARTEFACT, IGNORED, NORMAL
from scipy import ndimage

from .lesion_painting import IN_PLANE_MM, Block, Box, box_round, random_voxel

_PLAIN = 0.25  # change of an intensity from which an artefact is plainly seen


def widen_sulci(block: Block, rng: np.random.Generator) -> None:
    """Pull tissue away from a place in the fluid, so that it widens: all slices alike."""
    box = _round_fluid(block, rng, reach_mm=36)
    if box is None:
        return
    rows, columns, y, x = box
    sigma = rng.uniform(4, 12) / IN_PLANE_MM
    nearer = 1 - rng.uniform(0.2, 0.6) * np.exp(-(y**2 + x**2) / (2 * sigma**2))
    index = np.stack([y * nearer - y[0, 0], x * nearer - x[0, 0]])
    for (t1, flair), brain, target in zip(block.images, block.brain, block.target, strict=True):
        for plane, order in ((t1, 1), (flair, 1), (brain, 0), (target, 0)):
            part = plane[rows, columns]
            plane[rows, columns] = ndimage.map_coordinates(part, index, order=order, mode="nearest")


def perivascular_spaces(block: Block, rng: np.random.Generator) -> None:
    """A few dots of fluid, at most 2.5 mm wide, in the white and the deep grey matter."""
    tissue = (block.images[block.middle, 0] > 0.6) & block.brain[block.middle]
    tissue = ndimage.uniform_filter(tissue.astype(np.float32), 9) > 0.95
    if np.count_nonzero(tissue) < 20:
        return
    for _ in range(rng.integers(1, 7)):
        centre = random_voxel(tissue, rng)
        assert centre is not None
        rows, columns, y, x = box_round(centre, 4, tissue.shape)
        radius = rng.uniform(0.4, 1.2) / IN_PLANE_MM
        share = np.clip(radius - np.hypot(y, x) + 0.5, 0, 1) * rng.uniform(0.4, 1.0)
        for s in range(len(block.images)):
            if s == block.middle or rng.random() < 0.5:
                block.images[s][:, rows, columns] *= 1 - share


def inflow(block: Block, rng: np.random.Generator) -> None:
    """FLAIR bright in flowing fluid, as round the septum and in the basal cisterns; T1 stays fluid."""
    for _ in range(rng.integers(1, 4)):
        box = _round_fluid(block, rng, reach_mm=16)
        if box is None:
            return
        rows, columns, y, x = box
        radius = rng.uniform(2, 8) / IN_PLANE_MM
        share = np.exp(-(y**2 + x**2) / radius**2) * rng.uniform(0.2, 0.9)
        level = rng.uniform(1.0, 1.8)
        for s, image in enumerate(block.images):
            dark = np.clip((0.4 - image[0, rows, columns]) / 0.2, 0, 1)
            change = share * dark * np.clip(level - image[1, rows, columns], 0, level)
            image[1, rows, columns] += change
            _mark(block.target[s, rows, columns], change)


def bright_edge(block: Block, rng: np.random.Generator) -> None:
    """Dura and fat that the brain mask has kept: a seam of its edge bright on FLAIR, anything on T1."""
    brain = block.brain[block.middle]
    centre = random_voxel(brain & ~ndimage.binary_erosion(brain), rng)
    if centre is None:
        return
    near = _bell(brain.shape, centre, rng.uniform(5, 25))
    width, values = rng.uniform(0.8, 3.0), (rng.uniform(-0.1, 1.7), rng.uniform(1.1, 2.8))
    for images, mask, target in zip(block.images, block.brain, block.target, strict=True):
        depth = ndimage.distance_transform_edt(mask)
        share = near * np.clip(width - depth + 0.5, 0, 1) * mask
        share = np.where(share > 0.05, share, 0)
        for image, value in zip(images, values, strict=True):
            image += share * (value - image)
        _mark(target, np.where(share > 0.4, 1.0, 0.0))


def local_ghost(block: Block, rng: np.random.Generator) -> None:
    """A faint copy of one part of a slice, moved along one direction, over another: pulsation, swallowing."""
    axis, shift = int(rng.integers(1, 3)), int(rng.integers(12, 70)) * int(rng.choice([-1, 1]))
    centre = rng.uniform(0.2, 0.8, 2) * block.target.shape[1:]
    near = _bell(block.target.shape[1:], centre, rng.uniform(5, 20))
    channel, strength = int(rng.integers(2)), rng.uniform(0.05, 0.35)
    for s in (block.middle,) if rng.random() < 0.6 else range(len(block.images)):
        image = block.images[s, channel]
        change = strength * near * np.roll(image, shift, axis - 1) * block.brain[s]
        image += change
        _mark(block.target[s], change)


def disturb(block: Block, rng: np.random.Generator) -> None:
    """Change contrast, field, sharpness, noise and alignment of both images, and trim the brain mask a little."""
    rows, columns = block.target.shape[1:]
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    blur_both = rng.uniform(0, 0.8) if rng.random() < 0.4 else 0.0
    for channel in range(2):
        images = block.images[:, channel]
        a, b, c, d = rng.normal(0, 0.05, 4)
        field = np.exp(a * x + b * y + c * (x * x + y * y) + d * x * y)
        gamma = np.exp(rng.normal(0, 0.15))
        changed = np.sign(images) * np.abs(images) ** gamma * field * np.exp(rng.normal(0, 0.04))
        changed = changed + rng.normal(0, 0.04)
        blur = blur_both + (rng.uniform(0, 0.7) if rng.random() < 0.25 else 0.0)
        if blur > 0.2:
            changed = ndimage.gaussian_filter(changed, (0, blur, blur))
        if rng.random() < 0.12:  # ghosts of a head that moved or pulsated: one faint, or several
            along = int(rng.integers(1, 3))
            for _ in range(1 if rng.random() < 0.6 else int(rng.integers(2, 6))):
                shift = int(rng.integers(8, 60)) * int(rng.choice([-1, 1]))
                changed = changed + rng.uniform(0.03, 0.12) * np.roll(changed, shift, along)
        if channel == 0 and rng.random() < 0.3:
            moved = rng.normal(0, 0.6, 2)
            changed = ndimage.shift(changed, (0, *moved), order=1, mode="nearest")
        if rng.random() < 0.6:
            changed = changed + rng.uniform(0, 0.09) * rng.standard_normal(changed.shape, np.float32)
        block.images[:, channel] = changed
    if rng.random() < 0.3:
        for s in range(len(block.brain)):
            block.brain[s] = ndimage.binary_erosion(block.brain[s], iterations=int(rng.integers(1, 3)))
    block.images *= block.brain[:, None]


def _round_fluid(block: Block, rng: np.random.Generator, *, reach_mm: float) -> Box | None:
    """A box round a voxel of fluid in the slice in the middle."""
    fluid = block.brain[block.middle] & (block.images[block.middle].max(axis=0) < 0.4)
    centre = random_voxel(fluid, rng)
    return None if centre is None else box_round(centre, int(reach_mm / IN_PLANE_MM), fluid.shape)


def _bell(shape: tuple[int, ...], centre: np.ndarray | tuple[int, int], sigma_mm: float) -> np.ndarray:
    """1 at a place of a slice, falling as a Gaussian."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * (sigma_mm / IN_PLANE_MM) ** 2))


def _mark(target: np.ndarray, change: np.ndarray) -> None:
    """Say where an artefact is plainly seen in what was normal, and leave out where it is just seen."""
    normal = target == NORMAL
    target[normal & (change > _PLAIN / 2)] = IGNORED
    target[normal & (change > _PLAIN)] = ARTEFACT
