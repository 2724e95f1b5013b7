"""NIfTI files that keep their header and voxel type, and whose bytes depend on nothing but their content."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..grid import Grid
from .nifti_header import NiftiHeader
from .nifti_voxels import read_header, read_stored
from .volume import Volume
from .voxels import voxels_of


@dataclass(frozen=True)
class NiftiScan:
    """The voxels of a NIfTI file as they are stored, with its header."""

    header: Any  # nibabel's
    stored: np.ndarray  # (slices, rows, columns), in the file's own type; value = stored * slope + intercept
    # slope, intercept: 1 and 0 where the file does not scale its voxels
    slope: float
    intercept: float
    grid: Grid  # LPS
    zero: float = 0.0  # the value of no signal (see `Volume.zero`); it is subtracted from `values`

    @property
    def values(self) -> np.ndarray:
        """The grey values: float32 (slices, rows, columns)."""
        return self.stored.astype(np.float32) * np.float32(self.slope) + np.float32(
            self.intercept - self.zero
        )

    def with_values(self, values: np.ndarray, where: np.ndarray) -> NiftiScan:
        """The scan with new grey values at some voxels; all others keep every bit.

        Integers are rounded, and what their type cannot hold is brought to its limits.
        """
        stored = self.stored.copy()
        new = (values[where].astype(np.float64) + self.zero - self.intercept) / self.slope
        if np.issubdtype(stored.dtype, np.integer):
            limits = np.iinfo(stored.dtype)
            new = np.clip(np.round(new), limits.min, limits.max)
        stored[where] = new.astype(stored.dtype)
        return replace(self, stored=stored)

    def with_labels(self, labels: np.ndarray) -> NiftiScan:
        """A label map (slices, rows, columns) with this scan's geometry."""
        header = self.header.copy()
        header["cal_min"] = header["cal_max"] = 0
        header["descrip"] = header["aux_file"] = header["intent_name"] = b""
        header["intent_code"] = 0
        return NiftiScan(header, labels, 1.0, 0.0, self.grid)

    def to_bytes(self) -> bytes:
        """The compressed file, without the header extensions of the original; the same every time."""
        header = self.header.copy()
        header["scl_slope"], header["scl_inter"] = self.slope, self.intercept
        return _file(header, self.stored)


def nifti_bytes(image: sitk.Image, place: NiftiHeader) -> bytes:
    """An image of the same voxels as a NIfTI file's, as a compressed file that lies where that one does.

    Copies sform and qform with their codes, so that every program shows the two aligned, whichever it follows.
    Raises ValueError where the image has other voxels."""
    array = sitk.GetArrayFromImage(image)
    if array.shape != place.size[::-1]:
        raise ValueError(f"an image of {array.shape[::-1]} voxels does not lie on one of {place.size}")
    header = place.of_labels()
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    return _file(header, array)


def _file(header: Any, stored: np.ndarray) -> bytes:
    header.set_data_dtype(stored.dtype)
    header.set_data_shape(stored.shape[::-1])
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    voxels = np.ascontiguousarray(stored).astype(stored.dtype.newbyteorder(header.endianness), copy=False)
    # gzip's header holds a name and a time; leave both out.
    return gzip.compress(header.binaryblock + bytes(4) + voxels.tobytes(), 6, mtime=0)


def nifti_scan(volume: Volume) -> NiftiScan:
    """A volume that was read, with the header and the voxel type of its file.

    What is no NIfTI file gets the header that ITK makes for it; whole numbers become int16 or int32.
    """
    if volume.header is None or volume.path is None:
        return nifti_of(volume.image)
    stored = read_stored(volume.path, volume.header)
    slope, intercept = volume.header.scale
    stored = np.ascontiguousarray(stored.reshape(volume.header.size[::-1]))
    return NiftiScan(
        volume.header.fields.copy(), stored, slope, intercept, Grid.of(volume.image), volume.zero
    )


def nifti_of(image: sitk.Image) -> NiftiScan:
    """An image from memory; whole numbers become int16 or int32."""
    array = voxels_of(image)
    if np.issubdtype(array.dtype, np.floating) and bool(np.all(array == np.round(array))):
        small = float(array.min()) >= -32768 and float(array.max()) <= 32767
        image = sitk.Cast(image, sitk.sitkInt16 if small else sitk.sitkInt32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.nii"
        sitk.WriteImage(image, str(path))
        header = read_header(path)
        return NiftiScan(header.fields.copy(), read_stored(path, header), 1.0, 0.0, Grid.of(image))
