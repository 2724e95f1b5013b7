"""Image files by their content: NIfTI by its header, NRRD and MetaImage by ITK, with the checks that ITK omits."""

from __future__ import annotations

import contextlib
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..files.links import leads_nowhere
from ..grid import Grid
from . import packed
from .compressed_voxels import are_whole, plain_copy
from .nifti_header import NiftiHeader, unknown_place
from .nifti_voxels import DAMAGE, half_of_pair, pair_of, read_header, read_stored, values_of
from .packed import META, NIFTI, NRRD
from .text_header import MOST_VOXELS, check_header, data_files, lacking
from .volume import Remark

SUFFIXES = {NIFTI: (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"), NRRD: (".nrrd", ".nhdr"), META: (".mha", ".mhd")}  # fmt: skip
_ITK = {NRRD: "NrrdImageIO", META: "MetaImageIO"}


class FileImage(NamedTuple):
    """The content of an image file."""

    image: sitk.Image  # with the file's own values
    header: NiftiHeader | None = None  # of a NIfTI file
    remarks: tuple[Remark, ...] = ()  # doubts about the file


def read(path: Path, *, role: str) -> FileImage:
    """Read an image file by its content, whatever its suffix. Raises InputError if the format is unknown, or
    the file is damaged or truncated. Raises OSError if the file cannot be opened."""
    kind = _kind(path, role)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # the checks here give clearer messages
    try:
        return _nifti(path, role) if kind == NIFTI else _text_headed(path, kind, role)
    except (*DAMAGE, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(f"The {role} {path} is damaged or incomplete: copy or download it again.") from error


def files_of(path: Path) -> tuple[Path, ...]:
    """The file, followed by the file with the voxels (or a link to it) if that is separate (.hdr, .mhd, .nhdr)."""
    if half_of_pair(path):
        return pair_of(path) or (path,)
    return (path, *(path.parent / name for name in data_files(path) if _is_there(path.parent / name)))


def _is_there(file: Path) -> bool:
    """Whether this file, or a link of this name, exists."""
    with contextlib.suppress(OSError, ValueError):  # not a valid file name
        return file.is_file() or leads_nowhere(file)
    return False


def header_of(path: Path) -> NiftiHeader | None:
    """The header of a NIfTI file with all its geometries; None for other files, and for files that cannot be read."""
    with contextlib.suppress(*DAMAGE):
        if packed.content_of(path) == NIFTI:
            return _with_itk(read_header(path), path)
    return None


def _kind(path: Path, role: str) -> str:
    name = path.name.lower()
    by_name = next((kind for kind, suffixes in SUFFIXES.items() if name.endswith(suffixes)), "")
    if half_of_pair(path):
        if pair_of(path) is None and packed.content_of(path) != NIFTI:
            other = ".hdr" if half_of_pair(path) == ".img" else ".img"
            raise InputError(
                f"The {role} {path} is half of an image: put its {other} file into the same folder."
            )
        return NIFTI
    kind = packed.content_of(path)
    if not kind and not packed.is_fetched(path):
        raise InputError(
            f"The {role} {path} holds a pointer to a file that was not fetched: fetch it first (such as with git lfs pull, "
            "git annex get or datalad get)."
        )
    if not kind and (archive := packed.archive_of(path)):
        raise InputError(
            f"The {role} {path} is an archive ({archive}): unpack it, and give the image file in it."
        )
    if not (kind or by_name):
        raise InputError(
            f"The {role} {path} is not in a format that can be read: give NIfTI (.nii, .nii.gz, .hdr with .img), NRRD "
            "(.nrrd, .nhdr), MetaImage (.mha, .mhd) or a folder of DICOM images."
        )
    return kind or by_name


def _nifti(path: Path, role: str) -> FileImage:
    header = read_header(path)
    if header.of_several_values:
        raise InputError(several_values(f"The {role} {path}", header.dtype.name))
    if len(header.shape) > 3:
        raise InputError(several_volumes(f"The {role} {path}", header.shape))
    if header.broken and header.sform is None and header.qform is None:
        raise InputError(
            f"The {role} {path} has a place in its header that cannot be read ({' and '.join(header.broken)}): "
            "convert it from DICOM again."
        )
    values = values_of(read_stored(path, header), header)
    header = _with_itk(header, path)
    grid, remarks = header.place(role)
    return FileImage(grid.image(values), header, remarks)


def several_values(name: str, what: str) -> str:
    """The message about an image with several values per voxel."""
    return (
        f"{name} has several values per voxel ({what}), such as colours: give the grey-value images as they came from "
        "the scanner."
    )


def several_volumes(name: str, size: tuple[int, ...]) -> str:
    """The message about an image of several volumes."""
    return f"{name} is a series of {math.prod(size[3:])} volumes ({' x '.join(map(str, size))} voxels): give one volume."


def _with_itk(header: NiftiHeader, path: Path) -> NiftiHeader:
    """The header with ITK's geometry of the image; ITK reads neither NIfTI-2 nor files that were compressed twice, and
    a broken geometry may keep it busy forever."""
    if header.is_nifti2 or header.broken or packed.is_packed_twice(path):
        return header
    return replace(header, itk=_by_itk(path))


def _by_itk(path: Path) -> Grid | None:
    """The grid on which ITK, and so 3D Slicer, shows a NIfTI file; None if it cannot open it."""
    with contextlib.suppress(RuntimeError, ValueError):
        reader = _information(path, "NiftiImageIO")
        axes = reader.GetDimension()
        if axes < 3:
            return None
        matrix = np.eye(4)
        direction = np.array(reader.GetDirection()).reshape(axes, axes)[:3, :3]
        matrix[:3, :3], matrix[:3, 3] = direction * reader.GetSpacing()[:3], reader.GetOrigin()[:3]
        x, y, z = reader.GetSize()[:3]
        # ITK lets negative sizes pass, and direction columns that are not of length 1.
        if np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-9:
            return Grid.nearest((x, y, z), matrix)[0]
    return None


def _information(path: Path, image_io: str) -> sitk.ImageFileReader:
    """A reader that has read a file's header. Raises RuntimeError where ITK cannot read it."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(image_io)
    reader.ReadImageInformation()
    return reader


def _text_headed(path: Path, kind: str, role: str) -> FileImage:
    """Read NRRD or MetaImage: the file itself if ITK can read it, else a copy that ITK can read."""
    suits = path.name.lower().endswith(SUFFIXES[kind]) and not packed.is_packed(path)
    if suits:
        check_header(path, role=role)
    with tempfile.TemporaryDirectory() as folder:
        copy = plain_copy(path, kind, Path(folder), packed=not suits)
        if copy is not None and not suits:
            check_header(copy, role=role, shown=path)
        file = path if copy is None else copy
        _check_size(file, kind, f"The {role} {path}")
        if not are_whole(file):
            raise ValueError("voxels are missing")
        why, sized = lacking(file)
        remarks = (unknown_place(role, why, sized=sized),) if why else ()
        return FileImage(sitk.ReadImage(str(file), imageIO=_ITK[kind]), remarks=remarks)


def _check_size(path: Path, kind: str, name: str) -> None:
    """Refuse images too large for memory, by their header, before they are read. Raises RuntimeError where ITK
    cannot read the header."""
    reader = _information(path, _ITK[kind])
    size = reader.GetSize()
    if math.prod(size) * reader.GetNumberOfComponents() > MOST_VOXELS:
        raise InputError(
            f"{name} says that it has {' x '.join(map(str, size))} voxels, more than can be used (500 million): "
            "give the original scan."
        )
