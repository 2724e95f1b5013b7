"""From signals on a fine grid to a scan: slice profile, coil sensitivity, noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.grid import Grid

from .shapes import smooth_noise

# Where white matter lands in the integer images, and its signal over the noise at the paper's voxels.
_WHITE_LEVEL = {"t1": 600.0, "flair": 420.0}
_SIGNAL_TO_NOISE = {"t1": 38.0, "flair": 32.0}

# Full width at half maximum over the slice thickness: neighbouring slices share a little, as they do when the
# excitation pulse is short.
_PROFILE_WIDTH = 0.9


def slice_profile(signal: np.ndarray, per_slice: int) -> np.ndarray:
    """Average thin layers into slices, weighted by a Gaussian excitation profile: float32.

    `signal`: (layers, rows, columns) with one slice's worth of extra layers, `per_slice`, at either end.
    """
    slices = signal.shape[0] // per_slice - 2
    offset = np.arange(3 * per_slice) - (3 * per_slice - 1) / 2
    sigma = _PROFILE_WIDTH * per_slice / 2.3548
    weights = np.exp(-((offset / sigma) ** 2) / 2)
    weights /= weights.sum()
    result = np.zeros((slices, *signal.shape[1:]), np.float32)
    for layer, weight in enumerate(weights):
        result += np.float32(weight) * signal[layer::per_slice][:slices]
    return result


def occupancy(mask: np.ndarray, per_slice: int) -> np.ndarray:
    """The fraction of each voxel that a mask of such layers fills; geometry alone, no profile."""
    inner = mask[per_slice:-per_slice]
    return inner.reshape(-1, per_slice, *mask.shape[1:]).mean(1, dtype=np.float32)


def coil(rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> np.ndarray:
    """A smooth multiplicative field with geometric mean about 1: brighter towards the coil, and uneven."""
    z, y, x = _off_centre(rng, shape, 0.25)
    towards_coil = rng.uniform(0.05, 0.12) * (x**2 + y**2 + 0.6 * z**2 - 0.9)
    uneven = 0.07 * smooth_noise(rng, shape, spacing_mm, 80.0)
    return np.exp(towards_coil + uneven).astype(np.float32)


def transmit(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """The effect of an uneven excitation: weaker away from an isocentre, and milder than the coil's."""
    z, y, x = _off_centre(rng, shape, 0.2)
    return np.exp(-rng.uniform(0.02, 0.07) * (x**2 + y**2 + z**2)).astype(np.float32)


def _off_centre(rng: np.random.Generator, shape: tuple[int, ...], most: float) -> Sequence[np.ndarray]:
    """Coordinates from -1 to 1 along each axis, shifted by `most` or less."""
    lines = (np.linspace(-1, 1, n) + rng.uniform(-most, most) for n in shape)
    return np.meshgrid(*lines, indexing="ij", sparse=True)


def noisy(signal: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """The magnitude of the signal with Gaussian noise of this standard deviation in both channels: Rician."""
    real, imaginary = (noise * rng.standard_normal(signal.shape, dtype=np.float32) for _ in range(2))
    return np.hypot(signal + real, imaginary)


def acquire(
    signals: Mapping[str, np.ndarray],
    see: Callable[[np.ndarray, np.ndarray], np.ndarray],
    body: np.ndarray,
    grid: Grid,
    quality: float,
    rng: np.random.Generator,
) -> dict[str, sitk.Image]:
    """The int16 images of a head: uneven, noisy, and blank outside the body, as scanners make it.

    Args:
        signals: "t1" and "flair", relative to white matter.
        see: from a signal, and how bright every voxel of the grid is seen, to the voxels of the grid.
        body: bool on the grid.
        quality: signal to noise, as a multiple of the paper's.
    """
    receive = coil(rng, grid.shape, grid.spacing[::-1])
    images = {}
    for name, signal in signals.items():
        seen = see(signal, receive * transmit(rng, grid.shape))
        scan = noisy(seen, 1 / (_SIGNAL_TO_NOISE[name] * quality), rng) * _WHITE_LEVEL[name]
        images[name] = grid.image(np.round(np.where(body, scan, 0)).clip(0, 32767).astype(np.int16))
    return images
