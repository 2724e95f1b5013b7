"""Lesions for training the context detector, painted into slices of prepared scans.

A generator of its own: it shares no code, no shapes and no table of tissues with `simulation`, which makes the
infarcts that detection is measured on. It is wide rather than realistic: a detector that has seen only one kind of
lesion finds only that kind. Shapes are melted ellipsoids, or real lesion outlines turned and resized; contents
are cavities with and without a rim, gliosis, fluid, tissue dark on T1 alone, spots like white matter
hyperintensities, any other pair of intensities, and tissue from elsewhere (Tan et al. 2020, foreign patch
interpolation). Intensities are the prepared ones: about 0 in CSF, T1 about 0.9 and FLAIR about 0.6 in white matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

IN_PLANE_MM = 0.9
NORMAL, HYPERINTENSE, ANOMALOUS, IGNORED = 0, 1, 2, 255
"""Values of a target; the first three are the places of `context_network.CLASSES`."""

SMALLEST_ML, LARGEST_ML = 0.03, 8.0

Shape = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Depth in mm below a lesion's surface, negative outside, at z, y, x in mm from its centre."""

_KINDS = {
    "cavity": 0.42,
    "gliosis": 0.21,
    "fluid": 0.05,
    "dark on T1": 0.04,
    "hyperintense": 0.12,
    "any": 0.08,
    "foreign": 0.08,
}
_LEAST_CONTRAST = 0.10
"""Mean difference from what was there, below which nobody could see a lesion: it is neither asked for nor held
against the detector."""


@dataclass(frozen=True)
class Levels:
    """Prepared intensities of a scan's tissues: T1 and FLAIR of each."""

    csf: np.ndarray
    white: np.ndarray
    grey: np.ndarray

    @classmethod
    def of(cls, t1: np.ndarray, flair: np.ndarray, brain: np.ndarray) -> Levels:
        """The levels of a prepared scan."""
        a, b = t1[brain], flair[brain]

        def level(which: np.ndarray, otherwise: tuple[float, float]) -> np.ndarray:
            if which.sum() < 100:
                return np.array(otherwise, np.float32)
            return np.array([np.median(a[which]), np.median(b[which])], np.float32)

        return cls(
            level((a < 0.25) & (b < 0.25), (0.05, 0.05)),
            level((a > 0.78) & (b < 1.0), (0.9, 0.6)),
            level((a > 0.4) & (a < 0.7) & (b > 0.4), (0.6, 0.8)),
        )


@dataclass
class Block:
    """Slices that are painted on: the one thing here that changes.

    Attributes:
        images: float32 (slices, 2, rows, columns), T1 and FLAIR prepared.
        brain: bool (slices, rows, columns).
        target: uint8 (rows, columns) of the slice in the middle: NORMAL, HYPERINTENSE, ANOMALOUS, IGNORED.
        weight: float32, like target: how much a voxel counts.
        slice_mm: distance of the slices.
        levels: of the scan.
    """

    images: np.ndarray
    brain: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    slice_mm: float
    levels: Levels


def paint_lesion(
    block: Block,
    rng: np.random.Generator,
    outlines: Sequence[np.ndarray] = (),
    foreign: np.ndarray | None = None,
) -> str | None:
    """Put one lesion of a random kind, volume and place into a block.

    Args:
        outlines: signed distances of real lesions (see `read_outlines`), in mm on 1 mm voxels; may be empty.
        foreign: float32 (slices, 2, rows, columns), slices of another scan, for foreign tissue.

    Returns:
        The kind; None where there was no room.
    """
    volume_ml = float(np.exp(rng.uniform(np.log(SMALLEST_ML), np.log(LARGEST_ML)) if rng.random() < 0.5
                             else rng.uniform(np.log(SMALLEST_ML), np.log(1.0))))  # fmt: skip
    radius = (3000 * volume_ml / (4 * np.pi)) ** (1 / 3)
    kind = str(rng.choice(list(_KINDS), p=list(_KINDS.values())))
    if kind == "foreign" and foreign is None:
        kind = "any"
    centre = _centre(block, rng, kind)
    if centre is None:
        return None
    middle = len(block.images) // 2
    height = (
        rng.uniform(-0.7, 0.7) * radius if rng.random() < 0.5 else rng.uniform(-0.4, 0.4) * block.slice_mm
    )
    if outlines and rng.random() < 0.5:
        shape = _outline(outlines[int(rng.integers(len(outlines)))], volume_ml, rng)
    else:
        shape = _melted(radius, rng)
    reach = int(np.ceil((2.2 * radius + 4) / IN_PLANE_MM))
    rows, columns = (
        slice(max(c - reach, 0), min(c + reach + 1, n))
        for c, n in zip(centre, block.target.shape, strict=True)
    )
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) - centre[0])[:, None] * IN_PLANE_MM
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) - centre[1])[None, :] * IN_PLANE_MM
    rim = float(rng.uniform(0.3, 3.5)) if kind == "cavity" else 0.0
    soft = float(rng.uniform(0.5, 1.6)) if rng.random() < 0.8 else float(rng.uniform(1.6, 4.0))
    spared = rng.random() < 0.5 and kind not in ("fluid", "foreign")
    content = _content(kind, block, rng)
    whole: np.ndarray = np.zeros(block.target[rows, columns].shape, np.float32)
    change = 0.0
    for s in range(len(block.images)):
        weight = np.zeros((y.shape[0], x.shape[1]), np.float32)
        core = np.zeros_like(weight)
        for part in (-0.375, -0.125, 0.125, 0.375):
            z = np.float32((s - middle + part) * block.slice_mm + height)
            depth = shape(np.broadcast_to(z, weight.shape), *np.broadcast_arrays(y, x))
            weight += 0.25 * np.clip(depth / soft + 0.5, 0, 1)
            core += 0.25 * np.clip((depth - rim) / 0.8 + 0.5, 0, 1)
        np.minimum(core, weight, out=core)
        image = block.images[s, :, rows, columns]
        inside = block.brain[s, rows, columns]
        weight *= inside
        core *= inside
        if spared:
            tissue = np.clip((np.maximum(image[0], image[1]) - 0.2) / 0.2, 0, 1)
            weight *= tissue
            core *= tissue
        if not weight.any():
            continue
        there = foreign[s, :, rows, columns] if kind == "foreign" and foreign is not None else None
        painted = _painted(image, weight, core, content, there, rng)
        if s == middle:
            change = float(np.abs(painted - image).sum(axis=0).sum() / max(weight.sum(), 1e-3))
            whole = weight
        block.images[s, :, rows, columns] = painted
    if whole.max() < 0.3:
        return None
    _mark(block, rows, columns, whole, HYPERINTENSE if kind == "hyperintense" else ANOMALOUS, change)
    return kind


def read_outlines(
    masks: Sequence[np.ndarray], smallest_ml: float = 0.1, largest_ml: float = 40.0
) -> list[np.ndarray]:
    """The pieces of lesion masks as signed distances.

    Args:
        masks: bool (slices, rows, columns) of 1 mm voxels.

    Returns:
        float32 boxes, mm below the surface of a piece, negative outside.
    """
    found = []
    for mask in masks:
        labels, _ = ndimage.label(mask)
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            piece = np.pad(labels[box] == number, 3)
            if smallest_ml <= piece.sum() / 1000 <= largest_ml:
                inside = ndimage.distance_transform_edt(piece) - ndimage.distance_transform_edt(~piece)
                found.append(np.asarray(inside, np.float32))
    return found


def _centre(block: Block, rng: np.random.Generator, kind: str) -> tuple[int, int] | None:
    """A voxel of the middle slice: anywhere in the brain, more often in tissue."""
    middle = len(block.images) // 2
    brain = block.brain[middle]
    t1, flair = block.images[middle]
    allowed = brain
    if kind == "hyperintense":
        allowed = brain & (t1 > 0.7)
    elif rng.random() < 0.7:
        allowed = brain & (np.maximum(t1, flair) > 0.4)
    places = np.flatnonzero(allowed)
    if len(places) < 20:
        return None
    row, column = np.unravel_index(places[rng.integers(len(places))], brain.shape)
    return int(row), int(column)


def _melted(radius: float, rng: np.random.Generator) -> Shape:
    """One to five ellipsoids melted into one shape of about this radius (mm)."""
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
        return (1 + np.log(total + 1e-20) / 4) * np.float32(shrunk)

    return depth


def _outline(distance: np.ndarray, volume_ml: float, rng: np.random.Generator) -> Shape:
    """A real lesion's outline, turned at random and resized to a volume."""
    scale = float((volume_ml * 1000 / max((distance > 0).sum(), 1)) ** (1 / 3))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    centre = np.array([a.mean() for a in np.nonzero(distance > 0)])

    def depth(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        away = np.stack([z, y, x]).reshape(3, -1)
        index = rotation @ away / scale + centre[:, None]
        values = ndimage.map_coordinates(distance, index, order=1, mode="constant", cval=-9.0)
        return (values * scale).reshape(z.shape).astype(np.float32)

    return depth


def _content(kind: str, block: Block, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """T1 and FLAIR of a lesion's core and of the rest of it."""
    csf, white, grey = block.levels.csf, block.levels.white, block.levels.grey

    def between(low: float, high: float) -> np.ndarray:
        """A mixture of fluid (0) and white matter (1), each image on its own."""
        return (csf + rng.uniform(low, high, 2) * (white - csf)).astype(np.float32)

    def bright() -> np.ndarray:
        t1 = csf[0] + rng.uniform(0.25, 0.8) * (white[0] - csf[0])
        return np.array([t1, white[1] * rng.uniform(1.1, 2.2)], np.float32)

    if kind == "cavity":
        return between(-0.1, 0.45), bright()
    if kind == "gliosis":
        edge = bright()
        return edge, edge
    if kind == "fluid":
        core = between(-0.1, 0.25)
        return core, core
    if kind == "dark on T1":
        core = np.array([between(0.1, 0.7)[0], rng.uniform(*sorted((white[1], grey[1])))], np.float32)
        return core, core
    if kind == "hyperintense":
        t1 = csf[0] + rng.uniform(0.65, 1.0) * (white[0] - csf[0])
        core = np.array([t1, white[1] * rng.uniform(1.3, 2.2)], np.float32)
        return core, core
    core = np.array([rng.uniform(-0.2, 1.7), rng.uniform(-0.2, 2.2)], np.float32)
    return core, core


def _painted(
    image: np.ndarray,
    weight: np.ndarray,
    core: np.ndarray,
    content: tuple[np.ndarray, np.ndarray],
    foreign: np.ndarray | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """The two images of a box with the lesion in it: float32 (2, rows, columns)."""
    if foreign is not None:
        return (image + weight * (foreign - image)).astype(np.float32)
    inside, round_it = (values[:, None, None] for values in content)
    wanted = core * inside + (weight - core) * round_it
    patchy = ndimage.gaussian_filter(rng.standard_normal(image.shape).astype(np.float32), (0, 2, 2))
    noise = rng.uniform(0, 0.4) * patchy + 0.03 * rng.standard_normal(image.shape)
    return (image * (1 - weight) + wanted + weight * noise).astype(np.float32)


def _mark(block: Block, rows: slice, columns: slice, whole: np.ndarray, value: int, change: float) -> None:
    """Write the lesion into the target: its voxels, with a seam that does not count."""
    target, weight = block.target[rows, columns], block.weight[rows, columns]
    if change < _LEAST_CONTRAST:
        target[whole > 0.1] = IGNORED
        return
    seam = (whole > 0.08) & (whole <= 0.4)
    target[seam & (target == NORMAL)] = IGNORED
    inside = whole > 0.4 if (whole > 0.4).any() else whole == whole.max()
    target[inside] = value
    # A small lesion counts as much as the inner part of a large one.
    weight[inside] = np.clip(40 / np.sqrt(max(inside.sum(), 1)), 2.0, 12.0)
