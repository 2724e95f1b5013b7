"""From the patch lattice back onto the model's grid (paper, "Anomaly scoring": back-projection).

Element (s, i, j) of a lattice belongs to the patch centred on voxel (s, first[0] + i * stride,
first[1] + j * stride) of the model's grid. Element by element, slices are independent.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy


def paint_cells(
    lattice_values: np.ndarray, first: tuple[int, int], stride: int, shape: tuple[int, int, int]
) -> np.ndarray:
    """Each patch's value on the stride x stride cell round its centre (back-projection "cell").

    The cells tile the lattice without gap or overlap. With an even stride no cell is symmetric round a voxel: a
    cell of 4 begins two voxels before the centre and ends one after it.

    Returns an array of `shape` and the lattice's dtype, 0 where no patch was.

    `lattice_values`: (slices, lattice rows, lattice columns), any dtype; NaN where there is no patch. `first`:
    row and column of the first patch centre. `stride`: voxels between patch centres. `shape`: of the model's
    grid, (slices, rows, columns)."""
    _check(lattice_values, shape)
    rows = _cell_of_each_voxel(shape[1], first[0], stride, lattice_values.shape[1])
    columns = _cell_of_each_voxel(shape[2], first[1], stride, lattice_values.shape[2])
    # One element of nothing round the lattice: index -1 reaches it.
    values = np.pad(_without_nan(lattice_values), ((0, 0), (0, 1), (0, 1)))
    return values[:, rows][:, :, columns]


def mean_of_patches(
    lattice_values: np.ndarray,
    first: tuple[int, int],
    stride: int,
    shape: tuple[int, int, int],
    patch_size: int,
) -> np.ndarray:
    """The mean over all patches that contain a voxel (back-projection "mean").

    Returns float32 array of `shape`, 0 where no patch reaches.

    `lattice_values`: (slices, lattice rows, lattice columns), float; NaN where there is no patch. `first`,
    `stride`, `shape`: as for `paint_cells`. `patch_size`: voxels along the side of a patch, odd."""
    _check(lattice_values, shape)
    rows = _voxels_of_each_patch(shape[1], first[0], stride, lattice_values.shape[1], patch_size)
    columns = _voxels_of_each_patch(shape[2], first[1], stride, lattice_values.shape[2], patch_size)
    total = rows.T @ _without_nan(lattice_values).astype(np.float64) @ columns
    patches = rows.T @ np.isfinite(lattice_values).astype(np.float64) @ columns
    return np.divide(total, patches, out=np.zeros(shape), where=patches > 0).astype(np.float32)


def at_centres(painted: np.ndarray, first: tuple[int, int], stride: int) -> np.ndarray:
    """The values of an array on the model's grid (slices, rows, columns) at the patch centres: a lattice."""
    return painted[:, first[0] :: stride, first[1] :: stride]


def _check(lattice_values: np.ndarray, shape: tuple[int, int, int]) -> None:
    if lattice_values.ndim != 3 or lattice_values.shape[0] != shape[0]:
        raise ValueError(f"lattice of shape {lattice_values.shape} does not fit a grid of shape {shape}")


def _without_nan(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=0.0) if np.issubdtype(values.dtype, np.floating) else values


def _cell_of_each_voxel(voxels: int, first: int, stride: int, cells: int) -> np.ndarray:
    """The lattice index of every voxel along one axis, -1 outside the lattice."""
    index = (np.arange(voxels) - (first - stride // 2)) // stride
    return np.where((index >= 0) & (index < cells), index, -1)


def _voxels_of_each_patch(voxels: int, first: int, stride: int, patches: int, patch_size: int) -> np.ndarray:
    """1 where the patch of a row contains the voxel of a column, along one axis; float64."""
    centres = first + stride * np.arange(patches)
    return (np.abs(np.arange(voxels) - centres[:, None]) <= patch_size // 2).astype(np.float64)


def peaks_of(labels: np.ndarray, count: int, values: np.ndarray) -> np.ndarray:
    """The highest value of each label: float32 (count + 1,), 0 for label 0."""
    inside = labels > 0
    peaks = np.full(count + 1, -np.inf, np.float32)
    peaks[0] = 0.0
    np.maximum.at(peaks, labels[inside], values[inside])
    return peaks


def windows_of(
    labels: np.ndarray, count: int, margin: tuple[int, int, int]
) -> Iterator[tuple[int, tuple[slice, slice, slice]]]:
    """The number of each label of 1 to `count` that occurs, and its box with so many elements round it."""
    for number, box in enumerate(scipy.ndimage.find_objects(labels, max_label=count), start=1):
        if box is not None:
            s, i, j = (
                slice(max(part.start - more, 0), part.stop + more)
                for part, more in zip(box, margin, strict=True)
            )
            yield number, (s, i, j)


def bounding_box(
    mask: np.ndarray, margin: tuple[int, int, int] = (0, 0, 0)
) -> tuple[slice, slice, slice] | None:
    """The smallest box round what is true, and so many elements beyond it as there are; None where nothing is."""
    there = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if there[0].size == 0:
        return None
    s, i, j = (
        slice(max(int(at[0]) - more, 0), int(at[-1]) + more + 1)
        for at, more in zip(there, margin, strict=True)
    )
    return s, i, j
