"""A cohort folder as BIDS: what is found in it, and what is said about what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from anomaly_research.evaluation.truth_files import (
    BRAIN_MASK,
    CONFOUNDER_MAP,
    INFARCTS,
    image_path,
    read_bids,
    truth_path,
)
from AnomalyDetectionLib.bids.selection import select_scans, set_aside_remarks
from AnomalyDetectionLib.errors import InputError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture
def cohort(tmp_path):
    """Two subjects with everything, and their table."""
    for subject in ("sub-01", "sub-02"):
        for suffix in ("T1w", "FLAIR"):
            touch(image_path(tmp_path, subject, suffix))
        for name in (INFARCTS, CONFOUNDER_MAP, BRAIN_MASK):
            touch(truth_path(tmp_path, subject, name))
        touch(truth_path(tmp_path, subject, INFARCTS, ".tsv"))
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tpatient\tlesion_free\nsub-01\tAnna\tno\nsub-02\tAnna\tyes\n", encoding="utf-8"
    )
    return tmp_path


def test_scans_and_their_truth_are_found_in_the_order_of_their_names(cohort):
    scans, problems = read_bids(cohort)
    assert problems == ()
    assert [scan.subject for scan in scans] == ["sub-01", "sub-02"]
    first = scans[0]
    assert first.t1.name == "sub-01_T1w.nii.gz"
    assert first.flair.name == "sub-01_FLAIR.nii.gz"
    assert first.infarcts == truth_path(cohort, "sub-01", INFARCTS)
    assert first.infarct_table == truth_path(cohort, "sub-01", INFARCTS, ".tsv")
    assert first.confounders == truth_path(cohort, "sub-01", CONFOUNDER_MAP)
    assert first.brain_mask == truth_path(cohort, "sub-01", BRAIN_MASK)
    assert (first.patient, scans[1].patient) == ("Anna", "Anna")
    assert (first.lesion_free, scans[1].lesion_free) == (False, True)


def test_without_a_table_each_subject_is_a_person(cohort):
    (cohort / "participants.tsv").unlink()
    scans, problems = read_bids(cohort)
    assert [scan.patient for scan in scans] == ["sub-01", "sub-02"]
    assert not any(scan.lesion_free for scan in scans)
    assert problems == ()


def test_a_scan_without_truth_is_no_problem_here(cohort):
    for path in (cohort / "derivatives" / "truth" / "sub-02" / "anat").iterdir():
        path.unlink()
    scans, problems = read_bids(cohort)
    assert problems == ()
    assert (scans[1].infarcts, scans[1].infarct_table, scans[1].confounders) == (None, None, None)


def test_a_subject_without_flair_is_a_problem_and_the_rest_goes_on(cohort):
    image_path(cohort, "sub-01", "FLAIR").unlink()
    scans, problems = read_bids(cohort)
    assert [scan.subject for scan in scans] == ["sub-02"]
    assert [problem.subject for problem in problems] == ["sub-01"]
    assert "FLAIR" in problems[0].reason


def test_two_images_of_a_kind_are_a_problem_that_names_both(cohort):
    touch(cohort / "sub-02" / "anat" / "sub-02_acq-second_FLAIR.nii")
    scans, problems = read_bids(cohort)
    assert [scan.subject for scan in scans] == ["sub-01"]
    assert "sub-02_acq-second_FLAIR.nii" in problems[0].reason
    assert "sub-02_FLAIR.nii.gz" in problems[0].reason


def test_sessions_are_scans_of_one_person(tmp_path):
    for session in ("ses-1", "ses-2"):
        for suffix in ("T1w", "FLAIR"):
            touch(tmp_path / "sub-07" / session / "anat" / f"sub-07_{session}_{suffix}.nii.gz")
    truth = tmp_path / "derivatives" / "truth" / "sub-07" / "ses-2" / "anat"
    label = touch(truth / f"sub-07_ses-2_{INFARCTS}.nii.gz")
    scans, problems = read_bids(tmp_path)
    assert problems == ()
    assert [scan.subject for scan in scans] == ["sub-07_ses-1", "sub-07_ses-2"]
    assert {scan.patient for scan in scans} == {"sub-07"}
    assert [scan.infarcts for scan in scans] == [None, label]


@pytest.mark.parametrize("name", ["sub-03", "sub-" + "ø" * 300])  # the second is too long for a folder
def test_who_is_listed_but_not_there_is_a_problem(cohort, name):
    with (cohort / "participants.tsv").open("a", encoding="utf-8") as table:
        table.write(f"{name}\tBert\tno\n")
    scans, problems = read_bids(cohort)
    assert len(scans) == 2
    assert [problem.subject for problem in problems] == [name]


@pytest.mark.parametrize("content", [b"name\tage\nsub-01\t7\n", b"\xff\xfe\x00participant_id\n\x00\x81"])
def test_a_table_that_cannot_be_used_is_a_problem_and_the_scans_are_read(cohort, content):
    (cohort / "participants.tsv").write_bytes(content)
    scans, problems = read_bids(cohort)
    assert len(scans) == 2
    assert [problem.subject for problem in problems] == ["participants.tsv"]


def test_a_row_with_too_few_cells_does_no_harm(cohort):
    (cohort / "participants.tsv").write_text("participant_id\tpatient\nsub-01\n", encoding="utf-8")
    scans, _ = read_bids(cohort)
    assert scans[0].patient == "sub-01"


def test_files_of_other_kinds_are_left_alone(cohort):
    for name in ("sub-01_T1w.json", "sub-01_T2w.nii.gz", "._sub-01_FLAIR.nii.gz", "sub-01_FLAIR.nii.gz.part"):
        touch(cohort / "sub-01" / "anat" / name)
    scans, problems = read_bids(cohort)
    assert len(scans) == 2
    assert problems == ()


def test_a_folder_that_is_no_cohort_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_bids(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is a file"):
        read_bids(touch(tmp_path / "file"))
    with pytest.raises(InputError, match="holds no subject"):
        read_bids(tmp_path)


@pytest.mark.parametrize("beside", [(), ("ce-gad_T1w", "part-phase_T1w", "part-phase_FLAIR")])
@pytest.mark.parametrize("native", [True, False])
def test_every_reader_takes_the_native_images_and_says_what_it_left_aside(tmp_path, beside, native):
    """The rule is one: the readers of the experiments and of the BIDS App agree, scan by scan."""
    for session in ("", "ses-1"):
        anat = tmp_path / "sub-01" / session / "anat" if session else tmp_path / "sub-02" / "anat"
        start = f"sub-01_{session}" if session else "sub-02"
        for name in (*(("T1w", "part-mag_FLAIR") if native else ("ce-gad_T1w", "FLAIR")), *beside):
            touch(anat / f"{start}_{name}.nii.gz")
    scans, problems = read_bids(tmp_path)
    selected = select_scans(tmp_path)
    assert [(scan.t1, scan.flair) for scan in scans] == [(scan.t1, scan.flair) for scan in selected.scans]
    assert [problem.subject for problem in problems] == [problem.name for problem in selected.problems]
    if native:
        assert [scan.t1.name for scan in scans] == ["sub-01_ses-1_T1w.nii.gz", "sub-02_T1w.nii.gz"]
        aside = [name for scan in scans for name in scan.set_aside]
        assert tuple(aside) == selected.set_aside
        assert len(aside) == 2 * len(beside)
        assert bool(set_aside_remarks(aside)) == bool(beside)
    else:
        assert "contrast agent" in problems[0].reason
        assert "contrast agent" in selected.problems[0].reason
