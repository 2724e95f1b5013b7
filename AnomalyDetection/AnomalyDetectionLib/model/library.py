"""Some thousand training patches in the model file: the normal tissue that a model has seen; without torch.

What a suspected anomaly is compared with ("the most similar normal tissue"), and what missed infarcts are
(paper, figure 6). No image can be put together from it again: see `training.library` for how it is chosen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

MOST_BYTES = 3_000_000  # What a library may add to a model file
_FEW = 1_000  # bytes for the header's line, and for the table of contents
_MOST = 1e6  # no intensity or distance is larger
_PATCH = (2, 15, 15)
HEADER, _PATCHES, _LATENTS = "library", "library.patches", "library.latents"


@dataclass(frozen=True, eq=False)
class NormalLibrary:
    """Patches of normal tissue, in no order, without position and without whose they are."""

    patches: np.ndarray  # uint8 (n, 2, 15, 15), T1 first; intensity = low + step * value, channel by channel
    latents: np.ndarray  # float16 (n, latent_size), the encoder's z of these very intensities
    # low, step: of T1 and FLAIR
    low: tuple[float, float]
    step: tuple[float, float]
    # how far normal tissue of other people lies from the nearest of these patches: the median and the 95th
    # percentile of the distances in z
    usual: tuple[float, float]

    def __post_init__(self) -> None:
        """Raise ValueError for invalid values: libraries may come from untrusted model files."""
        if self.patches.dtype != np.uint8 or self.patches.shape[1:] != _PATCH or not len(self.patches):
            raise ValueError("the library's patches are not 2 x 15 x 15 bytes each")
        if self.latents.dtype != np.float16 or self.latents.ndim != 2:
            raise ValueError("the library's latent vectors are not half-precision numbers")
        if len(self.latents) != len(self.patches):
            raise ValueError("the library has not as many latent vectors as patches")
        if self.patches.nbytes + self.latents.nbytes > MOST_BYTES:
            raise ValueError(f"the library has more than {MOST_BYTES / 1e6:g} MB")
        if not np.isfinite(self.latents).all():
            raise ValueError("the library's latent vectors are not finite")
        pairs = (self.low, self.step, self.usual)
        if any(len(pair) != 2 for pair in pairs) or not np.isfinite(pairs).all():
            raise ValueError("the library's scales are not pairs of finite numbers")
        if np.abs(pairs).max() > _MOST:
            raise ValueError("the library's scales make no sense")
        if min(self.step) <= 0 or not 0 <= self.usual[0] <= self.usual[1]:
            raise ValueError("the library's scales or usual distances are out of range")

    def __len__(self) -> int:
        return len(self.patches)

    def intensities(self, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """float32 (n, 2, 15, 15): the scaled intensities of some patches, or of all."""
        return dequantised(self.patches[which], self.low, self.step)


def most_patches(latent_size: int) -> int:
    """How many patches fit into `MOST_BYTES`."""
    return (MOST_BYTES - _FEW) // (int(np.prod(_PATCH)) + 2 * latent_size)


def quantised(patches: np.ndarray) -> tuple[np.ndarray, tuple[float, float], tuple[float, float]]:
    """Patches (n, 2, 15, 15) as bytes, with low and step of each channel: a step is about a third of the noise."""
    low, high = patches.min((0, 2, 3)), patches.max((0, 2, 3))
    step = np.maximum((high - low) / 255, 1e-6)
    values = np.rint((patches - low[:, None, None]) / step[:, None, None])
    (a, b), (c, d) = low.tolist(), step.tolist()
    return values.clip(0, 255).astype(np.uint8), (a, b), (c, d)


def dequantised(values: np.ndarray, low: tuple[float, float], step: tuple[float, float]) -> np.ndarray:
    """What `quantised` gave as intensities again, float32."""
    scale, shift = (np.array(pair, np.float32)[:, None, None] for pair in (step, low))
    return values.astype(np.float32) * scale + shift


def to_file(library: NormalLibrary) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The library as arrays of a model file, and as an entry of its header."""
    about = {"low": library.low, "step": library.step, "usual": library.usual}
    return {_PATCHES: library.patches, _LATENTS: library.latents}, {HEADER: json.dumps(about)}


def from_file(
    array: Callable[[str], np.ndarray], header: Mapping[str, str], latent_size: int
) -> NormalLibrary | None:
    """The library of a model file; None where it has none. Raises KeyError, TypeError, ValueError where it is damaged.

    `array`: gives an array of the file by its name.
    """
    if HEADER not in header:
        return None
    about = json.loads(header[HEADER])
    low, step, usual = (tuple(float(value) for value in about[name]) for name in ("low", "step", "usual"))
    library = NormalLibrary(array(_PATCHES), array(_LATENTS), low, step, usual)  # type: ignore[arg-type]
    if library.latents.shape[1] != latent_size:
        raise ValueError("the library does not fit the latent size")
    return library
