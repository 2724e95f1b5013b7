"""Whether the compressed voxels of a NRRD or MetaImage file are complete; ITK does not verify their checksums.

ITK keeps what it could decompress of a damaged file, and leaves the rest uninitialised.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import BinaryIO

from .text_header import LONGEST, bytes_of_voxels, data_files

_BLOCK = 1 << 20

_NRRD_GZIP = re.compile(rb"[\r\n]encoding[ \t]*:[ \t]*(?:gzip|gz)\b", re.IGNORECASE)
_NRRD_END = re.compile(rb"\r?\n\r?\n")
_META_COMPRESSED = re.compile(rb"(?:^|[\r\n])CompressedData[ \t]*[=:][ \t]*(?:True|T|1)\b", re.IGNORECASE)
_META_END = re.compile(rb"ElementDataFile[ \t]*[=:][^\r\n]*\r?\n", re.IGNORECASE)
_OFFSET = re.compile(rb"[\r\n](?:byte ?skip|line ?skip|HeaderSize)[ \t]*[=:][ \t]*(?!0\s)", re.IGNORECASE)


def are_whole(path: Path) -> bool:
    """Whether the voxels of a file decompress completely and match their checksum; true if they are not
    compressed. `path`: of the header, which `text_header.check_header` has accepted. Raises OSError where the
    file cannot be read."""
    with path.open("rb") as file:
        content = file.read(LONGEST)
    meta = path.suffix.lower() in (".mhd", ".mha")
    end = (_META_END if meta else _NRRD_END).search(content)
    header = content[: end.end()] if end else content
    if not (_META_COMPRESSED if meta else _NRRD_GZIP).search(header) or _OFFSET.search(header):
        return True
    names = data_files(path)
    with (path.parent / names[0] if names else path).open("rb") as file:
        file.seek(0 if names else len(header))
        return _unpacks(file, *bytes_of_voxels(path))


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
