"""What heads every table of an evaluation, and the page that its tables stand on."""

import json
from pathlib import Path

import pytest
from anomaly_research.evaluation.truth_files import BidsScan
from anomaly_research.reports.evaluation_report import what_was_simulated
from AnomalyDetectionLib.files.text import counted


def scans(*participants):
    return [
        BidsScan(
            f"sub-{n}",
            participant.pop("patient", f"p{n}"),
            Path("t1"),
            Path("flair"),
            participant=participant,
        )
        for n, participant in enumerate(participants)
    ]


def test_it_is_said_what_was_simulated_and_into_what(tmp_path):
    some = scans(
        {"anatomy": "real", "source": "clinic Ada", "patient": "Ada"},
        {"anatomy": "real", "source": "clinic Ada", "patient": "Ada"},
        {"anatomy": "ICBM152", "source": "ICBM152"},
    )
    said = what_was_simulated(tmp_path, some)
    assert said == (
        "Simulated infarcts in 3 scans of 2 people: real anatomy (2; infarcts simulated into real scans); "
        "anatomy of ICBM152 (1; the whole image is simulated); scans from ICBM152, clinic."
    )


def test_of_a_cohort_that_says_nothing_nothing_is_claimed(tmp_path):
    assert what_was_simulated(tmp_path / "mine", scans({})) == (
        "mine: 1 scan of 1 person; whether anything in them is simulated is not said there."
    )
    (tmp_path / "dataset_description.json").write_text(
        json.dumps({"Name": "Strokes of 2026"}), encoding="utf-8"
    )
    assert what_was_simulated(tmp_path, scans({}, {})).startswith("Strokes of 2026: 2 scans of 2 people; ")


@pytest.mark.parametrize(("count", "words"), [(0, "0 scans"), (1, "1 scan"), (2, "2 scans")])
def test_numbers_and_their_nouns_agree(count, words):
    assert counted(count, "scan") == words
