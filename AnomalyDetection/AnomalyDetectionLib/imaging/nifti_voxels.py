"""Read the voxels of a NIfTI file completely; truncated or damaged files are refused."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ..errors import InputError
from ..files.links import leads_nowhere
from .nifti_header import NiftiHeader
from .packed import UNPACKING, unpacked
from .text_header import MOST_VOXELS

#: Exceptions raised for damaged files.
DAMAGE = (
    *UNPACKING, ImageFileError, WrapStructError, HeaderDataError, LookupError, OverflowError, gzip.BadGzipFile
)  # fmt: skip

PAIR = (".hdr", ".img")  # A header and its voxels as two files (NIfTI or Analyze); each may be compressed
_BLOCK = 1 << 22
_LOOKED_AT = 1 << 20  # of bytes after the voxels: the checksum follows them


def half_of_pair(path: Path) -> str:
    """ ".hdr" or ".img" if a file is half of a pair by its name, else ""."""
    return next((half for half in PAIR if path.name.lower().removesuffix(".gz").endswith(half)), "")


def pair_of(path: Path) -> tuple[Path, Path] | None:
    """Header and voxels of the pair that a file is half of; None if the other half is missing, or the file is not half of a
    pair."""
    half = half_of_pair(path)
    if not half:
        return None
    stem = path.name[: path.name.lower().rindex(half)]
    other = PAIR[1 - PAIR.index(half)]
    names = {f"{stem}{other}{packed}".lower() for packed in ("", ".gz")}
    for beside in sorted(path.parent.iterdir()):
        there = beside.is_file() or leads_nowhere(beside)
        if there and beside.name.lower() in names and beside.name.startswith(stem):
            return (path, beside) if half == ".hdr" else (beside, path)
    return None


def read_header(path: Path) -> NiftiHeader:
    """The header of a file, or of the pair that it is half of. Raises DAMAGE where it is not a valid header."""
    pair = pair_of(path)
    with unpacked(path if pair is None else pair[0]) as stream:
        return NiftiHeader.parse(stream.read(540), pair=pair is not None)


def read_stored(path: Path, header: NiftiHeader) -> np.ndarray:
    """The voxels as they are stored, (..., slices, rows, columns), not scaled. Raises InputError where there
    are more voxels than can be used. Raises DAMAGE where there are fewer voxels than the header says, or a
    checksum is wrong."""
    count = math.prod(header.shape)
    if count > MOST_VOXELS:
        size = " x ".join(map(str, header.shape))
        raise InputError(
            f"{path} says that it has {size} voxels, more than can be used (500 million): give the original scan."
        )
    start, later = header.offset
    with _voxels(path, header, start) as stream:
        content, wanted = bytearray(), count * header.dtype.itemsize
        most = wanted + later
        while len(content) < most and (block := stream.read(min(_BLOCK, most - len(content)))):
            content += block
        if len(content) == most:
            del content[:later]
        if len(content) < wanted:
            raise EOFError(f"{len(content)} of {wanted} bytes")
        beyond = 0  # trailing bytes are not kept
        while beyond <= _LOOKED_AT and (block := stream.read(1 << 16)):
            beyond += len(block)
    return np.frombuffer(content, header.dtype, count).reshape(header.shape[::-1])


def values_of(stored: np.ndarray, header: NiftiHeader) -> np.ndarray:
    """The grey values of stored voxels: float32, same shape."""
    slope, intercept = header.scale
    if (slope, intercept) == (1.0, 0.0):
        return stored.astype(np.float32)
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


@contextmanager
def _voxels(path: Path, header: NiftiHeader, start: int) -> Iterator[BinaryIO]:
    """A stream of the voxels, positioned at `start`."""
    pair = pair_of(path) if header.is_pair else None
    with unpacked(path if pair is None else pair[1]) as stream:
        while start > 0 and (block := stream.read(min(_BLOCK, start))):
            start -= len(block)
        yield stream
