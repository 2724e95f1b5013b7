"""Chronic infarcts put into a prepared scan of a real brain, at the scan's own contrast and noise.

METHOD.md, "Simulating infarcts": the signal equations say where gliosis and cavity lie between the levels of
CSF, grey and white matter; those three levels are read off the scan, so that a lesion of a post-contrast T1
or of a low-contrast FLAIR looks like one of that scanner. A lesion is drawn finer than the slices, blurred
by the scan's resolution, averaged over the slice thickness, blended in, and given the scan's noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .shapes import radius_mm, random_rotation
from .signals import (
    CSF,
    GLIOTIC_RIM,
    GREY_MATTER,
    OLD_CAVITY,
    WHITE_MATTER,
    Tissue,
    gradient_echo,
    vary_lesion,
)
from .signals import flair as flair_signal

KINDS = ("cortical", "lacunar", "large subcortical", "infratentorial")
SUBSLICES = 4


@dataclass(frozen=True)
class InsertedInfarct:
    """One simulated infarct.

    Attributes:
        number: its value in the truth label map, from 1.
        kind: one of `KINDS`.
        cavitated: a CSF-like core with a gliotic rim, or gliosis throughout.
        volume_ml: of its voxels in the truth label map.
    """

    number: int
    kind: str
    cavitated: bool
    volume_ml: float


@dataclass(frozen=True)
class InfarctedScan:
    """A scan with infarcts in it: t1 and flair as they were given but for the lesions, truth uint16."""

    t1: np.ndarray
    flair: np.ndarray
    truth: np.ndarray
    infarcts: tuple[InsertedInfarct, ...]


@dataclass(frozen=True)
class TissueLevels:
    """Median T1 and FLAIR intensity of CSF, grey and white matter, and the noise (SD) of each image."""

    csf: tuple[float, float]
    grey: tuple[float, float]
    white: tuple[float, float]
    noise: tuple[float, float]

    def of(self, tissue: Tissue, channel: int) -> float:
        """The intensity of a tissue in one channel (0 T1, 1 FLAIR).

        The signal equations say where it lies between CSF and white matter, the scan's levels what that
        means here. White matter is the anchor because at 2 mm grey matter is full of partial volume; drawn
        so, the table's white matter hyperintensity comes to 1.65 of the way on FLAIR, and those in the masks
        of 18 nichart scans lie at a median of 1.77.
        """
        signal = (gradient_echo, flair_signal)[channel]
        dark, bright = signal(CSF), signal(WHITE_MATTER)
        position = (signal(tissue) - dark) / (bright - dark)
        return self.csf[channel] + position * (self.white[channel] - self.csf[channel])


def tissue_levels(t1: np.ndarray, flair: np.ndarray, brain: np.ndarray) -> TissueLevels:
    """Read the levels of the three tissues off a scan: three clusters of the T1 intensities in the brain.

    Args:
        t1, flair: (slices, rows, columns), any units.
        brain: bool, same shape.
    """
    values, bright = t1[brain].astype(np.float64), flair[brain].astype(np.float64)
    centres = np.percentile(values, [5, 45, 85])
    for _ in range(30):
        nearest = np.abs(values[:, None] - centres).argmin(1)
        centres = np.array([np.median(values[nearest == k]) for k in range(3)])
    levels = [(float(centres[k]), float(np.median(bright[nearest == k]))) for k in range(3)]
    # The CSF cluster is full of partial volume; its darker half is nearer to pure CSF.
    dark = nearest == 0
    pure = dark & (bright <= np.percentile(bright[dark], 50))
    csf = (float(np.median(values[pure])), float(np.median(bright[pure])))
    white = np.zeros(brain.shape, bool)
    white[brain] = nearest == 2
    core = ndimage.binary_erosion(white, np.ones((1, 3, 3)))
    noise = tuple(
        float(_noise(image.astype(np.float64), core if core.sum() > 500 else white)) for image in (t1, flair)
    )
    return TissueLevels(csf, levels[1], levels[2], (noise[0], noise[1]))


def _noise(image: np.ndarray, where: np.ndarray) -> float:
    """Noise SD from the residual of a 3 x 3 in-plane mean (whose own noise makes it sqrt(8/9) smaller)."""
    residual = (image - ndimage.uniform_filter(image, (1, 3, 3)))[where]
    return 1.4826 * float(np.median(np.abs(residual - np.median(residual)))) / np.sqrt(8 / 9)


def random_volume_ml(rng: np.random.Generator) -> float:
    """A volume like the paper's test set: median 0.44 ml, log-normal, 0.036 to 156 ml."""
    return float(np.clip(np.exp(rng.normal(np.log(0.44), 1.4)), 0.036, 156.0))


def insert_infarcts(
    t1: np.ndarray,
    flair: np.ndarray,
    brain: np.ndarray,
    spacing: tuple[float, float, float],
    *,
    count: int,
    rng: np.random.Generator,
    avoid: np.ndarray | None = None,
    blur_mm: float = 0.9,
) -> InfarctedScan:
    """Put `count` chronic infarcts of the paper's four kinds into a scan.

    Args:
        t1, flair: float32 (slices, rows, columns) in any units; not changed.
        brain: bool, same shape.
        spacing: mm of a voxel along columns, rows and slices (x, y, z).
        count: how many infarcts; fewer when the brain has no room left.
        rng: every random choice comes from it.
        avoid: bool, same shape: tissue that must stay as it is, such as known lesions.
        blur_mm: the scan's in-plane resolution (full width at half maximum).
    """
    levels = tissue_levels(t1, flair, brain)
    places = _places(t1, brain, spacing, levels)
    taken = np.zeros(brain.shape, bool) if avoid is None else avoid.copy()
    free = brain & ~taken
    images = [t1.astype(np.float32).copy(), flair.astype(np.float32).copy()]
    truth = np.zeros(brain.shape, np.uint16)
    infarcts: list[InsertedInfarct] = []
    for _ in range(20 * count):
        if len(infarcts) == count:
            break
        kind = str(rng.choice(KINDS, p=(0.25, 0.45, 0.12, 0.18)))
        volume = _volume_for(kind, rng)
        candidates = np.flatnonzero(places[kind] & ~taken)
        if not candidates.size:
            continue
        centre = np.unravel_index(int(rng.choice(candidates)), brain.shape)
        lesion, core = _draw(brain.shape, spacing, centre, volume, kind, rng)
        cavitated = bool(rng.random() < 0.7)
        window = tuple(slice(lo, hi) for lo, hi in zip(lesion.lower, lesion.upper, strict=True))
        inside = (lesion.fraction >= 0.5) & brain[window]
        if not inside.any() or taken[window][inside].any():
            continue
        fraction = _blur(lesion.fraction, spacing, blur_mm) * free[window]
        core_fraction = _blur(core.fraction, spacing, blur_mm) * free[window] if cavitated else 0 * fraction
        gliosis = vary_lesion(GLIOTIC_RIM, WHITE_MATTER, GREY_MATTER, rng)
        fluid = vary_lesion(OLD_CAVITY, WHITE_MATTER, GREY_MATTER, rng)
        for channel, image in enumerate(images):
            rim = levels.of(gliosis, channel)
            cavity = levels.of(fluid, channel)
            noise = levels.noise[channel] * _correlated_noise(rng, fraction.shape, spacing, blur_mm)
            target = rim * (fraction - core_fraction) + cavity * core_fraction + noise * fraction
            image[window] = image[window] * (1 - fraction) + target
        number = len(infarcts) + 1
        truth[window][inside] = number
        taken[window] |= ndimage.binary_dilation(inside, np.ones((1, 7, 7)))
        infarcts.append(
            InsertedInfarct(number, kind, cavitated, float(inside.sum() * np.prod(spacing) / 1000.0))
        )
    return InfarctedScan(images[0], images[1], truth, tuple(infarcts))


def _volume_for(kind: str, rng: np.random.Generator) -> float:
    """Draw volumes until one suits the kind: a lacune is 3 to 15 mm across, a large infarct is not."""
    low, high = {"lacunar": (0.036, 1.77), "large subcortical": (1.77, 20.0)}.get(kind, (0.036, 80.0))
    for _ in range(1000):
        volume = random_volume_ml(rng)
        if low <= volume <= high:
            return volume
    return low


def _places(
    t1: np.ndarray, brain: np.ndarray, spacing: tuple[float, float, float], levels: TissueLevels
) -> dict[str, np.ndarray]:
    """Where the centre of each kind of infarct may lie: brain tissue (not CSF) of the right depth."""
    tissue = brain & (t1 > (levels.csf[0] + levels.grey[0]) / 2)
    sampling = (spacing[2], spacing[1], spacing[0])
    depth = ndimage.distance_transform_edt(np.pad(brain, 1), sampling=sampling)[1:-1, 1:-1, 1:-1]
    slices = np.arange(brain.shape[0])[:, None, None] / brain.shape[0]
    rows = np.flatnonzero(brain.any((0, 2)))
    behind = np.arange(brain.shape[1])[None, :, None] > (rows[0] + rows[-1]) / 2
    low = (slices < 0.28) & behind
    return {
        "cortical": tissue & (depth < 12) & ~low,
        "lacunar": tissue & (depth > 18) & (slices > 0.28),
        "large subcortical": tissue & (depth > 22) & (slices > 0.3),
        "infratentorial": tissue & low & (depth > 4),
    }


@dataclass(frozen=True)
class _Occupancy:
    """The fraction of each voxel that a shape fills, within the window lower <= index < upper."""

    fraction: np.ndarray
    lower: tuple[int, ...]
    upper: tuple[int, ...]


def _draw(
    shape: tuple[int, ...],
    spacing: tuple[float, float, float],
    centre: tuple[np.intp, ...],
    volume_ml: float,
    kind: str,
    rng: np.random.Generator,
) -> tuple[_Occupancy, _Occupancy]:
    """A noise-deformed ellipsoid of the given volume, and the core that a cavity fills."""
    radius = radius_mm(volume_ml)
    step = np.array([spacing[2], spacing[1], spacing[0]])
    half = np.ceil((2.2 * radius + 2) / step).astype(int)
    lower = [max(0, int(c) - int(h)) for c, h in zip(centre, half, strict=True)]
    upper = [min(n, int(c) + int(h) + 1) for c, h, n in zip(centre, half, shape, strict=True)]
    offsets = (np.arange(SUBSLICES) + 0.5) / SUBSLICES - 0.5
    z = (np.arange(lower[0], upper[0])[:, None] + offsets).ravel()
    axes = (z - float(centre[0]), np.arange(lower[1], upper[1]) - float(centre[1]),
            np.arange(lower[2], upper[2]) - float(centre[2]))  # fmt: skip
    grid = np.stack(np.meshgrid(*[a * s for a, s in zip(axes, step, strict=True)], indexing="ij"), -1)
    rotation = random_rotation(rng)
    stretch = np.exp(rng.normal(0, 0.2 if kind == "lacunar" else 0.35, 3))
    stretch /= np.prod(stretch) ** (1 / 3)
    distance = np.linalg.norm((grid @ rotation) / stretch, axis=-1)
    wobble = ndimage.gaussian_filter(
        rng.normal(size=distance.shape), radius / 2.5 / (step / [SUBSLICES, 1, 1])
    )
    wobble /= wobble.std() + 1e-9
    level = distance + 0.12 * radius * wobble
    # The level that encloses the volume asked for: the shape keeps its volume whatever the noise did.
    wanted = round(volume_ml * 1000 * SUBSLICES / float(np.prod(spacing)))
    order = np.sort(level, axis=None)
    edge = order[min(max(wanted, 1), order.size) - 1]
    rim = min(float(rng.uniform(1.0, 3.0)), 0.45 * radius)
    lesion, core = level <= edge, level <= edge - rim

    def occupancy(fine: np.ndarray) -> _Occupancy:
        blocks = fine.reshape(-1, SUBSLICES, *fine.shape[1:]).mean(1)
        return _Occupancy(blocks.astype(np.float32), tuple(lower), tuple(upper))

    return occupancy(lesion), occupancy(core)


def _blur(fraction: np.ndarray, spacing: tuple[float, float, float], blur_mm: float) -> np.ndarray:
    sigma = blur_mm / 2.355
    return ndimage.gaussian_filter(fraction, (0, sigma / spacing[1], sigma / spacing[0]), mode="nearest")


def _correlated_noise(
    rng: np.random.Generator, shape: tuple[int, ...], spacing: tuple[float, float, float], blur_mm: float
) -> np.ndarray:
    """Noise of unit variance with the scan's in-plane correlation."""
    smooth = _blur(rng.normal(size=shape), spacing, blur_mm)
    return smooth / (smooth.std() + 1e-12)
