"""T1 and FLAIR side by side, three planes with 3D, and back to the layout that was there.

The two views are our own, so that Slicer's Red, Green and Yellow stay as the user left them, and they form
a view group of their own, so that scrolling in them moves no other view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

SIDE_BY_SIDE = 20210407
"""Identifier of the layout; Slicer's own are below 1000."""

T1_VIEW, FLAIR_VIEW = "AnomalyT1", "AnomalyFLAIR"
OPACITY = 0.4
"""Of the overlay, unless said otherwise: colours that can be told apart, anatomy that still shows."""

_FORMER = "AnomalyDetection.FormerLayout"
_ARRANGED = "AnomalyDetection.ArrangedLayout"
_VIEW_GROUP = 2021
_THICK = 1.5  # slices this much thicker than a pixel is wide were acquired as slices


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
    """Make the layout known; Slicer needs that before it opens a scene that was saved side by side."""
    if not layout_node.IsLayoutDescription(SIDE_BY_SIDE):
        layout_node.AddLayoutDescription(SIDE_BY_SIDE, _DESCRIPTION)
        if is_side_by_side(layout_node):  # the scene came first
            layout_node.SetViewArrangement(SIDE_BY_SIDE)


def is_side_by_side(layout_node: Any) -> bool:
    """Is that the layout now?"""
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

    Remembers in the layout node which layout was there, so that it is also known after the scene was saved
    and opened; when side by side already, the views are only filled and fitted anew.

    Args:
        scene: vtkMRMLScene.
        application: vtkMRMLApplicationLogic.
        layout_node: vtkMRMLLayoutNode of the scene.
        t1, flair: volume nodes; a T1 that is gone (None) leaves its view empty.
        score: volume node of the scores; None: no overlay.
        opacity: of the overlay, 0 to 1.
        at: the slices through this point, RAS of the world, mm; None: through the middle of the FLAIR.
    """
    register(layout_node)
    _arrange(layout_node, SIDE_BY_SIDE)
    for name, background, foreground in ((T1_VIEW, t1, None), (FLAIR_VIEW, flair, score)):
        composite = scene.GetSingletonNode(name, "vtkMRMLSliceCompositeNode")
        if composite is not None:  # there is one as soon as the view is there
            show_volumes(composite, background, foreground, opacity)
            composite.SetLinkedControl(True)
            composite.SetHotLinkedControl(True)
    label_views(scene)
    if score is not None:
        _show_legends_in_new_views(scene, score)
    fit(scene, application, flair, at=at)


def label_views(scene: Any, left: str = LABELS[0], right: str = LABELS[1]) -> None:
    """What the bars above the two views say of them."""
    for name, label in ((T1_VIEW, left), (FLAIR_VIEW, right)):
        node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        if node is not None:
            node.SetLayoutLabel(label)


def fit(scene: Any, application: Any, flair: Any, *, at: Sequence[float] | None = None) -> None:
    """Both views in the plane of one slice of the FLAIR, wherever the T1's own slices lie; all of the FLAIR in them.

    Worth calling once more when the window has given the views their size, after `side_by_side`.

    Args:
        scene, application, flair, at: as for `side_by_side`.
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
    """Three planes and 3D, Slicer's own layout. Remembers the one that was there, as `side_by_side` does."""
    _arrange(layout_node, layout_node.SlicerLayoutFourUpView)


def is_arranged(layout_node: Any) -> bool:
    """Is the layout now one that this module has arranged, and from which it can go back?"""
    arranged = layout_node.GetAttribute(_ARRANGED) or str(SIDE_BY_SIDE)  # earlier scenes knew only one
    return bool(layout_node.GetAttribute(_FORMER)) and arranged == str(layout_node.GetViewArrangement())


def put_back(layout_node: Any) -> bool:
    """Back to the layout that was there before `side_by_side` or `four_up`.

    Returns:
        False if the layout is neither: the user has chosen another since, and it stays.
    """
    ours = is_arranged(layout_node) or is_side_by_side(layout_node)
    former = layout_node.GetAttribute(_FORMER)
    for attribute in (_FORMER, _ARRANGED):
        layout_node.RemoveAttribute(attribute)
    if not ours:
        return False
    arrangement = int(former) if former else layout_node.SlicerLayoutFourUpView
    # Another module's layout may be unknown now, where the scene was opened without that module.
    known = arrangement != layout_node.SlicerLayoutNone and layout_node.IsLayoutDescription(arrangement)
    layout_node.SetViewArrangement(arrangement if known else layout_node.SlicerLayoutFourUpView)
    return True


def _arrange(layout_node: Any, arrangement: int) -> None:
    """Another layout; the one to go back to is the last that was not ours."""
    if not (is_arranged(layout_node) or is_side_by_side(layout_node)):
        layout_node.SetAttribute(_FORMER, str(layout_node.GetViewArrangement()))
    layout_node.SetAttribute(_ARRANGED, str(arrangement))
    layout_node.SetViewArrangement(arrangement)


def slice_orientation(volume: Any) -> str:
    """The orientation preset in which a volume was acquired; "Axial" where voxels are about cubes."""
    import vtk

    spacing = np.array(volume.GetSpacing())
    axis = int(np.argmax(spacing))
    if spacing[axis] < _THICK * np.median(spacing):
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
    """What one slice view shows: a volume, and another one blended over it; None: nothing."""
    modified = composite.StartModify()
    composite.SetCompositing(composite.Alpha)
    composite.SetBackgroundVolumeID(None if background is None else background.GetID())
    composite.SetForegroundVolumeID(None if foreground is None else foreground.GetID())
    composite.SetForegroundOpacity(opacity)
    composite.EndModify(modified)


def legends_of(score: Any) -> list[Any]:
    """The colour legend display nodes of a volume."""
    displays = [score.GetNthDisplayNode(index) for index in range(score.GetNumberOfDisplayNodes())]
    return [node for node in displays if node is not None and node.IsA("vtkMRMLColorLegendDisplayNode")]


def _show_legends_in_new_views(scene: Any, score: Any) -> None:
    """Slicer's views draw a legend only if they were there when it came into the scene: let it come again."""
    for legend in legends_of(score):
        scene.RemoveNode(legend)
        scene.AddNode(legend)
        score.AddAndObserveDisplayNodeID(legend.GetID())
        legend.Modified()  # only now the views can tell whose legend it is
