"""The geometry of a volume as an immutable value, in ITK's terms (LPS, mm, index order x y z)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk


@dataclass(frozen=True)
class Grid:
    """Where the voxels of an array lie.

    Attributes:
        size: voxels along x, y, z (the array's shape reversed).
        spacing: mm along x, y, z.
        origin: LPS coordinates in mm of the centre of voxel (0, 0, 0).
        direction: the nine direction cosines, row by row, as ITK keeps them.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> Grid:
        """The grid of an image."""
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of an array on this grid: (slices, rows, columns)."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def voxel_ml(self) -> float:
        """The volume of one voxel in millilitres."""
        return float(np.prod(self.spacing)) / 1000.0

    def points(self, index: np.ndarray) -> np.ndarray:
        """LPS mm, (n, 3), of continuous indices (n, 3) in the order x y z."""
        direction = np.array(self.direction).reshape(3, 3)
        return (np.asarray(index) * self.spacing) @ direction.T + np.array(self.origin)

    def indices(self, points: np.ndarray) -> np.ndarray:
        """Continuous indices, (n, 3) in the order x y z, of points (n, 3) in LPS mm."""
        direction = np.array(self.direction).reshape(3, 3)
        return (np.asarray(points) - np.array(self.origin)) @ np.linalg.inv(direction).T / self.spacing

    def image(self, array: np.ndarray) -> sitk.Image:
        """An array of shape `shape` as an image on this grid.

        Raises:
            ValueError: if the array's shape is not that of the grid.
        """
        if array.shape != self.shape:
            raise ValueError(f"array of shape {array.shape} does not fit a grid of shape {self.shape}")
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image

    def resampled(self, image: sitk.Image, interpolator: int = sitk.sitkNearestNeighbor) -> sitk.Image:
        """An image on this grid, in its own voxel type, 0 where it does not reach; nearest neighbour by default."""
        return sitk.Resample(
            image,
            self.size,
            sitk.Transform(),
            interpolator,
            self.origin,
            self.spacing,
            self.direction,
            0.0,
            image.GetPixelID(),
        )

    def empty_image(self) -> sitk.Image:
        """An image of zeros (uint8) on this grid, as a reference for resampling."""
        return self.image(np.zeros(self.shape, np.uint8))
