"""One image of a study as it was acquired, with the brain marked on it: what most checks look at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np
import SimpleITK as sitk

from ...grid import Grid
from ...imaging.geometry import lps_axes
from ...imaging.prepared import PreparedStudy
from ...imaging.registration import transform_of
from ...imaging.volume import Study, Volume
from ...imaging.voxels import voxels_of
from ..lattice import bounding_box

Role = Literal["T1", "FLAIR"]
_THICKER = 1.2  # An axis is the one across slices if its spacing is this many times the smallest

#: Steps between slices: above and below, with less of the largest slice of brain, it changes too fast; and so many
#: voxels of a slice are enough.
_LEAST_AREA, _LEAST_VOXELS, _MOST_POINTS = 0.3, 300, 40_000


@dataclass(frozen=True)
class Acquired:
    """An image with its own voxels, only turned so that its axes run upwards, to the back and to the left."""

    role: Role  # "T1" or "FLAIR"
    volume: Volume  # where it comes from
    values: np.ndarray  # float32 (S, P, L); a view of the volume's voxels
    brain: np.ndarray  # bool, same shape: `PreparedStudy.flair_brain`, brought to the T1 by the alignment
    spacing: tuple[float, float, float]  # mm along S, P, L
    across: int  # the array axis across the slices: that of the largest spacing, else the file's last

    @classmethod
    def of(cls, study: Study, prepared: PreparedStudy, role: Role) -> Acquired:
        """The T1 or the FLAIR of a study."""
        volume = study.t1 if role == "T1" else study.flair
        grid, brain = Grid.of(volume.image), brain_on(study, prepared, role)
        order, flips = lps_axes(grid)
        axes = tuple(2 - axis for axis in reversed(order))  # the array axes that run to S, P, L
        turn = tuple(slice(None, None, -1 if flip else 1) for flip in reversed(flips))
        spacing = tuple(grid.spacing[axis] for axis in reversed(order))
        thick = max(spacing) > _THICKER * min(spacing)
        return cls(
            role,
            volume,
            voxels_of(volume.image).transpose(axes)[turn],
            brain.transpose(axes)[turn],
            (spacing[0], spacing[1], spacing[2]),
            int(np.argmax(spacing)) if thick else axes.index(0),
        )

    @property
    def slices(self) -> tuple[np.ndarray, np.ndarray]:
        """Values and brain with the axis across the slices first."""
        return np.moveaxis(self.values, self.across, 0), np.moveaxis(self.brain, self.across, 0)

    @property
    def in_plane(self) -> tuple[float, float]:
        """Spacing within a slice, in the order of the axes of `slices`."""
        first, second = (mm for axis, mm in enumerate(self.spacing) if axis != self.across)
        return first, second

    @cached_property
    def own(self) -> np.ndarray:
        """Which slices do not repeat the one before them; resampling to the nearest neighbour leaves such repetitions.

        Slices that show nothing, as at the ends of many scans, repeat nothing.
        """
        values, _ = self.slices
        differ = [not np.array_equal(a, b) or bool(np.ptp(b) == 0) for a, b in pairwise(values)]
        return np.array([True, *differ])

    @cached_property
    def distinct(self) -> Acquired:
        """Without slices that repeat the one before them. The spacing becomes the mean one of those that are left."""
        new = self.own
        if new.all():
            return self
        kept = np.flatnonzero(new)
        spacing = list(self.spacing)
        spacing[self.across] *= len(new) / len(kept)
        return replace(
            self,
            values=self.values.take(kept, self.across),
            brain=self.brain.take(kept, self.across),
            spacing=(spacing[0], spacing[1], spacing[2]),
        )

    @cached_property
    def cropped(self) -> Acquired:
        """The box round the brain."""
        box = bounding_box(self.brain)
        assert box is not None
        return replace(self, values=self.values[box], brain=self.brain[box])

    @cached_property
    def range(self) -> tuple[float, float]:
        """The 5th and the 95th percentile of the brain, in the image's units."""
        low, high = np.percentile(self.values[self.brain], (5, 95))
        return float(low), max(float(high), float(low) + 1e-6)

    @property
    def contrast(self) -> float:
        """From one to the other: what noise and changes are compared with."""
        return self.range[1] - self.range[0]

    @cached_property
    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean difference of neighbouring slices, and of slices two apart, in terms of the contrast.

        (n - 1,) and (n - 2,): element k is between slices k and k + 1 or k + 2; NaN where there is little brain.
        """
        values, brain = self.slices
        area = brain.sum(axis=(1, 2))
        enough = area > max(_LEAST_AREA * area.max(), _LEAST_VOXELS)
        low, contrast = self.range[0], self.contrast

        def step(k: int, other: int) -> float:
            if not (enough[k] and enough[other]):
                return float("nan")
            both = brain[k] & brain[other]
            skip = max(1, int(both.sum()) // _MOST_POINTS)
            # Lesions and vessels are far out of the range; they must not count for more.
            first, second = (
                np.clip((values[s][both][::skip] - low) / contrast, -0.5, 1.5) for s in (k, other)
            )
            return float(np.abs(first - second).mean()) if first.size else float("nan")

        n = len(values)
        near = np.array([step(k, k + 1) for k in range(n - 1)])
        far = np.array([step(k, k + 2) for k in range(n - 2)])
        return near, far


def brain_on(study: Study, prepared: PreparedStudy, role: Role) -> np.ndarray:
    """The brain on the T1's or the FLAIR's own grid: bool (slices, rows, columns)."""
    if role == "FLAIR":
        return prepared.flair_brain
    mask = prepared.flair_grid.image(prepared.flair_brain.astype(np.uint8))
    to_flair = transform_of(prepared.alignment).GetInverse()
    return sitk.GetArrayFromImage(sitk.Resample(mask, study.t1.image, to_flair, sitk.sitkNearestNeighbor)) > 0
