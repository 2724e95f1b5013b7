"""NRRD and MetaImage files that ITK cannot read as they are: packed as a whole, by bzip2, or under another name."""

from __future__ import annotations

import bz2
import re
from pathlib import Path

from .packed import NRRD, unpacked
from .text_header import LONGEST, bytes_of_voxels, data_files

_ENDS = re.compile(rb"\r?\n\r?\n")
_BZIP2 = re.compile(rb"(?<=[\r\n])encoding[ \t]*:[ \t]*(?:bzip2|bz2)[ \t]*(?=[\r\n])", re.IGNORECASE)
_DATA_FILE = re.compile(rb"(?<=[\r\n])data ?file[ \t]*:[^\r\n]*\r?\n?", re.IGNORECASE)
_OFFSET = re.compile(rb"(?<=[\r\n])(?:byte|line) ?skip[ \t]*:[ \t]*(?!0\s)", re.IGNORECASE)


def plain_copy(path: Path, kind: str, folder: Path, *, packed: bool) -> Path | None:
    """A copy that ITK can read; None if ITK can read the file itself.

    Raises ValueError, EOFError, OSError, zlib.error where the file is damaged.

    Args:
        kind: `packed.NRRD` or `packed.META`.
        folder: an empty folder for the copy.
        packed: whether the file is packed as a whole, or has another format's suffix. Otherwise
            `text_header.check_header` has accepted its header.
    """
    copy = folder / ("image.nrrd" if kind == NRRD else "image.mha")
    if packed:
        with unpacked(path) as stream:
            copy.write_bytes(stream.read(LONGEST))
            most = _most_bytes(copy)
            with copy.open("ab") as file:
                while file.tell() < most and (block := stream.read(1 << 22)):
                    file.write(block)
        path = copy
    if kind != NRRD:
        return copy if packed else None
    with path.open("rb") as file:
        beginning = file.read(LONGEST)
    end = _ENDS.search(beginning)
    header = beginning[: end.end()] if end else beginning
    if not _BZIP2.search(header):
        return copy if packed else None
    if _OFFSET.search(header):
        raise ValueError("compressed voxels behind others")
    names = data_files(path)
    with (path.parent / names[0] if names else path).open("rb") as file:
        file.seek(0 if names else len(header))
        voxels = bz2.BZ2File(file).read(bytes_of_voxels(path)[1] + 1)
    least, most = bytes_of_voxels(path)
    if not least <= len(voxels) <= most:
        raise ValueError("fewer voxels than the header says, or more")
    header = _DATA_FILE.sub(b"", _BZIP2.sub(b"encoding: raw", header)).rstrip(b"\r\n")
    copy.write_bytes(header + b"\n\n" + voxels)
    return copy


def _most_bytes(beginning: Path) -> int:
    """Largest plausible length of the file by its (untrusted) header."""
    try:
        return LONGEST + bytes_of_voxels(beginning)[1]
    except (KeyError, ValueError):
        return LONGEST
