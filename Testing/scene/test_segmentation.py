"""The findings as segments: voxels, names, colours, terminology, and how they are shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from AnomalyDetectionLib.detection.findings import Findings, derive_findings
from AnomalyDetectionLib.detection.stored_scores import restore
from AnomalyDetectionLib.reporting.colours import finding_colour, score_colours
from AnomalyDetectionLib.reporting.segmentation_file import TERMINOLOGY
from AnomalyDetectionLib.scene.findings_table import set_decision, write_rows
from AnomalyDetectionLib.scene.segmentation import (
    OTHERS,
    SELECTED,
    emphasise,
    emphasised,
    has_surfaces,
    name_segments,
    show_findings,
    show_surfaces,
)
from result_in_scene import add_study, ijk_to_ras, many_findings, saved_and_opened, stored_scores
from synthetic_study import FLAIR_GRID, rotated


class Shown:
    """Findings of the synthetic study as a segmentation beside its FLAIR."""

    def __init__(self, made, grid=FLAIR_GRID, scores=None):
        self.scene = made.scene
        _, self.flair = add_study(made.scene, grid)
        self.table = made.scene.AddNewNodeByClass("vtkMRMLTableNode", "Findings")
        self.node = made.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Suspected anomalies")
        self.scores = restore(
            stored_scores(flair_grid=grid) if scores is None else stored_scores(scores, flair_grid=grid)
        )

    def show(self, threshold=3.0):
        return self.show_these(derive_findings(self.scores, threshold=threshold, min_patches=1))

    def show_these(self, findings: Findings):
        write_rows(self.table, findings)
        show_findings(self.node, findings, self.flair, self.table)
        return findings


@pytest.fixture
def shown(a_slicer_scene):
    return Shown(a_slicer_scene)


def segments(node):
    segmentation = node.GetSegmentation()
    return {name: segmentation.GetSegment(name) for name in segmentation.GetSegmentIDs()}


def voxels(node, flair, identifier):
    """A segment as Slicer exports it to the FLAIR's grid."""
    names = vtk.vtkStringArray()
    names.InsertNextValue(identifier)
    exported = node.GetScene().AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.ExportSegmentsToLabelmapNode(node, names, exported, flair)
    found = slicer.util.arrayFromVolume(exported) > 0
    node.GetScene().RemoveNode(exported)
    return found


def test_there_is_a_segment_for_each_finding_with_its_name_colour_and_terminology(shown):
    findings = shown.show()
    assert list(segments(shown.node)) == ["Segment_1", "Segment_2", "Segment_3"]
    for finding, segment in zip(findings.items, segments(shown.node).values(), strict=True):
        assert segment.GetName() == (
            f"Suspected anomaly {finding.number} ({finding.hint}), {finding.side}, {finding.volume_ml:.2f} ml"
        )
        assert segment.GetColor() == pytest.approx(finding_colour(finding.number))
        tag = vtk.reference("")
        assert segment.GetTag("TerminologyEntry", tag)
        assert str(tag) == TERMINOLOGY


@pytest.mark.parametrize("degrees", [0.0, 33.0])
def test_every_segment_has_the_voxels_of_its_finding(a_slicer_scene, degrees):
    shown = Shown(a_slicer_scene, rotated(FLAIR_GRID, degrees))
    for threshold in (3.0, 4.5, 3.0):
        findings = shown.show(threshold)
        labels = sitk.GetArrayFromImage(findings.labels)
        assert len(segments(shown.node)) == len(findings.items) > 1
        for finding in findings.items:
            found = voxels(shown.node, shown.flair, f"Segment_{finding.number}")
            np.testing.assert_array_equal(found, labels == finding.number)


def test_the_flair_is_the_reference_geometry(shown):
    shown.show()
    role = shown.node.GetReferenceImageGeometryReferenceRole()
    assert shown.node.GetNodeReference(role) is shown.flair
    geometry = slicer.vtkOrientedImageData()
    slicer.vtkSegmentationConverter.DeserializeImageGeometry(
        shown.node.GetSegmentation().GetConversionParameter("Reference image geometry"), geometry
    )
    assert geometry.GetDimensions() == FLAIR_GRID.size
    matrix = vtk.vtkMatrix4x4()
    geometry.GetImageToWorldMatrix(matrix)
    np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), ijk_to_ras(FLAIR_GRID), atol=1e-5)


def test_all_segments_share_one_label_map(shown):
    shown.show()
    assert shown.node.GetSegmentation().GetNumberOfLayers() == 1
    shown.show(4.5)
    assert shown.node.GetSegmentation().GetNumberOfLayers() == 1


def test_it_stands_under_the_transform_of_the_flair(shown):
    transform = shown.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    shown.flair.SetAndObserveTransformNodeID(transform.GetID())
    shown.show()
    assert shown.node.GetParentTransformNode() is transform


def test_a_finding_that_is_gone_takes_its_segment_along(shown):
    findings = shown.show()
    shown.show_these(replace(findings, items=findings.items[1:2]))
    assert list(segments(shown.node)) == ["Segment_2"]
    assert voxels(shown.node, shown.flair, "Segment_2").sum() > 0
    shown.show(100.0)
    assert segments(shown.node) == {}
    shown.show()
    assert list(segments(shown.node)) == ["Segment_1", "Segment_2", "Segment_3"]


def test_segments_stand_in_the_order_of_their_numbers(shown):
    findings = shown.show()
    shown.show_these(replace(findings, items=findings.items[1:]))
    shown.show_these(findings)
    assert list(segments(shown.node)) == ["Segment_1", "Segment_2", "Segment_3"]


def test_a_segment_keeps_its_visibility_and_the_colour_that_was_given_to_it(shown):
    shown.show()
    shown.node.GetDisplayNode().SetSegmentVisibility("Segment_1", False)
    shown.node.GetSegmentation().GetSegment("Segment_1").SetColor(0.1, 0.2, 0.3)
    shown.node.GetDisplayNode().SetOpacity2DFill(0.9)
    shown.show(2.0)
    assert not shown.node.GetDisplayNode().GetSegmentVisibility("Segment_1")
    assert shown.node.GetDisplayNode().GetSegmentVisibility("Segment_2")
    assert segments(shown.node)["Segment_1"].GetColor() == (0.1, 0.2, 0.3)
    assert shown.node.GetDisplayNode().GetOpacity2DFill() == 0.9


def test_findings_are_outlined_and_a_fill_when_asked_for_lets_the_tissue_through(shown):
    shown.show()
    display = shown.node.GetDisplayNode()
    assert display.GetVisibility2DOutline()
    assert not display.GetVisibility2DFill()
    assert display.GetOpacity2DOutline() == 1.0
    assert 0.05 < display.GetOpacity2DFill() < 0.3
    assert display.GetSliceIntersectionThickness() == 2


def test_a_rejected_finding_says_so_until_it_is_not(shown):
    shown.show()
    set_decision(shown.table, 2, "rejected")
    name_segments(shown.node, shown.table)
    name_segments(shown.node, shown.table)
    names = [segment.GetName() for segment in segments(shown.node).values()]
    assert [name.endswith(" ml, rejected") for name in names] == [False, True, False]
    shown.show()
    assert segments(shown.node)["Segment_2"].GetName() == names[1]
    set_decision(shown.table, 2, "accepted")
    name_segments(shown.node, shown.table)
    assert segments(shown.node)["Segment_2"].GetName().endswith(" ml")


def test_the_emphasised_finding_stands_out_also_among_new_ones(shown):
    def outlines():
        display = shown.node.GetDisplayNode()
        return [
            (tuple(display.GetSegmentColor(name)), display.GetSegmentOpacity2DOutline(name))
            for name in segments(shown.node)
        ]

    findings = shown.show()
    shown.show_these(replace(findings, items=findings.items[:2]))
    emphasise(shown.node, 2)
    assert emphasised(shown.node) == 2
    shown.show_these(findings)
    assert outlines() == [(OTHERS, 0.7), (SELECTED, 1.0), (OTHERS, 0.7)]
    emphasise(shown.node, 3)
    assert outlines() == [(OTHERS, 0.7), (OTHERS, 0.7), (SELECTED, 1.0)]
    emphasise(shown.node, None)
    assert emphasised(shown.node) is None
    assert outlines() == [(OTHERS, 1.0)] * 3


# After Machado et al. 2009, severity 1: what somebody without red, green or blue cones sees of linear RGB.
SIGHT = {
    "all cones": np.eye(3),
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


TO_XYZ = np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]]) / (
    0.9505,
    1,
    1.089,
)


@pytest.mark.parametrize("sight", SIGHT)
def test_the_selected_outline_is_told_from_others_tissue_and_scores_by_everybody(sight):
    def seen(colours):
        """CIELAB (n, 3) of RGB colours (n, 3)."""
        linear = np.clip(np.power(colours, 2.2) @ np.transpose(SIGHT[sight]), 0, 1)
        x, y, z = np.cbrt(linear @ TO_XYZ).T
        return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)

    greys = np.linspace(0, 1, 21)[:, None] * np.ones(3)
    scores = score_colours(np.linspace(1.8, 9, 50), 3.0)[:, :3]
    drawn = 0.4 * scores[:, None] + 0.6 * greys[None]  # blended over any tissue
    for beside in (np.array([OTHERS]), greys, scores, drawn.reshape(-1, 3)):
        distance = np.linalg.norm(seen(np.array([SELECTED])) - seen(beside), axis=1)
        assert distance.min() > 25, "10 is told apart side by side"


def test_nothing_is_dimmed_for_a_finding_that_is_not_there(shown):
    shown.show()
    emphasise(shown.node, 7)
    assert shown.node.GetDisplayNode().GetSegmentOpacity2DOutline("Segment_1") == 1.0


def test_a_surface_for_3d_follows_the_findings_and_slicer_logs_nothing_against_it(shown, capfd):
    shown.show(4.5)
    show_surfaces(shown.node)
    small = surface_of(shown.node, "Segment_1").GetBounds()
    capfd.readouterr()
    for threshold in (3.0, 7.5, 3.0):  # segments come, go and change
        shown.show(threshold)
        assert not has_surfaces(shown.node), "what is not true any more is not shown"
        show_surfaces(shown.node)
    assert "ERR" not in capfd.readouterr().err
    large = surface_of(shown.node, "Segment_1").GetBounds()
    assert large[1] - large[0] > small[1] - small[0]
    assert surface_of(shown.node, "Segment_3").GetNumberOfPoints() > 0


def surface_of(node, identifier):
    mesh = vtk.vtkPolyData()
    node.GetClosedSurfaceRepresentation(identifier, mesh)
    return mesh


def test_it_survives_a_saved_scene(shown, tmp_path):
    findings = shown.show()
    set_decision(shown.table, 3, "rejected")
    name_segments(shown.node, shown.table)
    emphasise(shown.node, 1)
    names = [segment.GetName() for segment in segments(shown.node).values()]
    made = saved_and_opened(shown.scene, tmp_path)
    node = made.scene.GetFirstNodeByName("Suspected anomalies")
    flair = made.scene.GetFirstNodeByName("FLAIR")
    assert list(segments(node)) == ["Segment_1", "Segment_2", "Segment_3"]
    assert [segment.GetName() for segment in segments(node).values()] == names
    assert emphasised(node) == 1
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is flair
    labels = sitk.GetArrayFromImage(findings.labels)
    for number in (1, 2, 3):
        np.testing.assert_array_equal(voxels(node, flair, f"Segment_{number}"), labels == number)
        tag = vtk.reference("")
        assert segments(node)[f"Segment_{number}"].GetTag("TerminologyEntry", tag)
        assert str(tag) == TERMINOLOGY


def test_no_finding_at_all_survives_a_saved_scene(shown, tmp_path):
    shown.show(100.0)
    made = saved_and_opened(shown.scene, tmp_path)
    assert segments(made.scene.GetFirstNodeByName("Suspected anomalies")) == {}


def test_more_than_255_findings_keep_their_own_voxels(a_slicer_scene):
    shown = Shown(a_slicer_scene, scores=many_findings())
    findings = shown.show()
    assert len(findings.items) > 255
    labels = sitk.GetArrayFromImage(findings.labels)
    for number in (1, 255, 256, len(findings.items)):
        found = voxels(shown.node, shown.flair, f"Segment_{number}")
        np.testing.assert_array_equal(found, labels == number)
