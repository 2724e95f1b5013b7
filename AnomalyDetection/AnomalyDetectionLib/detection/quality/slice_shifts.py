"""Motion between slices: slices that lie beside where their neighbours put them, in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .acquired import Acquired, Role
from .warning import QualityWarning

MOST_ALTERNATING_MM = 1.0
"""Of every other slice, as in scans taken odd slices first. It was at most 0.65 mm in some 190 images of good pairs (0.83
with another brain mask), and 0.95 to 1.5 mm where every other slice had been displaced by 1.5 mm."""

MOST_USUAL_MM = 1.8
"""Of single slices, the median. In good scans it was at most 1.23 mm: from slice to slice, 7 mm apart, a head changes, too."""

STEADY_MM = 0.6
"""From so much of every other slice on, one step between slices says little: on the good pair with the most, one was 1.7 times
those beside it without a slice missing."""

_SMOOTH_MM, _PIXEL_MM = 1.5, 1.0
_SLICES, _LEAST_SLICES, _PASSES = 24, 4, 2
_LEAST_AREA, _LEAST_VOXELS = 0.3, 300


def shifts(image: Acquired) -> np.ndarray:
    """How far slices lie beside the mean of their two neighbours, within the slice.

    Where a still head changes steadily from slice to slice, that mean is where the slice in the middle belongs.
    Returns (n, 2) mm, of slices in order, spread over the brain; the step from one to the next is odd, so that
    every second belongs to the odd ones. Empty where too few slices show much of the brain."""
    distinct = image.distinct
    values, brain = distinct.slices
    stride = [max(1, round(_PIXEL_MM / mm)) for mm in distinct.in_plane]
    values, brain = (each[:, :: stride[0], :: stride[1]] for each in (values, brain))
    pixel = tuple(mm * step for mm, step in zip(distinct.in_plane, stride, strict=True))
    low, contrast = distinct.range[0], distinct.contrast
    area = brain.sum(axis=(1, 2))
    enough = area > max(_LEAST_AREA * area.max(initial=0), _LEAST_VOXELS)
    middle = np.flatnonzero(enough[:-2] & enough[1:-1] & enough[2:]) + 1
    if len(middle) < _LEAST_SLICES:
        return np.zeros((0, 2))

    def smooth(k: int) -> np.ndarray:
        # Lesions and vessels are far out of the range; they must not count for more.
        plane = np.clip((values[k] - low) / contrast, -0.5, 1.5).astype(np.float32)
        return np.asarray(ndimage.gaussian_filter(plane, [_SMOOTH_MM / mm for mm in pixel]))

    return np.array(
        [
            _shift(smooth(k), (smooth(k - 1) + smooth(k + 1)) / 2, ndimage.binary_dilation(brain[k], None, 3), pixel)
            for k in middle[:: (len(middle) // _SLICES) | 1]
        ]
    )  # fmt: skip


def _shift(plane: np.ndarray, beside: np.ndarray, where: np.ndarray, pixel: tuple[float, ...]) -> np.ndarray:
    """The shift (mm) of a plane against another one by least squares, as in optical flow (Lucas and Kanade 1981)."""
    slope = np.stack([each[where] for each in np.gradient(beside, *pixel)], axis=1)
    inverse = np.linalg.pinv(slope.T @ slope)
    found = np.zeros(2)
    for _ in range(_PASSES):
        back = ndimage.shift(plane, -found / pixel, order=1, mode="nearest")
        found = found + inverse @ (slope.T @ (beside - back)[where])
    return found


@dataclass(frozen=True)
class SliceShifts:
    """How far the slices of an image lie beside where their neighbours put them."""

    role: Role  # "T1" or "FLAIR"
    alternating_mm: float = 0.0  # every other slice, all the same way
    usual_mm: float = 0.0  # the median of single slices, whichever way

    @classmethod
    def of(cls, image: Acquired) -> SliceShifts:
        """Of an image; zero where too few slices show much of the brain. Strong noise hides where slices lie."""
        found = shifts(image)
        if len(found) < _LEAST_SLICES:
            return cls(image.role)
        signs = (-1.0) ** np.arange(len(found))[:, None]
        alternating = float(np.linalg.norm(np.median(found * signs, axis=0)))
        return cls(image.role, alternating, float(np.median(np.linalg.norm(found, axis=1))))

    @property
    def unsteady(self) -> bool:
        """Whether slices are displaced so much, little as it may be, that their steps do not tell of missing ones."""
        return self.alternating_mm > STEADY_MM

    @property
    def warnings(self) -> tuple[QualityWarning, ...]:
        """What to tell the reader, if anything."""
        every = self.alternating_mm > MOST_ALTERNATING_MM
        if not every and self.usual_mm <= MOST_USUAL_MM:
            return ()
        what = f"Every other slice of the {self.role} lies" if every else f"Slices of the {self.role} lie"
        sentence = (
            f"{what} {self.alternating_mm if every else self.usual_mm:.1f} mm beside where their neighbours put them: look for"
            " motion between slices before believing findings"
        )
        measured = {"alternating_mm": round(self.alternating_mm, 2), "usual_mm": round(self.usual_mm, 2)}
        return (QualityWarning("motion between slices", sentence, {"image": self.role, **measured}),)
