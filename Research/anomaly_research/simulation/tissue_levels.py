"""What CSF, grey and white matter look like in a scan, and from that, what a lesion would.

docs/method.md, "Simulating infarcts": the signal equations say where a tissue lies between those three; their
levels are read off the scan, so that a lesion of a post-contrast T1 or of a low-contrast FLAIR looks like one
of that scanner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from .signals import CSF, WHITE_MATTER, Tissue, flair, gradient_echo

#: More voxels than this tell no more about three levels.
_ENOUGH = 150_000
#: Fewer voxels of CSF alone than this do not tell its level.
_LEAST_FLUID = 300


@dataclass(frozen=True)
class TissueLevels:
    """Median T1 and FLAIR intensity of CSF, grey and white matter, bias-corrected."""

    csf: tuple[float, float]
    grey: tuple[float, float]
    white: tuple[float, float]

    def of(self, tissue: Tissue, channel: int) -> float:
        """The intensity of a tissue in one channel (0 T1, 1 FLAIR).

        The signal equations say where it lies between CSF and white matter, the scan's levels what that
        means here. White matter is the anchor because at 2 mm grey matter is full of partial volume.
        """
        signal = (gradient_echo, flair)[channel]
        dark, bright = signal(CSF), signal(WHITE_MATTER)
        position = (signal(tissue) - dark) / (bright - dark)
        return self.csf[channel] + position * (self.white[channel] - self.csf[channel])

    def with_fluid(self, t1: np.ndarray, flair: np.ndarray, fluid: np.ndarray) -> TissueLevels:
        """The same with CSF read where there is nothing else within two voxels, in the ventricles above all.

        `t1`, `flair`: bias-corrected, at about 1 mm; `fluid`: bool, voxels that are nothing but CSF.
        """
        deep = ndimage.binary_erosion(fluid, iterations=2)
        if deep.sum() < _LEAST_FLUID:
            return self
        return replace(self, csf=(float(np.median(t1[deep])), float(np.median(flair[deep]))))


def tissue_levels(t1: np.ndarray, flair: np.ndarray, brain: np.ndarray) -> TissueLevels:
    """Read the levels of the three tissues off a scan: three clusters of the T1 intensities in the brain.

    `t1`, `flair`: bias-corrected, any units; `brain`: bool, same shape.
    """
    step = max(1, int(brain.sum()) // _ENOUGH)
    values, bright = (image[brain].astype(np.float64)[::step] for image in (t1, flair))
    centres = np.percentile(values, [5, 45, 85])
    for _ in range(30):
        nearest = np.abs(values[:, None] - centres).argmin(1)
        centres = np.array([np.median(values[nearest == k]) for k in range(3)])
    levels = [(float(centres[k]), float(np.median(bright[nearest == k]))) for k in range(3)]
    # The CSF cluster is full of partial volume; its darker half is nearer to pure CSF.
    dark = nearest == 0
    pure = dark & (bright <= np.percentile(bright[dark], 50))
    csf = (float(np.median(values[pure])), float(np.median(bright[pure])))
    return TissueLevels(csf, levels[1], levels[2])


@dataclass(frozen=True)
class Noise:
    """A scan's noise: standard deviation, and the Gaussian (SD in voxels, in-plane) that it is smooth by."""

    sd: float
    blur: float

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Noise of this kind: float32 (slices, rows, columns)."""
        # Drawn larger than needed: filtering leaves the border with less variance.
        margin = int(np.ceil(4 * self.blur))
        larger = (shape[0], shape[1] + 2 * margin, shape[2] + 2 * margin)
        white = rng.standard_normal(larger, dtype=np.float32)
        if self.blur > 0:
            unit = np.zeros((1, 8 * margin + 1, 8 * margin + 1), np.float32)
            unit[0, 4 * margin, 4 * margin] = 1
            kernel = ndimage.gaussian_filter(unit, (0, self.blur, self.blur))
            white = ndimage.gaussian_filter(white, (0, self.blur, self.blur)) / np.sqrt((kernel**2).sum())
            white = white[:, margin : margin + shape[1], margin : margin + shape[2]]
        return np.float32(self.sd) * white


def measure_noise(image: np.ndarray, where: np.ndarray) -> Noise:
    """The noise among a few hundred voxels or more of one tissue, white matter, say; `where`: bool."""
    image = image.astype(np.float64)
    core = ndimage.binary_erosion(where, np.ones((1, 3, 3)))
    core = core if core.sum() > 500 else where
    residual = image - ndimage.uniform_filter(image, (1, 3, 3))
    spread = 1.4826 * float(np.median(np.abs(residual[core] - np.median(residual[core]))))
    # Of the smoothness speaks the difference of next neighbours beside that of voxels four apart.
    near, far = (np.concatenate([_difference(image, core, axis, lag) for axis in (1, 2)]) for lag in (1, 4))
    correlation = 1 - _variance(near) / max(_variance(far), 1e-12)
    # The autocorrelation of Gaussian-filtered white noise at lag 1 is exp(-1 / (4 sigma^2)).
    blur = float(np.sqrt(-1 / (4 * np.log(min(correlation, 0.75))))) if correlation > 0.1 else 0.0
    # A mean of nine neighbours takes much of smooth noise with it.
    probe = Noise(1.0, blur).draw(np.random.default_rng(0), (1, 128, 128))
    kept = float((probe - ndimage.uniform_filter(probe, (1, 3, 3))).std())
    return Noise(spread / kept, blur)


def _difference(image: np.ndarray, where: np.ndarray, axis: int, lag: int) -> np.ndarray:
    ahead, behind = [slice(None)] * 3, [slice(None)] * 3
    ahead[axis], behind[axis] = slice(lag, None), slice(None, -lag)
    both = where[tuple(ahead)] & where[tuple(behind)]
    return (image[tuple(ahead)] - image[tuple(behind)])[both]


def _variance(values: np.ndarray) -> float:
    return float((1.4826 * np.median(np.abs(values - np.median(values)))) ** 2) if values.size else 0.0
