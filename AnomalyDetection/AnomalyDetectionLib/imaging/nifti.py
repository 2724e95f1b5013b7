"""NIfTI files that keep their header and voxel type, and whose bytes depend on nothing but their content."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk

from .grid import Grid
from .volume import Volume
from .voxels import voxels_of


@dataclass(frozen=True)
class NiftiScan:
    """The voxels of a NIfTI file as they are stored, with its header.

    Attributes:
        header: nibabel's.
        stored: (slices, rows, columns), in the file's own type; value = stored * slope + intercept.
        slope, intercept: 1 and 0 where the file does not scale its voxels.
        grid: LPS.
    """

    header: Any
    stored: np.ndarray
    slope: float
    intercept: float
    grid: Grid

    @property
    def values(self) -> np.ndarray:
        """The grey values: float32 (slices, rows, columns)."""
        return (self.stored.astype(np.float32) * np.float32(self.slope)) + np.float32(self.intercept)

    def with_values(self, values: np.ndarray, where: np.ndarray) -> NiftiScan:
        """The scan with new grey values at some voxels; all others keep every bit.

        Integers are rounded, and what their type cannot hold is brought to its limits.
        """
        stored = self.stored.copy()
        new = (values[where].astype(np.float64) - self.intercept) / self.slope
        if np.issubdtype(stored.dtype, np.integer):
            limits = np.iinfo(stored.dtype)
            new = np.clip(np.round(new), limits.min, limits.max)
        stored[where] = new.astype(stored.dtype)
        return NiftiScan(self.header, stored, self.slope, self.intercept, self.grid)

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
        header.set_data_dtype(self.stored.dtype)
        header.set_data_shape(self.stored.shape[::-1])
        header["magic"] = header.single_magic
        header["vox_offset"] = header.single_vox_offset
        header["scl_slope"], header["scl_inter"] = self.slope, self.intercept
        voxels = np.ascontiguousarray(self.stored).astype(
            self.stored.dtype.newbyteorder(header.endianness), copy=False
        )
        # No name and no time: they are in gzip's header.
        return gzip.compress(header.binaryblock + bytes(4) + voxels.tobytes(), 6, mtime=0)


def nifti_scan(volume: Volume) -> NiftiScan:
    """A volume that was read, with the header and the voxel type of its file.

    What is no NIfTI file gets the header that ITK makes for it; whole numbers become int16 or int32.
    """
    name = "" if volume.path is None else volume.path.name.lower()
    if volume.path is not None and volume.path.is_file() and name.endswith((".nii", ".nii.gz")):
        return _load(volume.path, Grid.of(volume.image))
    return nifti_of(volume.image)


def nifti_of(image: sitk.Image) -> NiftiScan:
    """An image from memory; whole numbers become int16 or int32."""
    array = voxels_of(image)
    if np.issubdtype(array.dtype, np.floating) and bool(np.all(array == np.round(array))):
        small = float(array.min()) >= -32768 and float(array.max()) <= 32767
        image = sitk.Cast(image, sitk.sitkInt16 if small else sitk.sitkInt32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.nii"
        sitk.WriteImage(image, str(path))
        return _load(path, Grid.of(image))


def _load(path: Path, grid: Grid) -> NiftiScan:
    nifti: Any = nibabel.load(path)
    stored = np.asarray(nifti.dataobj.get_unscaled())
    stored = stored.reshape(stored.shape[:3]).transpose(2, 1, 0)
    return NiftiScan(
        nifti.header.copy(),
        np.ascontiguousarray(stored),
        float(nifti.dataobj.slope),
        float(nifti.dataobj.inter),
        grid,
    )
