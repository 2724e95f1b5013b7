"""The pixels of DICOM frames, decoded and rescaled."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .headers import CLASSIC_MR, Frame

#: Transfer syntaxes (PS3.5, A) that pydicom decodes without plug-ins: uncompressed, deflated, run-length encoded.
_OWN = {
    *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"),
    "1.2.840.10008.1.2.5",
}
#: Transfer syntaxes that GDCM (in SimpleITK) decodes: JPEG, lossless JPEG, JPEG-LS, JPEG 2000.
_GDCM = {
    *("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"),
    *("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"),
}

#: Attributes that describe how a pixel is stored.
_LAYOUT = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")


def read_pixels(frames: Sequence[Frame], name: str) -> tuple[np.ndarray, str]:
    """The values of frames; every file is read once.

    Args:
        name: of the series, for messages.

    Returns:
        values: float32 (frames, rows, columns), in the order of the frames, each scaled with its own slope and intercept.
        sha256: hexadecimal, of the content of the files, one after another.

    Raises:
        InputError: if a file is damaged or truncated, its compression is not supported, or it does not hold grey values.
        OSError: if a file cannot be opened.
    """
    wanted: dict[Path, list[int]] = {}
    for number, frame in enumerate(frames):
        wanted.setdefault(frame.file, []).append(number)
    values = np.empty((len(frames), frames[0].rows, frames[0].columns), np.float32)
    digest = hashlib.sha256()
    for file, numbers in wanted.items():
        content = file.read_bytes()
        digest.update(content)
        stored = _stored(content, file, name)
        for number in numbers:
            frame = frames[number]
            if frame.index >= len(stored) or stored.shape[1:] != (frame.rows, frame.columns):
                raise _damaged(file, name)
            slope, intercept = frame.scale
            values[number] = stored[frame.index] * slope + intercept
    return values, digest.hexdigest()


def _stored(content: bytes, file: Path, name: str) -> np.ndarray:
    """The stored values of all frames in the content of a file: (frames, rows, columns)."""
    import pydicom

    try:
        image = pydicom.dcmread(BytesIO(content), force=True)
        if "TransferSyntaxUID" not in image.file_meta:  # a data set without file meta information
            implicit = image.original_encoding[0]
            kinds = pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian
            image.file_meta.TransferSyntaxUID = kinds[bool(implicit)]
        syntax = image.file_meta.TransferSyntaxUID
        colours = int(image.get("SamplesPerPixel", 1)) > 1 or image.PhotometricInterpretation != "MONOCHROME2"
    except Exception as error:  # pydicom raises whatever its parts raise for a malformed file
        raise _damaged(file, name) from error
    if colours:
        raise InputError(
            f"{name} has colours or inverted grey values ({file.name}): give the images as they came from the scanner."
        )
    if syntax not in _OWN | _GDCM:
        raise InputError(
            f"{name} is compressed in a way that cannot be read here ({syntax.name}, {file.name}): export it "
            "uncompressed."
        )
    try:
        pixels = _by_pydicom(image) if syntax in _OWN else _by_gdcm(image)
    except Exception as error:
        raise _damaged(file, name) from error
    return pixels if pixels.ndim == 3 else pixels[None]


def _by_pydicom(image: Any) -> np.ndarray:
    """Older programs left the lowest bits unused; pydicom would drop the highest instead."""
    unused = int(image.get("HighBit", 0)) + 1 - int(image.BitsStored)
    if unused <= 0:
        return image.pixel_array
    image.BitsStored += unused
    pixels = image.pixel_array
    only_high = not (pixels & (2**unused - 1)).any()  # otherwise the header is wrong
    return pixels >> unused if only_high else pixels


def _by_gdcm(image: Any) -> np.ndarray:
    """Decode compressed frames, each written as a separate image without scale: GDCM would apply one scale to all frames of
    an enhanced object."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate, generate_frames
    from pydicom.uid import UID, generate_uid

    count = int(image.get("NumberOfFrames", 1) or 1)
    decoded = []
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(generate_frames(image.PixelData, number_of_frames=count)):
            one = Dataset()
            one.file_meta = FileMetaDataset()
            one.file_meta.TransferSyntaxUID = image.file_meta.TransferSyntaxUID
            one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = UID(CLASSIC_MR)
            one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
            for keyword in _LAYOUT:
                setattr(one, keyword, image[keyword].value)
            one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
            one.PixelData = encapsulate([content])
            one["PixelData"].is_undefined_length = True
            path = f"{folder}/{number}.dcm"
            one.save_as(path, enforce_file_format=True)
            decoded.append(sitk.GetArrayFromImage(sitk.ReadImage(path, imageIO="GDCMImageIO")))
    return np.concatenate(decoded)


def _damaged(file: Path, name: str) -> InputError:
    return InputError(
        f"{name} has images that are damaged or do not belong together ({file.name}): export it again."
    )
