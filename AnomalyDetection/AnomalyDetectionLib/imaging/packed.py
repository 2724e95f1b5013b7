"""Detect the format of a file by its content: it may be compressed more than once, or have another format's suffix."""

from __future__ import annotations

import bz2
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ..files.links import POINTERS

NIFTI, NRRD, META = "NIfTI", "NRRD", "MetaImage"
UNPACKING = (EOFError, OSError, zlib.error, ValueError)  # Exceptions raised when a damaged file is unpacked
_MOST_LAYERS = 3  # Maximum number of layers of compression that are unpacked

_ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
    b"\xfd7zX": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_SIZES_OF_NIFTI = (348, 540)
_META_BEGINS = re.compile(rb"\s*(ObjectType|NDims)\s*=", re.IGNORECASE)


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """A stream of a file's unpacked content (gzip, bzip2), however often it was packed. Reading a
    damaged one raises `UNPACKING`."""
    with ExitStack() as held:
        stream: BinaryIO = held.enter_context(path.open("rb"))
        for _ in range(_MOST_LAYERS):
            start = stream.read(3)
            stream.seek(0)
            if start[:2] == b"\x1f\x8b":
                stream = held.enter_context(cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb")))
            elif start == b"BZh":
                stream = held.enter_context(cast(BinaryIO, bz2.BZ2File(stream)))
            else:
                break
        yield stream


def is_packed(path: Path) -> bool:
    """Whether the whole file is packed (gzip, bzip2), and not only its voxels."""
    with path.open("rb") as file:
        return _is_packed(file.read(3))


def is_packed_twice(path: Path) -> bool:
    """Whether a file is packed by gzip and its content is packed again; false if it is damaged."""
    try:
        with gzip.open(path) as file:
            return _is_packed(file.read(3))
    except UNPACKING:
        return False


def _is_packed(start: bytes) -> bool:
    return start[:2] == b"\x1f\x8b" or start == b"BZh"


def content_of(path: Path) -> str:
    """The format of a file's unpacked content: `NIFTI` (or Analyze), `NRRD`, `META`, or "" for any other."""
    start = _beginning(path)
    sizes = {int.from_bytes(start[:4], order) for order in ("little", "big")}  # type: ignore[arg-type]
    if sizes & set(_SIZES_OF_NIFTI):
        return NIFTI
    if start.startswith(b"NRRD"):
        return NRRD
    return META if _META_BEGINS.match(start) else ""


def archive_of(path: Path) -> str:
    """The kind of an archive that has to be unpacked by hand, such as "zip"; "" if the file is not one."""
    return _ARCHIVES.get(_beginning(path)[:4], "")


def is_fetched(path: Path) -> bool:
    """Whether a file is the file itself, and not the pointer that Git LFS or git-annex leaves until it is fetched."""
    return not any(mark in _beginning(path)[:300] for mark in POINTERS)


def _beginning(path: Path) -> bytes:
    path.open("rb").close()  # raises the reason if it cannot be opened
    try:
        with unpacked(path) as stream:
            return stream.read(512)
    except UNPACKING:
        return b""
