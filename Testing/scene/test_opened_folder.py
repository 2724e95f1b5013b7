"""A result folder opened in the scene, its images found again, and the review that is saved beside it."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
import slicer.util
from AnomalyDetectionLib.detection.reviewed_findings import CATEGORIES
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.reading import read_volume
from AnomalyDetectionLib.reporting.result_folder import ImageNotFoundError, find_image, open_folder
from AnomalyDetectionLib.scene import saved_review
from AnomalyDetectionLib.scene.editing import add_finding, take_edits
from AnomalyDetectionLib.scene.findings_table import rows, set_category, set_decision, set_note
from AnomalyDetectionLib.scene.hierarchy import identity_in_scene
from AnomalyDetectionLib.scene.input_checks import problems
from AnomalyDetectionLib.scene.opened_folder import close_result, open_result, remembered_files
from AnomalyDetectionLib.scene.places import centre_of
from AnomalyDetectionLib.scene.result import (
    findings_of,
    has_probabilities,
    hidden_hints,
    rederive,
    results_in,
    settings_of,
    why_fixed,
)
from AnomalyDetectionLib.scene.saved_review import save_review
from AnomalyDetectionLib.scene.titles import title_of
from AnomalyDetectionLib.scene.volumes import ijk_to_ras
from made_dicom import MadeStudy
from made_result_folder import (
    FLAIR_GRID,
    engine_files,
    head_image,
    record_of,
    result_folder,
    with_dicom_images,
)
from result_in_scene import ijk_to_ras as matrix_of


@pytest.fixture
def folder(tmp_path):
    """A result of `detect`, its images beside it."""
    return result_folder(tmp_path / "study é" / "results")


def opened_in(made, folder, **images):
    opened = open_folder(folder)
    found = {role: find_image(opened, role, images.get(role)) for role in ("t1", "flair")}
    return open_result(made.scene, made.logics, opened, found)


def closed_with_a_review(made, folder):
    """Open it, give finding 1 the category 3, save that, and close it."""
    opened = opened_in(made, folder)
    set_category(opened.result.table, 1, 3)
    saved_and_closed(made, opened)


def saved_and_closed(made, opened):
    save_review(opened.result, opened.folder, opened.saved)
    close_result(made.scene, opened.result)


def table_of(result):
    return {row.number: (round(row.volume_ml, 3), round(row.peak_score, 3)) for row in rows(result.table)}


def nodes_in(scene):
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}


@pytest.mark.parametrize("keep_scores", [True, False], ids=["with score map", "without"])
@pytest.mark.parametrize("scan", ["", "sub-01"], ids=["detect", "bids"])
def test_the_findings_are_those_of_the_folder_on_the_voxels_of_its_flair(
    a_slicer_scene, tmp_path, keep_scores, scan
):
    place = tmp_path / "results" / (scan or "one")
    folder = result_folder(
        place, keep_scores=keep_scores, scan=scan, image_folder=tmp_path / "raw" / scan / "anat"
    )
    if scan:  # the dataset says where its scans come from
        settings = tmp_path / "results" / "code" / "settings.json"
        settings.parent.mkdir()
        settings.write_text(json.dumps({"source": str(tmp_path / "raw")}))
    opened = opened_in(a_slicer_scene, folder)
    result = opened.result
    written = record_of(opened.folder.record_file)["findings"]
    assert opened.folder.name == (scan or "one")
    assert table_of(result) == {
        item["number"]: (round(item["volume_ml"], 3), round(item["peak_score"], 3)) for item in written
    }
    np.testing.assert_allclose(ijk_to_ras(result.flair), matrix_of(FLAIR_GRID), atol=1e-5)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(findings_of(result).labels),
        sitk.GetArrayFromImage(sitk.ReadImage(str(opened.folder.labels))),
    )
    np.testing.assert_allclose(
        slicer.util.arrayFromVolume(result.score),
        sitk.GetArrayFromImage(sitk.ReadImage(str(opened.folder.score))),
        rtol=1e-6,
    )
    for row in rows(result.table):
        assert np.linalg.norm(centre_of(result, row.number) - row.centroid_ras) < 12


def test_with_the_score_map_the_threshold_can_be_changed(a_slicer_scene, folder):
    opened = opened_in(a_slicer_scene, folder)
    result = opened.result
    assert why_fixed(result) == ""
    assert save_review(result, opened.folder, opened.saved) == (opened.saved, [])
    assert not (folder / "review.json").exists(), "what was only looked at is not written"
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=4.5, min_patches=1)
    assert sorted(table_of(result)) == [1, 2, 4]


def test_without_it_the_threshold_stays_and_why_is_said(a_slicer_scene, tmp_path):
    opened = opened_in(a_slicer_scene, result_folder(tmp_path / "results", keep_scores=False))
    before = table_of(opened.result)
    assert "--keep-scores" in why_fixed(opened.result)
    assert why_fixed(opened.result) in opened.remarks
    with pytest.raises(InputError, match="not kept"):
        rederive(a_slicer_scene.scene, a_slicer_scene.logics, opened.result, threshold=4.5, min_patches=1)
    assert table_of(opened.result) == before
    assert settings_of(opened.result) == (3.0, 1)


@pytest.mark.parametrize("probabilities", [True, False])
def test_without_it_scores_are_still_known_to_be_probabilities_or_not(
    a_slicer_scene, tmp_path, probabilities
):
    folder = result_folder(tmp_path / "results", keep_scores=False, probabilities=probabilities)
    assert has_probabilities(opened_in(a_slicer_scene, folder).result) is probabilities


def test_findings_that_the_run_has_hidden_stay_hidden(a_slicer_scene, tmp_path):
    hints = {item["hint"] for item in record_of(result_folder(tmp_path / "a") / "findings.json")["findings"]}
    hint = sorted(hints)[0]
    result = opened_in(a_slicer_scene, result_folder(tmp_path / "b", hide=(hint,))).result
    assert hidden_hints(result) == (hint,)


@pytest.mark.parametrize("keep_scores", [True, False], ids=["with score map", "without"])
def test_the_review_comes_back_and_no_file_of_the_engine_is_touched(a_slicer_scene, tmp_path, keep_scores):
    folder = result_folder(tmp_path / "results", keep_scores=keep_scores)
    before = engine_files(folder)
    opened = opened_in(a_slicer_scene, folder)
    result = opened.result
    set_category(result.table, 1, 3)
    set_decision(result.table, 2, "rejected")
    set_note(result.table, 2, 'says "no" # Ünd\tmore')
    result.segmentation.GetSegmentation().GetSegment("Segment_1").SetName("Ünd mine")
    assert take_edits(result) == []
    point = FLAIR_GRID.points(np.array([[50, 30, 6]]))[0] * (-1, -1, 1)
    added = add_finding(a_slicer_scene.scene, a_slicer_scene.logics, result, point.tolist())
    kept = repr(rows(result.table, all=True))  # NaN is not equal to itself
    saved_and_closed(a_slicer_scene, opened)
    again = opened_in(a_slicer_scene, folder)
    assert repr(rows(again.result.table, all=True)) == kept
    assert added in table_of(again.result)
    segments = again.result.segmentation.GetSegmentation()
    assert segments.GetSegment(f"Segment_{added}") is not None
    assert segments.GetSegment("Segment_1").GetName() == "Ünd mine"
    assert again.remarks == opened.remarks
    assert engine_files(folder) == before
    told = record_of(folder / "review.json")
    assert (told["findings"], told["reviewed"]) == (4, 2)
    assert "infarct, known" in (folder / "review.csv").read_text("utf-8-sig")


def test_a_threshold_that_was_changed_comes_back_with_the_numbers(a_slicer_scene, folder):
    opened = opened_in(a_slicer_scene, folder)
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, opened.result, threshold=4.5, min_patches=1)
    set_category(opened.result.table, 4, 4)
    saved_and_closed(a_slicer_scene, opened)
    again = opened_in(a_slicer_scene, folder).result
    assert settings_of(again) == (4.5, 1)
    assert {row.number: row.category for row in rows(again.table)} == {1: 0, 2: 0, 4: 4}


def test_an_outline_that_was_deleted_by_hand_stays_deleted(a_slicer_scene, folder):
    opened = opened_in(a_slicer_scene, folder)
    opened.result.segmentation.GetSegmentation().RemoveSegment("Segment_2")
    assert take_edits(opened.result) == [2]
    saved_and_closed(a_slicer_scene, opened)
    again = opened_in(a_slicer_scene, folder).result
    assert {row.number: row.edited for row in rows(again.table)}[2] == "deleted"
    assert again.segmentation.GetSegmentation().GetSegment("Segment_2") is None


def test_a_review_of_another_run_is_not_shown_and_not_lost(a_slicer_scene, folder):
    closed_with_a_review(a_slicer_scene, folder)
    earlier = (folder / "review.json").read_bytes()
    record = record_of(folder / "findings.json")
    record["run"]["finished_utc"] = "2025-01-01T00:00:00+00:00"
    (folder / "findings.json").write_text(json.dumps(record))
    again = opened_in(a_slicer_scene, folder)
    assert "earlier run" in again.remarks[-1]
    assert not any(row.reviewed for row in rows(again.result.table))
    set_category(again.result.table, 2, 1)
    _, said = save_review(again.result, again.folder, again.saved)
    aside = next(path for path in folder.glob("review_*.json"))
    assert aside.name in said[0]
    assert aside.read_bytes() == earlier
    assert (folder / aside.name).with_suffix(".csv").exists()


def test_a_review_that_somebody_else_has_saved_meanwhile_is_kept(a_slicer_scene, folder):
    opened = opened_in(a_slicer_scene, folder)
    set_category(opened.result.table, 1, 3)
    saved, _ = save_review(opened.result, opened.folder, opened.saved)
    theirs = {**record_of(folder / "review.json"), "reviewed": 3}
    (folder / "review.json").write_text(json.dumps(theirs))
    set_category(opened.result.table, 1, 4)
    _, said = save_review(opened.result, opened.folder, saved)
    aside = next(path for path in folder.glob("review_*.json"))
    assert record_of(aside) == theirs
    assert aside.name in said[0]


def test_two_readers_of_one_folder_leave_a_review_each_and_not_one_a_step(a_slicer_scene, folder):
    states = [opened_in(a_slicer_scene, folder) for _reader in range(2)]
    for category in range(1, 6):
        for reader, opened in enumerate(states):
            set_category(opened.result.table, reader + 1, category)
            saved, _ = save_review(opened.result, opened.folder, opened.saved)
            states[reader] = dataclasses.replace(opened, saved=saved)
    files = sorted(folder.glob("review*.json"))
    assert [len(path.name) for path in files] == [len("review.json"), *2 * [len("review_1a2b3c4d.json")]]
    last = [{row["number"]: row["category"] for row in record_of(path)["rows"]} for path in files]
    assert last[0][2] == CATEGORIES[4]  # the second reader was the last to save
    assert CATEGORIES[4] in [one[1] for one in last]  # and nothing of the first is lost


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": "AnomalyDetection review", "version": 9}', "{" * 100_000]
)
def test_a_damaged_review_is_said_and_kept(a_slicer_scene, folder, text):
    (folder / "review.json").write_text(text)
    opened = opened_in(a_slicer_scene, folder)
    assert "damaged" in opened.remarks[-1]
    assert len(rows(opened.result.table)) == 3
    set_category(opened.result.table, 1, 3)
    save_review(opened.result, opened.folder, opened.saved)
    assert any(path.read_text() == text for path in folder.glob("review_*.json"))


@pytest.mark.parametrize(
    "change",
    [{"numbers": [[99, 0, 0]]}, {"rows": [{"number": 1}]}, {"threshold": "high"}, {"rows": [{"number": 77}]}],
)
def test_a_review_that_says_what_cannot_be_is_said_and_the_findings_are_there(a_slicer_scene, folder, change):
    closed_with_a_review(a_slicer_scene, folder)
    (folder / "review.json").write_text(json.dumps({**record_of(folder / "review.json"), **change}))
    again = opened_in(a_slicer_scene, folder)
    assert again.remarks
    assert {row.number: row.category for row in rows(again.result.table)} == {1: 0, 2: 0, 3: 0}


def test_images_are_found_where_they_were_and_beside_the_results(folder, tmp_path):
    assert find_image(open_folder(folder), "flair").path == folder.parent / "FLAIR.nii.gz"
    moved = tmp_path / "elsewhere"
    shutil.move(folder.parent, moved)
    assert find_image(open_folder(moved / "results"), "t1").path == moved / "T1w.nii.gz"


def test_images_in_a_folder_of_their_own_that_was_moved_with_the_results_are_found(tmp_path):
    result_folder(tmp_path / "there" / "results", image_folder=tmp_path / "there" / "scans")
    moved = (tmp_path / "there").rename(tmp_path / "elsewhere")
    assert find_image(open_folder(moved / "results"), "flair").path == moved / "scans" / "FLAIR.nii.gz"


def test_an_image_that_has_changed_is_said_with_what_to_do(folder):
    sitk.WriteImage(head_image(seed=9), str(folder.parent / "FLAIR.nii.gz"))
    with pytest.raises(ImageNotFoundError, match=r"FLAIR.*has changed.*choose") as said:
        find_image(open_folder(folder), "flair")
    assert said.value.role == "flair"


def test_an_image_that_is_gone_can_be_picked(folder, tmp_path):
    picked = tmp_path / "picked.nii.gz"
    shutil.move(folder.parent / "T1w.nii.gz", picked)
    with pytest.raises(
        ImageNotFoundError, match=r"T1 of this result was moved or deleted .*choose the image"
    ):
        find_image(open_folder(folder), "t1")
    found = find_image(open_folder(folder), "t1", picked)
    assert (found.path, found.remark) == (picked, "")


def test_the_same_voxels_stored_anew_are_taken_with_a_remark_and_another_grid_is_not(folder, tmp_path):
    anew, other = tmp_path / "anew.nrrd", tmp_path / "other.nrrd"
    sitk.WriteImage(head_image(seed=2), str(anew))
    sitk.WriteImage(head_image(seed=2)[1:], str(other))
    assert "is not the file" in find_image(open_folder(folder), "flair", anew).remark
    with pytest.raises(ImageNotFoundError, match="is not the FLAIR that was analysed"):
        find_image(open_folder(folder), "flair", other)


@pytest.mark.parametrize("what", ["empty", "no folder", "cohort", "damaged", "incomplete"])
def test_what_is_no_result_folder_is_refused_with_what_to_choose(tmp_path, what):
    place = tmp_path / "results"
    if what == "empty":
        place.mkdir()
    elif what == "cohort":
        result_folder(place / "sub-01", scan="sub-01")
        result_folder(place / "sub-02", scan="sub-02")
    elif what in ("damaged", "incomplete"):
        result_folder(place)
        if what == "damaged":
            (place / "findings.json").write_text("{")
        else:
            (place / "anomaly_score.nii.gz").unlink()
    said = {
        "empty": "holds no result",
        "no folder": "is not a folder",
        "cohort": r"holds 2 results .*sub-01, sub-02",
        "damaged": "is damaged",
        "incomplete": "is not complete",
    }
    with pytest.raises(InputError, match=said[what]):
        open_folder(place)


def test_a_result_that_cannot_be_opened_leaves_the_scene_as_it_was(a_slicer_scene, folder):
    before = nodes_in(a_slicer_scene.scene)
    (folder / "score_map" / "score.nrrd").write_bytes(b"NRRD0004\n")
    with pytest.raises(InputError):
        opened_in(a_slicer_scene, folder)
    assert nodes_in(a_slicer_scene.scene) == before


def test_nothing_of_a_patient_stays_when_another_is_opened(a_slicer_scene, folder):
    first = opened_in(a_slicer_scene, folder)
    close_result(a_slicer_scene.scene, first.result)
    before = nodes_in(a_slicer_scene.scene)
    for _ in range(3):
        close_result(a_slicer_scene.scene, opened_in(a_slicer_scene, folder).result)
    assert nodes_in(a_slicer_scene.scene) == before
    assert results_in(a_slicer_scene.scene) == []


def test_dicom_images_are_known_among_the_series_of_their_folder(a_slicer_scene, folder, tmp_path):
    place = tmp_path / "DICOM"
    with_dicom_images(folder, place, MadeStudy())
    found = find_image(open_folder(folder), "flair")
    assert (found.path, found.series.number) == (place, "4")
    result = opened_in(a_slicer_scene, folder).result
    np.testing.assert_allclose(
        slicer.util.arrayFromVolume(result.flair),
        sitk.GetArrayFromImage(read_volume(place / "FLAIR", role="FLAIR").image),
    )


def test_dicom_images_stand_under_their_patient_and_study_as_slicer_has_them(
    a_slicer_scene, folder, tmp_path
):
    scene = a_slicer_scene.scene
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = hierarchy.GetNumberOfItems()
    with_dicom_images(folder, tmp_path / "DICOM", MadeStudy())
    result = opened_in(a_slicer_scene, folder).result
    assert identity_in_scene(scene, result.flair) == identity_in_scene(scene, result.t1)
    identity = identity_in_scene(scene, result.flair)
    assert (identity.patient_id, identity.birth_date, identity.sex) == ("ANON-1", "19500102", "F")
    assert title_of(scene, result).startswith("Doe Jane, 2024-01-31, 4: ax FLAIR, paper, ")
    assert [file.is_file() for file in remembered_files(result.flair)] == [True] * FLAIR_GRID.shape[0]
    again = opened_in(a_slicer_scene, folder).result
    assert hierarchy.GetItemAncestorAtLevel(hierarchy.GetItemByDataNode(again.flair), "Patient") == (
        hierarchy.GetItemAncestorAtLevel(hierarchy.GetItemByDataNode(result.flair), "Patient")
    )
    close_result(scene, result)
    assert identity_in_scene(scene, again.flair) == identity, "the other one is still of this patient"
    close_result(scene, again)
    assert hierarchy.GetNumberOfItems() == items


def test_images_that_were_opened_with_a_result_are_no_inputs_and_it_is_said_why(a_slicer_scene, folder):
    result = opened_in(a_slicer_scene, folder).result
    (sentence, _) = problems(result.t1, result.flair)
    assert "was opened with a result folder" in sentence


def test_a_scan_of_bids_has_its_subject_and_its_date(a_slicer_scene, tmp_path):
    raw = tmp_path / "raw" / "sub-01"
    folder = result_folder(tmp_path / "results" / "sub-01", scan="sub-01", image_folder=raw / "anat")
    table = "filename\tacq_time\nanat/sub-01_T1w.nii.gz\tn/a\nanat/sub-01_FLAIR.nii.gz\t2021-04-07T10:15:00\n"
    (raw / "sub-01_scans.tsv").write_text(table)
    images = {
        role: raw / "anat" / f"sub-01_{name}.nii.gz" for role, name in (("t1", "T1w"), ("flair", "FLAIR"))
    }
    result = opened_in(a_slicer_scene, folder, **images).result
    assert title_of(a_slicer_scene.scene, result).startswith("sub-01, 2021-04-07, sub-01 FLAIR, paper, ")
    (raw / "sub-01_scans.tsv").write_text("filename\n\x00")
    assert title_of(a_slicer_scene.scene, opened_in(a_slicer_scene, folder, **images).result).startswith(
        "sub-01, sub-01 FLAIR"
    )


def test_a_review_whose_table_cannot_be_written_is_saved_all_the_same(a_slicer_scene, folder, monkeypatch):
    def refuse(result, path):
        raise InputError("Another run is writing into the folder.")

    opened = opened_in(a_slicer_scene, folder)
    set_category(opened.result.table, 1, 3)
    monkeypatch.setattr(saved_review, "export_table", refuse)
    saved, said = save_review(opened.result, opened.folder, opened.saved)
    assert "its table is not: Another run" in said[0]
    assert record_of(folder / "review.json")["reviewed"] == 1
    set_category(opened.result.table, 1, 4)
    save_review(opened.result, opened.folder, saved)
    assert list(folder.glob("review_*.json")) == []  # our own is nobody else's
