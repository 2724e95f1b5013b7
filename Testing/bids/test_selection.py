"""Which images of a BIDS dataset are taken, and what is said about the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from AnomalyDetectionLib.bids.entity_filter import read_filter
from AnomalyDetectionLib.bids.selection import SelectionCriteria, select_scans
from AnomalyDetectionLib.errors import InputError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def images(dataset: Path, subject: str, session: str = "", *names: str) -> None:
    """Files of a subject or session; T1w and FLAIR without any names."""
    start = f"{subject}_{session}" if session else subject
    for name in names or ("T1w", "FLAIR"):
        touch(dataset / subject / session / "anat" / f"{start}_{name}.nii.gz")


@pytest.fixture
def dataset(tmp_path):
    images(tmp_path, "sub-01")
    images(tmp_path, "sub-02", "ses-a")
    images(tmp_path, "sub-02", "ses-b")
    return tmp_path


def scans(dataset: Path, **wanted: object) -> list:
    return list(select_scans(dataset, SelectionCriteria(**wanted)).scans)


def the_reason(dataset: Path, **wanted: object) -> str:
    problems = select_scans(dataset, SelectionCriteria(**wanted)).problems
    assert len(problems) == 1, problems
    return problems[0].reason


def test_every_session_with_both_images_is_a_scan(dataset):
    found = select_scans(dataset)
    assert [scan.name for scan in found.scans] == ["sub-01", "sub-02_ses-a", "sub-02_ses-b"]
    assert found.scans[1].flair.name == "sub-02_ses-a_FLAIR.nii.gz"
    assert found.problems == ()


@pytest.mark.parametrize("label", ["02", "sub-02"])
def test_subjects_and_sessions_are_chosen_with_or_without_their_prefix(dataset, label):
    assert [scan.name for scan in scans(dataset, subjects=(label,), sessions=("ses-b",))] == ["sub-02_ses-b"]
    assert [scan.name for scan in scans(dataset, sessions=("a",))] == ["sub-02_ses-a"]


def test_labels_that_are_not_there_are_a_mistake_and_not_an_empty_run(dataset):
    with pytest.raises(InputError, match="no subject sub-99"):
        scans(dataset, subjects=("99",))
    with pytest.raises(InputError, match="session ses-z"):
        scans(dataset, sessions=("z",))
    with pytest.raises(InputError, match="no BIDS label"):
        scans(dataset, subjects=("../etc",))


def test_where_no_folder_has_a_bids_name_each_is_a_problem(tmp_path):
    images(tmp_path, "sub-a b")
    assert "no BIDS name" in the_reason(tmp_path)


def test_several_images_are_a_problem_that_names_them(dataset):
    images(dataset, "sub-01", "", "acq-mprage_T1w")
    reason = the_reason(dataset)
    assert "sub-01_T1w.nii.gz" in reason
    assert "sub-01_acq-mprage_T1w.nii.gz" in reason
    assert "--bids-filter-file" in reason


def test_the_filter_says_which_of_several_counts(dataset, tmp_path):
    images(dataset, "sub-01", "", "acq-mprage_T1w")
    file = tmp_path / "filter.json"
    file.write_text(json.dumps({"t1w": {"acquisition": ["mprage", None]}, "bold": {"task": "rest"}}))
    assert "2 T1 images" in the_reason(dataset, entities=read_filter(file))
    file.write_text(json.dumps({"t1w": {"acquisition": None}}))
    assert scans(dataset, entities=read_filter(file))[0].t1.name == "sub-01_T1w.nii.gz"
    file.write_text(json.dumps({"t1w": {"acquisition": "mprage"}}))
    found = select_scans(dataset, SelectionCriteria(entities=read_filter(file)))
    assert found.scans[0].t1.name == "sub-01_acq-mprage_T1w.nii.gz"
    assert "left out by the filter" in found.problems[0].reason


@pytest.mark.parametrize("content", ["", "[]", '{"t1w": 3}', '{"bold": {}}'])
def test_a_filter_that_says_nothing_of_use_is_refused(tmp_path, content):
    file = tmp_path / "filter.json"
    file.write_text(content)
    with pytest.raises(InputError, match=r"filter\.json"):
        read_filter(file)


def test_of_runs_the_first_or_the_last_is_taken_only_if_that_was_asked_for(dataset):
    (dataset / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz").unlink()
    images(dataset, "sub-01", "", "run-2_FLAIR", "run-10_FLAIR")
    assert "2 FLAIR images" in the_reason(dataset)
    for which, name in (("last", "run-10"), ("first", "run-2")):
        assert scans(dataset, runs=which)[0].flair.name == f"sub-01_{name}_FLAIR.nii.gz"
    images(dataset, "sub-01", "", "acq-other_run-11_FLAIR")
    assert "3 FLAIR images" in the_reason(dataset, runs="last")


def test_images_with_contrast_agent_or_of_the_phase_are_not_taken_by_themselves(dataset, tmp_path):
    images(dataset, "sub-01", "", "ce-gadolinium_T1w", "part-phase_FLAIR")
    assert select_scans(dataset).scans[0].t1.name == "sub-01_T1w.nii.gz"
    (dataset / "sub-01" / "anat" / "sub-01_T1w.nii.gz").unlink()
    assert "contrast agent" in the_reason(dataset)
    file = tmp_path / "filter.json"
    file.write_text('{"t1w": {"ceagent": ["gadolinium", null]}}')
    found = select_scans(dataset, SelectionCriteria(entities=read_filter(file)))
    assert found.scans[0].t1.name == "sub-01_ce-gadolinium_T1w.nii.gz"


def test_a_t1_and_a_flair_of_different_sessions_are_not_taken_together(tmp_path):
    images(tmp_path, "sub-01", "ses-a", "T1w")
    images(tmp_path, "sub-01", "ses-b", "FLAIR")
    found = select_scans(tmp_path)
    assert found.scans == ()
    assert [problem.name for problem in found.problems] == ["sub-01_ses-a", "sub-01_ses-b"]
    assert "no FLAIR" in found.problems[0].reason
    assert "different sessions" in found.problems[0].reason


def test_images_beside_the_sessions_are_a_problem_beside_the_sessions_scans(dataset):
    images(dataset, "sub-02")
    assert the_reason(dataset) == (
        "sub-02_T1w.nii.gz, sub-02_FLAIR.nii.gz in sub-02/anat belong to no session, beside ses-a, ses-b: "
        "move them into a session's folder"
    )
    assert [scan.name for scan in scans(dataset)] == ["sub-01", "sub-02_ses-a", "sub-02_ses-b"]
    assert select_scans(dataset, SelectionCriteria(sessions=("a",))).problems == ()


def test_a_session_without_either_is_said_and_is_no_problem_beside_one_with_both(dataset):
    images(dataset, "sub-02", "ses-c", "T2w")
    found = select_scans(dataset)
    assert found.problems == ()
    assert found.without == ("sub-02_ses-c",)
    images(dataset, "sub-03", "", "T2w")
    assert "no T1 and no FLAIR" in the_reason(dataset)


def test_brain_masks_are_taken_from_derivatives_and_missing_ones_are_a_problem(dataset):
    masks = dataset / "derivatives" / "brains"
    mask = touch(masks / "sub-01" / "anat" / "sub-01_space-FLAIR_desc-brain_mask.nii.gz")
    touch(masks / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz")  # of the T1
    found = select_scans(dataset, SelectionCriteria(brain_masks=masks))
    assert [(scan.name, scan.brain_mask) for scan in found.scans] == [("sub-01", mask)]
    assert all("no brain mask" in problem.reason for problem in found.problems)


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        select_scans(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no subject"):
        select_scans(tmp_path)
