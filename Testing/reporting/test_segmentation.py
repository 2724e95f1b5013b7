"""suspected_anomalies.seg.nrrd, as 3D Slicer reads it."""

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.reporting.segmentation_file import write_segmentation
from synthetic_study import FLAIR_GRID, empty_lattice, prepared_study, rotated, scored


@pytest.fixture
def findings():
    grid = rotated(FLAIR_GRID, 12)
    study = prepared_study(flair_grid=grid)
    lattice = empty_lattice(study)
    lattice[4:6, 8:11, 13:15] = 4.0
    lattice[6, 14:16, 5:7] = 3.5
    return derive_findings(scored(study, lattice), threshold=3.0, min_patches=2)


@pytest.fixture
def written(findings, tmp_path):
    path = tmp_path / "suspected anomalies é.seg.nrrd"
    write_segmentation(findings, path)
    return sitk.ReadImage(str(path))


def test_it_is_the_label_map_on_the_same_grid(findings, written):
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(findings.labels))
    there, here = Grid.of(written), Grid.of(findings.labels)
    assert there.size == here.size
    np.testing.assert_allclose(there.origin, here.origin, atol=1e-9)
    np.testing.assert_allclose(there.spacing, here.spacing, atol=1e-9)
    np.testing.assert_allclose(there.direction, here.direction, atol=1e-9)


def test_each_finding_is_a_named_coloured_segment_with_a_terminology(findings, written):
    colours = set()
    for index, finding in enumerate(findings.items):
        key = f"Segment{index}_"
        assert written.GetMetaData(key + "LabelValue") == str(finding.number)
        assert written.GetMetaData(key + "Layer") == "0"
        name = f"Suspected anomaly {finding.number} ({finding.hint}), {finding.side}, "
        assert written.GetMetaData(key + "Name").startswith(name)
        assert written.GetMetaData(key + "Extent") == "0 99 0 109 0 11"
        tags = written.GetMetaData(key + "Tags")
        for code in ("SCT^49755003^", "SCT^52988006^Lesion", "SCT^12738006^Brain"):
            assert code in tags
        colour = tuple(float(part) for part in written.GetMetaData(key + "Color").split())
        assert len(colour) == 3
        assert all(0 <= part <= 1 for part in colour)
        colours.add(colour)
    assert len(colours) == len(findings.items) == 2
    assert f"Segment{len(findings.items)}_ID" not in written.GetMetaDataKeys()
    assert written.GetMetaData("Segmentation_ContainedRepresentationNames") == "Binary labelmap|"


def test_writing_twice_gives_the_same_bytes(findings, tmp_path):
    for name in ("a.seg.nrrd", "b.seg.nrrd"):
        write_segmentation(findings, tmp_path / name)
    assert (tmp_path / "a.seg.nrrd").read_bytes() == (tmp_path / "b.seg.nrrd").read_bytes()


def test_slicer_reads_the_segments(findings, written, tmp_path):
    slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
    write_segmentation(findings, tmp_path / "a.seg.nrrd")
    scene = slicer.vtkMRMLScene()
    storage, node = slicer.vtkMRMLSegmentationStorageNode(), slicer.vtkMRMLSegmentationNode()
    scene.AddNode(storage)
    scene.AddNode(node)
    storage.SetFileName(str(tmp_path / "a.seg.nrrd"))
    assert storage.ReadData(node)
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == len(findings.items)
    assert segmentation.GetNthSegment(0).GetLabelValue() == 1
