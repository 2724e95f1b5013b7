"""The findings as a segmentation node: one segment per finding, all in one label map on the FLAIR's grid."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import numpy as np

from ..detection.findings import Findings
from ..imaging.voxels import voxels_of
from ..reporting.colours import finding_colour
from ..reporting.segmentation_file import TERMINOLOGY, is_segment_name, segment_name
from .findings_table import rows
from .nodes import one_change
from .volumes import ijk_to_ras, oriented_image

OUTLINE_PIXELS = 2

FILL = 0.15  # opacity of the optional fill in the slice views; low, so that the tissue inside stays visible
SELECTED, OTHERS = (1.0, 0.1, 1.0), (1.0, 1.0, 1.0)
"""Outline colours in the views: of the selected finding (distinct from greys and scores, also for the colour-blind), and
of the others. Segments keep individual colours for lists and exports."""

BESIDE = 0.7  # opacity of the other outlines while a finding is selected
_REJECTED = ", rejected"
_EMPHASISED = "AnomalyDetection.Emphasised"
_HIDDEN = "AnomalyDetection.Hidden"


def segment_id(number: int) -> str:
    """The segment of a finding."""
    return f"Segment_{number}"


def show_findings(segmentation_node: Any, findings: Findings, flair_node: Any, table_node: Any) -> None:
    """Update a segmentation to these findings: segments, names, colours, terminology, geometry.

    Existing segments keep their display settings. Surfaces (Show 3D) are removed; `show_surfaces` creates them again.
    Rejected findings stay visible and are marked in their names.

    `flair_node`: the FLAIR or another volume on its grid; the segmentation moves with it.
    """
    import slicer

    converter = slicer.vtkSegmentationConverter
    binary = converter.GetSegmentationBinaryLabelmapRepresentationName()
    segmentation = segmentation_node.GetSegmentation()
    # Remove surfaces first: Slicer logs errors for segments that are removed or changed while they have a surface.
    segmentation_node.RemoveClosedSurfaceRepresentation()
    labels = _oriented_image(findings, flair_node)
    there = set(segmentation.GetSegmentIDs())
    wanted = {segment_id(finding.number): finding for finding in findings.items}
    names = {segment_id(row.number): row.name for row in rows(table_node)}
    with one_change(segmentation_node):
        segmentation.SetSourceRepresentationName(binary)
        for identifier in there - set(wanted):
            # Otherwise Slicer would erase the segment from the shared label map voxel by voxel, which is slow.
            segmentation.GetSegment(identifier).RemoveAllRepresentations()
            segmentation.RemoveSegment(identifier)
        for identifier, finding in wanted.items():
            segment = segmentation.GetSegment(identifier) if identifier in there else slicer.vtkSegment()
            segment.SetName(names.get(identifier) or segment_name(finding))
            segment.SetLabelValue(finding.number)
            segment.AddRepresentation(binary, labels)
            if identifier not in there:
                segment.SetColor(*finding_colour(finding.number))
                segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), TERMINOLOGY)
                segmentation.AddSegment(segment, identifier)
        if list(segmentation.GetSegmentIDs()) != list(wanted):
            segmentation.ReorderSegments(list(wanted))
        segmentation_node.SetReferenceImageGeometryParameterFromVolumeNode(flair_node)
        segmentation_node.SetAndObserveTransformNodeID(flair_node.GetTransformNodeID())
        name_segments(segmentation_node, table_node)
        _show(segmentation_node)
        emphasise(segmentation_node, emphasised(segmentation_node))


def show_surfaces(segmentation_node: Any) -> None:
    """Create surfaces of the current findings for 3D, unless they exist."""
    if segmentation_node.GetSegmentation().GetNumberOfSegments() > 0:
        segmentation_node.CreateClosedSurfaceRepresentation()


def has_surfaces(segmentation_node: Any) -> bool:
    """Whether the findings have surfaces."""
    import slicer

    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    return bool(segmentation_node.GetSegmentation().ContainsRepresentation(surface))


def hide_findings(segmentation_node: Any, numbers: Collection[int]) -> None:
    """Hide the segments of these findings in slices and 3D, and show those that this function had hidden before.

    Segments that the user has hidden in another way stay hidden.
    """
    display = segmentation_node.GetDisplayNode()
    if display is None:
        return
    before = set((segmentation_node.GetAttribute(_HIDDEN) or "").split())
    wanted = {segment_id(number) for number in numbers}
    with one_change(display):
        for identifier in segmentation_node.GetSegmentation().GetSegmentIDs():
            if identifier in wanted or identifier in before:
                display.SetSegmentVisibility(identifier, identifier not in wanted)
    segmentation_node.SetAttribute(_HIDDEN, " ".join(sorted(wanted)) or None)


def remove_findings(segmentation_node: Any) -> None:
    """Remove all segments and their display settings, for unrelated findings."""
    with one_change(segmentation_node):
        emphasise(segmentation_node, None)
        hide_findings(segmentation_node, ())
        segmentation_node.GetSegmentation().RemoveAllSegments()


def name_by_hand(segment: Any) -> str:
    """The name that the reader has given to a segment (vtkSegment); "" for that of `show_findings`, or a new one's."""
    name = (segment.GetName() or "").removesuffix(_REJECTED)
    return "" if is_segment_name(name) or re.fullmatch(r"Segment_\d+", name) else name


def name_segments(segmentation_node: Any, table_node: Any) -> None:
    """Update the segment names to the decisions: rejected findings are marked."""
    decisions = {segment_id(row.number): row.decision for row in rows(table_node)}
    segmentation = segmentation_node.GetSegmentation()
    with one_change(segmentation_node):
        for identifier in segmentation.GetSegmentIDs():
            segment = segmentation.GetSegment(identifier)
            name = segment.GetName().removesuffix(_REJECTED)
            segment.SetName(name + _REJECTED if decisions.get(identifier) == "rejected" else name)


def emphasise(segmentation_node: Any, number: int | None) -> None:
    """Outline one finding in a distinct colour and dim the others, which are white; None: all in white.

    A number without a finding emphasises nothing. The emphasis is kept when the findings change.
    """
    display = segmentation_node.GetDisplayNode()
    if display is None:
        return
    identifiers = segmentation_node.GetSegmentation().GetSegmentIDs()
    one = segment_id(number) if number is not None else None
    with one_change(display):
        for identifier in identifiers:
            strong = one not in identifiers or identifier == one
            display.SetSegmentOverrideColor(identifier, *(SELECTED if identifier == one else OTHERS))
            display.SetSegmentOpacity2DOutline(identifier, 1.0 if strong else BESIDE)
    segmentation_node.SetAttribute(_EMPHASISED, None if number is None else str(number))


def emphasised(segmentation_node: Any) -> int | None:
    """The number of the emphasised finding."""
    number = segmentation_node.GetAttribute(_EMPHASISED)
    return int(number) if number else None


def _show(segmentation_node: Any) -> None:
    """Show outlines without fill, unless the user has changed the display."""
    if segmentation_node.GetDisplayNode() is not None:
        return
    segmentation_node.CreateDefaultDisplayNodes()
    display = segmentation_node.GetDisplayNode()
    with one_change(display):
        display.SetVisibility2DFill(False)
        display.SetVisibility2DOutline(True)
        display.SetOpacity2DFill(FILL)
        display.SetOpacity2DOutline(1.0)
        display.SetSliceIntersectionThickness(OUTLINE_PIXELS)


def _oriented_image(findings: Findings, flair_node: Any) -> Any:
    """The label map as vtkOrientedImageData in the FLAIR node's own space."""
    highest = max((finding.number for finding in findings.items), default=0)
    kind = np.uint8 if highest <= np.iinfo(np.uint8).max else np.uint16
    labels = voxels_of(findings.labels).astype(kind)
    return oriented_image(labels, ijk_to_ras(flair_node))
