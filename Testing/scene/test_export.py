"""A result of the scene as files, read back by other means."""

from __future__ import annotations

import csv
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.reporting.segmentation_file import TERMINOLOGY
from AnomalyDetectionLib.reporting.tables import COLUMNS
from AnomalyDetectionLib.scene import export
from AnomalyDetectionLib.scene.export import (
    REVIEW_COLUMNS,
    export_labels,
    export_pictures,
    export_segmentation,
    export_table,
)
from AnomalyDetectionLib.scene.findings_table import rows, set_category, set_decision, set_note
from AnomalyDetectionLib.scene.places import centre_of
from AnomalyDetectionLib.scene.result import findings_of, rederive
from AnomalyDetectionLib.scene.volumes import from_oriented_image, image_of
from PIL import Image
from result_in_scene import a_result, many_findings

from scene.in_the_scene import TURN, draw_box, everything, sheared, under


@pytest.fixture
def result(a_slicer_scene):
    return a_result(a_slicer_scene)


def labels_of(result):
    return sitk.GetArrayFromImage(findings_of(result).labels)


def opened(path):
    """A .seg.nrrd as Slicer opens it."""
    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return scene, node


def voxels_of(node, segment_id):
    """The mask of a segment, and where its voxels lie (RAS)."""
    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    mask, ras = from_oriented_image(image)
    return np.argwhere(mask)[:, ::-1] @ ras[:3, :3].T + ras[:3, 3]


def same_points(one, other):
    return np.allclose(one[np.lexsort(one.round(3).T)], other[np.lexsort(other.round(3).T)], atol=1e-3)


def points_of(labels, number):
    """Where the voxels of a finding lie (RAS) in a label map."""
    index = np.argwhere(sitk.GetArrayFromImage(labels) == number)[:, ::-1]
    return Grid.of(labels).points(index) * [-1, -1, 1]


def test_a_segmentation_opens_with_its_segments_names_colours_and_terminology(
    a_slicer_scene, result, tmp_path
):
    path = export_segmentation(result, tmp_path / "a")
    assert path == tmp_path / "a.seg.nrrd"
    _scene, node = opened(path)
    segmentation, original = node.GetSegmentation(), result.segmentation.GetSegmentation()
    assert list(segmentation.GetSegmentIDs()) == list(original.GetSegmentIDs())
    for identifier in segmentation.GetSegmentIDs():
        segment, before = segmentation.GetSegment(identifier), original.GetSegment(identifier)
        assert segment.GetName() == before.GetName()
        assert segment.GetColor() == pytest.approx(before.GetColor(), abs=1e-4)
        assert segment.GetTerminology() == TERMINOLOGY
        assert segment.GetLabelValue() == before.GetLabelValue()
    labels = labels_of(result)
    for row in rows(result.table):
        assert len(voxels_of(node, f"Segment_{row.number}")) == np.count_nonzero(labels == row.number)


def test_the_reference_geometry_is_that_of_the_flair(a_slicer_scene, result, tmp_path):
    path = export_segmentation(result, tmp_path / "a.seg.nrrd")
    read, flair = sitk.ReadImage(str(path)), image_of(result.flair)
    assert read.GetSize() == flair.GetSize()
    assert np.allclose(read.GetOrigin(), flair.GetOrigin(), atol=1e-4)
    assert np.allclose(read.GetDirection(), flair.GetDirection(), atol=1e-6)
    _scene, node = opened(path)
    text = node.GetSegmentation().GetConversionParameter("Reference image geometry")
    geometry = slicer.vtkOrientedImageData()
    assert slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, geometry, False)
    assert geometry.GetDimensions() == result.flair.GetImageData().GetDimensions()


def test_files_stand_where_the_scene_stands_under_a_transform(a_slicer_scene, result, tmp_path):
    under(a_slicer_scene.scene, TURN, *everything(result))
    labels = sitk.ReadImage(str(export_labels(result, tmp_path / "labels.nii.gz")))
    flair = image_of(result.flair)
    assert np.allclose(labels.GetOrigin(), flair.GetOrigin(), atol=1e-3)
    assert np.allclose(labels.GetDirection(), flair.GetDirection(), atol=1e-5)
    segmentation = export_segmentation(result, tmp_path / "a")
    _scene, node = opened(segmentation)
    table = read_table(export_table(result, tmp_path / "table"))
    for row, cells in zip(rows(result.table), table, strict=True):
        points = points_of(labels, row.number)
        assert same_points(points, voxels_of(node, f"Segment_{row.number}"))
        centroid = [float(cells[f"centroid_{axis}_mm"]) for axis in "ras"]
        assert np.allclose(points.mean(axis=0), centroid, atol=0.06)
        assert np.linalg.norm(points - centre_of(result, row.number), axis=1).min() < 3


def test_a_transform_that_bends_leaves_files_in_the_space_of_the_flair(a_slicer_scene, result, tmp_path):
    expected = Grid.of(image_of(result.flair))
    bent = a_slicer_scene.scene.AddNewNodeByClass("vtkMRMLTransformNode")
    bent.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    for node in everything(result):
        node.SetAndObserveTransformNodeID(bent.GetID())
    labels = sitk.ReadImage(str(export_labels(result, tmp_path / "labels.nii")))
    assert np.allclose(Grid.of(labels).origin, expected.origin, atol=1e-3)
    assert len(read_table(export_table(result, tmp_path / "table.csv"))) == len(rows(result.table))


def test_a_shearing_transform_is_refused_with_a_sentence(a_slicer_scene, result, tmp_path):
    under(a_slicer_scene.scene, sheared(0.4), *everything(result))
    with pytest.raises(InputError, match="not at right angles"):
        export_labels(result, tmp_path / "labels.nii.gz")
    assert not list(tmp_path.iterdir())


def test_a_label_map_has_the_numbers_of_the_findings(result, tmp_path):
    path = export_labels(result, tmp_path / "labels")
    assert path.name == "labels.nii.gz"
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), labels_of(result))


def test_only_what_was_accepted(a_slicer_scene, result, tmp_path):
    first, second = [row.number for row in rows(result.table)][:2]
    with pytest.raises(InputError, match="No finding is accepted yet"):
        export_segmentation(result, tmp_path / "a", accepted_only=True)
    set_decision(result.table, second, "accepted")
    set_decision(result.table, first, "rejected")
    path = export_segmentation(result, tmp_path / "a", accepted_only=True)
    _scene, node = opened(path)
    assert list(node.GetSegmentation().GetSegmentIDs()) == [f"Segment_{second}"]
    labels = sitk.ReadImage(str(export_labels(result, tmp_path / "labels.nii.gz", accepted_only=True)))
    assert set(np.unique(sitk.GetArrayFromImage(labels))) == {0, second}
    everything_else = sitk.ReadImage(str(export_labels(result, tmp_path / "all.nii.gz")))
    assert first in sitk.GetArrayFromImage(everything_else)


def test_a_correction_in_the_segment_editor_is_exported(a_slicer_scene, result, tmp_path):
    number = rows(result.table)[0].number
    draw_box(result, number, (3, 5), (4, 6), (2, 2))
    expected = np.zeros(labels_of(result).shape, bool)
    expected[2, 4:7, 3:6] = True
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(export_labels(result, tmp_path / "labels"))))
    assert np.array_equal(labels == number, expected)


def test_without_findings_the_label_map_is_empty_and_a_segmentation_is_refused(
    a_slicer_scene, result, tmp_path
):
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=100.0, min_patches=1)
    labels = sitk.ReadImage(str(export_labels(result, tmp_path / "labels")))
    assert not sitk.GetArrayFromImage(labels).any()
    with pytest.raises(InputError, match="no finding to export: lower the threshold"):
        export_segmentation(result, tmp_path / "a")
    with pytest.raises(InputError, match="no finding to export: lower the threshold"):
        export_pictures(result, tmp_path / "pictures")
    assert read_table(export_table(result, tmp_path / "table.csv")) == []


def test_the_scene_does_not_change_by_an_export(a_slicer_scene, result, tmp_path):
    scene = a_slicer_scene.scene
    before = [
        (scene.GetNthNode(n).GetID(), scene.GetNthNode(n).GetMTime()) for n in range(scene.GetNumberOfNodes())
    ]
    export_segmentation(result, tmp_path / "a")
    export_labels(result, tmp_path / "b")
    export_table(result, tmp_path / "c")
    after = [
        (scene.GetNthNode(n).GetID(), scene.GetNthNode(n).GetMTime()) for n in range(scene.GetNumberOfNodes())
    ]
    assert after == before


def read_table(path):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_the_table_has_the_columns_of_the_engine_and_the_review(result, tmp_path):
    first, second = [row.number for row in rows(result.table)][:2]
    set_category(result.table, first, 4)
    set_decision(result.table, first, "accepted")
    set_note(result.table, first, 'Zustand nach Insult, "alt"; größer\nals 2019, 结果')
    set_note(result.table, second, "- next to the ventricle")
    path = export_table(result, tmp_path / "findings")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    cells = read_table(path)
    assert tuple(cells[0]) == (*COLUMNS, *REVIEW_COLUMNS)
    assert cells[0]["category"] == "infarct, not known before"
    assert cells[0]["decision"] == "accepted"
    assert cells[0]["note"] == 'Zustand nach Insult, "alt"; größer\nals 2019, 结果'
    assert cells[1]["category"] == "unreviewed"
    assert cells[1]["decision"] == ""
    assert cells[1]["note"] == "'- next to the ventricle"  # no formula for a spreadsheet
    assert [int(row["number"]) for row in cells] == [row.number for row in rows(result.table)]
    assert float(cells[0]["peak_score"]) == pytest.approx(rows(result.table)[0].peak_score, abs=1e-3)


def test_findings_that_have_vanished_are_left_out(a_slicer_scene, result, tmp_path):
    for row in rows(result.table):
        set_decision(result.table, row.number, "accepted")
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=6.5, min_patches=1)
    left = [row.number for row in rows(result.table)]
    assert len(left) < len(rows(result.table, all=True))
    assert [int(row["number"]) for row in read_table(export_table(result, tmp_path / "t"))] == left
    _scene, node = opened(export_segmentation(result, tmp_path / "a"))
    assert node.GetSegmentation().GetNumberOfSegments() == len(left)


def test_one_picture_a_finding(result, tmp_path):
    done = []
    paths = export_pictures(result, tmp_path / "Bilder é", lambda n, of: done.append((n, of)))
    assert [path.name for path in paths] == [f"finding_{row.number:03d}.png" for row in rows(result.table)]
    assert done == [(n, len(paths)) for n in range(len(paths))]
    for path in paths:
        assert Image.open(path).size[0] > 500


def test_pictures_only_of_what_was_accepted(result, tmp_path):
    with pytest.raises(InputError, match="No finding is accepted yet"):
        export_pictures(result, tmp_path / "pictures", accepted_only=True)
    number = rows(result.table)[1].number
    set_decision(result.table, number, "accepted")
    paths = export_pictures(result, tmp_path / "pictures", accepted_only=True)
    assert [path.name for path in paths] == [f"finding_{number:03d}.png"]


def test_a_missing_package_is_said_in_plain_words(result, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(InputError, match="Pictures need the Python package pillow"):
        export_pictures(result, tmp_path / "pictures")
    assert not (tmp_path / "pictures").exists()


def test_a_failure_leaves_what_was_there(a_slicer_scene, result, tmp_path, monkeypatch):
    target = tmp_path / "labels.nii.gz"
    target.write_bytes(b"before")

    def full(image, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(export, "write_image", full)
    with pytest.raises(InputError, match="is full"):
        export_labels(result, target)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.nii.gz"]
    assert target.read_bytes() == b"before"


@pytest.mark.parametrize("write", [export_segmentation, export_labels, export_table])
def test_a_folder_that_cannot_be_written_is_said_in_plain_words(write, result, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="cannot be written"):
        write(result, tmp_path / "file" / "a")


def test_names_with_accents_and_a_file_of_before(a_slicer_scene, result, tmp_path):
    folder = tmp_path / "résultats 结果"
    for _ in range(2):
        export_segmentation(result, folder / "é 1.nrrd")
        export_labels(result, folder / "é 2.nii.gz")
        export_table(result, folder / "é 3.CSV")
    assert sorted(path.name for path in folder.iterdir()) == ["é 1.seg.nrrd", "é 2.nii.gz", "é 3.CSV"]


def test_two_hundred_findings_are_exported(a_slicer_scene, tmp_path):
    result = a_result(a_slicer_scene, many_findings())
    assert len(rows(result.table)) >= 200
    export_segmentation(result, tmp_path / "a")
    export_labels(result, tmp_path / "b")
    export_table(result, tmp_path / "c")
    _scene, node = opened(tmp_path / "a.seg.nrrd")
    assert node.GetSegmentation().GetNumberOfSegments() == len(rows(result.table))
