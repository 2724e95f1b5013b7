"""One image volume with where it came from, and the study of T1 and FLAIR that a run starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import SimpleITK as sitk

if TYPE_CHECKING:
    from ..dicom.series import Series
    from .nifti_header import NiftiHeader


class Remark(NamedTuple):
    """A doubt about a file, found while reading it; it becomes a `QualityWarning` with the same fields."""

    name: str
    sentence: str
    measured: Mapping[str, Any]


@dataclass(frozen=True)
class Volume:
    """A three-dimensional scalar image in physical space (LPS, mm).

    Attributes:
        image: float32, three dimensions, more than one slice, finite, not constant.
        path: the file or DICOM folder it was read from; None when it came from memory.
        sha256: of the file's bytes (for DICOM: of the files' bytes in slice order); None from memory.
        description: how to name it to a person, such as the file name or the DICOM series description.
        files: the DICOM instances it was read from, in slice order (one for a multi-frame object); empty for other
            formats.
        chosen: why this DICOM series was taken of its study; "" where the user named it.
        series: that DICOM series, with what its headers say; None for other formats.
        header: of a NIfTI file; None for other formats.
        remarks: doubts about the file.
        unknown: bool (slices, rows, columns), where the file holds no number (NaN, infinite); None: nowhere. The image
            has its lowest value there.
        zero: the value subtracted from the file's values, so that 0 in the image means no signal.
    """

    image: sitk.Image
    path: Path | None = None
    sha256: str | None = None
    description: str = ""
    files: tuple[Path, ...] = ()
    chosen: str = ""
    series: Series | None = None
    header: NiftiHeader | None = None
    remarks: tuple[Remark, ...] = ()
    unknown: np.ndarray | None = None
    zero: float = 0.0


@dataclass(frozen=True)
class Study:
    """What the user gave: a T1, a FLAIR and, optionally, a brain mask, each on a grid of its own.

    The brain mask lies in the FLAIR's physical space; voxels other than 0 are brain.
    """

    t1: Volume
    flair: Volume
    brain_mask: Volume | None = None


def name_of(volume: Volume, otherwise: str) -> str:
    """How to name a volume to a person: its path, else its description, else what it is."""
    return str(volume.path) if volume.path is not None else volume.description or otherwise
