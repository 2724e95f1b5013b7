"""Volume nodes to SimpleITK images in physical space, and voxels back into nodes.

A node's IJK-to-RAS matrix does not include its parent transforms, of which there may be several. Files for the engine
are written in world space (as LPS), where T1 and FLAIR are aligned to each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..grid import Grid
from ..imaging.voxels import voxels_of
from .nodes import one_change

RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS to LPS and back: the first two axes are reversed

#: Deviations of voxel axes from the right angle below this (mm, at the volume's corner) are rounding of the header.
ROUNDING_MM = 1e-3

#: A sheared grid is straightened if that moves no voxel centre by more than this (mm); the same as for files.
SHEAR_TOLERANCE_MM = 0.5


def array_of(node: Any) -> np.ndarray:
    """A copy of a volume node's voxels, (slices, rows, columns), in the node's own type.

    Raises an InputError if the volume is empty or has several values per voxel.
    """
    return array_view(node).copy()


def image_of(node: Any) -> sitk.Image:
    """A scalar volume node as an image in world space (LPS, mm), with all its linear parent transforms.

    The voxels are copied in their own type; the geometry is exact. Mirrored and left-handed axes are kept.

    Raises an InputError if the volume is empty or has several values per voxel, a parent transform is not
    linear, or the axes are not at right angles (sheared), which an image file cannot hold.
    """
    return _image(node, linear_matrix(node, None))


def study_files(t1_node: Any, flair_node: Any, brain_mask_node: Any | None, folder: Path) -> dict[str, Path]:
    """Write the engine's input: T1.nrrd, FLAIR.nrrd and, where given, brain_mask.nrrd, uncompressed.

    The files are in world space. If the FLAIR has a non-linear transform, they are in the FLAIR's own space, which works
    if the T1 and the mask have the same non-linear transform.

    Args:
        brain_mask_node: a segmentation (all its segments are brain) or a label map volume (all values but 0 are brain), on
            any grid and under any linear transform; or None. Its file is on the FLAIR's grid: uint8, 1 in the brain.

    Returns "t1", "flair" and, where given, "brain_mask": the paths. Raises an InputError as for `image_of`,
    if the mask is empty or outside the FLAIR, or if a file cannot be written.
    """
    to_files = matrix_between(flair_node, None)
    space = None if to_files is not None else flair_node
    if to_files is None:
        to_files = np.eye(4)
    t1_to_files = matrix_between(t1_node, space)
    if t1_to_files is None:
        raise InputError(not_linear(t1_node if space is None else flair_node))
    folder = Path(folder)
    files = {"t1": folder / "T1.nrrd", "flair": folder / "FLAIR.nrrd"}
    _write(_image(t1_node, t1_to_files), files["t1"])
    flair = _image(flair_node, to_files)
    _write(flair, files["flair"])
    if brain_mask_node is not None:
        mask = _mask(brain_mask_node, flair_node, Grid.of(flair), matrix_between(brain_mask_node, space))
        files["brain_mask"] = folder / "brain_mask.nrrd"
        _write(mask, files["brain_mask"])
    return files


def image_data(array: np.ndarray) -> Any:
    """An array (slices, rows, columns) as vtkImageData, copied; bool becomes uint8. Geometry is the node's."""
    import vtk

    return _filled(vtk.vtkImageData(), array.astype(np.uint8) if array.dtype == bool else array)


def fill(node: Any, data: Any, reference_node: Any, matrix: np.ndarray | None = None) -> None:
    """Set the voxels and the position of a volume node, under the reference's parent transform, in one modification.

    Args:
        reference_node: the volume that the node moves with.
        matrix: IJK to RAS in the reference's own space, (4, 4); None: exactly the reference's grid.
    """
    with one_change(node):
        node.SetAndObserveImageData(data)
        stand_under(node, reference_node, matrix)


def stand_under(node: Any, reference_node: Any, matrix: np.ndarray | None = None) -> None:
    """Move a volume node to the position that `fill` would give it."""
    if matrix is None:
        directions = [[0.0] * 3 for _ in range(3)]  # exact copy; a matrix would be decomposed and rounded
        reference_node.GetIJKToRASDirections(directions)
        node.SetIJKToRASDirections(directions)
        node.SetSpacing(reference_node.GetSpacing())
        node.SetOrigin(reference_node.GetOrigin())
    else:
        node.SetIJKToRASMatrix(vtk_matrix(matrix))
    node.SetAndObserveTransformNodeID(reference_node.GetTransformNodeID())


def ijk_to_ras(node: Any) -> np.ndarray:
    """A volume node's own IJK-to-RAS matrix (4, 4), without its parent transform."""
    return _with_matrix(node.GetIJKToRASMatrix)


def matrix_between(node: Any, other: Any | None) -> np.ndarray | None:
    """The RAS matrix (4, 4) from a node's own space to that of another, or to the world's (None).

    Returns None if the transforms between the two are not linear.
    """
    import slicer

    parent = node.GetParentTransformNode()
    target = None if other is None else other.GetParentTransformNode()
    # Check first, as Slicer shows the user an error when asked for a matrix that does not exist.
    if parent is not None:
        linear = parent.IsTransformToNodeLinear(target)
    else:
        linear = target is None or target.IsTransformToWorldLinear()
    if not linear:
        return None
    between = slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes
    return _with_matrix(lambda matrix: between(parent, target, matrix))


def linear_matrix(node: Any, other: Any | None) -> np.ndarray:
    """Like `matrix_between`, but raises an InputError if the transforms are not linear."""
    matrix = matrix_between(node, other)
    if matrix is None:
        raise InputError(not_linear(node))
    return matrix


def vtk_matrix(matrix: np.ndarray) -> Any:
    """A (4, 4) array as vtkMatrix4x4."""
    import vtk

    made = vtk.vtkMatrix4x4()
    made.DeepCopy(matrix.ravel().tolist())
    return made


def oriented_image(array: np.ndarray, matrix: np.ndarray) -> Any:
    """An array (slices, rows, columns) as vtkOrientedImageData with this IJK-to-RAS matrix (4, 4)."""
    import slicer

    image = _filled(slicer.vtkOrientedImageData(), array)
    image.SetGeometryFromImageToWorldMatrix(vtk_matrix(matrix))
    return image


def _filled(image: Any, array: np.ndarray) -> Any:
    from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

    image.SetDimensions(array.shape[::-1])
    image.AllocateScalars(get_vtk_array_type(array.dtype), 1)
    vtk_to_numpy(image.GetPointData().GetScalars()).reshape(array.shape)[:] = array
    return image


def from_oriented_image(image: Any) -> tuple[np.ndarray, np.ndarray]:
    """The voxels of a vtkOrientedImageData, (slices, rows, columns), no copy, and their IJK-to-RAS matrix (4, 4)."""
    from vtk.util.numpy_support import vtk_to_numpy

    extent = image.GetExtent()
    shape = tuple(extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in (2, 1, 0))
    first = np.eye(4)
    first[:3, 3] = extent[::2]  # its matrix refers to index 0, wherever its extent begins
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
    return voxels, _with_matrix(image.GetImageToWorldMatrix) @ first


def grid_under(shape: tuple[int, ...], matrix: np.ndarray) -> Grid:
    """The grid (LPS) of an array of this shape under an IJK-to-RAS matrix (4, 4), as it is."""
    lps = RAS_LPS @ matrix
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    x, y, z = lps[:3, 3].tolist()
    dx, dy, dz = spacing.tolist()
    return Grid(
        size=(shape[2], shape[1], shape[0]),
        spacing=(dx, dy, dz),
        origin=(x, y, z),
        direction=tuple((lps[:3, :3] / spacing).ravel().tolist()),
    )


def quoted(node: Any) -> str:
    """A node's name for a message."""
    return f'"{node.GetName() or "(without a name)"}"'


def not_linear(node: Any) -> str:
    """The error message for a node with a non-linear transform."""
    return (
        f"{quoted(node)} has a non-linear transform: harden it first (Transforms module), or "
        "remove the transform."
    )


def array_view(node: Any) -> np.ndarray:
    """A view of the voxels, (slices, rows, columns), to be read but not kept.

    Raises an InputError if the volume is empty or has several values per voxel.
    """
    from vtk.util.numpy_support import vtk_to_numpy

    data = node.GetImageData()
    scalars = None if data is None else data.GetPointData().GetScalars()
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        raise InputError(f"{quoted(node)} contains no image: choose a loaded volume.")
    if scalars.GetNumberOfComponents() != 1:
        raise InputError(
            f"{quoted(node)} has {scalars.GetNumberOfComponents()} values per voxel, like a colour image: choose "
            "the original grey-scale images."
        )
    return vtk_to_numpy(scalars).reshape(data.GetDimensions()[::-1])


def _image(node: Any, to_space: np.ndarray) -> sitk.Image:
    voxels = array_view(node)
    return grid_of(node, to_space).image(voxels)


def grid_of(node: Any, to_space: np.ndarray) -> Grid:
    """The grid of a volume node in a space: spacing, origin and direction (LPS).

    `to_space`: RAS matrix (4, 4) from the node's own space (see `matrix_between`). Raises an InputError if
    the axes are sheared or collapsed, which an image cannot hold.
    """
    data = node.GetImageData()
    shape = (0, 0, 0) if data is None else tuple(data.GetDimensions()[::-1])
    matrix = RAS_LPS @ to_space @ ijk_to_ras(node)
    axes, origin = matrix[:3, :3], matrix[:3, 3]
    spacing = np.linalg.norm(axes, axis=0)
    if not (
        np.all(np.isfinite(matrix)) and np.all(spacing > 0) and abs(np.linalg.det(axes / spacing)) > 1e-3
    ):
        raise InputError(
            f"The geometry of {quoted(node)} cannot be used (an axis without length, or two that coincide): "
            "load the original images again."
        )
    direction = axes / spacing
    u, _, v = np.linalg.svd(direction)
    straight = u @ v
    reach = spacing * (np.array(shape[::-1]) - 1) / 2  # half the extent in mm
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * reach
    off_mm = float(np.linalg.norm(corners @ (direction - straight).T, axis=1).max())
    if off_mm > SHEAR_TOLERANCE_MM:
        raise InputError(
            f"The voxel axes of {quoted(node)} are not at right angles (sheared by up to {off_mm:.1f} mm, by a "
            "transform or in its header): harden the transform (Transforms module) or resample the volume to "
            "an ordinary grid."
        )
    if off_mm > ROUNDING_MM:
        origin = origin + (direction - straight) @ reach  # keep the centre
        direction = straight
    straightened = np.eye(4)
    straightened[:3, :3], straightened[:3, 3] = direction * spacing, origin
    return grid_under(shape, RAS_LPS @ straightened)


def affine(grid: Grid) -> np.ndarray:
    """Index (x, y, z, 1) to LPS mm, (4, 4)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(grid.direction).reshape(3, 3) * grid.spacing
    matrix[:3, 3] = grid.origin
    return matrix


def _mask(node: Any, flair_node: Any, grid: Grid, to_space: np.ndarray | None) -> sitk.Image:
    """The mask on a grid; `to_space`: from the mask node's own space to the space of the grid."""
    if to_space is None:
        raise InputError(not_linear(node))
    if node.IsA("vtkMRMLSegmentationNode"):
        label = _segments(node, flair_node, to_space)
    else:
        label = sitk.Cast(_image(node, to_space) != 0, sitk.sitkUInt8)
    own = Grid.of(label)
    alike = own.size == grid.size and np.allclose(affine(own), affine(grid), rtol=0, atol=1e-6)
    mask = label if alike else grid.resampled(label)
    if not voxels_of(label).any():
        raise InputError(f"The brain mask {quoted(node)} is empty: choose another, or none.")
    if not voxels_of(mask).any():
        raise InputError(
            f"The brain mask {quoted(node)} lies outside {quoted(flair_node)}: choose one of this FLAIR, or none."
        )
    return mask


def _segments(node: Any, flair_node: Any, to_space: np.ndarray) -> sitk.Image:
    """All segments of a segmentation as one mask (uint8), on the segmentation's own grid."""
    import slicer

    segmentation = node.GetSegmentation()
    if segmentation is None or segmentation.GetNumberOfSegments() == 0:
        raise InputError(f"The brain mask {quoted(node)} has no segment: choose another, or none.")
    source = node
    labels = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    if not segmentation.ContainsRepresentation(labels):
        # Only surfaces: convert them in a copy, so that the user's segmentation does not change.
        source = slicer.vtkMRMLSegmentationNode()
        source.GetSegmentation().DeepCopy(segmentation)
        source.SetReferenceImageGeometryParameterFromVolumeNode(flair_node)
        if not source.GetSegmentation().CreateRepresentation(labels):
            raise InputError(
                f"The brain mask {quoted(node)} cannot be converted to voxels: choose a segmentation that was "
                "painted on the images, or none."
            )
    merged, extent_of = (
        slicer.vtkOrientedImageData(),
        slicer.vtkSegmentation.EXTENT_UNION_OF_EFFECTIVE_SEGMENTS,
    )
    made = source.GenerateMergedLabelmapForAllSegments(merged, extent_of)
    extent = merged.GetExtent()
    if not made or any(extent[2 * axis] > extent[2 * axis + 1] for axis in range(3)):
        raise InputError(f"The brain mask {quoted(node)} is empty: choose another, or none.")
    voxels, matrix = from_oriented_image(merged)
    return grid_under(voxels.shape, to_space @ matrix).image((voxels != 0).astype(np.uint8))


def _with_matrix(fill: Any) -> np.ndarray:
    """The (4, 4) array of a vtkMatrix4x4 that a VTK method fills."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    fill(matrix)
    return np.array(matrix.GetData()).reshape(4, 4)


def _write(image: sitk.Image, path: Path) -> None:
    try:
        sitk.WriteImage(image, str(path), useCompression=False)
    except RuntimeError as error:
        raise InputError(
            f"The images for the detection cannot be written ({path}): free some space on that disk, or choose "
            "another folder for temporary files (Edit, Application Settings)."
        ) from error
