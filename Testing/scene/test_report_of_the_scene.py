"""The report of a result in the scene: the reader's word, the corrections, and what is left out."""

from __future__ import annotations

import re
import sys

import pytest
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.scene.editing import add_finding
from AnomalyDetectionLib.scene.findings_table import rows, set_category, set_decision, set_note
from AnomalyDetectionLib.scene.report_export import export_report
from AnomalyDetectionLib.scene.result import findings_of, hide_hints, rederive, results_in
from AnomalyDetectionLib.scene.volumes import ijk_to_ras
from made_reports import JANE, RECORD, parsed
from result_in_scene import a_result, saved_and_opened

from scene.in_the_scene import draw_box, everything, rigid, under


@pytest.fixture
def result(a_slicer_scene):
    return a_result(a_slicer_scene, provenance=RECORD)


def report_of(result, folder, **options):
    return parsed(export_report(result, folder / "report", **options).read_text("utf-8"))


def numbers_in(page):
    tables = page.all("table", "findings")
    return [] if not tables else [int(row.all("td")[0].text) for body in tables[0].all("tbody")
                                  for row in body.all("tr")[:1] if row.all("td")[0].text]  # fmt: skip


def test_the_review_is_in_the_report(result, tmp_path):
    first, second = [row.number for row in rows(result.table)][:2]
    set_category(result.table, first, 4)
    set_decision(result.table, first, "accepted")
    set_note(result.table, first, "compare with <2019>")
    set_decision(result.table, second, "rejected")
    page = report_of(result, tmp_path, patient=JANE, remarks=["The T1 does not reach 7 % of the brain."])
    assert numbers_in(page) == [row.number for row in rows(result.table)]
    text = page.all("main")[0].text
    for words in (
        "Doe, Jane",
        "accepted: infarct, not known before",
        "compare with <2019>",
        "1 rejected",
        "7 % of the brain",
    ):
        assert words in text
    assert "SHA256 abab" in page.all("dl", "provenance")[0].text


@pytest.mark.parametrize(("module", "package"), [("PIL", "pillow"), ("jinja2", "jinja2")])
def test_a_missing_package_is_said_in_plain_words(result, tmp_path, monkeypatch, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=f"The report needs the Python package {package}, "):
        export_report(result, tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def test_an_anonymous_one_names_nobody(result, tmp_path):
    set_note(result.table, rows(result.table)[0].number, "Jane's second")
    path = export_report(result, tmp_path / "r.html", patient=JANE, anonymous=True)
    text = re.sub(r"base64,[^\"]+", "", path.read_text("utf-8"))
    assert not [name for name in ("Jane", "Doe", "MRN", "clinic", "2026") if name in text]


def test_only_what_was_accepted(result, tmp_path):
    with pytest.raises(InputError, match="No finding is accepted yet"):
        report_of(result, tmp_path, accepted_only=True)
    assert not list(tmp_path.iterdir())
    second = rows(result.table)[1].number
    set_decision(result.table, second, "accepted")
    page = report_of(result, tmp_path, accepted_only=True)
    assert numbers_in(page) == [second]
    assert [article.attributes["id"] for article in page.all("article")] == [f"finding-{second}"]
    assert "covers the 1 accepted of 3 findings" in page.all("main")[0].text


def test_what_is_hidden_is_left_out_and_said(result, tmp_path):
    hide_hints(result, {row.hint for row in rows(result.table)})
    page = report_of(result, tmp_path)
    assert numbers_in(page) == []
    assert "0 of 3 findings: the others were hidden by their hint" in page.all("main")[0].text


def test_without_findings_there_is_a_report(a_slicer_scene, result, tmp_path):
    rederive(a_slicer_scene.scene, a_slicer_scene.logics, result, threshold=100.0, min_patches=1)
    assert "No suspected anomaly" in report_of(result, tmp_path).all("main")[0].text


def draw(result, number):
    draw_box(result, number, (50, 54), (50, 53), (6, 6))


def test_a_correction_by_hand_counts(result, tmp_path):
    number = rows(result.table)[0].number
    draw(result, number)
    page = report_of(result, tmp_path)
    row = page.all("table", "findings")[0].all("tbody")[0].all("td")
    assert row[1].text == f"{20 * 0.8 * 0.85 * 4 / 1000:.2f}"
    right, front, up = (ijk_to_ras(result.flair) @ (52, 51.5, 6, 1))[:3].round()
    letters = zip((right, front, up), ("RL", "AP", "SI"), strict=True)
    assert row[5 if len(row) == 7 else 6].text == ", ".join(
        f"{pair[int(mm < 0)]} {abs(mm):.0f}" for mm, pair in letters
    )
    assert f"corrected by hand ({number})" in page.all("section", "warnings")[0].text
    assert "hand" not in report_of(result, tmp_path, accepted_only=False).all("dl", "provenance")[0].text


def test_an_added_finding_is_the_readers_and_no_correction(a_slicer_scene, result, tmp_path):
    number = add_finding(a_slicer_scene.scene, a_slicer_scene.logics, result, (-15.0, -20.0, 0.0))
    page = report_of(result, tmp_path)
    warnings = page.all("section", "warnings")[0].text
    assert f"added by the reader ({number}), not by the detection" in warnings
    assert "corrected" not in warnings
    assert "1 of them added by the reader" in page.all("main")[0].text
    draw(result, number)
    warnings = report_of(result, tmp_path).all("section", "warnings")[0].text
    assert f"added by the reader ({number})" in warnings
    assert "corrected" not in warnings, "also where the reader has drawn on"


def test_coordinates_of_a_flair_that_was_moved_since_are_explained(a_slicer_scene, result, tmp_path):
    assert not report_of(result, tmp_path).all("section", "warnings")
    under(a_slicer_scene.scene, rigid(shift=(0, 0, 30)), *everything(result))
    page = report_of(result, tmp_path)
    assert "has been moved in the scene since" in page.all("section", "warnings")[0].text
    z = findings_of(result).items[0].centroid_ras[2]
    assert f"{'S' if z >= -0.5 else 'I'} {abs(round(z))}" in page.all("td", "centre")[0].text


def test_a_saved_scene_has_it_too(a_slicer_scene, result, tmp_path):
    before = export_report(result, tmp_path / "before.html").read_text("utf-8")
    made = saved_and_opened(a_slicer_scene.scene, tmp_path)
    after = export_report(results_in(made.scene)[0], tmp_path / "after.html").read_text("utf-8")
    made.scene.Clear(True)
    without_time = [re.sub(r"<dt>Report made</dt><dd>[^<]+</dd>", "", text) for text in (before, after)]
    assert without_time[0] == without_time[1] != before
