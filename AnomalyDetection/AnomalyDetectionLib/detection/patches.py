"""Where patches lie in a brain, and their voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..imaging.prepared import PreparedStudy


@dataclass(frozen=True)
class PatchLattice:
    """Patch centres at a stride over a brain."""

    shape: tuple[int, int, int]  # (slices, lattice rows, lattice columns)
    first: tuple[int, int]  # row and column of the first centre
    stride: int  # voxels between centres
    inside: np.ndarray  # bool of `shape`, where the centre lies in the brain

    @classmethod
    def over(cls, brain: np.ndarray, stride: int) -> PatchLattice:
        """The lattice whose stride x stride cells tile the grid from its first voxel on. `brain`: bool (slices,
        rows, columns)."""
        first = stride // 2
        inside = np.ascontiguousarray(brain[:, first::stride, first::stride])
        return cls(inside.shape, (first, first), stride, inside)  # type: ignore[arg-type]

    def centres(self) -> np.ndarray:
        """int64 (patches, 3): slice, row, column of the centres in the brain, in the lattice's order."""
        slices, rows, columns = np.nonzero(self.inside)
        return np.stack(
            [slices, self.first[0] + rows * self.stride, self.first[1] + columns * self.stride], 1
        )

    def scatter(self, values: np.ndarray) -> np.ndarray:
        """Values of the patches, in `centres`' order, as float32 of `shape`; NaN where there is no patch."""
        lattice = np.full(self.shape, np.nan, np.float32)
        lattice[self.inside] = values
        return lattice


class PatchGatherer:
    """Gathers patches of a prepared study on a device, whole batches at once."""

    def __init__(self, study: PreparedStudy, patch_size: int, outside_brain: str, device: str) -> None:
        """Make the images of a study ready. `outside_brain`: as in `PreparationSettings`."""
        half = patch_size // 2
        # Outside the image as outside the brain: zeros, as in training.
        border = ((0, 0), (half, half), (half, half))
        images = np.stack([np.pad(image, border) for image in network_images(study, outside_brain)])
        windows = torch.from_numpy(images).to(device).unfold(2, patch_size, 1).unfold(3, patch_size, 1)
        self._windows = windows  # (2, slices, rows, columns, size, size), a view that holds no copies

    def __call__(self, centres: Tensor) -> Tensor:
        """Patches (n, 2, size, size), float32, T1 first, round int64 centres (n, 3)."""
        patches = self._windows[:, centres[:, 0], centres[:, 1], centres[:, 2]]
        return patches.transpose(0, 1).contiguous(memory_format=torch.channels_last)


def network_images(study: PreparedStudy, outside_brain: str) -> tuple[np.ndarray, np.ndarray]:
    """T1 and FLAIR as the network sees them: with what lies beyond the brain ("keep"), or without ("zero")."""
    if outside_brain == "keep":
        return study.t1, study.flair
    return np.where(study.brain, study.t1, 0), np.where(study.brain, study.flair, 0)
