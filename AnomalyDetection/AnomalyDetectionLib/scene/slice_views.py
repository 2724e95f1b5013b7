"""What the slice views show: the scores over the FLAIR, a finding in the middle, the bare image while reading.

All slice views of the scene follow, also those that the layout does not show now, as with Slicer's own
`setSliceViewerLayers`; only the T1 of the side-by-side layout stays without overlay. Slicer's linked views
pass on what a user does in them, not what a program sets, so every view is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .nodes import nodes_of_class
from .result_nodes import results_in
from .view_layout import OPACITY, T1_VIEW, label_views, legends_of, show_volumes

if TYPE_CHECKING:
    from .result import Result

EDGE = 0.08
"""Of a view's width and height: what lies so near its border counts as out of sight."""


def show_result(scene: Any, result: Result, opacity: float = OPACITY, *, keep: bool = False) -> None:
    """The FLAIR with the scores over it, in every slice view; the T1 in its own.

    Args:
        scene: vtkMRMLScene.
        result: whose FLAIR and scores.
        opacity: of the overlay, 0 to 1. Slicer takes from a colour table only whether a colour is drawn or
            not, so how much anatomy shows through the overlay is said here.
        keep: touch only what has to be touched: views that are shown, and in these what is empty, shows this FLAIR
            without an overlay, or shows volumes of other results. What the user has chosen himself stays.
    """
    if keep:
        _show_where_due(scene, result, opacity)
        update_legend(result)
        return
    for composite in _composites(scene):
        if composite.GetLayoutName() != T1_VIEW:
            show_volumes(composite, result.flair, result.score, opacity)
        else:
            show_volumes(composite, result.shown_t1, None, opacity)
    label_views(scene)
    update_legend(result)


def show_outlines_of(results: Sequence[Result], result: Result, visible: bool) -> None:
    """Show or hide the outlines of one result, and hide those of the others.

    Those of another patient would lie on this one's FLAIR, and look like findings in it.

    Args:
        results: all of the scene.
        result: the one that is shown.
        visible: whether its own outlines are to be seen.
    """
    for each in results:
        each.segmentation.CreateDefaultDisplayNodes()
        each.segmentation.GetDisplayNode().SetVisibility(visible and each.score is result.score)


def set_filled(results: Sequence[Result], filled: bool) -> None:
    """Fill the findings of these results in the slice views, or only outline them."""
    for each in results:
        each.segmentation.CreateDefaultDisplayNodes()
        each.segmentation.GetDisplayNode().SetVisibility2DFill(filled)


def set_overlay_opacity(scene: Any, result: Result, opacity: float) -> None:
    """Blend the scores less or more into the views that show them: 0 (not at all) to 1 (nothing else)."""
    for composite in _composites(scene):
        if composite.GetForegroundVolumeID() == result.score.GetID():
            composite.SetForegroundOpacity(opacity)


def set_overlay_visible(scene: Any, result: Result, visible: bool) -> None:
    """Take the scores, with their legend, off the FLAIR in every view, or put them back.

    The opacity stays as it is. Views that show something else are left alone; when they all do, showing
    the overlay brings the FLAIR back as well.
    """
    score, flair = result.score.GetID(), result.flair.GetID()
    composites = [composite for composite in _composites(scene) if composite.GetLayoutName() != T1_VIEW]
    if not visible:
        for composite in composites:
            if composite.GetForegroundVolumeID() == score:
                composite.SetForegroundVolumeID(None)
        update_legend(result)
        return
    with_flair = [composite for composite in composites if composite.GetBackgroundVolumeID() == flair]
    for composite in with_flair:
        composite.SetForegroundVolumeID(score)
    update_legend(result)
    if not with_flair:
        show_result(scene, result)


def is_overlay_visible(scene: Any, result: Result) -> bool:
    """Does any view show the scores?"""
    return any(
        composite.GetForegroundVolumeID() == result.score.GetID() and composite.GetForegroundOpacity() > 0
        for composite in _composites(scene)
    )


def update_legend(result: Result) -> None:
    """Have every view decide anew whether it draws the legend of the scores.

    Slicer's views see by themselves when a user chooses another volume in them, but not when a program does.
    """
    for legend in legends_of(result.score):
        legend.Modified()


def jump(scene: Any, ras: Sequence[float], application: Any = None) -> None:
    """Move the slice views of the layout to the slice that holds a point; they pan only if it is out of sight.

    Views that are not shown are left alone: moving one costs as much as moving one that is seen.

    Args:
        scene: vtkMRMLScene.
        ras: the point, RAS of the world, mm.
        application: vtkMRMLApplicationLogic. With it, a view that lies in the planes of its volume goes to
            the middle of the slice that holds the point: between two thick slices Slicer would show a
            mixture of both. The T1 beside the FLAIR goes with the FLAIR, wherever its own slices lie.
    """
    for node in shown_slice_nodes(scene):
        modifying = node.StartModify()
        if _in_sight(node, ras):
            node.JumpSliceByOffsetting(*ras)
        else:
            node.JumpSliceByCentering(*ras)
        beside = node.GetLayoutName() == T1_VIEW
        logic = application.GetSliceLogic(node) if application is not None and not beside else None
        # 1 is the first slice; negative: the view is turned against the volume, or outside it.
        if logic is not None and logic.GetSliceIndexFromOffset(logic.GetSliceOffset()) > 0:
            logic.SnapSliceOffsetToIJK()
        node.EndModify(modifying)


def shown_slice_nodes(scene: Any) -> list[Any]:
    """The slice nodes whose views are in the layout."""
    return [node for node in nodes_of_class(scene, "vtkMRMLSliceNode") if node.IsMappedInLayout()]


def _show_where_due(scene: Any, result: Result, opacity: float) -> None:
    others = [other for other in results_in(scene) if other.score is not result.score]
    flairs = _ids(result.flair, *(node for other in others for node in (other.flair, other.score)))
    t1s = _ids(*(node for other in others for node in (other.t1, other.aligned_t1)))
    # Outlines lie on the aligned T1, not on one that was moved for the run.
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
    """Whether a point is within a slice view, and not at its very edge, once the view shows its slice."""
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
    """What was taken away to show the bare image, and can be put back.

    Attributes:
        results: what was hidden.
        foregrounds: slice composite node and the identifier of its foreground volume.
        segmentations: display nodes that were visible.
    """

    scene: Any
    results: tuple[Result, ...]
    foregrounds: tuple[tuple[Any, str], ...]
    segmentations: tuple[Any, ...]

    @classmethod
    def hide(cls, scene: Any, *results: Result) -> HiddenOverlay:
        """Hide the scores, their legends and the outlines of these results; other things stay visible."""
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
        """Exactly what was visible before is visible again; what is gone, or was changed since, stays so."""
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
