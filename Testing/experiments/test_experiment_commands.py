"""`anomaly-detection experiment ...` as one types it, on results that are there already."""

import json

import pytest
from AnomalyDetectionLib.errors import InputError
from made_truth import experiment


@pytest.fixture
def evaluation(tmp_path):
    folder = tmp_path / "evaluation"
    (folder / "tables").mkdir(parents=True)
    (folder / "tables" / "findings.csv").write_text(
        "subject,method,category\nsub-01,paper,infarct\nsub-01,paper,normal tissue\nsub-01,bright FLAIR,infarct\n"
    )
    (folder / "tables" / "scans.csv").write_text("subject,method\nsub-01,paper\nsub-01,bright FLAIR\n")
    summary = {"what_was_simulated": "All of it.", "run": {"models": {"paper": "01"}}}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def test_categories_from_the_truth_of_an_evaluation(evaluation, tmp_path):
    done = experiment("categories", evaluation, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "2 suspected anomalies in 1 scan by" in done.output
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    assert about["simulated"] == "All of it."
    assert "truth" in about["categories from"]


def test_categories_from_a_folder_of_a_readers_tables(tmp_path):
    (tmp_path / "reviewed").mkdir()
    for name in ("a", "b"):
        (tmp_path / "reviewed" / f"{name}.csv").write_text("number,category\n1,blood vessel\n2,unreviewed\n")
    done = experiment("categories", tmp_path / "reviewed", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "2 that nobody has categorised" in done.output
    table = (tmp_path / "out" / "categories.csv").read_text().splitlines()
    assert table[-1] == "unreviewed,2,,,,,"
    assert "blood vessel,2," in "\n".join(table)


def test_the_page_of_what_there_is(evaluation, tmp_path):
    experiment("categories", evaluation, "--output", tmp_path / "results" / "categories")
    done = experiment("page", tmp_path / "results", "--title", "Mine", "--link", "in full=there.html")
    assert done.exit_code == 0, done.output
    assert "<h1>Mine</h1>" in (tmp_path / "results" / "index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "mentions"),
    [
        (["categories", "nowhere.csv"], "cannot be read"),
        (["categories", "empty"], "no table in empty"),
        (["categories", "nowhere.csv", "--method", "paper"], "leave out --method"),
        (["sweep", "empty"], "no output of `evaluate`"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_sentence(tmp_path, monkeypatch, arguments, mentions):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    done = experiment(*arguments, "--output", "out")
    assert isinstance(done.exception, InputError)
    assert mentions in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_link_without_an_address_is_refused(tmp_path):
    done = experiment("page", tmp_path, "--link", "name")
    assert isinstance(done.exception, InputError)
    assert "NAME=ADDRESS" in str(done.exception)
