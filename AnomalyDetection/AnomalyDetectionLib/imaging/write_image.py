"""Write compressed image files; a full disk is detected."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import SimpleITK as sitk

from .volume import Volume


def write_image(image: sitk.Image, path: Path, on: Volume | None = None, *, compressed: bool = True) -> None:
    """Write an image to a file; the suffix decides the format.

    `on`: the scan on whose grid it lies; a NIfTI file gets all geometry fields of that scan. `compressed`:
    False only for a format other than `.nii.gz`. Raises OSError if it cannot be written, for example because
    the disk is full."""
    if on is not None and on.header is not None and path.name.endswith(".nii.gz"):
        from .nifti import nifti_bytes  # nibabel is not in every Slicer

        path.write_bytes(nifti_bytes(image, on.header))
        return
    size = image.GetNumberOfPixels() * image.GetSizeOfPixelComponent()
    try:
        sitk.WriteImage(image, str(path), useCompression=compressed)
        if path.name.endswith(".nii.gz") and not _is_whole(path, size):
            raise RuntimeError("ITK's NIfTI writer does not notice a full disk")
    except RuntimeError as error:
        # ITK does not say why. In a folder that was just made, a full disk is the likely reason.
        free = shutil.disk_usage(path.parent).free
        reason = errno.ENOSPC if free < size else errno.EIO
        raise OSError(reason, os.strerror(reason), str(path)) from error


def _is_whole(path: Path, size: int) -> bool:
    """Whether a gzip file ends with the right length: a NIfTI header and `size` bytes of voxels."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 4))
        length = int.from_bytes(file.read(), "little")
    return length in {(header + size) % 2**32 for header in (352, 544)}
