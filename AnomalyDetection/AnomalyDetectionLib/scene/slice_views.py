"""The content of the slice views: scores over the FLAIR, centred findings, images without overlay.

Only the T1 view of the side-by-side layout has no overlay. Linking in Slicer propagates actions of the user but not of a
program, so every view is set.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from .nodes import nodes_of_class, one_change
from .result_nodes import NUMBERS, Result, reference_of, results_in
from .suggested_inputs import OURS, patient_of
from .view_layout import OPACITY, T1_VIEW, label_views, legends_of, show_volumes

_LIMITED = f"{OURS}LimitedToViews"
"""Attribute of outlines and numbers that are kept off some views; others are limited to views by the user alone."""

EDGE = 0.08  # margin, as a fraction of a view's width and height, that counts as out of sight


def show_result(
    scene: Any, result: Result, opacity: float = OPACITY, views: Collection[str] | None = None
) -> None:
    """Show the FLAIR with the scores in slice views, and the T1 in the T1 view.

    Args:
        opacity: of the overlay, 0 to 1. Slicer ignores the opacity of single colours unless it is 0, so the transparency
            of the overlay is set here.
        views: names of the views to fill; None: all. Others keep the volumes that the user has chosen: they change only
            if they are visible and empty, show this FLAIR without an overlay, or show volumes of other results.
    """
    for composite in _composites(scene):
        if views is not None and composite.GetLayoutName() not in views:
            continue
        if composite.GetLayoutName() != T1_VIEW:
            show_volumes(composite, result.flair, result.score, opacity)
        else:
            show_volumes(composite, result.shown_t1, None, opacity)
    if views is None or T1_VIEW in views:
        label_views(scene)
    _show_where_due(scene, result, opacity)
    update_legend(result)


def show_outlines_of(results: Sequence[Result], result: Result, visible: bool) -> None:
    """Show or hide the outlines of one result, and hide those of the others.

    Outlines of another patient would appear on this patient's FLAIR and look like its findings.
    """
    for each in results:
        each.segmentation.CreateDefaultDisplayNodes()
        each.segmentation.GetDisplayNode().SetVisibility(visible and each.score is result.score)


def keep_off_other_patients(scene: Any, result: Result) -> None:
    """Show outlines and numbers in no slice view whose image is known to be of another patient (from DICOM)."""
    patient, others = patient_of(result.flair), set()
    for composite in _composites(scene):
        background = scene.GetNodeByID(composite.GetBackgroundVolumeID() or "")
        shown = None if background is None else patient_of(background)
        if patient and shown and shown != patient:
            others.add(composite.GetLayoutName())
    views = [*nodes_of_class(scene, "vtkMRMLSliceNode"), *nodes_of_class(scene, "vtkMRMLViewNode")]
    # An empty list stands for all views.
    wanted = [view.GetID() for view in views if others and view.GetLayoutName() not in others]
    for node in (result.segmentation, result.score.GetNodeReference(reference_of(NUMBERS))):
        display = None if node is None else node.GetDisplayNode()
        if display is None or not (others or display.GetAttribute(_LIMITED)):
            continue
        now = [display.GetNthViewNodeID(place) for place in range(display.GetNumberOfViewNodeIDs())]
        if now != wanted:  # else the views would be drawn again at every change of the opacity
            with one_change(display):
                display.SetAttribute(_LIMITED, "1" if others else None)
                display.RemoveAllViewNodeIDs()
                for view in wanted:
                    display.AddViewNodeID(view)


def set_filled(results: Sequence[Result], filled: bool) -> None:
    """Show the findings of these results filled or as outlines in the slice views."""
    for each in results:
        each.segmentation.CreateDefaultDisplayNodes()
        each.segmentation.GetDisplayNode().SetVisibility2DFill(filled)


def set_overlay_opacity(scene: Any, result: Result, opacity: float) -> None:
    """Set the opacity of the scores in the views that show them: 0 (invisible) to 1 (opaque)."""
    for composite in _composites(scene):
        if composite.GetForegroundVolumeID() == result.score.GetID():
            composite.SetForegroundOpacity(opacity)


def set_overlay_visible(scene: Any, result: Result, visible: bool) -> None:
    """Hide or show the scores and their legend in every view.

    The opacity is not changed. Views that show other volumes are left alone; if all of them do, showing the overlay also
    shows the FLAIR again.
    """
    score, flair = result.score.GetID(), result.flair.GetID()
    composites = [composite for composite in _composites(scene) if composite.GetLayoutName() != T1_VIEW]
    if visible:
        concerned = [composite for composite in composites if composite.GetBackgroundVolumeID() == flair]
    else:
        concerned = [composite for composite in composites if composite.GetForegroundVolumeID() == score]
    for composite in concerned:
        composite.SetForegroundVolumeID(score if visible else None)
    update_legend(result)
    if visible and not concerned:
        show_result(scene, result)


def update_legend(result: Result) -> None:
    """Make every view check again whether it draws the legend of the scores.

    Slicer's views notice when the user chooses another volume, but not when a program does.
    """
    for legend in legends_of(result.score):
        legend.Modified()


def jump(scene: Any, ras: Sequence[float], application: Any = None) -> None:
    """Move the slice views of the layout to the slice through a point; they pan only if it is out of sight.

    Views that are not visible are left alone, as moving them takes as long as moving visible ones.

    Args:
        ras: the point, RAS of the world, mm.
        application: vtkMRMLApplicationLogic. If given, a view in the plane of its volume moves to the middle of the slice
            that contains the point, as Slicer shows a mixture of two slices in between. The T1 beside the FLAIR moves
            with the FLAIR.
    """
    for node in shown_slice_nodes(scene):
        with one_change(node):
            if _in_sight(node, ras):
                node.JumpSliceByOffsetting(*ras)
            else:
                node.JumpSliceByCentering(*ras)
            beside = node.GetLayoutName() == T1_VIEW
            logic = application.GetSliceLogic(node) if application is not None and not beside else None
            # 1 is the first slice; negative: the view is oblique to the volume, or outside it.
            if logic is not None and logic.GetSliceIndexFromOffset(logic.GetSliceOffset()) > 0:
                logic.SnapSliceOffsetToIJK()


def shown_slice_nodes(scene: Any) -> list[Any]:
    """The slice nodes of the views in the layout."""
    return [node for node in nodes_of_class(scene, "vtkMRMLSliceNode") if node.IsMappedInLayout()]


def _show_where_due(scene: Any, result: Result, opacity: float) -> None:
    others = [other for other in results_in(scene) if other.score is not result.score]
    flairs = _ids(result.flair, *(node for other in others for node in (other.flair, other.score)))
    t1s = _ids(*(node for other in others for node in (other.t1, other.aligned_t1)))
    # Outlines fit the aligned T1, not the original T1 if the run moved it.
    t1s = (t1s | _ids(result.t1)) - _ids(result.shown_t1)
    scores = _ids(result.score, *(other.score for other in others))
    shown = {node.GetLayoutName() for node in shown_slice_nodes(scene)}
    for composite in _composites(scene):
        if composite.GetLayoutName() not in shown:
            continue
        background, foreground = composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()
        beside = composite.GetLayoutName() == T1_VIEW
        if background in t1s or (beside and not background):
            show_volumes(composite, result.shown_t1, None, opacity)
        elif (background in flairs or not background) and (not foreground or foreground in scores):
            show_volumes(composite, result.flair, result.score, opacity)


def _ids(*nodes: Any) -> set[str]:
    return {node.GetID() for node in nodes if node is not None}


def _in_sight(node: Any, ras: Sequence[float]) -> bool:
    """Whether a point will be inside a slice view, and not at its edge, once the view shows the point's slice."""
    import vtk

    to_xy = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(node.GetXYToRAS(), to_xy)
    place = to_xy.MultiplyPoint((*ras, 1.0))
    return all(
        EDGE * size <= where <= (1 - EDGE) * size
        for where, size in zip(place[:2], node.GetDimensions()[:2], strict=True)
    )


@dataclass(frozen=True)
class HiddenOverlay:
    """The overlays and outlines that were hidden, so that they can be shown again.

    Attributes:
        results: the results that were hidden.
        foregrounds: slice composite node and the identifier of its foreground volume.
        segmentations: display nodes that were visible.
    """

    scene: Any
    results: tuple[Result, ...]
    foregrounds: tuple[tuple[Any, str], ...]
    segmentations: tuple[Any, ...]

    @classmethod
    def hide(cls, scene: Any, *results: Result) -> HiddenOverlay:
        """Hide scores, legends and outlines of these results; everything else stays visible."""
        scores = {result.score.GetID() for result in results}
        foregrounds = tuple(
            (composite, composite.GetForegroundVolumeID())
            for composite in _composites(scene)
            if composite.GetForegroundVolumeID() in scores
        )
        displays = [
            result.segmentation.GetNthDisplayNode(index)
            for result in results
            for index in range(result.segmentation.GetNumberOfDisplayNodes())
        ]
        visible = tuple(display for display in displays if display.GetVisibility())
        for composite, _ in foregrounds:
            composite.SetForegroundVolumeID(None)
        for display in visible:
            display.SetVisibility(False)
        for result in results:
            update_legend(result)
        return cls(scene, results, foregrounds, visible)

    def restore(self) -> None:
        """Show exactly what was visible before, except nodes that were deleted or changed in the meantime."""
        for composite, score in self.foregrounds:
            there = composite.GetScene() is self.scene and self.scene.GetNodeByID(score) is not None
            if there and composite.GetForegroundVolumeID() is None:
                composite.SetForegroundVolumeID(score)
        for display in self.segmentations:
            if display.GetScene() is self.scene:
                display.SetVisibility(True)
        for result in self.results:
            update_legend(result)


def _composites(scene: Any) -> list[Any]:
    return nodes_of_class(scene, "vtkMRMLSliceCompositeNode")
