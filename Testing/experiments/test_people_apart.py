"""Who is trained on, calibrated on and tested on: the tables of scans say it, and nobody is in two of them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import yaml
from AnomalyDetectionLib.calibration.prepare_scans import read_table

EXPERIMENTS = Path(__file__).parents[2] / "Research" / "Experiments"
TRAINING, HEADS, HELD_OUT = (
    EXPERIMENTS / name for name in ("training_scans.csv", "training_heads.csv", "held_out_scans.tsv")
)


def person(entry):
    """The folder that a person's scans are in, whatever a table calls it."""
    return "/".join(entry.t1.parts[-3:-1] if entry.t1.parts[-2].startswith(("Subj", "TCGA", "patient")) else entry.t1.parts[-4:-2])  # fmt: skip


def split():
    """Training or calibration, by patient."""
    with TRAINING.open(newline="") as file:
        return {row["patient"]: row["split"] for row in csv.DictReader(file)}


def test_nobody_is_trained_or_calibrated_on_and_tested_on():
    used, tested = ({person(entry) for entry in read_table(table, Path())} for table in (TRAINING, HELD_OUT))
    assert (len(used), len(tested)) == (87, 19)
    assert not used & tested


def test_hospital_cs_is_only_tested_on():
    assert not [entry.name for entry in read_table(TRAINING, Path()) if "TCGA_CS" in str(entry.t1)]
    hospitals = {entry.name.split("_")[1] for entry in read_table(TRAINING, Path()) if "TCGA" in entry.name}
    assert hospitals == {"DU", "EZ", "FG", "HT"}
    tested = [entry.name for entry in read_table(HELD_OUT, Path()) if "TCGA" in entry.name]
    assert len(tested) == 13
    assert all("TCGA_CS" in name for name in tested)


def test_somebody_who_is_probably_trained_on_under_another_name_is_in_no_table():
    people = {person(entry) for table in (TRAINING, HELD_OUT) for entry in read_table(table, Path())}
    assert "nichart/Subj10" in people
    assert "nichart/Subj9" not in people


def test_the_calibration_people_are_of_several_hospitals_and_all_of_their_scans_are_there():
    calibration = {patient for patient, which in split().items() if which == "calibration"}
    assert len(calibration) == 13
    assert {name.split("_")[1] for name in calibration if name.startswith("TCGA")} == {"DU", "FG", "HT"}
    with TRAINING.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["split"] == split()[row["patient"]] for row in rows)  # nobody is split


def test_the_experiments_in_full_hold_out_the_calibration_people_and_test_on_the_others():
    config = yaml.safe_load((EXPERIMENTS / "full.yaml").read_text("utf-8"))
    real = config["training"]["real"]
    assert real["table"] == "Research/Experiments/training_scans.csv"
    held_out = re.findall(r"--held-out (\S+)", real["patients"])
    assert sorted(held_out) == sorted(patient for patient, which in split().items() if which == "calibration")
    for cohort in config["cohorts"].values():
        assert "--sources Research/Experiments/held_out_scans.tsv" in cohort["real"]


def test_the_lesions_of_every_scan_have_a_class_and_simulated_heads_have_none():
    classes = {entry.name.split("_")[0].split("-")[0]: entry.lesion_class for entry in read_table(TRAINING, Path())}  # fmt: skip
    assert classes == {"TCGA": "tumour", "nichart": "wmh", "openms": "ms"}
    heads = read_table(HEADS, Path())
    assert len({head.patient for head in heads}) == len(heads) == 19
    assert all(head.healthy and head.lesions is None and head.group == "young" for head in heads)
    assert all(entry.lesions is not None for entry in read_table(HELD_OUT, Path()))


@pytest.mark.parametrize("table", [TRAINING, HELD_OUT], ids=lambda path: path.stem)
def test_every_file_of_the_tables_is_there(table, shared_data):
    for entry in read_table(table, shared_data()):
        for path in (entry.t1, entry.flair, entry.brain_mask, entry.lesions):
            assert path is None or path.is_file(), path
