"""What findings are called against what they are, in cases that can be counted by hand."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from anomaly_research.evaluation.categories import Scored, categorised_candidates, categorised_findings
from anomaly_research.evaluation.kinds import (
    ALIKE,
    ALL,
    CalledFinding,
    confusion,
    read_called,
    truth_of,
)
from AnomalyDetectionLib.detection.candidate_probabilities import CandidateProbabilities
from AnomalyDetectionLib.detection.hints import EDGE, HINTS, INFARCT_LIKE, OTHER_ANOMALY, UNKNOWN, WMH_LIKE
from AnomalyDetectionLib.errors import InputError
from hand_made_scans import scores_of
from hand_made_scans import truth_of as elements
from made_truth import experiment

FINDINGS = [
    CalledFinding("a", "infarct", INFARCT_LIKE),
    CalledFinding("a", "infarct", INFARCT_LIKE),
    CalledFinding("b", "infarct", WMH_LIKE),
    CalledFinding("b", "infarct", UNKNOWN),
    CalledFinding("b", "tumour", OTHER_ANOMALY),
    CalledFinding("a", "normal tissue", INFARCT_LIKE),
    CalledFinding("a", "normal tissue", EDGE),
    CalledFinding("b", "normal tissue", EDGE),
    CalledFinding("b", "normal tissue", EDGE),
]


def test_hints_are_counted_by_truth_and_the_right_ones_shared():
    rows = {row["truth"]: row for row in confusion(FINDINGS, ["a", "b", "c"])}
    assert list(rows) == ["infarct", "tumour", "normal tissue", ALL, ALIKE]
    assert [rows["infarct"][hint] for hint in HINTS] == [2, 1, 0, 0, 1]
    assert [rows["normal tissue"][hint] for hint in HINTS] == [1, 0, 0, 3, 0]
    assert (rows["infarct"]["expected"], rows["tumour"]["expected"]) == (INFARCT_LIKE, OTHER_ANOMALY)
    shares = {truth: row["right_share"] for truth, row in rows.items()}
    assert shares == {"infarct": 0.5, "tumour": 1.0, "normal tissue": 0.75, ALL: 6 / 9, ALIKE: 0.75}
    assert [rows["infarct"][name] for name in ("patients", "findings", "right")] == [2, 4, 2]
    assert [rows[ALL][name] for name in ("patients", "findings", "right")] == [2, 9, 6]


def test_the_interval_is_over_patients_and_a_single_one_has_none():
    (infarcts, *_) = confusion(FINDINGS[:4], ["a", "b"])
    # only a: all right; only b: none right
    assert (infarcts["right_share_low"], infarcts["right_share_high"]) == (0.0, 1.0)
    (alone, *_) = confusion(FINDINGS[:2], ["a", "a"])
    assert (alone["right_share"], alone["right_share_low"], alone["right_share_high"]) == (1.0, None, None)


def test_the_same_weights_give_the_same_intervals_in_any_order():
    weights = np.array([[1, 1, 0], [2, 0, 1], [0, 3, 0]])
    assert confusion(FINDINGS, ["c", "b", "a", "a"], weights) == confusion(
        FINDINGS[::-1], ["a", "b", "c"], weights
    )


def test_without_findings_there_is_no_table():
    assert confusion([], ["a"]) == []


@pytest.mark.parametrize("category", ["widened sulcus", "enlarged perivascular space", "image artefact"])
def test_what_is_no_lesion_is_normal_tissue(category):
    assert truth_of(category) == "normal tissue"
    assert truth_of("tumour") == "tumour"


def test_a_finding_is_called_what_the_second_look_says_of_its_peak():
    labels = np.array([[[1, 1, 2, 0, 0, 3]]], np.int32)
    # Normal, WMH, infarct, other, artefact
    answers = np.array([[0.1, 0.8, 0.1, 0, 0], [0.1, 0.1, 0.8, 0, 0], [0.3, 0.3, 0, 0.3, 0.1]], np.float32)
    scored = Scored(elements("......", "....55"), scores_of("114..3"))
    found = categorised_findings(replace(scored, candidates=CandidateProbabilities(labels, answers)), 0.5)
    assert [(finding.peak_score, finding.hint) for finding in found] == [(4, INFARCT_LIKE), (3, UNKNOWN)]
    assert [finding.category for finding in found] == ["normal tissue", "tumour"]
    assert {finding.hint for finding in categorised_findings(scored, 0.5)} == {UNKNOWN}


def test_candidates_count_whatever_the_second_look_said_of_them():
    labels = np.array([[[1, 1, 0, 2, 0, 3]]], np.int32)
    answers = np.array([[0.9, 0.1, 0, 0, 0], [0.1, 0.9, 0, 0, 0], [0.2, 0.1, 0.7, 0, 0]], np.float32)
    got = categorised_candidates(CandidateProbabilities(labels, answers), elements("......", "...1.."))
    assert sorted((one.category, one.hint) for one in got) == [
        ("normal tissue", INFARCT_LIKE),
        ("normal tissue", EDGE),
        ("white matter hyperintensity", WMH_LIKE),
    ]


@pytest.fixture
def evaluation(tmp_path):
    """What `evaluate` leaves of two models and a baseline, as far as it is needed here."""
    folder = tmp_path / "evaluation"
    (folder / "tables").mkdir(parents=True)
    found = [("context", f.patient, f.truth, f.hint) for f in FINDINGS]
    found += [("context", "c", "widened sulcus", EDGE), ("bright FLAIR", "a", "infarct", "")]
    for name, heads, lines in (
        ("findings", ("method", "patient", "category", "hint"), found),
        (
            "candidates",
            ("method", "patient", "category", "hint"),
            [*found[:-1], ("context", "d", "tumour", EDGE)],
        ),
        ("scans", ("method", "patient"), [(m, p) for m in ("context", "bright FLAIR") for p in "abcd"]),
    ):
        with (folder / "tables" / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([heads, *lines])
    summary = {"what_was_simulated": "All of it.", "run": {"models": {"context": "01"}}}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def test_what_was_called_what_is_read_from_an_evaluation(evaluation):
    called, patients = read_called(evaluation, "context", "findings")
    assert called == [*FINDINGS, CalledFinding("c", "normal tissue", EDGE)]
    assert patients == ("a", "b", "c", "d")
    with pytest.raises(InputError, match="no method 'other': choose one of context, bright FLAIR"):
        read_called(evaluation, "other", "findings")
    with pytest.raises(InputError, match="'bright FLAIR' does not say what its findings may be"):
        read_called(evaluation, "bright FLAIR", "findings")


def test_the_command_writes_the_table_of_truth_and_hints(evaluation, tmp_path):
    done = experiment("hints", evaluation, "--method", "context", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "of 10 findings were called what they are" in done.output
    page = (tmp_path / "out" / "kinds.md").read_text("utf-8")
    assert "All of it." in page
    assert "| infarct | infarct-like | 2 | 4 | 2 | 1 | 0 | 0 | 1 | 50 % [" in page
    with (tmp_path / "out" / "kinds.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["of"], row["truth"]): row for row in csv.DictReader(file)}
    assert rows["findings", "normal tissue"]["right"] == "4"
    assert (rows["findings", ALL]["findings"], rows["candidates", ALL]["findings"]) == ("10", "11")
    assert rows["candidates", "tumour"]["right_share"] == "0.5"
