"""A simulated, lesion-free cohort becomes a table that `prepare` reads."""

import pytest
from anomaly_research.evaluation.truth_files import BRAIN_MASK, CONFOUNDER_MAP, image_path, truth_path
from anomaly_research.experiments.training_table import write_training_table
from AnomalyDetectionLib.calibration.prepare_scans import read_table
from AnomalyDetectionLib.errors import InputError


@pytest.fixture
def cohort(tmp_path):
    for subject in ("sub-01", "sub-free01"):
        names = [image_path(tmp_path, subject, "T1w"), image_path(tmp_path, subject, "FLAIR")]
        names += [truth_path(tmp_path, subject, BRAIN_MASK), truth_path(tmp_path, subject, CONFOUNDER_MAP)]
        for path in names:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tanatomy\tlesion_free\nsub-01\tICBM152\tno\nsub-free01\tICBM152\tyes\n"
    )
    return tmp_path


def test_only_scans_without_infarcts_are_listed_and_their_confounders_are_kept_out(cohort, tmp_path):
    assert write_training_table(cohort, tmp_path / "table.csv") == 1
    (entry,) = read_table(tmp_path / "table.csv", tmp_path / "anywhere")
    assert entry.patient == "sub-free01"
    assert "simulated" in entry.name
    assert entry.lesions == truth_path(cohort, "sub-free01", CONFOUNDER_MAP).resolve()
    assert entry.brain_mask == truth_path(cohort, "sub-free01", BRAIN_MASK).resolve()


def test_two_scans_of_one_real_person_stay_one_patient_so_that_both_are_held_out_together(cohort, tmp_path):
    people = "".join(f"{subject}\tAnna\treal\tyes\n" for subject in ("sub-01", "sub-free01"))
    (cohort / "participants.tsv").write_text(f"participant_id\tpatient\tanatomy\tlesion_free\n{people}")
    assert write_training_table(cohort, tmp_path / "table.csv") == 2
    assert {entry.patient for entry in read_table(tmp_path / "table.csv", tmp_path)} == {"Anna"}


def test_a_cohort_of_infarcts_alone_is_refused(cohort, tmp_path):
    (cohort / "participants.tsv").write_text("participant_id\tlesion_free\nsub-01\tno\nsub-free01\tno\n")
    with pytest.raises(InputError, match="--lesion-free"):
        write_training_table(cohort, tmp_path / "table.csv")
