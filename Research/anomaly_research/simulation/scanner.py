"""From signals on a fine grid to a scan: slice profile, coil sensitivity, blur, noise."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .random_fields import smooth_noise
from .rendering import POINT_SPREAD

# Full width at half maximum over the slice thickness: neighbouring slices share a little, as they do when the
# excitation pulse is short.
_PROFILE_WIDTH = 0.9


def slice_profile(signal: np.ndarray, per_slice: int) -> np.ndarray:
    """Average thin layers into slices, weighted by a Gaussian excitation profile.

    Args:
        signal: (layers, rows, columns) with one slice's worth of extra layers at either end.
        per_slice: layers a slice.

    Returns:
        float32, (layers / per_slice - 2, rows, columns).
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
    lines = (np.linspace(-1, 1, n) + rng.uniform(-0.25, 0.25) for n in shape)
    z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)
    towards_coil = rng.uniform(0.05, 0.12) * (x**2 + y**2 + 0.6 * z**2 - 0.9)
    uneven = 0.07 * smooth_noise(rng, shape, spacing_mm, 80.0)
    return np.exp(towards_coil + uneven).astype(np.float32)


def transmit(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """The effect of an uneven excitation: weaker away from an isocentre, and milder than the coil's."""
    lines = (np.linspace(-1, 1, n) + rng.uniform(-0.2, 0.2) for n in shape)
    z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)
    return np.exp(-rng.uniform(0.02, 0.07) * (x**2 + y**2 + z**2)).astype(np.float32)


def acquire(signal: np.ndarray, field: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Blur within the slices, weigh by the field and add Rician noise of this standard deviation."""
    blurred = ndimage.gaussian_filter(signal * field, (0, POINT_SPREAD, POINT_SPREAD))
    real = blurred + noise * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = noise * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.hypot(real, imaginary)
