"""View layouts: T1 and FLAIR side by side, three planes with 3D, and the previous layout.

The two side-by-side views are separate from Slicer's Red, Green and Yellow, which keep the user's settings, and form a
separate view group, so that scrolling in them moves no other view. A volume that is loaded does not appear in them by
itself: it may be another patient's, under the outlines of this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .nodes import one_change

SIDE_BY_SIDE = 20210407  # identifier of the layout; Slicer's own are below 1000
T1_VIEW, FLAIR_VIEW = "AnomalyT1", "AnomalyFLAIR"
OPACITY = 0.4  # default opacity of the overlay: colours are distinguishable and the anatomy remains visible
PLANES = ("Red", "Green", "Yellow")  # Slicer's views of the layout with three planes and 3D
_FORMER = "AnomalyDetection.FormerLayout"
_ARRANGED = "AnomalyDetection.ArrangedLayout"
_BESIDE = "AnomalyDetection.3DFromSideBySide"
_CONTENT = "AnomalyDetection.Former"
_VIEW_GROUP = 2021
_THICK = 1.5  # ratio of slice distance to pixel size from which a volume counts as acquired in slices


def _view(name: str, label: str) -> str:
    return f"""
  <item>
   <view class="vtkMRMLSliceNode" singletontag="{name}">
    <property name="orientation" action="default">Axial</property>
    <property name="viewlabel" action="default">{label}</property>
    <property name="viewcolor" action="default">#8C8C8C</property>
    <property name="viewgroup" action="default">{_VIEW_GROUP}</property>
   </view>
  </item>"""


LABELS = "T1", "FL"
_DESCRIPTION = (
    f'<layout type="horizontal">{_view(T1_VIEW, LABELS[0])}{_view(FLAIR_VIEW, LABELS[1])}\n</layout>'
)


def register(layout_node: Any) -> None:
    """Register the layout; Slicer needs this before it opens a scene that was saved with it."""
    if not layout_node.IsLayoutDescription(SIDE_BY_SIDE):
        layout_node.AddLayoutDescription(SIDE_BY_SIDE, _DESCRIPTION)
        if is_side_by_side(layout_node):  # a scene was opened before
            layout_node.SetViewArrangement(SIDE_BY_SIDE)


def is_side_by_side(layout_node: Any) -> bool:
    """Whether the current layout is side by side."""
    return layout_node.GetViewArrangement() == SIDE_BY_SIDE


def side_by_side(
    scene: Any,
    application: Any,
    layout_node: Any,
    *,
    t1: Any,
    flair: Any,
    score: Any = None,
    opacity: float = OPACITY,
    at: Sequence[float] | None = None,
) -> None:
    """Show T1 and FLAIR side by side: linked, in the plane of the FLAIR's slices, the scores on the FLAIR.

    The previous layout is stored in the layout node, so that it is known in a saved scene, too. If the layout is already
    side by side, the views are only filled and fitted again.

    Args:
        t1, flair: volume nodes; without a T1 (None) its view is empty.
        score: volume node of the scores; None: no overlay.
        at: show the slices through this point, RAS of the world, mm; None: through the middle of the FLAIR.
    """
    register(layout_node)
    if is_three_d(layout_node):
        _restore_planes(scene)
    layout_node.RemoveAttribute(_BESIDE)
    _arrange(layout_node, SIDE_BY_SIDE)
    for name, background, foreground in ((T1_VIEW, t1, None), (FLAIR_VIEW, flair, score)):
        composite = scene.GetSingletonNode(name, "vtkMRMLSliceCompositeNode")
        if composite is not None:  # exists as soon as the view does
            show_volumes(composite, background, foreground, opacity)
            composite.SetLinkedControl(True)
            composite.SetHotLinkedControl(True)
            composite.SetDoPropagateVolumeSelection(False)
    label_views(scene)
    if score is not None:
        _show_legends_in_new_views(scene, score)
    fit(scene, application, flair, at=at)


def label_views(scene: Any, left: str = LABELS[0], right: str = LABELS[1]) -> None:
    """Set the labels of the two views."""
    for name, label in ((T1_VIEW, left), (FLAIR_VIEW, right)):
        node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        if node is not None:
            node.SetLayoutLabel(label)


def fit(scene: Any, application: Any, flair: Any, *, at: Sequence[float] | None = None) -> None:
    """Fit both views to the whole FLAIR, in the plane of its slices, also for the T1.

    Call it again after `side_by_side`, when the window has resized the views.

    `scene`, `application`, `flair`, `at`: as for `side_by_side`.
    """
    orientation, offset = slice_orientation(flair), None
    for name in (FLAIR_VIEW, T1_VIEW):
        node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        logic = application.GetSliceLogic(node) if node is not None else None
        if logic is None:
            continue
        node.SetOrientation(orientation)
        node.RotateToVolumePlane(flair)
        width, height, _ = node.GetDimensions()
        logic.FitSliceToVolume(flair, width, height)
        if at is not None:
            node.JumpSliceByOffsetting(*at)
        if name == FLAIR_VIEW:
            logic.SnapSliceOffsetToIJK()
            offset = node.GetSliceOffset()
        elif offset is not None:
            node.SetSliceOffset(offset)


def four_up(layout_node: Any) -> None:
    """Show Slicer's layout with three planes and 3D, and store the previous layout as `side_by_side` does.

    What the three planes show is stored, too, so that they can be filled.
    """
    if not is_three_d(layout_node):
        _store_planes(layout_node.GetScene())
        layout_node.RemoveAttribute(_BESIDE)
        if is_side_by_side(layout_node):
            layout_node.SetAttribute(_BESIDE, "1")
    _arrange(layout_node, layout_node.SlicerLayoutFourUpView)


def is_three_d(layout_node: Any) -> bool:
    """Whether `four_up` has set the current layout."""
    return is_arranged(layout_node) and not is_side_by_side(layout_node)


def is_arranged(layout_node: Any) -> bool:
    """Whether this module has set the current layout, so that `put_back` can restore the previous one."""
    arranged = layout_node.GetAttribute(_ARRANGED) or str(SIDE_BY_SIDE)  # earlier scenes have only one
    known = layout_node.GetAttribute(_FORMER) or layout_node.GetAttribute(_BESIDE)
    return bool(known) and arranged == str(layout_node.GetViewArrangement())


def put_back(layout_node: Any) -> bool:
    """Restore the layout from before `side_by_side` or `four_up`, and what the three planes showed.

    Returns False if the user has chosen another layout since, which is kept.
    """
    ours = is_arranged(layout_node) or is_side_by_side(layout_node)
    if is_three_d(layout_node):
        _restore_planes(layout_node.GetScene())
        if layout_node.GetAttribute(_BESIDE):
            layout_node.RemoveAttribute(_BESIDE)
            _arrange(layout_node, SIDE_BY_SIDE)
            return True
    former = layout_node.GetAttribute(_FORMER)
    for attribute in (_FORMER, _ARRANGED, _BESIDE):
        layout_node.RemoveAttribute(attribute)
    if not ours:
        return False
    arrangement = int(former) if former else layout_node.SlicerLayoutFourUpView
    # A layout of another module is unknown if that module is not installed.
    known = arrangement != layout_node.SlicerLayoutNone and layout_node.IsLayoutDescription(arrangement)
    layout_node.SetViewArrangement(arrangement if known else layout_node.SlicerLayoutFourUpView)
    return True


def _store_planes(scene: Any) -> None:
    """Store what the three planes show in their own nodes: as references, which scenes save."""
    for composite in _planes(scene):
        composite.SetNodeReferenceID(f"{_CONTENT}Background", composite.GetBackgroundVolumeID())
        composite.SetNodeReferenceID(f"{_CONTENT}Foreground", composite.GetForegroundVolumeID())
        composite.SetAttribute(_CONTENT, f"{composite.GetCompositing()} {composite.GetForegroundOpacity()}")


def _restore_planes(scene: Any) -> None:
    for composite in _planes(scene):
        blend = composite.GetAttribute(_CONTENT)
        if not blend:
            continue
        background = composite.GetNodeReference(f"{_CONTENT}Background")
        foreground = composite.GetNodeReference(f"{_CONTENT}Foreground")
        show_volumes(composite, background, foreground, float(blend.split()[1]))
        composite.SetCompositing(int(blend.split()[0]))
        composite.RemoveAttribute(_CONTENT)


def _planes(scene: Any) -> list[Any]:
    found = [scene.GetSingletonNode(name, "vtkMRMLSliceCompositeNode") for name in PLANES]
    return [composite for composite in found if composite is not None]


def _arrange(layout_node: Any, arrangement: int) -> None:
    """Set a layout, and store the previous one unless it was ours."""
    if not (is_arranged(layout_node) or is_side_by_side(layout_node)):
        layout_node.SetAttribute(_FORMER, str(layout_node.GetViewArrangement()))
    layout_node.SetAttribute(_ARRANGED, str(arrangement))
    layout_node.SetViewArrangement(arrangement)


def thick_axis(spacing: Sequence[float]) -> int | None:
    """The voxel axis (0 to 2) across the slices of an acquisition; None for nearly isotropic voxels."""
    axis = int(np.argmax(spacing))
    return axis if spacing[axis] >= _THICK * np.median(spacing) else None


def slice_orientation(volume: Any) -> str:
    """The orientation preset in which a volume was acquired; "Axial" for nearly isotropic voxels."""
    import vtk

    axis = thick_axis(volume.GetSpacing())
    if axis is None:
        return "Axial"
    to_world = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(to_world)
    parent = volume.GetParentTransformNode()
    parent_to_world = vtk.vtkMatrix4x4()
    if parent is not None and parent.GetMatrixTransformToWorld(parent_to_world):  # false: not linear
        vtk.vtkMatrix4x4.Multiply4x4(parent_to_world, to_world, to_world)
    normal = [abs(to_world.GetElement(row, axis)) for row in range(3)]
    return ("Sagittal", "Coronal", "Axial")[int(np.argmax(normal))]


def show_volumes(composite: Any, background: Any | None, foreground: Any | None, opacity: float) -> None:
    """Show a volume in one slice view, and another one over it; None: nothing."""
    with one_change(composite):
        composite.SetCompositing(composite.Alpha)
        composite.SetBackgroundVolumeID(None if background is None else background.GetID())
        composite.SetForegroundVolumeID(None if foreground is None else foreground.GetID())
        composite.SetForegroundOpacity(opacity)


def legends_of(score: Any) -> list[Any]:
    """The colour legend display nodes of a volume."""
    displays = [score.GetNthDisplayNode(index) for index in range(score.GetNumberOfDisplayNodes())]
    return [node for node in displays if node is not None and node.IsA("vtkMRMLColorLegendDisplayNode")]


def _show_legends_in_new_views(scene: Any, score: Any) -> None:
    """Add the legends to the scene again, as Slicer's views ignore legends that were added before the views existed."""
    for legend in legends_of(score):
        scene.RemoveNode(legend)
        scene.AddNode(legend)
        score.AddAndObserveDisplayNodeID(legend.GetID())
        legend.Modified()  # only now do the views know the volume of the legend
