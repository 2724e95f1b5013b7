"""The page of all experiments: complete, self-contained, honest about what was simulated, and the same every time."""

import json
import re
import shutil

import numpy as np
import pytest
from anomaly_research.evaluation import published
from anomaly_research.evaluation.bootstrap import patient_weights
from anomaly_research.evaluation.csv_rows import read_rows, write_rows
from anomaly_research.evaluation.evaluation_tables import lesion_free_rows, method_rows, sensitivity_rows
from anomaly_research.evaluation.methods import Method
from anomaly_research.experiments.category_table import CategoryCounts, rows
from anomaly_research.experiments.latent_sweep import SweepCounts
from anomaly_research.experiments.latent_sweep_counting import COUNTED
from anomaly_research.reports.experiment_about import write_about
from anomaly_research.reports.experiments_page import write_page
from anomaly_research.reports.sweep_report import write_sweep
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.reporting.html_page import page
from hand_made_scans import cohort_of
from PIL import Image

SAID = "Simulated infarcts in 3 scans of 2 people <really>."


def a_picture(path):
    Image.new("RGB", (4, 3), "white").save(path)


def an_evaluation(folder):
    folder.mkdir(parents=True)
    curves = cohort_of(
        [("a", "9..31", "1..2."), ("b", ".5.1.", ".1..."), ("b", "2...4", ".....")], np.array([1.5, 3.5])
    )
    methods = [
        Method("paper", curves, (("own threshold 3.5", 1),), None, None),
        Method("bright FLAIR", curves, (("false positives of paper", 0),), 0.03, None),
    ]
    weights = patient_weights(curves.patients, 20)
    makers = {"methods": method_rows, "sensitivity": sensitivity_rows, "lesion_free": lesion_free_rows}
    for name, make in makers.items():
        write_rows(folder / f"{name}.csv", make(methods, weights))
    for name in ("froc", "strata"):
        a_picture(folder / f"{name}.png")
    summary = {"what_was_simulated": SAID, "run": {"models": {"paper": "0123"}}}
    (folder / "summary.json").write_text(json.dumps(summary))


def a_sweep(folder):
    folder.mkdir(parents=True)
    shape = (2, 2, 2, 3)
    counts = SweepCounts(
        latent_sizes=(50, 100),
        percentiles=(30.0, 50.0),
        thresholds=np.broadcast_to([1.0, 3.0, 9.0], (2, 2, 3)),
        patients=("a", "b"),
        lesions=np.array([2, 2]),
        volume_ml=np.array([4.0, 6.0]),
        most_flagged_ml=np.array([100.0, 100.0]),
        **{name: np.broadcast_to([2.0, 1.0, 0.0], shape) for name in COUNTED},
    )
    write_sweep(counts, folder, about={"simulated": SAID})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("results")
    an_evaluation(tmp_path / "evaluation")
    a_sweep(tmp_path / "sweep")
    (tmp_path / "categories").mkdir()
    counts = CategoryCounts(3, {"infarct, known": 2, "normal tissue": 5}, unreviewed=4)
    write_rows(tmp_path / "categories" / "categories.csv", rows(counts))
    write_about({"categories from": "a reader", "scans": 3}, tmp_path / "categories")
    (tmp_path / "missed").mkdir()
    for name in ("missed", "missed_neighbours"):
        a_picture(tmp_path / "missed" / f"{name}.png")
    write_rows(tmp_path / "missed" / "missed.csv", [{"subject": "sub-01", "volume_ml": 0.123456}])
    write_rows(tmp_path / "missed" / "missed_by_region.csv", [{"region": "cortex", "missed": 1}])
    (tmp_path / "ablations").mkdir()
    write_rows(tmp_path / "ablations" / "ablations.csv", [{"question": "activation", "value": "none"}])
    write_about({"simulated": SAID, "model": "paper"}, tmp_path / "ablations")
    return tmp_path


@pytest.fixture
def results(made, tmp_path):
    return shutil.copytree(made, tmp_path / "results")


def test_the_page_needs_nothing_but_itself(results):
    text = write_page(results, title="All", links={"in full": "../Experiments/results"}).read_text("utf-8")
    assert not re.search(r"<(?:script|link|iframe|object)\b|@import|url\(|srcset", text)
    sources = re.findall(r'src="([^"]{0,30})', text)
    assert len(sources) == 8
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    addresses = re.findall(r'href="([^"]*)"', text)
    assert addresses[-1] == "../Experiments/results"
    for address in addresses[:-1]:
        assert f'id="{address.removeprefix("#")}"' in text


def test_every_section_says_what_was_simulated_and_stands_beside_the_paper(results):
    text = write_page(results, title="All", links={}).read_text("utf-8")
    sections = text.split("<h2")[1:]
    assert len(sections) == 5
    for section in sections:
        assert "simulated" in section.lower()
    assert "3 scans of 2 people &lt;really&gt;" in sections[0]
    assert "374 of 553" in sections[0]
    assert "45 patients, 93 infarcts" in sections[1]
    assert all(str(count) in sections[2] for count in published.CATEGORIES.values())
    assert "4 more have no category yet" in sections[2]
    assert str(published.MISSED) in sections[3]
    assert "not for diagnosis" in text


def test_the_same_results_give_the_same_page(results):
    first = write_page(results, title="All", links={}).read_bytes()
    assert write_page(results, title="All", links={}).read_bytes() == first


def test_what_is_not_there_is_left_out(results, tmp_path):
    for name in ("evaluation", "sweep", "missed", "ablations"):
        (results / name).rename(tmp_path / f"elsewhere-{name}")
    text = write_page(results, title="All", links={}).read_text("utf-8")
    assert text.count("<h2") == 1


def test_nothing_at_all_or_half_a_result_is_refused(results, tmp_path):
    with pytest.raises(InputError, match="holds no results"):
        write_page(tmp_path / "empty", title="All", links={})
    (results / "sweep" / "optimum.csv").unlink()
    with pytest.raises(InputError, match=r"optimum\.csv"):
        write_page(results, title="All", links={})
    assert not (results / "index.html").exists()


def test_text_is_text_and_numbers_stand_to_the_right(tmp_path):
    (tmp_path / "some.html").write_text(
        '{% extends "base.html" %}{% from "parts.html" import table %}'
        '{% block main %}<p>{{ said | prose }}</p>{{ table(["name", "ml"], rows) }}{% endblock %}'
    )
    cells = [["<b>", "1.5"], ["x", ""]]
    text = page(tmp_path / "some.html", title="a < b", said="1 < 2 and **strong**", rows=cells)
    assert "<title>a &lt; b</title>" in text
    assert "1 &lt; 2 and <strong>strong</strong>" in text
    assert '<td>&lt;b&gt;</td><td class="number">1.5</td>' in text


def test_a_setting_that_finds_nothing_is_no_optimum(results):
    optimum = read_rows(results / "sweep" / "optimum.csv", ())
    by_rate = {(row["false_positives_allowed"], row["wmh"]): row for row in optimum}
    assert by_rate["0.5", "counted"]["latent_size"] == ""
    assert by_rate["2", "counted"]["infarcts_found_percent"] == "100.0"
    assert by_rate["2", "counted"]["latent_size"] == "50"
