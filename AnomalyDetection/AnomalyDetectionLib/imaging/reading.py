"""Volumes from files: NIfTI, NRRD, MetaImage, and folders of DICOM."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from . import dicom_series, file_image
from .dicom_headers import is_dicom
from .dicom_series import Series
from .volume import Study, Volume, as_text, is_utf8
from .voxels import voxels_of

#: Fewer voxels than this along an axis make no volume that a brain could be segmented in.
FEWEST_VOXELS = 5

#: No scan has smaller or larger voxels, or lies so far from the scanner's centre.
SMALLEST_MM, LARGEST_MM, FARTHEST_MM = 0.02, 50.0, 1e5


def read_study(
    t1: Path,
    flair: Path,
    brain_mask: Path | None = None,
    *,
    t1_series: str | Series | None = None,
    flair_series: str | Series | None = None,
) -> Study:
    """The T1, the FLAIR and, where given, the brain mask.

    Args:
        brain_mask: voxels other than 0 are brain. On any grid, but in the FLAIR's physical space: a mask of a
            T1 that lies elsewhere does not fit.
        t1_series, flair_series: which series of a DICOM folder, as for `read_volume`.

    Raises:
        InputError: if one of them cannot be used, T1 and FLAIR are the same file, or their DICOM headers name
            different patients.
    """
    t1_volume = read_volume(t1, role="T1", series=t1_series)
    flair_volume = read_volume(flair, role="FLAIR", series=flair_series)
    if t1_volume.sha256 == flair_volume.sha256:
        raise InputError(
            f"T1 and FLAIR are the same images ({t1_volume.description}): give the T1 with --t1 and the "
            "FLAIR with --flair."
        )
    _check_patient("T1", t1_volume, flair_volume)
    mask = None if brain_mask is None else read_volume(brain_mask, role="brain mask", mask=True)
    if mask is not None:
        _check_patient("brain mask", mask, flair_volume)
    return Study(t1_volume, flair_volume, mask)


def read_volume(path: Path, *, role: str, series: str | Series | None = None, mask: bool = False) -> Volume:
    """One volume from a file, or from a folder of DICOM images.

    Args:
        path: .nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, a DICOM image or a folder of them. Of a single DICOM
            image the whole series that it belongs to is read.
        role: what it is to be, for messages: "T1", "FLAIR", "brain mask".
        series: the number, UID or description of the DICOM series, where there are several; or the series itself,
            found before, so that the folder is not searched again.
        mask: whether it is a mask; a mask may be constant or empty, which is judged later.

    Raises:
        InputError: if it is missing, unreadable or truncated, has not three dimensions or not one value a
            voxel, has a single slice, NaN or infinite voxels, or nothing but one value.
    """
    path = Path(path)
    if not is_utf8(path):
        raise InputError(f"The path of the {role} is not valid UTF-8 ({as_text(path)}): rename it.")
    if not path.exists():
        raise InputError(f"The {role} {path} does not exist: check the path.")
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"The {role} {path} is neither a file nor a folder: give an image file.")
    chosen: Series | None = None
    try:
        if path.is_dir() or is_dicom(path):
            chosen = (
                series if isinstance(series, Series) else dicom_series.choose(path, role=role, series=series)
            )
            image, files = dicom_series.read(chosen, role=role)
            digest, description, why = _sha256(files), chosen.name, chosen.chosen
        else:
            image, files = file_image.read(path, role=role), ()
            digest, description, why = _sha256(file_image.files_of(path)), path.name, ""
    except OSError as error:
        raise InputError(
            f"The {role} {path} cannot be read ({error.strerror or error}): check that the file is there and "
            "that you may read it."
        ) from error
    return Volume(
        _checked(image, f"The {role} {path}", mask=mask), path, digest, description, files, why, chosen
    )


def _check_patient(role: str, volume: Volume, flair: Volume) -> None:
    """Refuse what is surely of somebody else than the FLAIR."""
    if volume.series is None or flair.series is None:
        return
    if different := volume.series.identity.contradictions(flair.series.identity):
        raise InputError(
            f"{role} and FLAIR are of different patients ({'; '.join(different)}; {volume.path} and {flair.path}): give "
            "the images of one patient."
        )


def _checked(image: sitk.Image, name: str, *, mask: bool) -> sitk.Image:
    """The image in three dimensions and float32, if it is fit for use."""
    while image.GetDimension() > 3 and image.GetSize()[-1] == 1:
        image = image[(*[slice(None)] * (image.GetDimension() - 1), 0)]
    size = image.GetSize()
    if image.GetNumberOfComponentsPerPixel() > 1 or "complex" in image.GetPixelIDTypeAsString():
        raise InputError(
            f"{name} has several values per voxel ({image.GetPixelIDTypeAsString()}), such as colours: give "
            "the grey-value images as they came from the scanner."
        )
    if image.GetDimension() > 3:
        raise InputError(
            f"{name} is a series of {math.prod(size[3:])} volumes ({' x '.join(map(str, size))} voxels): "
            "give one volume."
        )
    if image.GetDimension() < 3 or min(size) == 1:
        raise InputError(f"{name} is a single slice: give the whole volume.")
    if min(size) < FEWEST_VOXELS:
        raise InputError(
            f"{name} has only {' x '.join(map(str, size))} voxels: give a volume that covers the brain."
        )
    _check_geometry(image, name)
    image = sitk.Cast(image, sitk.sitkFloat32)
    voxels = voxels_of(image)
    low, high = float(voxels.min()), float(voxels.max())  # NaN where any voxel is
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(voxels.size - np.isfinite(voxels).sum())
        raise InputError(f"{name} has {bad} voxels that are not numbers (NaN or infinite): export it again.")
    if low == high and not mask:
        what = "empty: all voxels are 0" if low == 0 else f"constant: all voxels are {low:g}"
        raise InputError(f"{name} is {what}: give the original scan.")
    return image


def _check_geometry(image: sitk.Image, name: str) -> None:
    """Refuse voxels that lie nowhere, or whose size no scan has."""
    numbers = np.array((*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection()))
    spacing, direction = np.array(image.GetSpacing()), np.array(image.GetDirection()).reshape(3, 3)
    if not np.isfinite(numbers).all() or np.abs(image.GetOrigin()).max() > FARTHEST_MM:
        raise InputError(f"{name} has no usable geometry in its header: convert it from DICOM again.")
    if not np.allclose(direction @ direction.T, np.eye(3), atol=1e-2):
        raise InputError(f"{name} has axes that are not at right angles: resample it to an ordinary grid.")
    if spacing.min() < SMALLEST_MM or spacing.max() > LARGEST_MM:
        raise InputError(
            f"{name} has voxels of {' x '.join(f'{mm:.3g}' for mm in spacing)} mm, which no scan has: check its header."
        )


def _sha256(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
