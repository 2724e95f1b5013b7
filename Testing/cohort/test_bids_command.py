"""The options of `anomaly-detection bids`, as other BIDS Apps have them."""

from __future__ import annotations

import pytest
from AnomalyDetectionLib.commands.bids import bids
from conftest import run_command
from made_cohort import add_subject


def parsed(*arguments: str) -> dict:
    return bids.make_context("bids", list(arguments)).params


@pytest.mark.parametrize(
    "labels",
    [
        ["--participant-label", "01", "sub-02"],
        ["--participant_label", "01", "--participant-label", "sub-02"],
        ["--participant-label=01,sub-02"],
        ["--participant-label", "01 sub-02"],
    ],
)
def test_several_labels_are_given_as_in_other_bids_apps(labels):
    for arguments in (
        ["data", "out", "participant", *labels],
        [*labels, "--jobs", "2", "data", "out", "participant"],
    ):
        values = parsed(*arguments)
        assert values["participants"] == ("01", "sub-02")
        assert (str(values["dataset"]), str(values["output"])) == ("data", "out")
        assert values["levels"] == ("participant",)


def test_labels_end_where_the_level_begins():
    values = parsed("data", "out", "--session-label", "pre", "post", "participant", "group")
    assert values["sessions"] == ("pre", "post")
    assert values["levels"] == ("participant", "group")


def test_a_mistake_in_the_settings_is_said_once_and_not_for_every_scan(tmp_path):
    add_subject(tmp_path / "study", "sub-01")
    output = tmp_path / "out"
    both = ("--false-positives", "2", "--threshold", "3")
    done = run_command("bids", tmp_path / "study", output, "participant", *both, output=output)
    assert done.code == 2
    assert done.stderr.strip() == (
        "False positives per scan and a threshold both set the threshold: leave out one of them (--false-positives, --threshold)."
    )
    assert not output.exists()
