"""An image volume with its origin, and the study of T1 and FLAIR that a detection starts from."""

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
    """A three-dimensional scalar image in physical space (LPS, mm)."""

    image: sitk.Image  # float32, three dimensions, more than one slice, finite, not constant
    path: Path | None = None  # the file or DICOM folder it was read from; None when it came from memory
    # of the file's bytes (for DICOM: of the files' bytes in slice order); None from memory
    sha256: str | None = None
    description: str = ""  # its name for people, such as the file name or the DICOM series description
    # the DICOM instances it was read from, in slice order (one for a multi-frame object); empty for other formats
    files: tuple[Path, ...] = ()
    chosen: str = ""  # why this DICOM series of the study was chosen; "" if the user named it
    series: Series | None = None  # that DICOM series, with its headers; None for other formats
    header: NiftiHeader | None = None  # of a NIfTI file; None for other formats
    remarks: tuple[Remark, ...] = ()  # doubts about the file
    # bool (slices, rows, columns), voxels that hold no number (NaN, infinite) in the file; None if there are
    # none. In the image they have its lowest value.
    unknown: np.ndarray | None = None
    zero: float = 0.0  # the value subtracted from the file's values, so that 0 in the image means no signal


@dataclass(frozen=True)
class Study:
    """The images given by the user: a T1, a FLAIR and, optionally, a brain mask, each on its own grid.

    The brain mask is in the FLAIR's physical space; voxels that are not 0 are brain.
    """

    t1: Volume
    flair: Volume
    brain_mask: Volume | None = None


def name_of(volume: Volume, otherwise: str) -> str:
    """The name of a volume for people: its path, else its description, else its role."""
    return str(volume.path) if volume.path is not None else volume.description or otherwise
