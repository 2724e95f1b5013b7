"""Volumes from files: NIfTI, NRRD, MetaImage, and folders of DICOM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..dicom import series as dicom_series
from ..dicom.headers import is_dicom
from ..dicom.series import Series
from ..errors import InputError
from ..files.file_hash import sha256_of
from ..files.links import FETCH, leads_nowhere
from ..files.text import display_path, is_utf8
from ..grid import LEAST_ANGLE, SAME_PLACE_MM, Grid, least_angle
from . import file_image
from .file_image import FileImage, several_values, several_volumes
from .nifti_header import NOT_RIGHT_ANGLED, sheared
from .volume import Remark, Study, Volume
from .zero_level import from_zero

FEWEST_VOXELS = 5  # With fewer voxels than this along an axis, no brain can be segmented

#: No scan has smaller or larger voxels, or lies farther from the scanner's centre.
SMALLEST_MM, LARGEST_MM, FARTHEST_MM = 0.02, 50.0, 1e5


def read_study(
    t1: Path,
    flair: Path,
    brain_mask: Path | None = None,
    *,
    t1_series: str | Series | None = None,
    flair_series: str | Series | None = None,
) -> Study:
    """The T1, the FLAIR and, if given, the brain mask.

    Raises InputError if one of them cannot be used, T1 and FLAIR are the same file, or their DICOM headers name
    different patients.

    `brain_mask`: voxels that are not 0 are brain. Any grid, but in the FLAIR's physical space: a mask of a T1
    that is not aligned with the FLAIR does not fit. `t1_series`, `flair_series`: which series of a DICOM
    folder, as for `read_volume`."""
    t1_volume = read_volume(t1, role="T1", series=t1_series)
    flair_volume = read_volume(flair, role="FLAIR", series=flair_series)
    if t1_volume.sha256 == flair_volume.sha256:
        raise InputError(
            f"T1 and FLAIR are the same images ({t1_volume.description}): give a T1 and a FLAIR.",
            see=("t1", "flair"),
        )
    mask = None if brain_mask is None else read_volume(brain_mask, role="brain mask", mask=True)
    for role, volume in (("T1", t1_volume), ("brain mask", mask)):
        _check_patient(role, volume, flair_volume)
    return Study(t1_volume, flair_volume, mask)


def read_volume(path: Path, *, role: str, series: str | Series | None = None, mask: bool = False) -> Volume:
    """One volume from a file, or from a folder of DICOM images.

    Raises InputError if it is missing, unreadable or truncated, is not three-dimensional with one value per
    voxel, has a single slice, or is constant.

    Args:
        path: NIfTI or Analyze (.nii, .nii.gz, .hdr with .img), .nrrd, .nhdr, .mha, .mhd, a DICOM image or a
            folder of them. Of a single DICOM image the whole series that it belongs to is read.
        role: what it is to be, for messages: "T1", "FLAIR", "brain mask".
        series: the number, UID or description of the DICOM series, where there are several; or the series
            itself, found before, so that the folder is not searched again.
        mask: whether it is a mask; a mask may be constant or empty, which is judged later.
    """
    path = Path(path)
    if not is_utf8(path):
        raise InputError(f"The path of the {role} is not valid UTF-8 ({display_path(path)}): rename it.")
    _check_fetched(path, role)
    if not path.exists():
        raise InputError(f"The {role} {path} does not exist: check the path.")
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"The {role} {path} is neither a file nor a folder: give an image file.")
    chosen: Series | None = None
    try:
        if path.is_dir() or is_dicom(path):
            if not isinstance(series, Series):
                series = dicom_series.choose(path, role=role, series=series)
            chosen = series
            pixels, files, digest = dicom_series.read(chosen, role=role)
            found = FileImage(pixels)
            description, why = chosen.name, chosen.chosen
        elif series is not None:
            raise InputError(
                f"The {role} {path} is no DICOM, so it has no series {series!r}: name no series, or give DICOM images.",
                see=(f"{role.lower()}_series",),
            )
        else:
            for file in file_image.files_of(path):
                _check_fetched(file, role)
            found, files = file_image.read(path, role=role), ()
            digest, description, why = sha256_of(*file_image.files_of(path)), path.name, ""
    except OSError as error:
        raise InputError(
            f"The {role} {path} cannot be read ({error.strerror or error}): check that the file is there and "
            "that you may read it."
        ) from error
    image, remarks = _checked(found.image, f"The {role} {path}", role, mask=mask)
    image, unknown, zero = _valued(image, f"The {role} {path}", mask=mask)
    remarks = (*found.remarks, *remarks)
    path = path.absolute()  # results name it, and are opened from other folders
    return Volume(image, path, digest, description, files, why, chosen, found.header, remarks, unknown, zero)


def _check_fetched(path: Path, role: str) -> None:
    """Refuse a broken link."""
    if leads_nowhere(path):
        raise InputError(
            f"The {role} {path} is a link whose content is not here: {FETCH}, or give the file itself."
        )


def _check_patient(role: str, volume: Volume | None, flair: Volume) -> None:
    if volume is None or volume.series is None or flair.series is None:
        return
    if different := volume.series.identity.contradictions(flair.series.identity):
        raise InputError(
            f"{role} and FLAIR are of different patients ({'; '.join(different)}; {volume.path} and {flair.path}): give "
            "the images of one patient."
        )


def _checked(image: sitk.Image, name: str, role: str, *, mask: bool) -> tuple[sitk.Image, tuple[Remark, ...]]:
    """The image as three-dimensional float32, if it is usable."""
    segments = image.HasMetaDataKey("Segment0_ID")
    if segments and not mask:
        raise InputError(
            f"{name} is a segmentation, not a scan: give the images as they came from the scanner."
        )
    while image.GetDimension() > 3 and image.GetSize()[-1] == 1:
        image = image[(*[slice(None)] * (image.GetDimension() - 1), 0)]
    if "vector" in image.GetPixelIDTypeAsString() and image.GetNumberOfComponentsPerPixel() == 1:
        image = sitk.VectorIndexSelectionCast(image, 0)
    size, count = image.GetSize(), image.GetNumberOfComponentsPerPixel()
    if segments and (count > 1 or image.GetDimension() > 3):
        raise InputError(
            f"{name} is a segmentation whose segments overlap (in {max(count, size[-1] if len(size) > 3 else 1)} layers): "
            "save the brain alone, as a label map."
        )
    if count > 1 and "list" in [image.GetMetaData(k) for k in image.GetMetaDataKeys() if "NRRD_kinds" in k]:
        raise InputError(several_volumes(name, (*size, count)))
    if count > 1 or "complex" in image.GetPixelIDTypeAsString():
        raise InputError(several_values(name, image.GetPixelIDTypeAsString()))
    if image.GetDimension() > 3:
        raise InputError(several_volumes(name, size))
    if image.GetDimension() < 3 or min(size) == 1:
        raise InputError(f"{name} is a single slice: give the whole volume.")
    if min(size) < FEWEST_VOXELS:
        raise InputError(
            f"{name} has only {' x '.join(map(str, size))} voxels: give a volume that covers the brain."
        )
    image, remarks = _with_right_angles(image, name, role)
    _check_geometry(image, name)
    return sitk.Cast(image, sitk.sitkFloat32), remarks


def _with_right_angles(image: sitk.Image, name: str, role: str) -> tuple[sitk.Image, tuple[Remark, ...]]:
    """An image on the nearest grid with right angles, with a remark on the displacement if there is any."""
    matrix = Grid.of(image).matrix
    if not np.isfinite(matrix).all() or not np.linalg.norm(matrix[:3, :3], axis=0).all():
        raise InputError(f"{name} has no usable geometry in its header: convert it from DICOM again.")
    if least_angle(matrix) < LEAST_ANGLE:
        raise InputError(f"{name} has {NOT_RIGHT_ANGLED}")
    grid, off_mm = Grid.nearest(image.GetSize(), matrix)
    if off_mm > 1e-3:
        image.SetOrigin(grid.origin)
        image.SetDirection(grid.direction)
    return image, (sheared(role, off_mm),) if off_mm > SAME_PLACE_MM else ()


def _valued(image: sitk.Image, name: str, *, mask: bool) -> tuple[sitk.Image, np.ndarray | None, float]:
    """The image with finite values that begin at 0, the voxels without a number, and the value subtracted (see `from_zero`).

    A mask keeps its values, with 0 for voxels without a number.
    """
    voxels = sitk.GetArrayFromImage(image)
    if not np.isfinite(voxels).any():
        raise InputError(f"{name} has only voxels that are not numbers (NaN or infinite): export it again.")
    if mask:
        return Grid.of(image).image(np.nan_to_num(voxels, posinf=0.0, neginf=0.0)), None, 0.0
    values, unknown, zero = from_zero(voxels)
    if float(values.min()) == float(values.max()):
        value = float(values.flat[0]) + zero
        what = "empty: all voxels are 0" if value == 0 else f"constant: all voxels are {value:g}"
        raise InputError(f"{name} is {what}: give the original scan.")
    if values is voxels:
        return image, None, 0.0
    return Grid.of(image).image(values), unknown, zero


def _check_geometry(image: sitk.Image, name: str) -> None:
    """Refuse geometry that is not finite, and implausible voxel sizes."""
    numbers = np.array((*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection()))
    spacing = np.array(image.GetSpacing())
    if not np.isfinite(numbers).all() or np.abs(image.GetOrigin()).max() > FARTHEST_MM:
        raise InputError(f"{name} has no usable geometry in its header: convert it from DICOM again.")
    if spacing.min() < SMALLEST_MM or spacing.max() > LARGEST_MM:
        raise InputError(
            f"{name} has voxels of {' x '.join(f'{mm:.3g}' for mm in spacing)} mm, which no scan has: check its header."
        )
