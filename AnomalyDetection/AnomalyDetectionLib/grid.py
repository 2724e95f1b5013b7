"""The geometry of a volume as an immutable value, in ITK's terms (LPS, mm, index order x y z)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

#: Axes that are nearer to each other than this (degrees) belong to no scan.
LEAST_ANGLE = 60.0

#: Two places of an image that differ by less (mm) anywhere in it are one.
SAME_PLACE_MM = 0.5


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

    @classmethod
    def nearest(cls, size: tuple[int, int, int], matrix: np.ndarray) -> tuple[Grid, float]:
        """The grid with right angles that is nearest to a matrix, and by how much (mm) it misses that at most.

        The centre of the image stays where it is. What is off by no more than the rounding of a header is kept.

        Args:
            size: voxels along x, y, z.
            matrix: (4, 4), index (x, y, z, 1) to LPS mm; its axes are not of length 0.
        """
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        direction, origin = matrix[:3, :3] / spacing, matrix[:3, 3]
        u, _, v = np.linalg.svd(direction)
        if not np.allclose(direction, u @ v, atol=1e-5):
            reach = spacing * (np.asarray(size) - 1) / 2  # mm from the first voxel to the centre
            origin = origin + (direction - u @ v) @ reach
            direction = u @ v
        grid = cls(
            size,
            (float(spacing[0]), float(spacing[1]), float(spacing[2])),
            (float(origin[0]), float(origin[1]), float(origin[2])),
            tuple(direction.ravel().tolist()),
        )
        return grid, apart_mm(size, grid.matrix, matrix)

    @property
    def matrix(self) -> np.ndarray:
        """Index (x, y, z, 1) to LPS mm, (4, 4)."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.array(self.direction).reshape(3, 3) * self.spacing
        matrix[:3, 3] = self.origin
        return matrix

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
        """An array as an image on this grid; ValueError if its shape is not `shape`."""
        if array.shape != self.shape:
            raise ValueError(f"array of shape {array.shape} does not fit a grid of shape {self.shape}")
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image

    def resampled(self, image: sitk.Image, interpolator: int = sitk.sitkNearestNeighbor) -> sitk.Image:
        """An image on this grid, in its own voxel type, 0 where it does not reach; nearest neighbour by default."""
        grid = (self.origin, self.spacing, self.direction)
        return sitk.Resample(image, self.size, sitk.Transform(), interpolator, *grid, 0.0, image.GetPixelID())

    def empty_image(self) -> sitk.Image:
        """An image of zeros (uint8) on this grid, as a reference for resampling."""
        return self.image(np.zeros(self.shape, np.uint8))


def apart_mm(size: tuple[int, int, int], one: np.ndarray, other: np.ndarray) -> float:
    """How far apart (mm) two matrices (4, 4) bring the same voxel of an image at most; that is one at a corner."""
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.asarray(size) - 1)
    moved = np.c_[corners, np.ones(8)] @ (np.asarray(one) - np.asarray(other)).T
    return float(np.linalg.norm(moved[:, :3], axis=1).max())


def least_angle(matrix: np.ndarray) -> float:
    """The smallest angle between two axes of a matrix (4, 4), degrees: 90 where they are at right angles."""
    axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    cosine = float(np.abs((axes.T @ axes)[np.triu_indices(3, 1)]).max())
    return math.degrees(math.acos(min(1.0, cosine)))
