"""The voxels of one finding as a line of text, for a cell of the table and its history."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np


def mask_text(mask: np.ndarray) -> str:
    """A mask as text: origin and size of its bounding box, and the packed bits in it; "" for an empty mask.

    Args:
        mask: bool (slices, rows, columns).
    """
    if not mask.any():
        return ""
    spans = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    first = [int(span[0]) for span in spans]
    size = [int(span[-1]) - int(span[0]) + 1 for span in spans]
    box = mask[tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))]
    bits = base64.b64encode(zlib.compress(np.packbits(box).tobytes())).decode("ascii")
    return f"{' '.join(map(str, first + size))} {bits}"


def mask_of(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """The mask of a text, bool of this shape; all False if the text is damaged or of another grid."""
    mask = np.zeros(shape, bool)
    try:
        *numbers, bits = text.split(" ")
        z, y, x, slices, rows, columns = map(int, numbers)
        place = slice(z, z + slices), slice(y, y + rows), slice(x, x + columns)
        size = slices * rows * columns
        if min(z, y, x) >= 0 and mask[place].size == size > 0:
            packed = zlib.decompressobj().decompress(base64.b64decode(bits, validate=True), size // 8 + 1)
            box = np.unpackbits(np.frombuffer(packed, np.uint8), count=size)
            mask[place] = box.reshape(slices, rows, columns).astype(bool)
    except (ValueError, binascii.Error, zlib.error):
        return np.zeros(shape, bool)
    return mask
