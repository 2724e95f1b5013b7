"""A result of the scene as DICOM objects: they lie on the FLAIR's DICOM images, whatever the scene does with it."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.voxels import voxels_of
from AnomalyDetectionLib.reporting.dicom_objects import REPORT, SEGMENTATION
from AnomalyDetectionLib.scene.dicom_export import export_dicom
from AnomalyDetectionLib.scene.findings_table import rows, set_category, set_decision, set_note
from AnomalyDetectionLib.scene.result import findings_of, hide_hints, rederive
from AnomalyDetectionLib.scene.volumes import image_of
from made_dicom import classic_series
from made_findings import points, points_of
from result_in_scene import a_result
from synthetic_study import FLAIR_GRID

from scene.in_the_scene import TURN, draw_box, everything, paint, under

PROVENANCE = {
    "model": {"name": "paper", "sha256": "5eed" * 16},
    "settings": {"scoring": {"threshold": 3.0, "min_patches": 1, "percentile": 50}},
    "inputs": {},
}


@pytest.fixture
def result(a_slicer_scene):
    return a_result(a_slicer_scene, provenance=PROVENANCE)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The DICOM images that the FLAIR of `a_result` would have been loaded from."""
    voxels = np.random.default_rng(1).integers(50, 300, FLAIR_GRID.shape).astype(np.int16)
    return classic_series(tmp_path_factory.mktemp("flair"), FLAIR_GRID.image(voxels))


def labels_of(result):
    return findings_of(result).labels


def segments(folder):
    """The points (LPS) of each segment, by its label."""
    read = hd.seg.segread(folder / SEGMENTATION)
    volume = read.get_volume(combine_segments=False)
    return {
        segment.SegmentLabel: points(volume.array[..., place], volume.affine)
        for place, segment in enumerate(read.SegmentSequence)
    }


def groups(folder):
    return hd.sr.srread(folder / REPORT).content.get_volumetric_roi_measurement_groups()


def assert_same(found, labels, numbers):
    assert set(found) == {f"Suspected anomaly {number}" for number in numbers}
    for number in numbers:
        assert np.allclose(found[f"Suspected anomaly {number}"], points_of(labels, number), atol=1e-3)


def test_segments_lie_where_the_findings_are(result, files, tmp_path):
    written = export_dicom(result, files, tmp_path / "out é")
    assert [file.name for file in written.files] == [SEGMENTATION, REPORT]
    assert all(file.is_file() for file in written.files)
    assert_same(segments(tmp_path / "out é"), labels_of(result), [row.number for row in rows(result.table)])


def test_a_transform_of_the_scene_does_not_move_them(a_slicer_scene, result, files, tmp_path):
    under(a_slicer_scene.scene, TURN, *everything(result))
    export_dicom(result, files, tmp_path)
    assert_same(segments(tmp_path), labels_of(result), [row.number for row in rows(result.table)])


def test_a_transform_that_was_hardened_into_the_flair_is_refused(a_slicer_scene, result, files, tmp_path):
    under(a_slicer_scene.scene, TURN, *everything(result))
    for node in everything(result):
        node.HardenTransform()
    with pytest.raises(InputError, match=r'^"FLAIR" and the DICOM series .* do not have the same voxels'):
        export_dicom(result, files, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_readers_word_is_in_both_objects(result, files, tmp_path):
    first, second = [row.number for row in rows(result.table)][:2]
    set_category(result.table, first, 3)
    set_decision(result.table, first, "accepted")
    set_note(result.table, first, "seen in 2019")
    set_category(result.table, second, 2)
    export_dicom(
        result, files, tmp_path, remarks=["The T1 does not reach 3 % of the brain."], reader="Doe^John"
    )
    person = hd.sr.srread(tmp_path / REPORT).content.get_observer_contexts()[0]
    assert str(person.observer_identifying_attributes.name) == "Doe^John"
    said = [
        {e.name.meaning: e.value.meaning for e in g.get_qualitative_evaluations()} for g in groups(tmp_path)
    ]
    assert said[0]["Reader's category"] == "Infarct"
    assert said[0]["Known before this reading"] == "Yes"
    assert [one["Reader's decision"] for one in said[:2]] == ["accepted", "no decision yet"]
    texts = [item.value for item in groups(tmp_path)[0][0].ContentSequence if item.ValueType == "TEXT"]
    assert "seen in 2019" in texts
    described = [
        segment.SegmentDescription for segment in hd.seg.segread(tmp_path / SEGMENTATION).SegmentSequence
    ]
    assert "reader: infarct, known; accepted by the reader" in described[0]
    assert "reader: normal tissue" in described[1]
    kinds = [one.SegmentAlgorithmType for one in hd.seg.segread(tmp_path / SEGMENTATION).SegmentSequence]
    assert set(kinds) == {"AUTOMATIC"}


def test_what_was_rejected_takes_no_voxel_from_others(result, files, tmp_path):
    first, second = [row.number for row in rows(result.table)][:2]
    segments_of = result.segmentation.GetSegmentation()
    source, over = (segments_of.GetSegment(f"Segment_{number}") for number in (first, second))
    over.RemoveAllRepresentations()  # painted over the first one, then rejected
    over.DeepCopy(source)
    set_decision(result.table, second, "rejected")
    written = export_dicom(result, files, tmp_path)
    kept = [row.number for row in rows(result.table) if row.number != second]
    assert_same(segments(tmp_path), labels_of(result), kept)
    assert "1 finding that the reader rejected was left out of the DICOM objects" in written.remarks


def test_settings_are_those_of_the_sliders_and_findings_are_followed_up_all_the_same(
    a_slicer_scene, result, files, tmp_path
):
    def said(folder):
        folder.mkdir()
        export_dicom(result, files, folder)
        algorithms, identifiers = set(), {}
        for segment in hd.seg.segread(folder / SEGMENTATION).SegmentSequence:
            algorithms.add(segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters)
            identifiers[segment.SegmentLabel] = segment.TrackingUID
        return algorithms, identifiers

    _, before = said(tmp_path / "before")
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=4.5, min_patches=2)
    (parameters,), after = said(tmp_path / "after")
    for words in ("threshold=4.5", "min_patches=2", "percentile=50"):
        assert words in parameters
    assert set(after.items()) & set(before.items())
    assert all(after[name] == before[name] for name in set(after) & set(before))


def test_only_what_was_accepted(result, files, tmp_path):
    with pytest.raises(InputError, match="No finding is accepted yet"):
        export_dicom(result, files, tmp_path, accepted_only=True)
    number = rows(result.table)[1].number
    set_decision(result.table, number, "accepted")
    export_dicom(result, files, tmp_path, accepted_only=True)
    assert_same(segments(tmp_path), labels_of(result), [number])
    document = hd.sr.srread(tmp_path / REPORT)
    comments = [item.value for item in document.content[0].ContentSequence if item.ValueType == "TEXT"]
    others = len(rows(result.table)) - 1
    assert any(comment.startswith(f"{others} finding") and "left out" in comment for comment in comments)
    assert document.CompletionFlag == "PARTIAL"


def test_hidden_findings_are_left_out(result, files, tmp_path):
    hints = {row.hint for row in rows(result.table)}
    hide_hints(result, hints)
    written = export_dicom(result, files, tmp_path)
    assert [file.name for file in written.files] == [REPORT]
    assert "no finding" in written.remarks[-1]


@pytest.mark.parametrize("column", [3, 90])
def test_a_correction_in_the_segment_editor_has_its_own_volume_centre_and_side(
    column, result, files, tmp_path
):
    number = rows(result.table)[0].number
    draw_box(result, number, (column, column + 2), (4, 6), (2, 2))
    export_dicom(result, files, tmp_path)
    grid = Grid.of(image_of(result.flair))
    (measured,) = [g for g in groups(tmp_path) if g.tracking_identifier == f"Suspected anomaly {number}"]
    (volume,) = [m.value for m in measured.get_measurements() if m.name.meaning == "Volume"]
    assert volume == pytest.approx(9 * grid.voxel_ml, rel=1e-3)
    (centre,) = [item.value for item in measured[0].ContentSequence if item.ValueType == "SCOORD3D"]
    assert np.allclose(centre[0], grid.points(np.array([[column + 1, 5, 2]]))[0], atol=1e-3)
    read = hd.seg.segread(tmp_path / SEGMENTATION)
    assert read.SegmentSequence[number - 1].SegmentAlgorithmType == "SEMIAUTOMATIC"
    comments = [item.value for item in measured[0].ContentSequence if item.ValueType == "TEXT"]
    assert any(comment.startswith("Outline corrected by hand") for comment in comments)
    assert measured.finding_sites[0].laterality.meaning == ("Left" if centre[0][0] > 0 else "Right")


def test_a_correction_that_keeps_the_volume_is_one(result, files, tmp_path):
    number = rows(result.table)[0].number
    mask = sitk.GetArrayFromImage(labels_of(result)) == number
    mask[tuple(np.argwhere(mask)[0])] = False
    mask[0, 0, 0] = True
    paint(result, number, mask)
    export_dicom(result, files, tmp_path)
    read = hd.seg.segread(tmp_path / SEGMENTATION)
    kinds = {one.SegmentLabel: one.SegmentAlgorithmType for one in read.SegmentSequence}
    assert kinds.pop(f"Suspected anomaly {number}") == "SEMIAUTOMATIC"
    assert set(kinds.values()) == {"AUTOMATIC"}


def test_a_result_written_again_replaces_the_files_of_before(a_slicer_scene, result, files, tmp_path):
    export_dicom(result, files, tmp_path)
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=100.0, min_patches=1)
    export_dicom(result, files, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [REPORT]


def test_a_flair_that_is_no_dicom_is_said(result, files, tmp_path):
    with pytest.raises(InputError, match=r"\"FLAIR\" was not loaded from DICOM images"):
        export_dicom(result, [], tmp_path)
    gone = [files[0].with_name("gone.dcm"), *files[1:]]
    with pytest.raises(InputError, match="is not there any more"):
        export_dicom(result, gone, tmp_path)
    assert voxels_of(labels_of(result)).any()
