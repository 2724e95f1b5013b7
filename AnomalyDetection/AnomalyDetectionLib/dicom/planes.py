"""Where the slices of cleaned DICOM images lie, and the grid of the volume that they are.

Unlike `imaging.dicom_stack`, which reads a volume, this takes axes and distances as the images say, and slices that
lie less evenly: the volume may have come by another reader, and the findings belong on the images as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from ..errors import InputError
from ..grid import Grid

_PARALLEL = 1e-3  # of direction cosines
_EVEN = 0.25  # of a slice's distance: they may lie so far off an even row


@dataclass(frozen=True)
class Plane:
    """Where a slice lies.

    Attributes:
        position: LPS mm of its first voxel (3).
        axes: direction cosines (2, 3) along a row, where columns go, and along a column.
        spacing: mm between columns and between rows.
    """

    position: np.ndarray
    axes: np.ndarray
    spacing: tuple[float, float]


def planes_of(image: Dataset) -> list[Plane]:
    """Where the slices of a cleaned image lie: one, or one for each frame."""
    if "SharedFunctionalGroupsSequence" not in image:
        return [_plane(image, image, image)]
    shared = image.SharedFunctionalGroupsSequence[0]
    orientation, measures = shared.PlaneOrientationSequence[0], shared.PixelMeasuresSequence[0]
    return [
        _plane(group.PlanePositionSequence[0], orientation, measures)
        for group in image.PerFrameFunctionalGroupsSequence
    ]


def volume_of(
    planes: Sequence[Plane], columns: int, rows: int, folder: Path
) -> tuple[Grid, np.ndarray, np.ndarray]:
    """The volume that slices are.

    Args:
        planes: at least one, in any order.
        columns, rows: of each slice.
        folder: of the series, for messages.

    Returns:
        grid: LPS; its third axis is the normal of the slices (row times column), their distance the mean one.
        order: the slices' places in `planes`, along that normal.
        positions: LPS mm of the first voxel of each slice in that order (slices, 3).

    Raises:
        InputError: if they differ in orientation or voxel size, or do not lie evenly, straight above each other.
    """
    where = f"The DICOM series in {folder}"
    first = planes[0]
    if any(
        np.abs(plane.axes - first.axes).max() > _PARALLEL
        or not np.allclose(plane.spacing, first.spacing, rtol=1e-3)
        for plane in planes
    ):
        raise InputError(
            f"{where} has slices of several orientations or voxel sizes: take the FLAIR's series alone."
        )
    if len(planes) < 2:
        raise InputError(f"{where} is a single slice: take all slices of the FLAIR's series.")
    normal = np.cross(first.axes[0], first.axes[1])
    normal /= np.linalg.norm(normal)
    positions = np.array([plane.position for plane in planes])
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    steps = np.array([after - before for before, after in pairwise(along[order])])
    mean, usual = float(steps.mean()), float(np.median(steps))
    if usual <= 0 or np.abs(steps - usual).max() > _EVEN * usual:
        raise InputError(
            f"{where} is no volume of evenly spaced slices (their distances are {steps.min():.2f} to "
            f"{steps.max():.2f} mm): take the series that the FLAIR was read from, with all slices."
        )
    positions = positions[order]
    even = positions[0] + np.outer(np.arange(len(order)) * mean, normal)
    if np.linalg.norm(positions - even, axis=1).max() > _EVEN * mean:
        raise InputError(f"{where} has slices that are shifted against each other: resample the FLAIR first.")
    x, y, z = positions[0].tolist()
    directions = np.column_stack([first.axes[0], first.axes[1], normal])
    grid = Grid(
        size=(columns, rows, len(order)),
        spacing=(first.spacing[0], first.spacing[1], mean),
        origin=(x, y, z),
        direction=tuple(directions.ravel().tolist()),
    )
    return grid, order, positions


def _plane(position: Dataset, orientation: Dataset, measures: Dataset) -> Plane:
    rows, columns = (float(value) for value in measures.PixelSpacing)
    return Plane(
        np.array(position.ImagePositionPatient, float),
        np.array(orientation.ImageOrientationPatient, float).reshape(2, 3),
        (columns, rows),
    )
