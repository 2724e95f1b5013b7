"""What goes wrong while a scan is made: motion, ghosts and ringing, in a package of slices.

Slices of a 2D sequence are encoded on their own, so each artefact works on the Fourier transform of single
slices, along the phase-encoding direction, and only some neighbouring slices have it. Motion after Shaw et
al., PMLR 102 (2019): parts of k-space are from another position of the head.
"""

from __future__ import annotations

import numpy as np
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.geometry import lps_axes
from scipy import ndimage

KINDS = ("motion", "ghosting", "ringing")

#: A change is noticeable if, averaged over 3 x 3 voxels, it is this many times the noise, and this share of
#: white matter.
_NOTICEABLE, _LEAST_SHARE = 1.5, 0.05


def spoil(
    values: np.ndarray, grid: Grid, kind: str, noise: float, white: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give an image (float32, slices, rows, columns) an artefact.

    Args:
        kind: one of `KINDS`.
        noise: standard deviation of the image's noise.
        white: intensity of white matter.

    Returns:
        Arrays of the same shape: the new values, not negative where they were not; bool, the slices that have
        it, all others are as they were; and bool, where it changed the image by more than its noise.
    """
    # Slices first, then the phase-encoding direction: left to right or front to back.
    thick = max(grid.spacing) > 1.2 * min(grid.spacing)
    through = 2 - (int(np.argmax(grid.spacing)) if thick else lps_axes(grid)[0][2])
    first, second = (axis for axis in range(3) if axis != through)
    phase, frequency = (first, second) if rng.random() < 0.7 else (second, first)
    axes = (through, phase, frequency)
    stack = values.transpose(axes)
    thickness = max(1, round(len(stack) * rng.uniform(0.3, 0.7)))
    start = int(rng.integers(0, len(stack) - thickness + 1))
    package = slice(start, start + thickness)
    spectrum = _spectrum(stack[package])
    if kind == "motion":
        _move(spectrum, stack[package], [grid.spacing[2 - axis] for axis in axes[1:]], rng)
    elif kind == "ghosting":
        _ghost(spectrum, rng)
    else:
        _ring(spectrum, grid.spacing[2 - phase], rng)
    result, slab = stack.copy(), np.zeros(stack.shape, bool)
    result[package] = np.abs(np.fft.ifft(np.fft.ifftshift(spectrum, axes=1), axis=1)).astype(np.float32)
    slab[package] = True
    change = np.sqrt(np.maximum(ndimage.uniform_filter((result - stack) ** 2, (1, 3, 3)), 0))
    noticeable = slab & (change > max(_NOTICEABLE * noise, _LEAST_SHARE * white))
    back = np.argsort(axes)
    return result.transpose(back), slab.transpose(back), noticeable.transpose(back)


def _spectrum(package: np.ndarray) -> np.ndarray:
    """The lines of k-space (second axis), the middle one at the middle."""
    return np.fft.fftshift(np.fft.fft(package, axis=1), axes=1)


def _move(spectrum: np.ndarray, package: np.ndarray, spacing: list[float], rng: np.random.Generator) -> None:
    """The head lies otherwise during some of the lines; the middle of k-space is from one position."""
    lines = spectrum.shape[1]
    middle = lines // 2
    for _ in range(int(rng.integers(1, 4))):
        angle = rng.uniform(1.0, 4.0) * rng.choice([-1, 1])
        shift = rng.uniform(1.0, 4.0, 2) * rng.choice([-1, 1], 2) / spacing
        turned = ndimage.rotate(package, angle, (1, 2), reshape=False, order=1, mode="nearest")
        turned = ndimage.shift(turned, (0, *shift), order=1, mode="nearest")
        width = max(1, round(lines * rng.uniform(0.08, 0.25)))
        away = max(2, round(lines * rng.uniform(0.02, 0.10)))
        low = middle + away if rng.random() < 0.5 else middle - away - width
        some = slice(max(0, low), max(0, low + width))
        spectrum[:, some] = _spectrum(turned)[:, some]


def _ghost(spectrum: np.ndarray, rng: np.random.Generator) -> None:
    """Every so many lines are weaker, as with pulsation: faint copies of the head along the phase encoding."""
    lines = spectrum.shape[1]
    every, weaker = int(rng.integers(2, 6)), rng.uniform(0.5, 0.85)
    weights = np.ones(lines)
    weights[int(rng.integers(every)) :: every] -= weaker
    kept = max(1, round(0.01 * lines))
    weights[lines // 2 - kept : lines // 2 + kept + 1] = 1
    spectrum *= weights[None, :, None]


def _ring(spectrum: np.ndarray, spacing: float, rng: np.random.Generator) -> None:
    """The outer lines are missing: edges repeat themselves (Gibbs)."""
    lines = spectrum.shape[1]
    # What is left is a resolution of 2.2 to 3.2 mm, but never more than three quarters of the lines.
    kept = min(0.75, spacing / rng.uniform(2.2, 3.2)) * lines / 2
    spectrum[:, np.abs(np.arange(lines) - lines // 2) > kept] = 0
