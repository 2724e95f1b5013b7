"""Lesions painted into slices of prepared scans, for training: shape, place, contents and border drawn independently.

A generator of its own: it shares no code, no shapes and no table of tissues with `simulation`, which makes the
infarcts that detection is measured on. It is wide rather than realistic: a detector that has seen only one kind of
lesion finds only that kind (DISYRE v2: Naval Marimont et al. 2024). Some tissue is painted with itself and called
normal, so that the paint cannot be learnt.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from AnomalyDetectionLib.model.classes import IGNORED, INFARCT, NORMAL, WMH
from scipy import ndimage

from .lesion_contents import KINDS, Contents, draw_contents
from .lesion_shapes import Shape, draw_shape, flattened, radius_mm

IN_PLANE_MM = 0.9
SMALLEST_ML, LARGEST_ML = 0.03, 100.0

_DEEP, _DEEP_MM = 0.35, 24.0
"""Share of the infarcts not in the cortex that lie this deep: basal ganglia, thalamus, capsule, pons."""

_LEAST_CONTRAST = 0.6
"""A lesion that changes the image by fewer SDs of the tissue round it, on average, is neither asked for nor held against the
detector."""

_PARTS = (-0.375, -0.125, 0.125, 0.375)
"""Where in the thickness of a slice a shape is looked at, in slices: partial volume."""

Box = tuple[slice, slice, np.ndarray, np.ndarray]
"""Rows and columns of a box within a slice, and how many voxels each of them lies from the box's centre."""


@dataclass
class Block:
    """Slices that are painted on: the one thing here that changes."""

    images: np.ndarray  # float32 (slices, 2, rows, columns), T1 and FLAIR prepared
    brain: np.ndarray  # bool (slices, rows, columns)
    target: np.ndarray  # uint8 likewise, classes of the detector or IGNORED
    weight: np.ndarray  # float32 likewise: how much a voxel counts
    slice_mm: float  # distance of the slices
    noise: tuple[float, float]  # SD of the noise of T1 and of FLAIR

    @property
    def middle(self) -> int:
        """The number of the slice in the middle."""
        return len(self.images) // 2


def random_voxel(allowed: np.ndarray, rng: np.random.Generator) -> tuple[int, int] | None:
    """Row and column of one of these voxels of a slice, each as likely; None where there are hardly any."""
    places = np.flatnonzero(allowed)
    if len(places) < 20:
        return None
    row, column = np.unravel_index(places[rng.integers(len(places))], allowed.shape)
    return int(row), int(column)


def box_round(centre: tuple[int, int], reach: int, shape: Sequence[int]) -> Box:
    """A box that reaches so many voxels to either side of one of a slice, as far as the slice goes."""
    (row, column), (height, width) = centre, shape
    rows = slice(max(row - reach, 0), min(row + reach + 1, height))
    columns = slice(max(column - reach, 0), min(column + reach + 1, width))
    y, x = np.ogrid[rows, columns]
    return rows, columns, y - row, x - column


class Painted(NamedTuple):
    """A lesion that was painted."""

    label: int  # its class
    voxels: tuple[np.ndarray, ...]  # slices, rows and columns


def paint_lesion(
    block: Block,
    rng: np.random.Generator,
    outlines: Sequence[np.ndarray] = (),
    foreign: np.ndarray | None = None,
    at_slice: int | None = None,
    kinds: Collection[str] = KINDS,
) -> Painted | None:
    """Put one lesion of random volume, shape, place and contents into a block; None where there was no room.

    Args:
        outlines: of real lesions (see `lesion_shapes.read_outlines`); may be empty.
        foreign: float32, like the block's images, of another scan: foreign tissue.
        at_slice: the slice that it meets; None: the one in the middle.
        kinds: of contents, out of `KINDS`.
    """
    middle = block.middle if at_slice is None else at_slice
    contents = draw_contents(rng, foreign=foreign is not None, kinds=kinds)
    volume_ml = _volume(rng, contents)
    share = 0.6 if contents.kind == "faint gliosis" else 0.25
    cortical = contents.label == INFARCT and rng.random() < share
    centre = _centre(block, rng, contents.label, middle, cortical)
    if centre is None:
        return None
    shape = draw_shape(volume_ml, rng, outlines)
    box, weight, core = _filled(
        block, rng, contents, shape, radius_mm(volume_ml), (middle, *centre), cortical
    )
    return _fill(block, rng, contents, foreign, box, weight, core)


def _volume(rng: np.random.Generator, contents: Contents) -> float:
    """ml: most under 1, a few up to the largest; faint gliosis is wide."""
    which, low, high = rng.random(), SMALLEST_ML, 1.0
    if contents.kind == "faint gliosis":
        low, high = 0.3, 40.0
    elif contents.label == WMH:
        high = 6.0
    elif which >= 0.68:
        low, high = (1.0, 20.0) if which < 0.94 else (20.0, LARGEST_ML)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _centre(
    block: Block, rng: np.random.Generator, label: int, middle: int, cortical: bool
) -> tuple[int, int] | None:
    """A voxel of the middle slice in normal tissue; now and then in fluid, so that lesions open to it."""
    brain = block.brain[middle] & (block.target[middle] == NORMAL)
    t1, flair = block.images[middle]
    tissue = brain & (np.maximum(t1, flair) > 0.5)
    deep = label == INFARCT and not cortical and rng.random() < _DEEP
    if cortical or deep:
        depth_mm = ndimage.distance_transform_edt(block.brain[middle]) * IN_PLANE_MM
        return random_voxel(tissue & (depth_mm > _DEEP_MM if deep else depth_mm < 16), rng)
    if label == WMH:
        return random_voxel(tissue & (t1 > 0.82), rng)
    return random_voxel(tissue if rng.random() < 0.88 else brain, rng)


def _filled(
    block: Block,
    rng: np.random.Generator,
    contents: Contents,
    shape: Shape,
    radius: float,
    centre: tuple[int, int, int],
    cortical: bool,
) -> tuple[tuple[slice, slice, slice], np.ndarray, np.ndarray]:
    """A box, and how much of each of its voxels the lesion and its core fill: float32 (slices, rows, columns)."""
    middle, thickness, reach_mm = centre[0], block.slice_mm, 2.2 * radius + 4
    height = rng.uniform(-0.7, 0.7) * radius if rng.random() < 0.5 else rng.uniform(-0.5, 0.5) * thickness
    if rng.random() < 0.2:  # of one slice, at partial volume
        shape = flattened(shape, max(1.0, 2 * radius / (thickness * rng.uniform(0.3, 1.0))))
        height = rng.uniform(-0.3, 0.3) * thickness
    band_mm = rng.uniform(3, 10) if cortical and rng.random() < 0.5 else None
    reach, far = (int(np.ceil(reach_mm / mm)) for mm in (IN_PLANE_MM, thickness))
    slices = slice(max(middle - far, 0), min(middle + far + 1, len(block.images)))
    rows, columns, *offsets = box_round(centre[1:], reach, block.target.shape[1:])
    y, x = np.broadcast_arrays(*(np.float32(IN_PLANE_MM) * o.astype(np.float32) for o in offsets))
    soft = rng.uniform(0.4, 1.6) if rng.random() < 0.8 else rng.uniform(1.6, 5.0)
    spared = rng.random() < (0.8 if contents.kind in ("faint gliosis", "itself", "dark on T1") else 0.5)
    weights, cores = [], []
    for s in range(slices.start, slices.stop):
        weight, core = np.zeros((2, *y.shape), np.float32)
        for part in _PARTS:
            z = np.full(y.shape, (s - middle + part) * thickness + height, np.float32)
            depth = shape(z, y, x)
            weight += 0.25 * np.clip(depth / soft + 0.5, 0, 1)
            core += 0.25 * np.clip((depth - contents.rim_mm) / min(soft, 0.8) + 0.5, 0, 1)
        inside = block.brain[s, rows, columns].astype(np.float32)
        if band_mm is not None:
            surface = ndimage.distance_transform_edt(block.brain[s])[rows, columns] * IN_PLANE_MM
            inside = inside * np.clip((band_mm - surface) / 2 + 0.5, 0, 1)
        if spared:
            brightest = block.images[s, :, rows, columns].max(axis=0)
            inside = inside * np.clip((brightest - 0.25) / 0.25, 0, 1)
        weights.append(weight * inside)
        cores.append(np.minimum(core, weight) * inside)
    return (slices, rows, columns), np.stack(weights), np.stack(cores)


def _fill(
    block: Block,
    rng: np.random.Generator,
    contents: Contents,
    foreign: np.ndarray | None,
    box: tuple[slice, slice, slice],
    weight: np.ndarray,
    core: np.ndarray,
) -> Painted | None:
    """Mix the contents into the images, and write the lesion into the target."""
    if not weight.max(initial=0) >= 0.3:
        return None
    both = (box[0], slice(None), *box[1:])
    image = block.images[both]
    if contents.kind == "foreign tissue" and foreign is not None:
        wanted = foreign[both]
    else:
        wanted = _wanted(image, contents, core / np.maximum(weight, 1e-3), block.noise, rng)
    painted = (image + weight[:, None] * (wanted - image)).astype(np.float32)
    inside = weight > 0.4 if (weight > 0.4).any() else weight == weight.max()
    contrast = contrast_to_noise(image, painted, inside, block.brain[box])
    block.images[both] = painted
    target, counts = block.target[box], block.weight[box]
    if contents.label == NORMAL:
        counts[inside] *= 2.0
        return None
    if contrast < _LEAST_CONTRAST:
        target[(weight > 0.1) & (target == NORMAL)] = IGNORED
        return None
    target[(weight > 0.08) & ~inside & (target == NORMAL)] = IGNORED
    target[inside] = contents.label
    for s in np.flatnonzero(inside.any(axis=(1, 2))):  # small lesions count as much as large ones' inner part
        counts[s][inside[s]] = np.clip(60 / np.sqrt(np.count_nonzero(inside[s])), 1.5, 15.0)
    z, y, x = np.nonzero(inside)
    return Painted(contents.label, (z + box[0].start, y + box[1].start, x + box[2].start))


def _wanted(
    image: np.ndarray,
    contents: Contents,
    core_share: np.ndarray,
    noise: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """T1 and FLAIR of the box if it were all lesion."""
    smooth = ndimage.gaussian_filter(image, (0, 0, 2, 2)) if contents.kept or contents.relative else image
    core_share = core_share[:, None]
    core, rim = (values[None, :, None, None] for values in (contents.core, contents.rim))
    level = core_share * core + (1 - core_share) * rim
    texture = image - smooth
    if contents.relative:
        level = level * (image if contents.kind == "itself" and rng.random() < 0.5 else smooth)
        if contents.kind == "itself":
            texture = np.float32(rng.uniform(0.3, 1.0)) * texture
    else:
        texture = contents.kept * texture
    fine = np.array(noise, np.float32)[None, :, None, None] * contents.noise
    wanted = level + texture + fine * rng.standard_normal(image.shape, np.float32)
    if contents.patchy:
        sigma = contents.patch_mm / IN_PLANE_MM
        patches = ndimage.gaussian_filter(rng.standard_normal(image.shape, np.float32), (0, 0, sigma, sigma))
        wanted = wanted + contents.patchy * patches / max(float(patches.std()), 1e-6)
    return np.asarray(wanted, np.float32)


def contrast_to_noise(before: np.ndarray, after: np.ndarray, inside: np.ndarray, brain: np.ndarray) -> float:
    """How far a lesion stands out: the larger of T1's and FLAIR's mean change over the SD of the tissue round it.

    Args:
        before, after: (slices, 2, rows, columns), without and with the lesion.
        inside, brain: bool (slices, rows, columns).
    """
    ring = ndimage.binary_dilation(inside, np.ones((1, 7, 7), bool)) & ~inside & brain
    if np.count_nonzero(ring) < 8:
        ring = brain & ~inside
    change = np.abs((after - before).transpose(1, 0, 2, 3)[:, inside].mean(axis=1))
    spread = before.transpose(1, 0, 2, 3)[:, ring].std(axis=1) if ring.any() else np.ones(2)
    return float((change / np.maximum(spread, 1e-3)).max())
