"""Find the brain in a scan with deepbet's networks: first its position in the whole scan, then its outline.

The steps are deepbet's (Fisch et al., Med Image Anal 2024) with the sizes and constants that its networks were trained
with, so that the masks equal deepbet's.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import torch
from scipy import ndimage
from torch.nn.functional import interpolate

from ..grid import Grid
from .brain_network import load_network
from .geometry import lps_axes
from .voxels import voxels_of

PLACE_SIDE, OUTLINE_SIDE = 128, 256  # Side, in voxels, of the input of the two networks

#: A slice belongs to the brain's box if this share of it is brain; the box is enlarged by this share of its size on each
#: side.
LEAST_OF_SLICE, MARGIN = 0.02, 0.1

Box = tuple[slice, slice, slice]


def find_brain(image: sitk.Image, device: str) -> np.ndarray:
    """The brain mask of a head scan.

    `image`: float32, without NaN. `device`: where the networks compute: "cpu", "cuda" or "mps". Returns bool
    (slices, rows, columns) on the image's grid; all False if no brain is found. Raises InputError where the
    networks' weights are not installed."""
    order, against = lps_axes(Grid.of(image))
    # The networks expect axes towards R, A, S.
    away = tuple(axis for axis in range(3) if against[axis] == (axis == 2))
    scan = np.flip(voxels_of(image).transpose(2, 1, 0).transpose(order), away)
    mask = np.zeros(scan.shape, bool)
    with torch.inference_mode():
        _mark(mask, torch.from_numpy(np.ascontiguousarray(scan)), device)
    return np.flip(mask, away).transpose(np.argsort(order)).transpose(2, 1, 0)


def _mark(mask: np.ndarray, scan: torch.Tensor, device: str) -> None:
    """Set an all-False mask (i, j, k) to True where the scan shows brain."""
    small = _resampled(scan, (PLACE_SIDE,) * 3)
    low, high = small.quantile(torch.tensor([0.005, 0.995]))
    box = _box(_brain("place", small, low, high, device).numpy(), scan.shape)
    if box is None:
        return
    found = _brain("outline", _resampled(scan[box], (OUTLINE_SIDE,) * 3), low, high, device)
    brain = _resampled(found.to(torch.uint8), mask[box].shape).numpy() > 0
    if brain.any():
        mask[box] = ndimage.binary_fill_holes(_largest(brain))


def _brain(task: str, scan: torch.Tensor, low: torch.Tensor, high: torch.Tensor, device: str) -> torch.Tensor:
    """A network's mask (bool, on the CPU) of a scan whose grey values are scaled linearly from `low` to `high`."""
    scan = (scan - low).div_(high - low).clamp_(0, 1)
    scan.sub_(scan.mean()).div_(scan.std()).mul_(0.226).add_(0.449)
    return load_network(task, device)(scan[None, None].to(device)).cpu()


def _box(brain: np.ndarray, shape: tuple[int, ...]) -> Box | None:
    """The box round a brain, with a margin, in a scan of this shape; None if there is no brain."""
    if not brain.any():
        return None
    brain = _largest(brain)
    box = []
    for axis, size in enumerate(shape):
        others = tuple({0, 1, 2} - {axis})
        inside = np.flatnonzero(brain.mean(others) > LEAST_OF_SLICE)
        if len(inside) == 0:
            return None
        scale = size / brain.shape[axis]
        centre = round(scale * (inside[0] + inside[-1] + 1) / 2)
        length = round(scale * (1 + 2 * MARGIN) * (inside[-1] + 1 - inside[0]))
        box.append(slice(max(0, int(centre - length / 2)), min(size, int(centre + length / 2))))
    return box[0], box[1], box[2]


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected component (connected by corners, too) of a mask that is not empty."""
    pieces, _ = ndimage.label(mask, np.ones((3, 3, 3), bool))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.asarray(pieces == sizes.argmax())


def _resampled(volume: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """A volume (i, j, k) resampled to another size by nearest neighbour."""
    return interpolate(volume[None, None], shape, mode="nearest-exact")[0, 0]
