"""The compressed voxels of NRRD and MetaImage files: whether they are complete, and copies where ITK cannot read them.

ITK verifies no checksum: it keeps what it could decompress of a damaged file, and leaves the rest uninitialised. It reads no
file that is packed as a whole, has another format's suffix, or holds voxels packed by bzip2.
"""

from __future__ import annotations

import bz2
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .packed import NRRD, unpacked
from .text_header import LONGEST, bytes_of_voxels, data_files

_BLOCK = 1 << 20

_META = (".mhd", ".mha")
_NRRD_END = re.compile(rb"\r?\n\r?\n")
_META_END = re.compile(rb"ElementDataFile[ \t]*[=:][^\r\n]*\r?\n", re.IGNORECASE)
_NRRD_GZIP = re.compile(rb"[\r\n]encoding[ \t]*:[ \t]*(?:gzip|gz)\b", re.IGNORECASE)
_META_COMPRESSED = re.compile(rb"(?:^|[\r\n])CompressedData[ \t]*[=:][ \t]*(?:True|T|1)\b", re.IGNORECASE)
_BZIP2 = re.compile(rb"(?<=[\r\n])encoding[ \t]*:[ \t]*(?:bzip2|bz2)[ \t]*(?=[\r\n])", re.IGNORECASE)
_DATA_FILE = re.compile(rb"(?<=[\r\n])data ?file[ \t]*:[^\r\n]*\r?\n?", re.IGNORECASE)
_OFFSET = re.compile(rb"[\r\n](?:byte ?skip|line ?skip|HeaderSize)[ \t]*[=:][ \t]*(?!0\s)", re.IGNORECASE)


def are_whole(path: Path) -> bool:
    """Whether the voxels of a file decompress completely and match their checksum; true if they are not compressed.

    `path`: of the header, which `text_header.check_header` has accepted.
    """
    header = _header_of(path)
    compressed = _META_COMPRESSED if path.suffix.lower() in _META else _NRRD_GZIP
    if not compressed.search(header) or _OFFSET.search(header):
        return True
    with _voxels_of(path, header) as file:
        return _unpacks(file, *bytes_of_voxels(path))


def plain_copy(path: Path, kind: str, folder: Path, *, packed: bool) -> Path | None:
    """A copy that ITK can read; None if ITK can read the file itself. Damage raises what is in
    `packed.UNPACKING`.

    `kind`: `packed.NRRD` or `packed.META`. `folder`: an empty folder for the copy. `packed`: whether the file
    is packed as a whole, or has another format's suffix. Otherwise `text_header.check_header` has accepted its
    header."""
    copy = folder / ("image.nrrd" if kind == NRRD else "image.mha")
    if packed:
        with unpacked(path) as stream:
            copy.write_bytes(stream.read(LONGEST))
            most = _most_bytes(copy)
            with copy.open("ab") as file:
                while file.tell() < most and (block := stream.read(1 << 22)):
                    file.write(block)
        path = copy
    header = _header_of(path) if kind == NRRD else b""
    if not _BZIP2.search(header):
        return copy if packed else None
    if _OFFSET.search(header):
        raise ValueError("compressed voxels behind others")
    least, most = bytes_of_voxels(path)
    with _voxels_of(path, header) as file:
        voxels = bz2.BZ2File(file).read(most + 1)
    if not least <= len(voxels) <= most:
        raise ValueError("fewer voxels than the header says, or more")
    header = _DATA_FILE.sub(b"", _BZIP2.sub(b"encoding: raw", header)).rstrip(b"\r\n")
    copy.write_bytes(header + b"\n\n" + voxels)
    return copy


def _header_of(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(LONGEST)
    end = (_META_END if path.suffix.lower() in _META else _NRRD_END).search(content)
    return content[: end.end()] if end else content


@contextmanager
def _voxels_of(path: Path, header: bytes) -> Iterator[BinaryIO]:
    """The file that holds the voxels, where they begin."""
    names = data_files(path)
    with (path.parent / names[0] if names else path).open("rb") as file:
        file.seek(0 if names else len(header))
        yield file


def _unpacks(file: BinaryIO, least: int, most: int) -> bool:
    unpacking, length = zlib.decompressobj(47), 0  # written by zlib or by gzip
    try:
        while not unpacking.eof:
            block = unpacking.unconsumed_tail or file.read(_BLOCK)
            length += len(unpacking.decompress(block, _BLOCK))
            if not block or length > most:
                return False
    except zlib.error:
        return False
    return length >= least


def _most_bytes(beginning: Path) -> int:
    """Largest plausible length of the file by its (untrusted) header."""
    try:
        return LONGEST + bytes_of_voxels(beginning)[1]
    except (KeyError, ValueError):
        return LONGEST
