"""Experiment 2: the paper's table 2, from the truth and from a reader, is the same table."""

import csv

import pytest
from anomaly_research.evaluation import published
from anomaly_research.experiments.category_table import (
    CategoryCounts,
    from_evaluation,
    from_readers_tables,
    rows,
)
from AnomalyDetectionLib.detection.reviewed_findings import CATEGORIES
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.reporting.tables import COLUMNS
from AnomalyDetectionLib.scene.export import REVIEW_COLUMNS

TRUTH = {
    "sub-01": ["infarct", "white matter hyperintensity", "normal tissue", "widened sulcus"],
    "sub-02": ["image artefact", "infarct", "enlarged perivascular space"],
    "sub-03": [],
}
READER = {
    "sub-01": ["infarct, known", "white matter hyperintensity", "normal tissue", "normal tissue"],
    "sub-02": ["image artefact", "infarct, known", "normal tissue"],
    "sub-03": [],
}


def by_category(counts):
    return {row["category"]: row for row in rows(counts)}


def test_tumours_have_a_line_only_where_there_are_some():
    assert [*by_category(CategoryCounts(2, {"normal tissue": 1}))] == [*published.CATEGORIES, "total"]
    with_one = by_category(CategoryCounts(2, {"normal tissue": 1, "tumour": 3}))
    assert [*with_one] == [*published.CATEGORIES, "tumour", "total"]
    assert [*with_one["tumour"].values()][1:5] == [3, "75.0", "1.50", 0]


def write(path, header, lines, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([header, *lines])
    return path


@pytest.fixture
def evaluation(tmp_path):
    found = [(m, s, k) for m in ("paper", "bright FLAIR") for s, kinds in TRUTH.items() for k in kinds]
    found += [("bright FLAIR", "sub-03", "normal tissue")]
    write(tmp_path / "tables" / "findings.csv", ("method", "subject", "category"), found)
    scans = [(m, s) for m in ("paper", "bright FLAIR") for s in TRUTH]
    write(tmp_path / "tables" / "scans.csv", ("method", "subject"), scans)
    return tmp_path


@pytest.fixture
def readers_tables(tmp_path):
    header = (*COLUMNS, *REVIEW_COLUMNS)
    return [
        write(
            tmp_path / f"{subject}.csv",
            header,
            [[n, *[""] * (len(COLUMNS) - 1), kind, "accepted", ""] for n, kind in enumerate(kinds, start=1)],
            encoding="utf-8-sig",
        )
        for subject, kinds in READER.items()
    ]


def test_truth_and_reader_give_the_same_table(evaluation, readers_tables):
    table = by_category(from_evaluation(evaluation))
    assert table == by_category(from_readers_tables(readers_tables))
    assert [*table["normal tissue"].values()][1:4] == [3, "42.9", "1.00"]
    assert table["total"]["findings"] == 7


def test_a_scan_without_findings_counts_as_a_scan(evaluation):
    assert from_evaluation(evaluation).scans == 3


def test_another_method_can_be_chosen(evaluation):
    assert from_evaluation(evaluation, "bright FLAIR").total == 8
    with pytest.raises(InputError, match="choose one of paper, bright FLAIR"):
        from_evaluation(evaluation, "other")


def test_the_papers_own_figures_and_categories_stand_beside_ours():
    table = by_category(CategoryCounts(1))
    assert [*table["white matter hyperintensity"].values()][4:] == [864, "44.2", "3.84"]
    assert [*table["total"].values()][4:] == [1953, "100.0", "8.68"]
    assert {*table} - {"total"} == set(CATEGORIES), "those of the module"


def test_what_nobody_has_categorised_is_told_apart(readers_tables, tmp_path):
    header = ("number", "category")
    more = write(tmp_path / "more.csv", header, [(1, "bone"), (2, "unreviewed"), (3, "unreviewed")])
    counted = from_readers_tables([*readers_tables, more])
    assert (counted.scans, counted.total, counted.unreviewed) == (4, 8, 2)
    assert list(filter(None, rows(counted)[-1].values())) == ["unreviewed", 2]


def test_a_table_that_is_none_of_findings_is_refused(tmp_path):
    table = write(tmp_path / "t.csv", ("a", "b"), [(1, 2)])
    with pytest.raises(InputError, match="no column number"):
        from_readers_tables([table])
    with pytest.raises(InputError, match="cannot be read"):
        from_readers_tables([tmp_path / "none.csv"])
    odd = write(tmp_path / "odd.csv", ("number", "category"), [(1, "cyst")])
    with pytest.raises(InputError, match="category 'cyst'"):
        from_readers_tables([odd])
