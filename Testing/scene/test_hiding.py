"""Findings hidden by their hint: gone from the views and the files with images, and from nowhere else."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.hints import EDGE, INFARCT_LIKE, UNKNOWN
from AnomalyDetectionLib.detection.stored_scores import store
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.scene.editing import add_finding
from AnomalyDetectionLib.scene.export import export_labels, export_table
from AnomalyDetectionLib.scene.findings_table import rows, set_category, set_decision
from AnomalyDetectionLib.scene.result import hidden_hints, hide_hints, rederive, results_in, score_map_of
from result_in_scene import a_result, answered_scores, saved_and_opened


@pytest.fixture
def result(a_slicer_scene):
    """Three findings; the second look takes the second for an artefact."""
    result = a_result(a_slicer_scene, stored=answered_scores(), threshold=0.3)
    assert {row.number: row.hint for row in rows(result.table)} == {1: INFARCT_LIKE, 2: EDGE, 3: UNKNOWN}
    return result


def visible(result):
    display = result.segmentation.GetDisplayNode()
    identifiers = result.segmentation.GetSegmentation().GetSegmentIDs()
    return [int(name.split("_")[1]) for name in identifiers if display.GetSegmentVisibility(name)]


def test_the_segments_of_a_hidden_hint_are_not_shown(result):
    hide_hints(result, [EDGE])
    assert visible(result) == [1, 3]
    hide_hints(result, [])
    assert visible(result) == [1, 2, 3]


def test_a_finding_that_the_reader_adds_is_shown_and_exported_whatever_is_hidden(
    a_slicer_scene, result, tmp_path
):
    hide_hints(result, [UNKNOWN])
    number = add_finding(a_slicer_scene.scene, a_slicer_scene.logics, result, (-15.0, -20.0, 0.0))
    assert {row.number: row.hint for row in rows(result.table)}[number] == UNKNOWN
    assert visible(result) == [1, 2, number]
    labels = sitk.ReadImage(str(export_labels(result, tmp_path / "labels.nii.gz")))
    assert set(np.unique(sitk.GetArrayFromImage(labels))) == {0, 1, 2, number}


def test_hidden_findings_keep_their_number_and_review(result):
    set_category(result.table, 2, 5)
    before = rows(result.table)
    hide_hints(result, [EDGE])
    assert rows(result.table) == before


def test_a_finding_stays_hidden_when_it_vanishes_and_comes_back_with_the_threshold(a_slicer_scene, result):
    hide_hints(result, [EDGE])
    for threshold in (0.6, 0.3):
        rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=threshold, min_patches=1)
    assert visible(result) == [1, 3]


def test_what_the_user_has_hidden_stays_so(result):
    result.segmentation.GetDisplayNode().SetSegmentVisibility("Segment_1", False)
    hide_hints(result, [EDGE])
    hide_hints(result, [])
    assert visible(result) == [2, 3]


def test_the_choice_is_saved_with_the_scene(result, tmp_path):
    hide_hints(result, [EDGE])
    opened = saved_and_opened(result.score.GetScene(), tmp_path)
    again = results_in(opened.scene)[0]
    assert hidden_hints(again) == (EDGE,)
    assert visible(again) == [1, 3]
    hide_hints(again, [])
    assert visible(again) == [1, 2, 3]


def test_running_again_keeps_the_choice(a_slicer_scene, result):
    hide_hints(result, [EDGE])
    again = a_result(
        a_slicer_scene,
        stored=store(score_map_of(result)),
        t1=result.t1,
        flair=result.flair,
        threshold=0.3,
        replace=result,
    )
    assert visible(again) == [1, 3]


def test_the_table_lists_all_findings_and_the_images_those_that_are_shown(result, tmp_path):
    hide_hints(result, [EDGE])
    with export_table(result, tmp_path / "all").open(encoding="utf-8-sig", newline="") as file:
        assert [row["hint"] for row in csv.DictReader(file)] == [INFARCT_LIKE, EDGE, UNKNOWN]
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(export_labels(result, tmp_path / "shown"))))
    assert set(labels.ravel()) == {0, 1, 3}


def test_an_accepted_finding_is_exported_hidden_or_not(result, tmp_path):
    set_decision(result.table, 2, "accepted")
    hide_hints(result, [EDGE, INFARCT_LIKE, UNKNOWN])
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(export_labels(result, tmp_path / "accepted"))))
    assert set(labels.ravel()) == {0, 2}
    set_decision(result.table, 2, "rejected")
    with pytest.raises(InputError, match="accept findings in the table"):
        export_labels(result, tmp_path / "none", accepted_only=True)
