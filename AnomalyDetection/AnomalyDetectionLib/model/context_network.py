"""The context detector's network: a 2.5D U-Net that classifies every voxel of a slice of T1 and FLAIR."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .classes import CLASSES
from .slice_unet import SliceUNet

_IMAGES, _BESIDE = 2, 6
"""T1 and FLAIR of every slice; brain mask, three coordinates, and T1 and FLAIR of the other side of the brain."""


@dataclass(frozen=True)
class ContextSettings:
    """The architecture."""

    neighbours: int = 1  # slices seen to either side
    widths: tuple[int, ...] = (32, 64, 128, 192)  # feature maps at half, a quarter, ... of the resolution.
    mirrored: bool = True  # average over the image and its mirror image

    def __post_init__(self) -> None:
        """Raise ValueError for invalid values: settings may come from untrusted model files."""
        if not 0 <= self.neighbours <= 4:
            raise ValueError(f"a slice sees 0 to 4 neighbours, not {self.neighbours}")
        if not 2 <= len(self.widths) <= 6 or not all(1 <= width <= 1024 for width in self.widths):
            raise ValueError("the network has 2 to 6 widths of 1 to 1024 feature maps")

    @property
    def inputs(self) -> int:
        """Channels that the network sees."""
        return _IMAGES * (2 * self.neighbours + 1) + _BESIDE


class ContextNetwork(nn.Module):
    """The U-Net with a class for every voxel. `settings`: the architecture."""

    def __init__(self, settings: ContextSettings) -> None:
        super().__init__()
        self.settings = settings
        self.unet = SliceUNet(settings.inputs, len(CLASSES), settings.widths, full=True)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (n, classes, rows, columns) of inputs as `context_inputs` makes them, sides divisible by `multiple`."""
        logits: Tensor = self.unet(inputs.contiguous(memory_format=torch.channels_last)).float()
        return logits

    @property
    def multiple(self) -> int:
        """What the sides of an image are divisible by."""
        return self.unet.multiple


def context_inputs(images: Tensor, brain: Tensor, place: Tensor, other_side: Tensor) -> Tensor:
    """What the network sees of slices.

    Returns (n, `ContextSettings.inputs`, rows, columns).

    Args:
        images: (n, slices, 2, rows, columns): the slices from the lowest neighbour to the highest, T1 and
            FLAIR scaled by tissue modes, 0 outside the brain.
        brain: (n, rows, columns), of the slice in the middle.
        place: (n, 3, rows, columns): where in the brain a voxel lies (see `BrainExtent.coordinates`).
        other_side: (n, 2, rows, columns): T1 and FLAIR of the slice in the middle, mirrored at the brain's
            midline, so that what lies at the same place in the other half lies here.
    """
    n, slices, _, rows, columns = images.shape
    shown = images.reshape(n, 2 * slices, rows, columns)
    return torch.cat([shown, brain[:, None].to(images.dtype), place, other_side], dim=1)
