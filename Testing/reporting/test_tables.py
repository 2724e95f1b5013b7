"""findings.csv and findings.json."""

import csv
import json
from dataclasses import replace

import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.findings import Finding, Findings
from AnomalyDetectionLib.reporting.tables import COLUMNS, write_csv, write_json

NAN = float("nan")


@pytest.fixture
def two_findings():
    first = (1, 1.23456, 9, 6.5, 4.25, (-10.04, 20.0, 30.0), "left", "anterior, deep", 0.75, 1.5, (3, 4, 5))
    second = (2, 0.05, 2, 3.25, 3.125, (1.0, -2.0, 3.0), "midline", "central, deep", NAN, NAN, (0, 1, 2))
    hint = {"hint": "infarct-like", "hint_evidence": "0.3 ml core, as dark as fluid"}
    labels = sitk.Image(4, 4, 4, sitk.sitkUInt16)
    return Findings((Finding(*first, **hint), Finding(*second)), labels, 3.0, 2)


def rows_of(findings, folder):
    """The table as it was written."""
    write_csv(findings, folder / "findings.csv")
    with (folder / "findings.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_has_a_heading_and_a_line_a_finding(two_findings, tmp_path):
    rows = rows_of(two_findings, tmp_path)
    assert tuple(rows[0]) == COLUMNS
    assert [row["number"] for row in rows] == ["1", "2"]
    assert float(rows[0]["volume_ml"]) == pytest.approx(1.235)
    assert [float(rows[0][f"centroid_{axis}_mm"]) for axis in "ras"] == [-10.0, 20.0, 30.0]
    assert rows[1]["t1_relative"] == ""
    assert [row["hint"] for row in rows] == ["infarct-like", "unknown"]
    assert rows[0]["hint_evidence"] == "0.3 ml core, as dark as fluid"


def test_without_findings_the_table_is_its_heading(tmp_path):
    write_csv(Findings((), sitk.Image(4, 4, 4, sitk.sitkUInt16), 3.0, 2), tmp_path / "findings.csv")
    assert (tmp_path / "findings.csv").read_text().strip().split(",") == list(COLUMNS)


def test_the_record_is_strict_json_with_the_provenance_first(two_findings, tmp_path):
    provenance = {"model": {"name": "纸"}, "not_known": float("nan")}
    write_json(two_findings, provenance, tmp_path / "findings.json")

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    record = json.loads((tmp_path / "findings.json").read_text("utf-8"), parse_constant=refuse)
    assert next(iter(record)) == "model"
    assert record["model"]["name"] == "纸"
    assert record["not_known"] is None
    assert record["count"] == 2
    assert record["findings"][0]["centroid_ras_mm"] == [-10.04, 20.0, 30.0]
    assert record["findings"][1]["t1_relative"] is None


def test_the_rate_of_a_finding_is_in_both_and_empty_where_it_is_not_known(two_findings, tmp_path):
    first, second = two_findings.items
    findings = replace(two_findings, items=(replace(first, per_normal_scan=0.31234), second))
    write_json(findings, {}, tmp_path / "findings.json")
    assert [row["per_normal_scan"] for row in rows_of(findings, tmp_path)] == ["0.312", ""]
    record = json.loads((tmp_path / "findings.json").read_text("utf-8"))
    assert [finding["per_normal_scan"] for finding in record["findings"]] == [0.3123, None]
