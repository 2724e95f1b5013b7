"""The source images of derived DICOM objects: checked and cleaned, ready to be referenced.

Scanners and archives write headers that violate the standard. Attributes that derived objects require are checked
here, all at once; optional ones are cleaned or left empty, and reported.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset

from ..errors import InputError
from ..grid import Grid
from .cleaning import MULTI_FRAME, cleaned, complete
from .header_checks import HeaderChecks
from .headers import frames_of, header_of
from .stack import TO_REFER, stack
from .values import lack_of, value_of

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
        """The voxels of an image on this grid, (slices, rows, columns); InputError if its voxels are not the same.

        Its axes may have another order or direction, as in a NIfTI file of the same series. `name`: for messages.
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
            expected = np.where(senses > 0, corners, size - 1 - corners)
            off = float(np.abs(here[:, there] - expected).max())
        if off > _APART:
            image = self.images[0]
            series = str(image.get("SeriesDescription", "")) or self.series_uid
            apart = f"{off:.1f} voxels apart" if math.isfinite(off) else "not the same grid"
            raise InputError(
                f"{name} and the DICOM series {series!r} do not have the same voxels ({_words(other)} and "
                f"{_words(self.grid)}, {apart}): take the DICOM series that it was read or made from, unchanged."
            )
        found = sitk.GetArrayFromImage(labels).transpose(2, 1, 0).transpose(there)
        flips = tuple(slice(None, None, 1 if sense > 0 else -1) for sense in senses)
        return np.ascontiguousarray(found[flips].transpose(2, 1, 0))

    @classmethod
    def of(cls, files: Sequence[Path]) -> DicomSource:
        """Read the headers of a series, check them, and clean them.

        `files`: one DICOM image for each slice, in any order, or one multi-frame image. InputError: if attributes
        that derived objects need are missing or unusable (the message names all of them, with their files), or if the
        images are not one volume.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about non-standard values, which are checked here
            return cls._of(files)

    @classmethod
    def _of(cls, files: Sequence[Path]) -> DicomSource:
        paths = [Path(file) for file in files]
        checks = HeaderChecks(paths, [header_of(path) for path in paths])
        images = [cleaned(checks, place) for place in range(len(paths))]
        checks.same("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID")
        checks.same("Rows", "Columns", "SOPClassUID")
        checks.different("SOPInstanceUID")
        if any(image.PatientID for image in images):  # either all of them may lack it, or none
            for place, header in enumerate(checks.headers):
                if value_of(header, "PatientID") is None and lack_of(header, "PatientID") != "is broken":
                    checks.wrong("PatientID", lack_of(header, "PatientID"), place)
        multi_frame = images[0].get("SOPClassUID") in MULTI_FRAME
        if multi_frame and len(paths) > 1:
            checks.wrong("NumberOfFrames", "is of several multi-frame images, of which one is a volume", 1)
        checks.raise_if_any()
        frames = list(chain.from_iterable(map(frames_of, paths, images)))
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
        remarks = tuple(checks.remarks())
        return cls(tuple(images), made.grid, positions, slices_of_frames, tuple(paths), remarks)


def _words(grid: Grid) -> str:
    voxels = " x ".join(map(str, grid.size))
    return f"{voxels} of {' x '.join(f'{mm:.3g}' for mm in grid.spacing)} mm"
