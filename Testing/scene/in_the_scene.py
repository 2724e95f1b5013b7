"""What the tests of the bridge do to nodes, as a user would: move them, and paint segments."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.scene.volumes import RAS_LPS, affine, ijk_to_ras, oriented_image, vtk_matrix
from scipy.spatial.transform import Rotation
from slicer_scene import add_volume

BINARY = "Binary labelmap"


def load(path, name):
    """A NIfTI file as a volume node of the current scene, as Slicer's Volumes module reads it."""
    image = sitk.ReadImage(str(path))
    return add_volume(slicer.mrmlScene, sitk.GetArrayFromImage(image), RAS_LPS @ affine(Grid.of(image)), name)


def rigid(angles=(0, 0, 0), shift=(0, 0, 0), scale=1.0):
    """A matrix (4, 4) that turns (degrees about x, y and z), scales and shifts."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * scale
    matrix[:3, 3] = shift
    return matrix


TURN = rigid((25, 10, 15), (12, -7, 30))


def sheared(amount):
    matrix = np.eye(4)
    matrix[0, 1] = amount
    return matrix


def under(scene, matrix, *nodes):
    """Put nodes under a linear transform of this matrix (4, 4); returns the transform."""
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(vtk_matrix(np.asarray(matrix, float)))
    for node in nodes:
        node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def bent(scene):
    """A transform that is not linear."""
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    spline = vtk.vtkThinPlateSplineTransform()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for point in ((0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50), (50, 50, 50)):
        source.InsertNextPoint(point)
        target.InsertNextPoint(point[0] + 0.1 * point[1], point[1], point[2] + 0.002 * point[0] ** 2)
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    spline.SetBasisToR()
    node.SetAndObserveTransformToParent(spline)
    return node


def everything(result):
    """All nodes of a result that stand in space, and its inputs."""
    return result.flair, result.t1, result.score, result.segmentation


def paint(result, number, mask):
    """Paint a segment as the Segment Editor writes it: through the logic that it uses."""
    image = oriented_image(mask.astype(np.uint8), ijk_to_ras(result.flair))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(image, result.segmentation, f"Segment_{number}")


def draw_box(result, number, columns, rows, slices):
    """Draw a box (first and last voxel along each axis) in the place of a finding.

    As in the Segment Editor, the segment has a label map of its own, which is the box round what was painted.
    """
    extent = np.array([columns, rows, slices])
    image = oriented_image(np.ones((np.ptp(extent, axis=1) + 1)[::-1], np.uint8), ijk_to_ras(result.flair))
    image.SetExtent(*extent.ravel().tolist())
    segment = result.segmentation.GetSegmentation().GetSegment(f"Segment_{number}")
    segment.RemoveAllRepresentations()
    segment.SetLabelValue(1)
    segment.AddRepresentation(BINARY, image)
