"""The source images of derived DICOM objects: checked and cleaned, ready to be referenced.

Scanners and archives write headers that violate the standard. Attributes that derived objects require are checked
here, all at once; optional ones are cleaned or left empty, and reported.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset

from ..errors import InputError
from ..grid import Grid
from .cleaning import MULTI_FRAME, UTF_8, cleaned, complete
from .header_checks import HeaderChecks
from .headers import frames_of, header_of
from .stack import TO_REFER, stack
from .values import lack_of, value_of

__all__ = ["UTF_8", "DicomSource"]

_APART = 0.1  # distance in voxels up to which the corners of two grids count as the same


@dataclass(frozen=True)
class DicomSource:
    """The instances of one series that forms one volume, with the geometry of its slices.

    Attributes:
        images: without pixels, reduced to what derived objects need: one for each slice, in
            slice order, or one multi-frame image with its frames as they are.
        grid: of the slices in their order (LPS); if the slices are not evenly spaced, the closest even grid.
        positions: LPS mm of the first voxel of each slice (slices, 3), as in the images.
        frames: index of the slice that each frame of the images shows.
        files: that the images were read from, in any order.
        remarks: what was missing or cleaned, each a sentence without a full stop.
    """

    images: tuple[Dataset, ...]
    grid: Grid
    positions: np.ndarray
    frames: tuple[int, ...]
    files: tuple[Path, ...]
    remarks: tuple[str, ...] = ()

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID of the images."""
        return str(self.images[0].SeriesInstanceUID)

    @property
    def frame_of_reference(self) -> str:
        """FrameOfReferenceUID of the images."""
        return str(self.images[0].FrameOfReferenceUID)

    def centroid(self, voxels: np.ndarray) -> tuple[float, float, float]:
        """The centroid (LPS mm) of the voxels of a mask, bool (slices, rows, columns)."""
        slices, rows, columns = np.unravel_index(np.flatnonzero(voxels), voxels.shape)
        axes = np.array(self.grid.direction).reshape(3, 3)
        across, down, _ = self.grid.spacing
        x, y, z = (
            self.positions[slices].mean(axis=0)
            + axes[:, 0] * across * columns.mean()
            + axes[:, 1] * down * rows.mean()
        )
        return float(x), float(y), float(z)

    def in_frames(self, voxels: np.ndarray) -> np.ndarray:
        """An array (slices, rows, columns) with its slices in the order of the frames."""
        return voxels[list(self.frames)]

    def matched(self, labels: sitk.Image, name: str) -> np.ndarray:
        """The voxels of an image on this grid, (slices, rows, columns).

        Its axes may have another order or direction, as in a NIfTI file of the same series.

        Args:
            labels: any image on the same voxels.
            name: of the image, for messages.

        Raises:
            InputError: if the voxels are not the same.
        """
        other = Grid.of(labels)
        size = np.array(self.grid.size)
        corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * (size - 1)
        here = other.indices(self.grid.points(corners))
        steps = other.indices(self.grid.points(np.vstack([np.zeros(3), np.eye(3)])))
        # A row for each axis here: the corresponding axis there, and its direction.
        axes = np.rint(steps[1:] - steps[0])
        there = np.argmax(np.abs(axes), axis=1)
        fits = (
            np.array_equal(np.sort(there), [0, 1, 2])
            and np.array_equal(np.abs(axes).sum(axis=1), [1, 1, 1])
            and np.array_equal(np.array(other.size)[there], size)
        )
        off = math.inf
        if fits:
            senses = axes[np.arange(3), there]
            expected = np.zeros((len(corners), 3))
            for axis in range(3):
                along = corners[:, axis]
                expected[:, there[axis]] = along if senses[axis] > 0 else size[axis] - 1 - along
            off = float(np.abs(here - expected).max())
        if off > _APART:
            raise InputError(
                f"{name} and the DICOM series {self._name} do not have the same voxels ({_words(other)} and "
                f"{_words(self.grid)}, {_apart(off)}): take the DICOM series that it was read or made from, "
                "unchanged."
            )
        found = sitk.GetArrayFromImage(labels).transpose(2, 1, 0).transpose(there)
        flips = tuple(slice(None, None, 1 if sense > 0 else -1) for sense in senses)
        return np.ascontiguousarray(found[flips].transpose(2, 1, 0))

    @property
    def _name(self) -> str:
        image = self.images[0]
        return repr(str(image.get("SeriesDescription", "")) or self.series_uid)

    @classmethod
    def of(cls, files: Sequence[Path]) -> DicomSource:
        """Read the headers of a series, check them, and clean them.

        Args:
            files: one DICOM image for each slice, in any order, or one multi-frame image.

        Raises:
            InputError: if attributes that derived objects need are missing or unusable (the message names all of
                them, with their files), or if the images are not one volume.
        """
        with warnings.catch_warnings():
            # warnings about non-standard values, which are checked here
            warnings.simplefilter("ignore")
            return cls._of(files)

    @classmethod
    def _of(cls, files: Sequence[Path]) -> DicomSource:
        paths = [Path(file) for file in files]
        checks = HeaderChecks(paths, [header_of(path) for path in paths])
        images = [cleaned(checks, place) for place in range(len(paths))]
        checks.same(
            "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID", "Rows", "Columns"
        )
        checks.same("SOPClassUID")
        checks.different("SOPInstanceUID")
        if any(image.PatientID for image in images):  # either all of them may lack it, or none
            for place, header in enumerate(checks.headers):
                if value_of(header, "PatientID") is None and lack_of(header, "PatientID") != "is broken":
                    checks.wrong("PatientID", lack_of(header, "PatientID"), place)
        multi_frame = images[0].get("SOPClassUID") in MULTI_FRAME
        if multi_frame and len(paths) > 1:
            checks.wrong("NumberOfFrames", "is of several multi-frame images, of which one is a volume", 1)
        checks.raise_if_any()
        frames = [
            frame for path, image in zip(paths, images, strict=True) for frame in frames_of(path, image)
        ]
        name = f"The DICOM series in {paths[0].parent}"
        if len(frames) < 2:
            raise InputError(f"{name} is a single slice: take all slices of the FLAIR's series.")
        made = stack(frames, name, TO_REFER)
        places = {(frame.file, frame.index): place for place, frame in enumerate(frames)}
        order = [places[frame.file, frame.index] for frame in made.frames]
        positions = np.array([frame.position for frame in made.frames])
        if multi_frame:
            slices = np.empty(len(order), int)
            slices[order] = np.arange(len(order))
            slices_of_frames = tuple(slices.tolist())
        else:
            images, slices_of_frames = [images[k] for k in order], tuple(range(len(order)))
            for image in images:  # the last digits may differ, but derived objects have one value
                image.ImageOrientationPatient = images[0].ImageOrientationPatient
                image.PixelSpacing = images[0].PixelSpacing
        for image in images:
            complete(image, made.grid.spacing[2])
        return cls(
            tuple(images), made.grid, positions, slices_of_frames, tuple(paths), tuple(checks.remarks())
        )


def _words(grid: Grid) -> str:
    voxels = " x ".join(map(str, grid.size))
    return f"{voxels} of {' x '.join(f'{mm:.3g}' for mm in grid.spacing)} mm"


def _apart(voxels: float) -> str:
    return f"{voxels:.1f} voxels apart" if math.isfinite(voxels) else "not the same grid"
