"""The findings in 3D, inside a translucent surface of the brain."""

from __future__ import annotations

from typing import Any

from .nodes import nodes_of_class, one_change
from .result_nodes import ROLE, SURFACE, Result, place_aside, reference_of
from .segmentation import show_surfaces
from .volumes import ijk_to_ras, vtk_matrix

OPACITY, COLOUR = 0.15, (0.8, 0.8, 0.8)
SMOOTHING, REDUCTION = 20, 0.6


def show_in_3d(scene: Any, result: Result) -> Any:
    """Create the surfaces of findings and brain for 3D views, unless they exist.

    Returns the vtkMRMLModelNode of the brain's surface.
    """
    show_surfaces(result.segmentation)
    result.segmentation.GetDisplayNode().SetVisibility3D(True)
    model = result.score.GetNodeReference(reference_of(SURFACE))
    if model is None:
        model = scene.AddNewNodeByClass(
            "vtkMRMLModelNode", scene.GenerateUniqueName(f"Brain surface ({result.flair.GetName()})")
        )
        place_aside(result, SURFACE, model)
    model.SetAndObservePolyData(_surface(result.brain))
    model.SetAndObserveTransformNodeID(result.score.GetTransformNodeID())
    model.CreateDefaultDisplayNodes()
    display = model.GetDisplayNode()
    with one_change(display):
        display.SetColor(*COLOUR)
        display.SetOpacity(OPACITY)
        display.SetVisibility2D(False)
        display.SetVisibility(True)
    return model


def show_surface_of(scene: Any, result: Result | None) -> None:
    """Show the brain surface of one result and hide all others; None: hide all."""
    for model in nodes_of_class(scene, "vtkMRMLModelNode"):
        if model.GetAttribute(ROLE) == SURFACE and model.GetDisplayNode() is not None:
            own = result is not None and result.score.GetNodeReference(reference_of(SURFACE)) is model
            model.GetDisplayNode().SetVisibility(own)


def _surface(brain: Any) -> Any:
    """The smoothed surface of a label map volume, in the node's own space."""
    import vtk

    # Pad, so that the surface is closed if the brain reaches the last slice
    padded = vtk.vtkImageConstantPad()
    padded.SetInputData(brain.GetImageData())
    extent = brain.GetImageData().GetExtent()
    padded.SetOutputWholeExtent(*(edge + (1 if place % 2 else -1) for place, edge in enumerate(extent)))
    edges = vtk.vtkFlyingEdges3D()
    edges.SetInputConnection(padded.GetOutputPort())
    edges.SetValue(0, 0.5)
    edges.ComputeNormalsOff()
    edges.ComputeGradientsOff()
    fewer = vtk.vtkDecimatePro()
    fewer.SetInputConnection(edges.GetOutputPort())
    fewer.SetTargetReduction(REDUCTION)
    smooth = vtk.vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(fewer.GetOutputPort())
    smooth.SetNumberOfIterations(SMOOTHING)
    smooth.SetPassBand(0.01)
    smooth.NormalizeCoordinatesOn()
    to_ras = vtk.vtkTransform()
    to_ras.SetMatrix(vtk_matrix(ijk_to_ras(brain)))
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetInputConnection(smooth.GetOutputPort())
    placed.SetTransform(to_ras)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(placed.GetOutputPort())
    normals.SplittingOff()
    normals.Update()
    return normals.GetOutput()
