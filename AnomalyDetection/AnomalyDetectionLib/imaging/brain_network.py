"""deepbet's networks (Fisch et al., Med Image Anal 2024), built here and filled with the weights from its wheel.

The wheel of deepbet 1.0.2 (MIT) holds two TorchScript archives: zip files that hold each tensor as plain numbers.
These are read, in order, into the network built below; nothing in the wheel is imported or executed, and it may be
installed without its dependencies.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..errors import InputError

PACKAGE, VERSION = "deepbet", "1.0.2"

#: File and SHA-256 of the archive of each network, by its task.
_ARCHIVES = {
    "place": ("bbox_model.pt", "39a7b2b5f799faa1391ea97bfcdc0b9299f20d84f2316a4ff8918dc4685e40aa"),
    "outline": ("model.pt", "de8ee7c69654d0dd3935dc4a5d84571d8ecf4637a6bfc01df399c4c2bc86e0fd"),
}


class LinkNet(nn.Module):
    """A three-dimensional LinkNet: a residual encoder, and a decoder to which each of its levels is added.

    Every convolution but the last is followed by a normalisation over the image (without weights) and a ReLU.
    """

    def __init__(self) -> None:
        super().__init__()  # the order of these lines is the order in the archives
        self.first = nn.Conv3d(1, 16, 7, stride=2, padding=3, bias=False)
        self.pool = nn.MaxPool3d(3, stride=2, padding=1)
        self.down = nn.ModuleList([_Down(16, 16, 1), _Down(16, 32, 2), _Down(32, 64, 2), _Down(64, 128, 2)])
        self.up = nn.ModuleList([_Up(128, 64, 2), _Up(64, 32, 2), _Up(32, 16, 2), _Up(16, 16, 1)])
        self.enlarge = nn.ConvTranspose3d(16, 8, 3, stride=2, padding=1, output_padding=1)
        self.smooth = nn.Conv3d(8, 8, 3, padding=1)
        self.last = nn.ConvTranspose3d(8, 2, 2, stride=2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The voxels that are brain. `image`: float (1, 1, i, j, k) towards right, anterior and superior, each
        side divisible by 32. Returns bool (i, j, k)."""
        levels = [self.pool(_activated(self.first(image)))]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up in self.up:
            x = up(x) + levels.pop()
        x = self.last(_activated(self.smooth(_activated(self.enlarge(x)))))
        return x[0, 1] > x[0, 0]


class _Down(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(_Residual(inputs, outputs, stride), _Residual(outputs, outputs, 1))


class _Residual(nn.Module):
    """Two convolutions, whose output is added to their input."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.second = nn.Conv3d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = None if stride == 1 else nn.Conv3d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        given = x if self.shortcut is None else _normalised(self.shortcut(x))
        return _normalised(self.second(_activated(self.first(x)))).add_(given).relu_()


class _Up(nn.Module):
    """Upsampling, done with a quarter of the input's channels."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        few = inputs // 4
        self.narrow = nn.Conv3d(inputs, few, 1, bias=False)
        self.enlarge = nn.ConvTranspose3d(
            few, few, 3, stride=stride, padding=1, output_padding=stride - 1, bias=False
        )
        self.widen = nn.Conv3d(few, outputs, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for convolution in (self.narrow, self.enlarge, self.widen):
            x = _activated(convolution(x))
        return x


def _activated(x: torch.Tensor) -> torch.Tensor:
    return _normalised(x).relu_()


def _normalised(x: torch.Tensor) -> torch.Tensor:
    """Scale each channel to mean 0 and standard deviation 1, in place."""
    x.sub_(x.mean((2, 3, 4), keepdim=True))
    return x.mul_((x.square().mean((2, 3, 4), keepdim=True) + 1e-5).rsqrt_())


def load_network(task: str, device: str) -> LinkNet:
    """One of deepbet's two networks.

    `task`: "place" (where in the scan the brain lies; for 128 voxels a side) or "outline" (for 256 voxels a
    side of the box round the brain). `device`: "cpu", "cuda" or "mps". Raises InputError if the wheel is not
    installed, or is not the expected version."""
    name, sha256 = _ARCHIVES[task]
    try:
        content = _in_the_wheel(name)
    except (metadata.PackageNotFoundError, OSError):
        content = b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(
            f"The weights that find the brain are not installed here (or are damaged): install the Python package {PACKAGE} "
            f"{VERSION} again, or give a brain mask.",
            see=("brain_mask",),
        )
    network = LinkNet().eval().requires_grad_(False)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        folder = archive.namelist()[0].partition("/")[0]
        for number, weights in enumerate(network.parameters()):
            values = np.frombuffer(archive.read(f"{folder}/data/{number}"), "<f4").copy()
            weights.copy_(torch.from_numpy(values).reshape(weights.shape))
    network.to(device)
    if device == "cpu":  # the CPU is faster with this memory order; GPUs may not support it
        network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network


def _in_the_wheel(name: str) -> bytes:
    return Path(str(metadata.distribution(PACKAGE).locate_file(f"data/models/{name}"))).read_bytes()
