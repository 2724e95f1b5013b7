"""The current segments of a result as arrays on the FLAIR's grid."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..grid import Grid
from .result_nodes import Result
from .segmentation import segment_id
from .volumes import from_oriented_image, grid_of, grid_under, matrix_between


def numbered_voxels(result: Result, numbers: Collection[int]) -> tuple[np.ndarray, np.ndarray]:
    """The segments of these findings as one array on the FLAIR's grid.

    Returns uint16 (slices, rows, columns), whose values are finding numbers; and the RAS matrix (4, 4) from
    the FLAIR's own space to that of the files. Raises an InputError if the FLAIR has a transform that an
    image file cannot hold, or the segmentation has another non-linear transform.
    """
    to_world = matrix_between(result.score, None)
    to_files = np.eye(4) if to_world is None else to_world
    grid_of(result.score, to_files)  # raises an error for a shearing transform
    return segment_voxels(result, numbers), to_files


def segment_voxels(result: Result, numbers: Collection[int]) -> np.ndarray:
    """Like `numbered_voxels`, without the checks and the matrix for files: uint16 (slices, rows, columns)."""
    names = {number: segment_id(number) for number in numbers}
    return voxels_of_segments(result, names)


def voxels_of_segments(result: Result, names: dict[int, str]) -> np.ndarray:
    """Segments as one array on the FLAIR's grid, uint16 (slices, rows, columns).

    `names`: the value and the identifier of each segment. Where segments overlap, the highest value is used.
    Raises an InputError if segmentation and FLAIR have different non-linear transforms, or the segments have only
    surfaces, as after "Make source" of another representation.
    """
    import slicer

    grid = grid_of(result.score, np.eye(4))
    to_score = matrix_between(result.segmentation, result.score)
    if to_score is None:
        raise InputError(
            f'"{result.segmentation.GetName()}" and "{result.score.GetName()}" have different non-linear '
            "transforms: give both the same one (Transforms module)."
        )
    binary = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segments = result.segmentation.GetSegmentation()
    if segments.GetNumberOfSegments() > 0 and not segments.ContainsRepresentation(binary):
        raise InputError(
            f'The outlines "{result.segmentation.GetName()}" have no voxels any more, only surfaces: move the threshold, or '
            "make the binary label map their source (Segmentations module)."
        )
    shared: dict[int, tuple[Any, dict[int, int]]] = {}  # segments share label maps, so each map is read once
    for number in sorted(names):
        segment = segments.GetSegment(names[number])
        image = segment.GetRepresentation(binary) if segment is not None else None
        if image is not None and image.GetNumberOfPoints() > 0:
            values = shared.setdefault(id(image), (image, {}))[1]
            values[int(segment.GetLabelValue())] = number
    labels = np.zeros(grid.shape, np.uint16)
    for image, values in shared.values():
        np.maximum(labels, _on_grid(image, values, to_score, grid), out=labels)
    return labels


def _on_grid(image: Any, numbers: dict[int, int], to_score: np.ndarray, grid: Grid) -> np.ndarray:
    """One label map of a segmentation, renumbered, on the score volume's own grid (uint16)."""
    values, matrix = from_oriented_image(image)
    table = np.zeros(max(int(values.max()), *numbers) + 1, np.uint16)
    table[list(numbers)] = list(numbers.values())
    # Whole numbers are taken as they are: a copy of them is slow.
    found = table[values.astype(np.intp) if values.dtype.kind == "f" else values]
    source = grid_under(values.shape, to_score @ matrix)
    steps = grid.indices(source.points(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])))
    start = np.rint(steps[0])
    if np.allclose(steps, start + np.vstack([np.zeros(3), np.eye(3)]), rtol=0, atol=1e-3):
        return _pasted(found, start.astype(int)[::-1], grid.shape)
    return sitk.GetArrayFromImage(grid.resampled(source.image(found)))


def _pasted(part: np.ndarray, start: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array placed into a larger one; parts outside are cut off."""
    whole = np.zeros(shape, part.dtype)
    low, high = np.maximum(start, 0), np.minimum(start + part.shape, shape)
    if np.all(high > low):
        into = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        whole[into] = part[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))]
    return whole
