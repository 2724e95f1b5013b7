"""The brain in the FLAIR: by deepbet (Fisch et al., Med Image Anal 2024), or as given by the user."""

from __future__ import annotations

import contextlib
import io

import nibabel
import numpy as np
import SimpleITK as sitk
import torch

from ..errors import InputError
from .grid import Grid
from .volume import Volume, name_of

#: Volumes (ml) outside this range are no adult or child brain that one would look for infarcts in. The lower
#: end leaves room for scans that cover only a part of it.
PLAUSIBLE_ML = (200.0, 2600.0)

#: deepbet works at 256 voxels a side at most; feeding it more costs only memory.
LARGEST_SIDE = 320


def extract_brain(flair: Volume, device: str = "cpu") -> np.ndarray:
    """The brain mask of a FLAIR.

    Args:
        device: "cpu", or "cuda" or "mps" to let deepbet use the accelerator.

    Returns:
        bool (slices, rows, columns) on the FLAIR's own grid.

    Raises:
        InputError: if no brain of a plausible volume is found.
    """
    image = flair.image
    shrink = [-(-size // LARGEST_SIDE) for size in image.GetSize()]
    small = sitk.Shrink(image, shrink) if max(shrink) > 1 else image
    try:
        mask = _deepbet(small, device)
    except (AssertionError, ValueError):  # deepbet's ways of saying that it found nothing at all
        mask = np.zeros(Grid.of(small).shape, bool)
    stripped = _nonzero_region(small)
    if stripped is not None and mask.sum() < 0.8 * stripped.sum():
        mask = stripped
    if max(shrink) > 1:
        small_mask = Grid.of(small).image(mask.astype(np.uint8))
        mask = (
            sitk.GetArrayFromImage(
                sitk.Resample(small_mask, image, sitk.Transform(), sitk.sitkNearestNeighbor)
            )
            > 0
        )
    volume_ml = float(mask.sum()) * Grid.of(image).voxel_ml
    if not PLAUSIBLE_ML[0] <= volume_ml <= PLAUSIBLE_ML[1]:
        raise InputError(
            f"No brain was recognised in {name_of(flair, 'the FLAIR')} (the region found has "
            f"{volume_ml:.0f} ml): check that it is a head scan, or give a mask with --brain-mask."
        )
    return mask


def given_brain(mask: Volume, flair: Volume) -> np.ndarray:
    """A mask that the user gave, on the FLAIR's grid.

    Returns:
        bool (slices, rows, columns) on the FLAIR's own grid.

    Raises:
        InputError: if the mask is empty, too small, or does not lie on the head.
    """
    name = name_of(mask, "The brain mask")
    binary = sitk.Cast(mask.image > 0, sitk.sitkUInt8)
    given_ml = float(sitk.GetArrayViewFromImage(binary).sum()) * Grid.of(binary).voxel_ml
    if given_ml == 0:
        raise InputError(f"{name} is empty: give a mask whose brain voxels are 1, or leave out --brain-mask.")
    on_flair = sitk.Resample(binary, flair.image, sitk.Transform(), sitk.sitkNearestNeighbor)
    brain = sitk.GetArrayFromImage(on_flair) > 0
    volume_ml = float(brain.sum()) * Grid.of(flair.image).voxel_ml
    head = _head(flair.image)
    inside = float((brain & head).sum()) / max(1, int(brain.sum()))
    if volume_ml < 0.5 * given_ml or inside < 0.6:
        raise InputError(
            f"{name} does not lie on the head in {name_of(flair, 'the FLAIR')}: give a mask in the same "
            "physical space, or leave out --brain-mask."
        )
    if not PLAUSIBLE_ML[0] <= volume_ml <= PLAUSIBLE_ML[1]:
        raise InputError(
            f"{name} covers {volume_ml:.0f} ml, which is no plausible brain: give a mask of the whole brain, "
            "or leave out --brain-mask."
        )
    return brain


def _deepbet(image: sitk.Image, device: str) -> np.ndarray:
    from deepbet import BrainExtraction

    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK counts towards L and P, NIfTI towards R and A
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(image.GetDirection()).reshape(3, 3) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    array = sitk.GetArrayViewFromImage(image).astype(np.float32).transpose(2, 1, 0)
    nifti = nibabel.Nifti1Image(array, to_ras @ affine)
    with torch.inference_mode(), contextlib.redirect_stdout(io.StringIO()):
        _, mask, _ = BrainExtraction(no_gpu=device == "cpu").run(nifti)
    return np.asarray(mask.dataobj).astype(bool).transpose(2, 1, 0)


def _head(image: sitk.Image) -> np.ndarray:
    """Bool: what is brighter than the background, by Otsu's threshold on a compressed histogram, filled."""
    array = sitk.GetArrayViewFromImage(image)
    # A quarter of the median over the upper half keeps dark CSF out and all else in, whatever the units.
    return array > 0.25 * float(np.median(array[array > array.mean()]))


def _nonzero_region(image: sitk.Image) -> np.ndarray | None:
    """The region of a scan whose skull was removed (most of it exactly one background value), or None."""
    array = sitk.GetArrayViewFromImage(image)
    region = array != array[0, 0, 0]
    ml = float(region.sum()) * Grid.of(image).voxel_ml
    return region if region.mean() < 0.4 and PLAUSIBLE_ML[0] < ml < 1800 else None
