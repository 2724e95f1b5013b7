"""Heads for the anatomy network to learn from: label maps, each deformed into several people.

Whole-head maps with FreeSurfer's labels inside the brain and SimNIBS charm's outside, as those that come with
SynthSeg (Billot et al., Med Image Anal 2023). Deforming takes seconds a head, so that it is done once, before
training; what is drawn anew for every image is in `anatomy_simulation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.anatomy import AnatomyLabel
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.atomic_file import atomic_file
from AnomalyDetectionLib.imaging.reading import read_volume
from scipy import ndimage

from ..simulation.shapes import largest_piece

SPACING_MM = (1.0, 0.9, 0.9)  # of a head's array: thin slices, so that thick ones can be averaged from them
ROWS, COLUMNS = 224, 192

_LABEL = AnatomyLabel
TISSUES: tuple[tuple[str, AnatomyLabel, tuple[int, ...]], ...] = (
    # Name, what it is part of, and labels of FreeSurfer's and charm's tables. Their order numbers them.
    ("air", _LABEL.OUTSIDE, (0,)),
    ("sulcal fluid", _LABEL.CSF, (24, 502, 514)),  # with the veins and membranes in it
    ("ventricular fluid", _LABEL.VENTRICLES, (4, 5, 14, 15, 43, 44, 72)),
    ("choroid plexus", _LABEL.VENTRICLES, (31, 63, 136, 137, 163, 164)),
    ("cortex", _LABEL.CORTEX, (3, 42)),
    ("hippocampus", _LABEL.CORTEX, (17, 18, 53, 54)),
    ("white matter", _LABEL.WHITE_MATTER, (2, 41, 25, 57, 30, 62, 77, 85)),
    ("thalamus", _LABEL.DEEP_GREY, (10, 49)),
    ("caudate", _LABEL.DEEP_GREY, (11, 50)),
    ("putamen", _LABEL.DEEP_GREY, (12, 51, 26, 58)),
    ("pallidum", _LABEL.DEEP_GREY, (13, 52)),
    ("cerebellar cortex", _LABEL.CEREBELLUM, (8, 47)),
    ("cerebellar white matter", _LABEL.CEREBELLUM, (7, 46)),
    ("brain stem", _LABEL.BRAIN_STEM, (16,)),
    ("ventral diencephalon", _LABEL.BRAIN_STEM, (28, 60)),
    ("soft tissue", _LABEL.OUTSIDE, (507, 508, 530)),
    ("skin", _LABEL.OUTSIDE, (509, 511)),
    ("bone", _LABEL.OUTSIDE, (515,)),
    ("marrow", _LABEL.OUTSIDE, (516,)),
    ("eyes", _LABEL.OUTSIDE, (506,)),
    ("nerves and cord", _LABEL.OUTSIDE, (512,)),
)
NUMBER = {name: number for number, (name, _, _) in enumerate(TISSUES)}
ANATOMY = np.array([label for _, label, _ in TISSUES], np.uint8)  # of each tissue
_BRAIN = [n for n, label in enumerate(ANATOMY) if label not in (_LABEL.OUTSIDE, _LABEL.CSF)]
_MASK_BIT = 128
_FIELD_MM = 4.0  # the deformation is smooth: known on a coarse lattice


@dataclass(frozen=True)
class LabelledHead:
    """A person's head as tissues, LPS, the brain in the middle of its slices."""

    tissue: np.ndarray  # uint8 (slices, ROWS, COLUMNS) of `SPACING_MM`, indices into `TISSUES`
    brain: np.ndarray  # bool, the same shape: the brain mask that a program would find


def deformed_head(path: Path, rng: np.random.Generator) -> LabelledHead:
    """One person made from a label map: turned, scaled, bent, mirrored or not, with narrow or wide ventricles and sulci."""
    image = read_volume(path, role="label map", mask=True).image
    image = sitk.DICOMOrient(sitk.Cast(image, sitk.sitkInt16), "LPS")
    table = np.zeros(1024, np.uint8)
    for number, (_, _, values) in enumerate(TISSUES):
        table[list(values)] = number
    native = table[np.clip(sitk.GetArrayFromImage(image), 0, 1023)]
    if not (native == NUMBER["white matter"]).any():
        raise InputError(f"The label map {path} has no white matter as FreeSurfer numbers it: leave it out.")
    spacing = np.asarray(image.GetSpacing()[::-1])
    if rng.random() < 0.5:
        native = native[:, :, ::-1]
    tissue = _deformed(native, spacing, rng)
    _widen_sulci(tissue, rng)
    return LabelledHead(tissue, _brain_mask(tissue, int(rng.integers(5, 10))))


def write_heads(heads: dict[str, LabelledHead], path: Path) -> None:
    """Put heads into one compressed file."""
    packed = {name: head.tissue | (head.brain * np.uint8(_MASK_BIT)) for name, head in heads.items()}
    with atomic_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **packed)  # type: ignore[arg-type]


def read_heads(path: Path) -> dict[str, LabelledHead]:
    """Heads that `write_heads` wrote; an InputError if the file is missing or something else."""
    try:
        with np.load(path, allow_pickle=False) as content:
            packed = {name: content[name] for name in content.files}
        return {name: LabelledHead(p & (_MASK_BIT - 1), p >= _MASK_BIT) for name, p in packed.items()}
    except Exception as error:  # a damaged archive raises almost anything
        raise InputError(f"{path} cannot be read as heads: remove it, and it is made anew.") from error


def _deformed(native: np.ndarray, spacing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The map on the heads' grid, through a random similarity, a smooth bend and a push from the ventricles."""
    inside = np.argwhere(np.isin(native, _BRAIN) & (native != NUMBER["brain stem"]))
    low, high = inside.min(axis=0) * spacing, inside.max(axis=0) * spacing
    middle = (low + high) / 2
    angles = np.deg2rad(rng.normal(0, (9, 4, 4)).clip(-20, 20))  # nodding, tilting, turning
    turn = _rotation(angles) * rng.normal(0.965, 0.04, 3).clip(0.87, 1.08)
    # Slices to cover the turned brain, with some air above and neck below.
    shape = (int((float(high[0] - low[0]) + 50) / SPACING_MM[0]), ROWS, COLUMNS)
    lattice = tuple(int(np.ceil(n * mm / _FIELD_MM)) + 1 for n, mm in zip(shape, SPACING_MM, strict=True))
    axes = [(np.arange(n) - (n - 1) / 2) * _FIELD_MM for n in lattice]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float32)
    source = places @ turn.T.astype(np.float32) + middle.astype(np.float32)
    for amount, step in ((rng.uniform(0, 4), 10), (rng.uniform(0, 2), 4)):
        source += amount * np.stack([_smooth(rng, lattice, step) for _ in range(3)], axis=-1)
    source -= _push(native, spacing, source, rng)
    along = _stretched(lattice, shape)
    index = [
        ndimage.map_coordinates(source[..., a] / spacing[a], along, np.float32, order=1) for a in range(3)
    ]
    return ndimage.map_coordinates(native, index, order=0, mode="constant", cval=0)


def _push(
    native: np.ndarray, spacing: np.ndarray, source: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """mm by which tissue has moved away from the ventricles (towards them, if negative), at places in the map."""
    coarse = native[::2, ::2, ::2]
    fluid = coarse == NUMBER["ventricular fluid"]
    distance = ndimage.distance_transform_edt(~fluid, sampling=2 * spacing).astype(np.float32)
    distance = ndimage.gaussian_filter(distance, 1.5)
    amount = rng.uniform(0, 7) if rng.random() < 0.7 else rng.uniform(-1.5, 0)
    strength = amount * np.exp(-distance / rng.uniform(8, 16))
    index = [source[..., axis] / (2 * spacing[axis]) for axis in range(3)]
    slopes = np.gradient(distance, *(2 * spacing))
    pushes = [(slope * strength).astype(np.float32) for slope in slopes]
    return np.stack(
        [ndimage.map_coordinates(push, index, order=1, mode="nearest") for push in pushes], axis=-1
    )


def _widen_sulci(tissue: np.ndarray, rng: np.random.Generator) -> None:
    """Let fluid grow into the cortex, and the cortex into the white matter, here and there; in place."""
    share = rng.uniform(0, 0.9)
    if rng.random() < 0.4:
        return
    coarse = _smooth(rng, (8, 10, 9), 2)
    here = ndimage.map_coordinates(coarse, _stretched(coarse.shape, tissue.shape), order=1)
    here = here < np.sqrt(2) * (2 * share - 1)
    for grows, into in (("sulcal fluid", "cortex"), ("cortex", "white matter")):
        wide = ndimage.binary_dilation(tissue == NUMBER[grows])
        tissue[wide & here & (tissue == NUMBER[into])] = NUMBER[grows]


def _brain_mask(tissue: np.ndarray, reach: int) -> np.ndarray:
    """The brain with the fluid in its sulci and gaps up to twice the reach (voxels), not that under the skull."""
    brain = np.isin(tissue, _BRAIN)
    closed = _grown(_grown(brain, reach), -reach)
    fluid = (tissue == NUMBER["sulcal fluid"]) & closed
    return largest_piece(ndimage.binary_opening(brain | fluid, iterations=2))


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    """Dilated (or eroded) by so many voxels with a rounded shape."""
    crosses = ndimage.generate_binary_structure(3, 1), ndimage.generate_binary_structure(3, 2)
    for step in range(abs(by)):
        change = ndimage.binary_dilation if by > 0 else ndimage.binary_erosion
        mask = change(mask, crosses[step % 2], border_value=by < 0)
    return mask


def _rotation(angles: np.ndarray) -> np.ndarray:
    """(3, 3) for places as (slice, row, column): about the column, row and slice axes in turn."""
    turn = np.eye(3)
    for angle, (a, b) in zip(angles, ((0, 1), (0, 2), (1, 2)), strict=True):
        one = np.eye(3)
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        turn = turn @ one
    return turn


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], step: int) -> np.ndarray:
    """Noise of variance about 1 that varies over `step` elements: float32 of the shape."""
    nodes = rng.standard_normal([n // step + 4 for n in shape]).astype(np.float32)
    field = ndimage.zoom(nodes, [n / (m - 1) for n, m in zip(shape, nodes.shape, strict=True)], order=3)
    field = np.pad(field, [(0, max(0, n - m)) for n, m in zip(shape, field.shape, strict=True)], mode="edge")
    field = field[tuple(slice(0, n) for n in shape)]
    return (field / max(float(field.std()), 1e-3)).astype(np.float32)


def _stretched(lattice: tuple[int, ...], shape: tuple[int, ...]) -> Sequence[np.ndarray]:
    """The places in a lattice that lie under the voxels of an array stretched over it: float32 indices."""
    lines = (np.linspace(0, m - 1, n, dtype=np.float32) for n, m in zip(shape, lattice, strict=True))
    return np.meshgrid(*lines, indexing="ij")
