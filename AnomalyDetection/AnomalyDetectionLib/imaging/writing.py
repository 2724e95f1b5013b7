"""Results that are there completely or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from ..errors import InputError


@contextmanager
def atomic_folder(output: Path) -> Iterator[Path]:
    """A folder to write into, whose files move to `output` when the block ends well.

    Files of the same name in `output` are replaced, others stay. If the block fails, or the user interrupts
    it, nothing of it remains and `output` is as it was (not there, if it was not).

    Raises:
        InputError: if the folder cannot be written or the disk is full.
    """
    output = Path(output)
    with _explained(output):
        created = _make(output)
    try:
        with _explained(output):
            working = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=output))
        try:
            with _explained(output):
                yield working
                for file in sorted(path for path in working.rglob("*") if path.is_file()):
                    target = output / file.relative_to(working)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    file.replace(target)
        finally:
            shutil.rmtree(working, ignore_errors=True)
    except BaseException:
        for folder in reversed(created):
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def write_image(image: sitk.Image, path: Path) -> None:
    """An image to a file, compressed; the suffix tells the format.

    Raises:
        OSError: if it cannot be written, such as for want of space.
    """
    size = image.GetNumberOfPixels() * image.GetSizeOfPixelComponent()
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
        if path.name.endswith(".nii.gz") and not _is_whole(path, size):
            raise RuntimeError("ITK's NIfTI writer does not notice a full disk")
    except RuntimeError as error:
        # ITK does not say why. A full disk is the likely reason in a folder that was just made.
        free = shutil.disk_usage(path.parent).free
        reason = errno.ENOSPC if free < size else errno.EIO
        raise OSError(reason, os.strerror(reason), str(path)) from error


def _is_whole(path: Path, size: int) -> bool:
    """Whether a gzip file ends with the length of a NIfTI header and `size` bytes of voxels."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 4))
        length = int.from_bytes(file.read(), "little")
    return length in {(header + size) % 2**32 for header in (352, 544)}


def _make(output: Path) -> list[Path]:
    """Makes the folder and those above it; returns those that were not there, outermost first."""
    missing: list[Path] = []
    folder = output
    while not folder.exists():
        missing.insert(0, folder)
        folder = folder.parent
    output.mkdir(parents=True, exist_ok=True)
    return missing


@contextmanager
def _explained(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise InputError(f"The disk of the output folder {output} is full: free some space.") from error
        raise InputError(
            f"The output folder {output} cannot be written ({error.strerror or error}): choose another."
        ) from error
