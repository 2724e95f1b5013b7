"""The generator's first encoder in numpy: for a few patches, in programs that should not load torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .model_settings import NetworkSettings

SLOPE, EPSILON = 0.2, 1e-5  # of the leaky ReLU (paper) and of batch normalisation (torch's default)

NAMES = (
    "encoder.0.weight",
    "encoder.2.weight",
    "encoder.5.weight",
    "encoder.3.weight",
    "encoder.3.bias",
    "encoder.3.running_mean",
    "encoder.3.running_var",
)
"""The entries of the generator's state that are needed."""


class PlainEncoder:
    """Patches (n, 2, 15, 15) to z (n, latent_size), the same as the network's to rounding."""

    def __init__(self, weights: Mapping[str, np.ndarray], settings: NetworkSettings) -> None:
        """Take the weights of the generator's state, batch normalisation folded into the second convolution.
        `weights`: has `NAMES`. Raises KeyError, ValueError where they are not there, or do not fit the
        settings."""
        first, second, third, scale, shift, mean, variance = (
            np.asarray(weights[name], np.float32) for name in NAMES
        )
        a, b = settings.widths
        shapes = [(a, 2, 5, 5), (b, a, 5, 5), (settings.latent_size, b, 3, 3), *4 * [(b,)]]
        for array, shape in zip((first, second, third, scale, shift, mean, variance), shapes, strict=True):
            if array.shape != shape:
                raise ValueError(f"an encoder's weights have the shape {array.shape} instead of {shape}")
        factor = scale / np.sqrt(variance + EPSILON)
        self._first = first.reshape(a, -1).T
        self._second = (second * factor[:, None, None, None]).reshape(b, -1).T
        self._bias = shift - mean * factor
        self._third = third.reshape(settings.latent_size, -1).T

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        """Patches (n, 2, 15, 15), T1 first, to float32 (n, latent_size)."""
        x = _leaky(_convolved(patches.astype(np.float32, copy=False), self._first))
        x = _leaky(_convolved(x, self._second) + self._bias[:, None, None])
        return _product(x.reshape(len(x), -1), self._third)


def _convolved(images: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """A 5 x 5 convolution at stride 2 with padding 1; kernels (channels in * 25, channels out)."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows: np.ndarray = sliding_window_view(padded, (5, 5), axis=(2, 3))[:, :, ::2, ::2]  # type: ignore[call-overload]
    n, channels, rows, columns = windows.shape[:4]
    flat = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * rows * columns, channels * 25)
    return _product(flat, kernels).reshape(n, rows, columns, -1).transpose(0, 3, 1, 2)


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A matrix product on one thread: waking others costs more than so small a one, much more on a busy machine."""
    return np.einsum("ij,jk->ik", a, b)


def _leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, SLOPE * x)
