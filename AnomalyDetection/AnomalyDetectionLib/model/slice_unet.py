"""A small U-Net that sees a slice with its neighbours; it works at half the resolution of its input.

The first step folds every 2 x 2 voxels into channels, so that nothing is lost and a laptop's processor has a quarter
of the work (pixel unshuffle, Shi et al. 2016). The rest is the U-Net of Ronneberger et al. (2015) with batch
normalisation and additions that keep it small.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SliceUNet(nn.Module):
    """2.5D U-Net: neighbouring slices are channels of the input.

    `inputs`: channels of an image. `outputs`: channels of the answer. `widths`: feature maps at half, a
    quarter, ... of the resolution. `full`: answer at the resolution of the input instead of half of it."""

    def __init__(self, inputs: int, outputs: int, widths: tuple[int, ...], *, full: bool = False) -> None:
        super().__init__()
        self.multiple = 2 ** len(widths)
        self.unfold = nn.PixelUnshuffle(2)
        before = (4 * inputs, *widths[:-1])
        self.down = nn.ModuleList(_Block(a, b) for a, b in zip(before, widths, strict=True))
        self.up = nn.ModuleList(
            _Block(below + beside, beside)
            for below, beside in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.last = nn.Conv2d(widths[0], 4 * outputs if full else outputs, 1)
        self.fold = nn.PixelShuffle(2) if full else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Answers of images. `images`: (n, inputs, rows, columns), sides divisible by `multiple` (see
        `pad_to`). Returns (n, outputs, rows / 2, columns / 2), or (n, outputs, rows, columns) with `full`."""
        features = self.unfold(images)
        beside: list[Tensor] = []
        for depth, block in enumerate(self.down):
            if depth:
                features = functional.max_pool2d(features, 2)
            features = block(features)
            beside.append(features)
        for block, skip in zip(self.up, beside[-2::-1], strict=True):
            features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = block(torch.cat([features, skip], dim=1))
        answer: Tensor = self.fold(self.last(features))
        return answer


class _Block(nn.Sequential):
    """Two 3 x 3 convolutions, each with batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


def pad_to(images: Tensor, multiple: int) -> Tensor:
    """Images (..., rows, columns) with zeros added below and to the right until both sides divide by `multiple`."""
    rows, columns = images.shape[-2:]
    return functional.pad(images, (0, -columns % multiple, 0, -rows % multiple))
