"""Slices as a scanner might show them, from heads as tissues: contrast, resolution, lesions, noise, all at random.

After Billot et al. (SynthSeg, Med Image Anal 2023): a network that has seen every contrast needs no scan of the
scanner it will meet. Here the ranges are those of T1 and FLAIR, now and then much wider; slices are thick.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from AnomalyDetectionLib.model.anatomy_network import CLASSES, anatomy_inputs
from scipy import ndimage
from torch.nn import functional

from .anatomy_heads import ANATOMY, COLUMNS, NUMBER, ROWS, SPACING_MM, TISSUES, LabelledHead

SHAPE = (208, 176)  # rows and columns of what is drawn
NOT_JUDGED = 255  # the label of voxels that do not count: those outside the brain mask

_Ranges = dict[str, tuple[tuple[float, float], tuple[float, float]]]
_TOWARDS_WHITE: _Ranges = {
    # Where between grey (0) and white matter (1) a tissue lies on T1 and on FLAIR.
    "hippocampus": ((-0.2, 0.2), (-0.4, 0.2)),
    "thalamus": ((0.2, 0.8), (0.2, 1.0)),
    "caudate": ((-0.1, 0.3), (-0.2, 0.5)),
    "putamen": ((0.0, 0.5), (0.0, 0.9)),
    "pallidum": ((0.4, 1.1), (0.5, 1.8)),
    "cerebellar cortex": ((-0.3, 0.4), (-0.3, 0.9)),
    "cerebellar white matter": ((0.6, 1.2), (0.5, 1.4)),
    "brain stem": ((0.4, 1.1), (0.3, 1.4)),
    "ventral diencephalon": ((0.3, 1.0), (0.2, 1.2)),
}
_BESIDE_WHITE: _Ranges = {
    # The signal of what is no tissue of the brain, white matter being 1.
    "air": ((0.0, 0.06), (0.0, 0.06)),
    "choroid plexus": ((0.35, 0.9), (0.2, 1.4)),
    "soft tissue": ((0.3, 1.6), (0.2, 1.3)),
    "skin": ((0.4, 1.6), (0.2, 1.3)),
    "bone": ((0.0, 0.3), (0.0, 0.3)),
    "marrow": ((0.2, 1.8), (0.1, 1.2)),
    "eyes": ((0.1, 0.5), (0.0, 0.4)),
    "nerves and cord": ((0.5, 1.1), (0.5, 1.3)),
}
_Signals = tuple[np.ndarray, np.ndarray]  # of each of `TISSUES` on T1 and FLAIR, white matter being about 1


@dataclass(frozen=True)
class Slices:
    """Neighbouring slices of one person as one scanner shows them."""

    inputs: np.ndarray  # float32 (slices, channels, rows, columns), as the network reads them
    labels: np.ndarray  # uint8 (slices, rows, columns), values of `AnatomyLabel`, or `NOT_JUDGED`


class HeadPainter:
    """Draws slices of one head. `rng`: for the voxels that a scan's percentiles are taken from."""

    def __init__(self, head: LabelledHead, rng: np.random.Generator) -> None:
        self._head = head
        held = np.flatnonzero(head.brain.any(axis=(1, 2)))
        self._low, self._high = int(held[0]), int(held[-1])
        places = np.argwhere(head.brain)
        places = places[rng.choice(len(places), min(6000, len(places)), replace=False)]
        planes = np.clip(places[:, 0, None] + np.arange(-2, 3), 0, len(head.tissue) - 1)
        self._sample = head.tissue[planes, places[:, 1, None], places[:, 2, None]]

    def draw(self, rng: np.random.Generator, count: int) -> Slices:
        """So many neighbouring slices with a new contrast, resolution, view, mask and lesions."""
        spacing_mm = rng.uniform(2.5, 5.0) if rng.random() < 0.85 else rng.uniform(1.0, 2.5)
        thickness_mm = spacing_mm * (rng.uniform(0.75, 1.0) if rng.random() < 0.5 else 1.0)
        tissue, brain, height_mm = self._cut(rng, count, spacing_mm, thickness_mm)
        shares = _shares(ANATOMY[tissue])
        mask, plausible = _drawn_mask(brain, shares, rng)
        signals = _contrast(rng)
        images = [_averaged(signal, tissue, rng) for signal in signals]
        _add_lesions(images, signals, shares, spacing_mm, rng)
        scaled = []
        for image, signal in zip(images, signals, strict=True):
            image = _seen(image, rng)
            if plausible:
                reference = signal[self._sample].mean(axis=1)
            else:  # percentiles of what a wrong mask holds
                reference = image[mask] if mask.any() else signal[self._sample[:, 2]]
            low, high = (np.percentile(reference, rng.uniform(*ends)) for ends in ((2, 9), (90, 98)))
            image = (image - low) / max(high - low, 0.1)
            noise = rng.standard_normal(image.shape, np.float32)
            scaled.append(image + np.float32(rng.uniform(0.003, 0.06)) * noise)
        labels = shares[:, 1:-1].argmax(axis=0).astype(np.uint8)
        labels[~mask[1:-1]] = NOT_JUDGED
        t1, flair = (image.astype(np.float32) for image in scaled)
        inputs = anatomy_inputs(t1, flair, mask, height_mm)
        if rng.random() < 0.2:  # the scan ends here
            end, gone = (0, (0, 3)) if rng.random() < 0.5 else (-1, (2, 5))
            inputs[end, list(gone)] = 0
        return Slices(inputs, labels)

    def _cut(
        self, rng: np.random.Generator, count: int, spacing_mm: float, thickness_mm: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tissues (count + 2, planes of a slice, rows, columns), brain (count + 2, rows, columns), heights."""
        reach = (count - 1) * spacing_mm / SPACING_MM[0]
        first = rng.uniform(self._low - 1, max(self._low, self._high + 1 - reach))
        middles = first + (np.arange(count + 2) - 1) * spacing_mm / SPACING_MM[0]
        within = max(1, round(thickness_mm / SPACING_MM[0]))
        offsets = ((np.arange(within) + 0.5) / within - 0.5) * thickness_mm / SPACING_MM[0]
        planes = np.rint(middles[:, None] + offsets).astype(int)
        there = (planes.min(axis=1) >= 0) & (planes.max(axis=1) < len(self._head.tissue))
        planes = np.clip(planes, 0, len(self._head.tissue) - 1)
        view = _view(rng)
        tissue = self._head.tissue.reshape(-1, ROWS * COLUMNS)[planes.ravel()][:, view]
        brain = self._head.brain.reshape(-1, ROWS * COLUMNS)[planes[:, within // 2]][:, view]
        brain &= there[:, None]
        top = self._high + rng.normal(0, 5)
        if rng.random() < 0.1:  # the scan does not reach the top
            top -= rng.uniform(0, 50)
        height_mm = ((top - middles) * SPACING_MM[0]).astype(np.float32)
        return tissue.reshape(count + 2, within, *SHAPE), brain.reshape(count + 2, *SHAPE), height_mm


def _shares(anatomy: np.ndarray) -> np.ndarray:
    """How much of each voxel each part of the brain fills: float32 (CLASSES, slices, rows, columns)."""
    planes = anatomy.shape[1]
    counts = [(anatomy == k).view(np.uint8).sum(axis=1, dtype=np.uint8) for k in range(CLASSES)]
    return np.stack(counts).astype(np.float32) / np.float32(planes)


def _view(rng: np.random.Generator) -> np.ndarray:
    """Flat indices into a plane of a head: shifted, turned, scaled, mirrored."""
    row, column = np.meshgrid(*((np.arange(n) - (n - 1) / 2) for n in SHAPE), indexing="ij")
    angle, scale = np.deg2rad(rng.normal(0, 5)), rng.uniform(0.93, 1.07, 2)
    if rng.random() < 0.5:
        scale[1] *= -1
    y = scale[0] * (row * np.cos(angle) - column * np.sin(angle)) + (ROWS - 1) / 2 + rng.uniform(-8, 8)
    x = scale[1] * (row * np.sin(angle) + column * np.cos(angle)) + (COLUMNS - 1) / 2 + rng.uniform(-6, 6)
    y, x = np.rint(y).clip(0, ROWS - 1).astype(int), np.rint(x).clip(0, COLUMNS - 1).astype(int)
    return (y * COLUMNS + x).ravel()


def _contrast(rng: np.random.Generator) -> _Signals:
    signals = []
    wide = rng.random() < 0.35
    anything = rng.random(2) < 0.05
    greys = ((0.5, 1.0), (0.9, 1.6)) if wide else ((0.68, 0.90), (1.0, 1.4))
    fluids = ((0.0, 0.6), (0.0, 0.6)) if wide else ((0.15, 0.42), (0.0, 0.35))
    for channel in range(2):
        grey, fluid = rng.uniform(*greys[channel]), rng.uniform(*fluids[channel])
        signal = np.ones(len(TISSUES), np.float32)
        signal[NUMBER["cortex"]] = grey
        for name, ranges in _TOWARDS_WHITE.items():
            part = rng.uniform(*ranges[channel])
            signal[NUMBER[name]] = grey + part * (1 - grey) + rng.normal(0, 0.02)
        for name, ranges in _BESIDE_WHITE.items():
            signal[NUMBER[name]] = rng.uniform(*ranges[channel])
        signal[NUMBER["sulcal fluid"]] = fluid * rng.uniform(0.8, 1.4)
        signal[NUMBER["ventricular fluid"]] = fluid
        signals.append(rng.random(len(TISSUES)).astype(np.float32) if anything[channel] else signal)
    return signals[0], signals[1]


def _averaged(signal: np.ndarray, tissue: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The signal averaged over the planes of each slice, a little uneven within each tissue."""
    image = signal[tissue[:, 0]]
    for plane in range(1, tissue.shape[1]):
        image += signal[tissue[:, plane]]
    image /= np.float32(tissue.shape[1])
    grain = _smooth(rng, image.shape, (len(image), *(n // 2 for n in SHAPE)))
    even = (tissue[:, tissue.shape[1] // 2] != NUMBER["soft tissue"]).astype(np.float32)
    return image * (1 + grain * (rng.uniform(0.0, 0.06) * even + rng.uniform(0.1, 0.5) * (1 - even)))


def _seen(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blurred in the plane, with what the bias correction left."""
    sigma = rng.uniform(0.2, 1.1)
    image = ndimage.gaussian_filter(image, (0, sigma, sigma), truncate=2.5)
    return image * np.exp(np.float32(rng.uniform(0, 0.10)) * _smooth(rng, image.shape, (2, 5, 4)))


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], nodes: tuple[int, ...]) -> np.ndarray:
    """Noise of variance about 1 at so many nodes, linear between them: float32 of the shape."""
    values = torch.from_numpy(rng.standard_normal((1, 1, *nodes), np.float32))
    return functional.interpolate(values, shape, mode="trilinear", align_corners=True)[0, 0].numpy()


def _add_lesions(
    images: list[np.ndarray],
    signals: _Signals,
    shares: np.ndarray,
    spacing_mm: float,
    rng: np.random.Generator,
) -> None:
    """White matter hyperintensities, cavities and what surrounds them, in place; the anatomy stays as it was."""
    t1_signal, flair_signal = signals
    white, fluid, grey = (NUMBER[name] for name in ("white matter", "ventricular fluid", "cortex"))
    solid = shares[3:].sum(axis=0)
    bright = max(1.0, float(flair_signal[grey])) * rng.uniform(1.1, 2.0)
    dull = float(t1_signal[white]) * rng.uniform(0.55, 0.95)
    if rng.random() < 0.5:  # a rim round the ventricles
        near = ndimage.gaussian_filter(shares[2], (0, *(2 * [rng.uniform(1.5, 5)])), truncate=2.5)
        rim = np.clip(near * rng.uniform(1, 4), 0, 1) * shares[4]
        _blend(images, rim, (dull, bright))
    if rng.random() < 0.6:
        patches = _blobs(shares[4] > 0.7, rng, int(rng.integers(1, 25)), spacing_mm)
        _blend(images, patches * shares[4], (dull, bright))
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 5))):
            largest_mm = 25.0 if rng.random() < 0.1 else 9.0
            level = rng.uniform(0.2, 0.9)
            cavity, rim = _cavity(solid > 0.7, rng, largest_mm, spacing_mm)
            _blend(images, rim * solid, (dull, bright))
            t1_fluid = float(t1_signal[fluid]) * rng.uniform(0.8, 1.6)
            flair_fluid = float(flair_signal[fluid]) * rng.uniform(0.8, 3)
            _blend(images, level * cavity * solid, (t1_fluid, flair_fluid))


def _blend(images: list[np.ndarray], amount: np.ndarray, signals: tuple[float, float]) -> None:
    for image, signal in zip(images, signals, strict=True):
        image += amount * (signal - image)


def _blobs(sites: np.ndarray, rng: np.random.Generator, count: int, spacing_mm: float) -> np.ndarray:
    """Soft ellipsoids in sites: float32 0 to 1."""
    amount = np.zeros(sites.shape, np.float32)
    places = np.argwhere(sites)
    for place in places[rng.integers(0, len(places), count)] if len(places) else ():
        radius = float(np.exp(rng.uniform(0, np.log(7.0))))
        box, distance = _ellipsoid(sites.shape, place, radius * rng.uniform(0.7, 1.4, 3), spacing_mm)
        amount[box] = np.maximum(amount[box], np.clip(2.5 * (1.2 - distance), 0, 1))
    return amount


def _cavity(
    sites: np.ndarray, rng: np.random.Generator, largest_mm: float, spacing_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """A soft ellipsoid and the rim that surrounds it, or does not."""
    cavity, rim = np.zeros((2, *sites.shape), np.float32)
    places = np.argwhere(sites)
    if len(places):
        radius = float(np.exp(rng.uniform(0, np.log(largest_mm)))) * rng.uniform(0.6, 1.5, 3)
        box, distance = _ellipsoid(sites.shape, places[rng.integers(len(places))], radius, spacing_mm)
        cavity[box] = np.clip(4 * (1.1 - distance), 0, 1)
        rim[box] = np.clip(3 * (rng.uniform(0.9, 1.6) - distance), 0, 1) * rng.uniform(0.0, 1.0)
    return cavity, rim


def _ellipsoid(
    shape: tuple[int, ...], place: np.ndarray, radii_mm: np.ndarray, spacing_mm: float
) -> tuple[tuple[slice, ...], np.ndarray]:
    """A box round a place, and how far its voxels lie from the middle, 1 being the surface."""
    box, squares = [], []
    for size, at, radius, mm in zip(shape, place, radii_mm, (spacing_mm, *SPACING_MM[1:]), strict=True):
        reach = 1.8 * radius / mm
        low, high = max(0, int(at - reach)), min(size, int(at + reach) + 2)
        box.append(slice(low, high))
        squares.append(((np.arange(low, high) - at) * mm / radius).astype(np.float32) ** 2)
    z, y, x = squares
    return tuple(box), np.sqrt(z[:, None, None] + y[:, None] + x)


def _drawn_mask(brain: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """The brain mask as a program, or a person's mistake, might give it, and whether it is nearly right."""
    kind = rng.random()
    if kind < 0.1:  # as a stripped scan has it: tissue and little else
        return brain & (shares[2:].sum(axis=0) > rng.uniform(0.3, 0.7)), True
    soft = ndimage.gaussian_filter(brain.astype(np.float32), (0, 2.0, 2.0), truncate=2.0)
    wave = _smooth(rng, brain.shape, (len(brain) // 2 + 1, 14, 12))
    mask = soft > 0.5 + np.clip(rng.uniform(0, 0.3) * wave, -0.45, 0.45)
    if kind < 0.6:
        return mask, True
    for below, change, reach, plausible in (
        (0.8, ndimage.maximum_filter, (1, 5), True),
        (0.88, ndimage.minimum_filter, (1, 6), True),
        (0.95, ndimage.maximum_filter, (5, 12), False),
    ):
        if kind < below:
            size = 2 * int(rng.integers(*reach)) + 1
            return change(mask, (1, size, size)), plausible
    return np.roll(mask, rng.integers(-25, 26, 2), (1, 2)), False
