"""The findings and their review in a table node, also through a saved scene."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
import vtk
from AnomalyDetectionLib.detection.findings import Finding, Findings
from AnomalyDetectionLib.scene.findings_table import (
    CATEGORIES,
    replace_rows,
    rows,
    set_category,
    set_decision,
    set_note,
    undo,
    unreviewed,
    write_rows,
)
from result_in_scene import saved_and_opened

NOTES = [
    "plain",
    "tab\tand\ttab",
    "two\nlines\r\nand a third",
    'she said "no", twice',
    '"',
    "comma, semicolon; colon: pipe| #5 is no remark",
    "é ü ß 结果 😀",
    r"C:\new\table \x41 \\",
    "  spaces  round  ",
    "nan",
    "1",
    "null\x00inside, bell \x07",
]


def finding(number, **values):
    measured = {
        "volume_ml": 1.25,
        "peak_score": 5.0,
        "mean_score": 4.0,
        "patches": 7,
        "side": "left",
        "region": "anterior superior, deep",
        "centroid_ras": (1.0, -2.5, 30.0),
        "t1_relative": 0.7,
        "flair_relative": 1.2,
        "peak_patch": (1, 2, 3),
    }
    return Finding(number=number, **{**measured, **values})


def findings(*numbers, **values):
    items = tuple(finding(number, **values) for number in numbers)
    return Findings(items, sitk.Image(2, 2, 2, sitk.sitkUInt16), 3.0, 2)


@pytest.fixture
def table(a_slicer_scene):
    node = a_slicer_scene.scene.AddNewNodeByClass("vtkMRMLTableNode", "Findings (FLAIR)")
    write_rows(node, findings(1, 2, 3))
    return node


def reviews(node):
    return {row.number: (row.category, row.decision, row.note) for row in rows(node, all=True)}


def test_a_new_table_has_a_row_for_each_finding_and_none_is_reviewed(table):
    assert [row.number for row in rows(table)] == [1, 2, 3]
    row = rows(table)[0]
    assert (row.volume_ml, row.peak_score, row.mean_score, row.patches) == (1.25, 5.0, 4.0, 7)
    assert (row.side, row.region, row.centroid_ras) == ("left", "anterior superior, deep", (1.0, -2.5, 30.0))
    assert (row.t1_relative, row.flair_relative) == (0.7, 1.2)
    assert unreviewed(table) == 3


def test_a_table_without_findings_is_empty(a_slicer_scene):
    node = a_slicer_scene.scene.AddNewNodeByClass("vtkMRMLTableNode", "Findings")
    assert rows(node) == []
    assert unreviewed(node) == 0
    assert undo(node) is None
    write_rows(node, findings())
    assert rows(node) == []


def test_numbers_are_kept_to_the_last_digit(table):
    write_rows(table, findings(1, volume_ml=1 / 3, centroid_ras=(1 / 7, -1e-9, 123456.789012)))
    row = rows(table)[0]
    assert row.volume_ml == 1 / 3
    assert row.centroid_ras == (1 / 7, -1e-9, 123456.789012)


@pytest.mark.parametrize("category", range(1, len(CATEGORIES) + 1))
def test_each_category_can_be_given(table, category):
    set_category(table, 2, category)
    assert reviews(table) == {1: (0, "", ""), 2: (category, "", ""), 3: (0, "", "")}
    assert unreviewed(table) == 2


def test_accepting_or_rejecting_is_a_review_and_a_note_is_not(table):
    set_decision(table, 1, "accepted")
    set_decision(table, 2, "rejected")
    set_note(table, 3, "look again")
    assert unreviewed(table) == 1


def test_what_does_not_exist_is_refused(table):
    with pytest.raises(ValueError, match="categories"):
        set_category(table, 1, 9)
    with pytest.raises(ValueError, match="decision"):
        set_decision(table, 1, "perhaps")
    with pytest.raises(KeyError):
        set_note(table, 4, "no such finding")
    assert unreviewed(table) == 3


@pytest.mark.parametrize("note", NOTES)
def test_a_note_of_any_characters_is_read_as_it_was_written(table, note):
    set_note(table, 2, note)
    assert reviews(table)[2] == (0, "", note)


def test_undo_goes_back_step_by_step_to_the_beginning(table):
    set_category(table, 1, 4)
    set_category(table, 1, 5)
    set_note(table, 3, "é")
    set_decision(table, 2, "accepted")
    assert [undo(table), reviews(table)[2]] == [2, (0, "", "")]
    assert [undo(table), reviews(table)[3]] == [3, (0, "", "")]
    assert [undo(table), reviews(table)[1]] == [1, (4, "", "")]
    assert [undo(table), reviews(table)[1]] == [1, (0, "", "")]
    assert undo(table) is None


def test_a_change_to_what_is_there_already_is_no_step(table):
    set_category(table, 1, 4)
    set_category(table, 1, 4)
    undo(table)
    assert reviews(table)[1] == (0, "", "")


def test_two_hundred_steps_can_be_undone(table):
    for step in range(250):
        set_note(table, 1, f"note {step}")
    steps = 0
    while undo(table) is not None:
        steps += 1
    assert steps == 200
    assert reviews(table)[1][2] == "note 49"


def test_other_measurements_leave_the_review_alone(table):
    set_category(table, 1, 4)
    set_note(table, 2, "seen")
    write_rows(table, findings(1, 2, 3, volume_ml=9.0, peak_score=8.0))
    assert reviews(table) == {1: (4, "", ""), 2: (0, "", "seen"), 3: (0, "", "")}
    assert {row.volume_ml for row in rows(table)} == {9.0}


def test_a_reviewed_finding_that_vanishes_keeps_its_review_and_comes_back_with_it(table):
    set_category(table, 1, 4)
    set_decision(table, 2, "rejected")
    write_rows(table, findings(3))
    assert [row.number for row in rows(table)] == [3]
    assert [(row.number, row.present) for row in rows(table, all=True)] == [(1, False), (2, False), (3, True)]
    assert unreviewed(table) == 1
    write_rows(table, findings(1, 2, 3, 4))
    assert reviews(table) == {1: (4, "", ""), 2: (0, "rejected", ""), 3: (0, "", ""), 4: (0, "", "")}
    assert all(row.present for row in rows(table))


def test_a_finding_that_nobody_looked_at_leaves_no_trace_when_it_vanishes(table):
    write_rows(table, findings(2))
    assert [row.number for row in rows(table, all=True)] == [2]


def test_undo_reaches_a_finding_that_has_vanished(table):
    set_category(table, 1, 4)
    set_category(table, 1, 0)
    write_rows(table, findings(2, 3))
    assert undo(table) == 1
    write_rows(table, findings(1, 2, 3))
    assert reviews(table)[1] == (4, "", "")


def test_forgetting_leaves_nothing_to_undo(table):
    set_category(table, 1, 4)
    replace_rows(table, [])
    assert rows(table, all=True) == []
    assert undo(table) is None


def test_a_change_is_one_modification_of_the_node(table):
    events = []
    table.AddObserver("ModifiedEvent", lambda *_: events.append(1))
    set_category(table, 1, 4)
    assert len(events) == 1
    write_rows(table, findings(*range(1, 100)))
    assert len(events) == 2


def test_all_of_it_survives_a_saved_scene(a_slicer_scene, table, tmp_path):
    write_rows(table, findings(*range(1, len(NOTES) + 2), t1_relative=math.nan))
    for number, note in enumerate(NOTES, start=1):
        set_note(table, number, note)
    set_category(table, 1, 1)
    set_category(table, 2, 8)
    set_decision(table, 3, "rejected")
    write_rows(table, findings(*range(2, len(NOTES) + 2), t1_relative=math.nan))
    before = rows(table, all=True)

    made = saved_and_opened(a_slicer_scene.scene, tmp_path)
    table = made.scene.GetFirstNodeByClass("vtkMRMLTableNode")
    after = rows(table, all=True)
    assert reviews(table) == {row.number: (row.category, row.decision, row.note) for row in before}
    assert [row.present for row in after] == [row.present for row in before]
    assert [(row.side, row.region, row.patches) for row in after] == [
        (row.side, row.region, row.patches) for row in before
    ]
    np.testing.assert_allclose([row.centroid_ras for row in after], [row.centroid_ras for row in before])
    assert all(math.isnan(row.t1_relative) for row in after)
    assert [undo(table), undo(table), undo(table)] == [3, 2, 1]
    assert reviews(table)[1] == (0, "", NOTES[0])


def test_a_table_that_has_lost_its_types_is_still_read(table):
    set_category(table, 2, 3)
    plain = vtk.vtkTable()
    for index in range(table.GetNumberOfColumns()):
        column = table.GetTable().GetColumn(index)
        text = vtk.vtkStringArray()
        text.SetName(column.GetName())
        for row in range(column.GetNumberOfTuples()):
            text.InsertNextValue(str(column.GetValue(row)))
        plain.AddColumn(text)
    before = rows(table)
    table.SetAndObserveTable(plain)
    assert rows(table) == before
    set_category(table, 2, 4)
    assert reviews(table)[2] == (4, "", "")


def test_hint_and_rate_are_kept_and_an_earlier_scene_without_them_opens(table):
    told = {
        "hint": "WMH-like",
        "hint_evidence": "0.3 ml bright on FLAIR; no dark core",
        "per_normal_scan": 0.25,
    }

    def read():
        return [{name: getattr(row, name) for name in told} for row in rows(table)]

    assert rows(table)[0].per_normal_scan is None
    write_rows(table, findings(1, 2, **told))
    assert read() == [told] * 2
    for name in told:
        table.GetTable().RemoveColumnByName(name)
    assert read() == [{"hint": "unknown", "hint_evidence": "", "per_normal_scan": None}] * 2
