"""Image files as ITK reads them, with the checks that ITK leaves out."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ..errors import InputError
from .compressed_voxels import are_whole
from .text_header import MOST_VOXELS, check_header, data_files

TEXT_HEADERS = (".nrrd", ".nhdr", ".mha", ".mhd")
SUFFIXES = (".nii", ".nii.gz", *TEXT_HEADERS)

_LONGEST_HEADER = 1 << 20

_MOST_MM = 1e6  # no voxel is so large, or lies so far away
_MOST_OF_QUATERNION = 1.1  # its vector's squared length, 1 and what rounding adds

_DAMAGE = (ImageFileError, WrapStructError, HeaderDataError, gzip.BadGzipFile, LookupError)

#: A sheared voxel grid is straightened if that moves no voxel centre by more than this.
SHEAR_TOLERANCE_MM = 0.5


def read(path: Path, *, role: str) -> sitk.Image:
    """The image in a file.

    Raises:
        InputError: if the format is unknown, or the file is damaged or truncated.
        OSError: if the file cannot be opened.
    """
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise InputError(
            f"The {role} {path} is not in a format that can be read: give NIfTI (.nii, .nii.gz), NRRD "
            "(.nrrd, .nhdr), MetaImage (.mha, .mhd) or a folder of DICOM images."
        )
    path.open("rb").close()  # says why, if it cannot be opened
    check_header(path, role=role)
    damaged = f"The {role} {path} is damaged or incomplete: copy or download it again."
    if name.endswith((".nii", ".nii.gz")):
        try:
            finite = _check_nifti(path)
        except (*_DAMAGE, EOFError, ValueError, OverflowError, zlib.error) as error:
            raise InputError(damaged) from error
        if not finite:
            raise InputError(
                f"The {role} {path} has voxels that are not numbers (NaN or infinite): export it again."
            )
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # the checks here say it in better words
    try:
        _check_size(path, role=role)
        if name.endswith(TEXT_HEADERS) and not are_whole(path):
            raise InputError(damaged)
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        if "orthonormal" in str(error) and name.endswith((".nii", ".nii.gz")):
            return _straightened(path, role=role)
        raise InputError(damaged) from error


def files_of(path: Path) -> tuple[Path, ...]:
    """The file, and after it the one with the voxels, if its header names one (.mhd, .nhdr)."""
    return (path, *(path.parent / name for name in data_files(path) if (path.parent / name).is_file()))


def _check_size(path: Path, *, role: str) -> None:
    """Refuse what no computer could hold, before it is tried; by what the header says.

    Raises:
        RuntimeError: ITK cannot read the header.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    size = reader.GetSize()
    if math.prod(size) * reader.GetNumberOfComponents() > MOST_VOXELS:
        raise InputError(
            f"The {role} {path} says that it has {' x '.join(map(str, size))} voxels, more than can be used (500 million): "
            "give the original scan."
        )


def _check_nifti(path: Path) -> bool:
    """Whether all voxels are finite; raises if the file is too short.

    ITK fills the missing end of a truncated NIfTI file with whatever is there, and reads NaN as 0.
    """
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if compressed else path.open("rb") as stream:
        start = stream.read(544)
        header_type = (
            nibabel.Nifti2Header if start[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c") else nibabel.Nifti1Header
        )
        header = header_type(start[: header_type.template_dtype.itemsize], check=False)
        if int(header["sizeof_hdr"]) != header_type.template_dtype.itemsize:
            raise ValueError("not a NIfTI header")
        if not _has_place(header):
            raise ValueError("it lies nowhere")
        voxels = math.prod(int(n) for n in header.get_data_shape())
        dtype = header.get_data_dtype()
        # Header extensions may lie before the voxels, and anything after them.
        offset = max(int(header["vox_offset"]), header_type.template_dtype.itemsize)
        expected = offset + voxels * dtype.itemsize
        length, finite, rest, block = 0, True, b"", start
        while (
            block and length <= expected + _LONGEST_HEADER
        ):  # what lies beyond is not read, however long it is
            if dtype.kind in "fc":
                part = rest + block[max(0, offset - length) : max(0, expected - length)]
                whole = len(part) // dtype.itemsize * dtype.itemsize
                finite = finite and bool(np.isfinite(np.frombuffer(part[:whole], dtype)).all())
                rest = part[whole:]
            length += len(block)
            block = stream.read(1 << 22)
    if length < expected:
        raise EOFError(f"{length} of {expected} bytes")
    return finite


def _has_place(header: Any) -> bool:
    """Whether what a header says of the geometry are numbers that ITK's search for a rotation ends with."""
    fields = [header["pixdim"][1:4]]
    if int(header["qform_code"]) > 0:
        fields += [header[f"quatern_{axis}"] for axis in "bcd"] + [
            header[f"qoffset_{axis}"] for axis in "xyz"
        ]
        if sum(float(header[f"quatern_{axis}"]) ** 2 for axis in "bcd") > _MOST_OF_QUATERNION:
            return False
    if int(header["sform_code"]) > 0:
        fields += [header[f"srow_{axis}"] for axis in "xyz"]
    numbers = np.concatenate([np.ravel(np.asarray(field, np.float64)) for field in fields])
    return bool(np.isfinite(numbers).all() and np.abs(numbers).max() < _MOST_MM)


def _straightened(path: Path, *, role: str) -> sitk.Image:
    """A NIfTI image whose axes are not quite at right angles, on the nearest grid whose are."""
    nifti: Any = nibabel.load(path)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(nifti.affine)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.all(np.isfinite(affine)) and np.all(spacing > 0)) or len(nifti.shape) < 3:
        raise InputError(
            f"The {role} {path} has no usable geometry in its header: convert it from DICOM again."
        )
    u, _, v = np.linalg.svd(affine[:3, :3] / spacing)
    direction = u @ v
    half = spacing * np.asarray(nifti.shape[:3]) / 2
    off_mm = float(np.abs(affine[:3, :3] / spacing - direction) @ half @ np.ones(3) / np.sqrt(3))
    if off_mm > SHEAR_TOLERANCE_MM:
        raise InputError(
            f"The voxel axes of the {role} {path} are not at right angles (sheared by up to {off_mm:.1f} "
            "mm): resample it to an ordinary grid, or give the original DICOM images."
        )
    array = np.asanyarray(nifti.dataobj)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    centre = affine[:3, :3] @ ((np.asarray(nifti.shape[:3]) - 1) / 2) + affine[:3, 3]
    origin = centre - direction @ (spacing * (np.asarray(nifti.shape[:3]) - 1) / 2)
    tail = len(nifti.shape) - 3
    full = np.eye(3 + tail)
    full[:3, :3] = direction
    image.SetSpacing([*spacing.tolist(), *[1.0] * tail])
    image.SetOrigin([*origin.tolist(), *[0.0] * tail])
    image.SetDirection(full.ravel().tolist())
    return image
