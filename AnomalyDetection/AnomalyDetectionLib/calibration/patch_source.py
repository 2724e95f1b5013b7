"""Patches gathered on the device from whole scans: where they lie, and what is done to them each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from .scan_file import TrainingScan


@dataclass(frozen=True)
class Augmentation:
    """What is done to patches besides the paper's flips, so that scanner differences are normal.

    Each value is the largest change; 0 leaves that change out. The same change is never applied to both
    channels alike: T1 and FLAIR come from different sequences."""

    flips: bool = True  # horizontal and vertical, each with probability 1/2 (paper)
    gain: float = 0.0  # intensities are multiplied by up to 1 +- gain
    shift: float = 0.0  # up to +- shift is added (1 is the span from the 5th to the 95th percentile)
    noise: float = 0.0  # Gaussian noise of SD up to `noise` is added
    blur: float = 0.0  # half of the patches are blurred by a 3 x 3 kernel of centre weight down to 1 - blur


class PatchSource:
    """All slices of some scans on a device, and patch centres in them.

    The slices are padded to one size, so that a patch is a fixed set of offsets from its centre and a batch is
    one gather, on any device. `centres`: int64 (patches,), flat positions of patch centres within one channel.
    `rows`, `columns`: of the padded slices, which the flat positions count."""

    def __init__(self, scans: Sequence[TrainingScan], patch_size: int, count: int, *, seed: int, sampling: str,
                 device: torch.device | str) -> None:  # fmt: skip
        """Draw `count` centres among the normal-appearing voxels. `sampling`: "brain", every voxel alike
        (paper), or "tissue", CSF-like, grey-like and white-like thirds of the T1 range in each scan alike
        often."""
        half = patch_size // 2
        rows = max(scan.t1.shape[1] for scan in scans) + 2 * half
        columns = max(scan.t1.shape[2] for scan in scans) + 2 * half
        slices = sum(scan.t1.shape[0] for scan in scans)
        stack = np.zeros((2, slices, rows, columns), np.float32)
        centres, groups, first = [], [], 0
        for number, scan in enumerate(scans):
            depth, height, width = scan.t1.shape
            here = (slice(first, first + depth), slice(half, half + height), slice(half, half + width))
            stack[0][here], stack[1][here] = scan.t1, scan.flair
            z, y, x = np.nonzero(scan.normal)
            centres.append(((z + first) * rows + y + half) * columns + x + half)
            groups.append(_group(scan.t1[z, y, x], sampling) + 3 * number)
            first += depth
        self.patch_size, self.rows, self.columns = patch_size, rows, columns
        self.voxels = torch.from_numpy(stack.reshape(2, -1)).to(device)
        every, group = np.concatenate(centres), np.concatenate(groups)
        drawn = _draw(every, group, count, sampling, np.random.default_rng(seed))
        self.centres = torch.from_numpy(drawn).to(device)
        reach = torch.arange(-half, half + 1, device=device)
        self._dy, self._dx = reach[:, None] * columns, reach[None, :]

    def __len__(self) -> int:
        return self.centres.numel()

    def gather(self, which: Tensor, augmentation: Augmentation | None = None,
               generator: torch.Generator | None = None) -> Tensor:  # fmt: skip
        """Patches (n, 2, size, size), float32, T1 first, of the centres numbered `which`."""
        centre = self.centres[which].view(-1, 1, 1)
        dy, dx = self._dy, self._dx
        if augmentation is not None and augmentation.flips:
            size = (2, which.numel(), 1, 1)
            sign = torch.randint(0, 2, size, device=centre.device, generator=generator) * 2 - 1
            dy, dx = dy * sign[0], dx * sign[1]
        patches = self.voxels[:, centre + dy + dx].transpose(0, 1)
        if augmentation is not None:
            patches = _vary(patches, augmentation, generator)
        return patches.contiguous(memory_format=torch.channels_last)


def _vary(patches: Tensor, augmentation: Augmentation, generator: torch.Generator | None) -> Tensor:
    n, device = len(patches), patches.device

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 2, 1, 1, device=device, generator=generator)

    if augmentation.blur:
        side = uniform(0, 1) * augmentation.blur * (uniform(0, 1) < 0.5)
        mean = F.avg_pool2d(F.pad(patches, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        patches = patches + side * (mean - patches)
    if augmentation.noise:
        noise = torch.randn(patches.shape, device=device, generator=generator)
        patches = patches + uniform(0, augmentation.noise) * noise
    if augmentation.gain:
        patches = patches * uniform(1 - augmentation.gain, 1 + augmentation.gain)
    if augmentation.shift:
        patches = patches + uniform(-augmentation.shift, augmentation.shift)
    return patches


def _group(t1: np.ndarray, sampling: str) -> np.ndarray:
    """0, 1, 2 for the CSF-like, grey-like and white-like thirds of the scaled T1 range; all 0 for "brain"."""
    if sampling == "brain":
        return np.zeros(t1.shape, np.int64)
    if sampling != "tissue":
        raise ValueError(f"sampling is 'brain' or 'tissue', not {sampling!r}")
    return np.digitize(t1, [0.35, 0.72])


def _draw(
    every: np.ndarray, group: np.ndarray, count: int, sampling: str, rng: np.random.Generator
) -> np.ndarray:
    if sampling == "brain":
        return rng.choice(every, count, replace=count > every.size)
    share = 1.0 / np.bincount(group)[group]
    return rng.choice(every, count, replace=True, p=share / share.sum())
