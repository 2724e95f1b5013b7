"""The brain in the FLAIR: found by deepbet's networks (Fisch et al., Med Image Anal 2024), or as given by the user."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..errors import InputError
from ..grid import Grid
from .brain_search import find_brain
from .out_of_memory import is_out_of_memory, with_cpu_fallback
from .same_voxels import placed_on
from .volume import Volume, name_of
from .voxels import voxels_of

#: Volumes (ml) outside this range are not plausible for the brain of an adult or child. The lower end
#: allows for scans that cover only part of the brain.
PLAUSIBLE_ML = (200.0, 2600.0)
#: From this share of the region that is not background, deepbet's mask is taken as it is; and from this one if what it leaves
#: out is dark to that share. In heads without noise round them (a child's, or a part of an adult's) it was 0.51 to 0.75 of the
#: region, and 0.31 and more of the rest was dark; where it missed a part of skull-stripped brains, at most 0.09 was.
_MOST, _SOME, _DARK = 0.8, 0.4, 0.2
LEAST_ON_HEAD = 0.6  # At least this share of a brain mask's voxels is brighter than the background

#: How far interpolation may overshoot 0 and 1; and the share of the maximum that most brain voxels of a probability mask
#: exceed.
_BEYOND, _NEARLY = 0.25, 0.95
#: In a field of view that is far larger than the head: what is brighter than this share of the brightest is head, and voxels kept round it.
_OF_BRIGHTEST, _AROUND_HEAD = 0.25, 5
LARGEST_SIDE = 320  # The networks see 256 voxels a side at most; feeding them more costs only memory


def extract_brain(flair: Volume, device: str = "cpu") -> np.ndarray:
    """The brain mask of a FLAIR.

    `device`: where the networks compute: "cpu", "cuda" or "mps". Returns bool (slices, rows, columns) on the
    FLAIR's own grid. Raises InputError where no brain of a plausible volume is found, or the search fails."""
    image = flair.image
    shrink = [-(-size // LARGEST_SIDE) for size in image.GetSize()]
    small = sitk.Shrink(image, shrink) if max(shrink) > 1 else image
    try:
        mask = with_cpu_fallback(partial(_search, small), device, "The search for the brain")
    except InputError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or isinstance(error, ImportError):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise _refused(
            f"The search for the brain in {name_of(flair, 'the FLAIR')} failed ({reason}): give a brain mask."
        ) from error
    stripped = _nonzero_region(small)
    if stripped is not None:  # deepbet expects a skull and may fail on a skull-stripped scan
        mask = mask & stripped if _is_most_of(stripped, mask, voxels_of(small)) else stripped
    if max(shrink) > 1:
        small_mask = Grid.of(small).image(mask.astype(np.uint8))
        mask = sitk.GetArrayFromImage(Grid.of(image).resampled(small_mask)) > 0
    volume_ml = float(mask.sum()) * Grid.of(image).voxel_ml
    if not (PLAUSIBLE_ML[0] <= volume_ml <= PLAUSIBLE_ML[1] and _share_on_head(mask, flair) > LEAST_ON_HEAD):
        raise _refused(
            f"No brain was recognised in {name_of(flair, 'the FLAIR')} (the region found has "
            f"{volume_ml:.0f} ml): check that it is a head scan, or give a brain mask."
        )
    return mask


def _search(image: sitk.Image, device: str) -> np.ndarray:
    """The brain (bool) that the networks find in an image or, if that is none, in the part of it that the head fills."""
    mask = find_brain(image, device)
    if PLAUSIBLE_ML[0] <= float(mask.sum()) * Grid.of(image).voxel_ml <= PLAUSIBLE_ML[1]:
        return mask
    array = voxels_of(image)
    head = np.argwhere(array > _OF_BRIGHTEST * np.percentile(array, 99.5))
    if not len(head):
        return mask
    z, y, x = (
        slice(max(0, math.floor(low) - _AROUND_HEAD), min(size, math.ceil(high) + 1 + _AROUND_HEAD))
        for low, high, size in zip(*np.percentile(head, (1, 99), axis=0), array.shape, strict=True)
    )
    mask = np.zeros(array.shape, bool)
    mask[z, y, x] = find_brain(image[x, y, z], device)
    return mask


def brain_from(mask: Volume) -> float | None:
    """The value from which a voxel of a mask of fractions counts as brain: half of 1, or half of the maximum
    where that is 100 (%) or 255, for example.

    Masks of fractions are probability maps and interpolated masks, which may slightly overshoot 0 and 1.
    Returns None for a mask of whole numbers, and for a skull-stripped image: in these every voxel that is not 0
    is brain."""
    values = voxels_of(mask.image)
    positive = values[values > 0]
    if not (positive % 1).any():
        return None
    high = float(positive.max())
    if float(values.min()) >= -_BEYOND and high <= 1 + _BEYOND:
        return 0.5
    likely = positive[positive > high / 2]
    return high / 2 if float(np.median(likely)) > _NEARLY * high else None


def given_brain(mask: Volume, flair: Volume) -> np.ndarray:
    """The brain mask given by the user, on the FLAIR's grid.

    `mask`: on the FLAIR's voxels (see `placed_on`), or on any grid in its physical space; voxels that are not 0
    are brain, or those above a certain value (see `brain_from`). `flair`: the FLAIR. Returns bool (slices,
    rows, columns) on the FLAIR's own grid. Raises InputError if the mask is empty, too small, or does not lie
    on the head."""
    name = name_of(mask, "The brain mask")
    image = placed_on(mask, Grid.of(flair.image), flair.header)
    least = brain_from(mask)
    binary = sitk.Cast(image != 0 if least is None else image >= least, sitk.sitkUInt8)
    given_ml = float(voxels_of(binary).sum()) * Grid.of(binary).voxel_ml
    if given_ml == 0:
        raise _refused(f"{name} is empty: give a mask whose brain voxels are 1, or leave the brain mask out.")
    brain = sitk.GetArrayFromImage(Grid.of(flair.image).resampled(binary)) > 0
    volume_ml = float(brain.sum()) * Grid.of(flair.image).voxel_ml
    if volume_ml < 0.5 * given_ml or _share_on_head(brain, flair) < LEAST_ON_HEAD:
        raise _refused(
            f"{name} does not lie on the head in {name_of(flair, 'the FLAIR')}: give a mask in the same "
            "physical space, or leave the brain mask out."
        )
    if not PLAUSIBLE_ML[0] <= volume_ml <= PLAUSIBLE_ML[1]:
        raise _refused(
            f"{name} covers {volume_ml:.0f} ml, which is no plausible brain: give a mask of the whole brain, "
            "or leave the brain mask out."
        )
    return brain


def _refused(sentence: str) -> InputError:
    return InputError(sentence, see=("brain_mask",))


def _share_on_head(brain: np.ndarray, flair: Volume) -> float:
    """The share of a mask's voxels that are brighter than air, CSF and bone; voxels without a number (NaN) do not count."""
    array = voxels_of(flair.image)
    brain = brain if flair.unknown is None else brain & ~flair.unknown
    tissue = float(np.median(array[array > array.mean()]))
    return float((array[brain] > 0.25 * tissue).mean()) if brain.any() else 0.0


def _is_most_of(region: np.ndarray, mask: np.ndarray, array: np.ndarray) -> bool:
    """Whether a mask is the brain in a region that is not background: nearly all of it, or all but scalp and dark bone."""
    share = float(mask.sum()) / float(region.sum())
    if not _SOME < share <= _MOST:
        return share > _MOST
    return float((array[region & ~mask] < 0.4 * np.median(array[mask])).mean()) > _DARK


def _nonzero_region(image: sitk.Image) -> np.ndarray | None:
    """The region that is not background, where that is exactly one value and most of the scan; None otherwise.

    So it is where the skull was removed, and in small heads and parts of heads without noise round them."""
    array = voxels_of(image)
    region = array != array[0, 0, 0]
    ml = float(region.sum()) * Grid.of(image).voxel_ml
    region = ndimage.binary_fill_holes(region)
    return region if region.mean() < 0.4 and PLAUSIBLE_ML[0] < ml < 1800 else None
