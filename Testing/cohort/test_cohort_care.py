"""What a cohort does with results that do not count any more, odd entries, and folders that it had half changed."""

from __future__ import annotations

import codecs
import errno
import json
import os
import sys
from itertools import product
from pathlib import Path

import pytest
from AnomalyDetectionLib.bids.bids_layout import read_participants
from AnomalyDetectionLib.bids.entity_filter import plain_filter
from AnomalyDetectionLib.bids.selection import CohortScan, SelectionCriteria, select_scans
from AnomalyDetectionLib.cohort.batch import Workflow
from AnomalyDetectionLib.cohort.cluster import _command
from AnomalyDetectionLib.cohort.cohort_settings import CohortSettings
from AnomalyDetectionLib.cohort.dataset import Dataset
from AnomalyDetectionLib.cohort.failures import FailedScan
from AnomalyDetectionLib.cohort.group import write_group
from AnomalyDetectionLib.cohort.group_figures import _grouped
from AnomalyDetectionLib.cohort.participants import _removed
from AnomalyDetectionLib.detection.detection_settings import DetectionSettings
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.file_hash import sha256_of
from AnomalyDetectionLib.files.folder_lock import locked
from made_cohort import quiet
from made_records import make_records


def image(dataset: Path, subject: str, suffix: str, folder: str = "") -> Path:
    path = dataset / (folder or subject) / "anat" / f"{subject}_{suffix}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"an image")
    return path


@pytest.fixture
def study(tmp_path):
    for subject, suffix in product(("sub-01", "sub-02"), ("T1w", "FLAIR")):
        image(tmp_path / "study", subject, suffix)
    return tmp_path / "study"


@pytest.fixture
def made(tmp_path):
    """Ten results whose images are there."""
    out, source = tmp_path / "out", tmp_path / "source"

    def with_inputs(number: int, record: dict) -> None:
        path = image(source, f"sub-{number:05d}", "T1w")
        found = {"file": f"bids:raw:{path.relative_to(source).as_posix()}", "sha256": sha256_of(path)}
        record["cohort"]["inputs"] = {"t1": {**found, "bytes": path.stat().st_size, "mtime_ns": 0}}

    make_records(out, source, 10, change=with_inputs)
    return out, source


def group(out: Path, source: Path) -> str:
    return write_group(out, source, quiet)


def test_results_that_do_not_count_any_more_are_left_out_of_the_group_and_said(made):
    out, source = made
    dataset = Dataset.open(out)
    dataset.failures.add(FailedScan("sub-00001", "", "reading", f"see x.txt in {out}/logs, and {source}/a"))
    record = dataset.record(CohortScan("sub-00002", "", Path(), Path()))
    content = json.loads(record.read_text("utf-8"))
    content["cohort"]["settings"] = "0" * 16
    record.write_text(json.dumps(content), "utf-8")
    (source / "sub-00003" / "anat" / "sub-00003_T1w.nii.gz").unlink()
    said = group(out, source)
    assert said.startswith("7 scans")
    assert "3 results are out of date and were left out (sub-00001, sub-00002, sub-00003)" in said
    page = (out / "group.html").read_text("utf-8")
    assert "Out of date" in page
    assert "other settings" in page
    assert "7 scans of 7 subjects" in page
    assert str(out.parent) not in page, "no folder of this machine"
    assert len((out / "group_scans.tsv").read_text("utf-8").splitlines()) == 8
    assert record.exists(), "nothing is deleted"


def test_participant_says_which_results_are_of_scans_that_are_gone(made):
    known = {f"sub-{number:05d}" for number in range(2, 11)}
    [said] = _removed(Dataset.open(made[0]), known)
    assert said.startswith("1 result of scans that are no longer in the dataset: sub-00001")
    assert _removed(Dataset.open(made[0]), {*known, "sub-00001"}) == []


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"brain_masks": "/m"}, "brain-masks"),
        ({"runs": "last"}, "runs"),
        ({"filter": "{}"}, "bids-filter-file"),
    ],
)
def test_masks_runs_and_filter_have_to_be_the_same_as_before(study, tmp_path, other, word):
    Dataset.begin(tmp_path / "out", study, CohortSettings())
    with pytest.raises(InputError, match=f"another --{word}"):
        Dataset.begin(tmp_path / "out", study, CohortSettings(**other))
    assert plain_filter({"T1w": {"run": ("2", "1")}}) == plain_filter({"T1w": {"run": ("1", "2")}}) != ""


def test_files_and_folders_with_another_ones_name_are_rows_and_no_scans(study):
    image(study, "sub-09", "FLAIR", folder="sub-01")
    image(study, "sub-02", "T1w", folder="sub-02 copy")
    image(study, "sub-02", "T1w", folder="sub-02.bak")
    found = select_scans(study)
    assert [scan.name for scan in found.scans] == ["sub-02"]
    said = {problem.name: problem.reason for problem in found.problems}
    assert list(said) == ["sub-01", "sub-02 copy", "sub-02.bak"]
    assert "names begin with sub-01_" in said["sub-01"]
    assert "no BIDS name" in said["sub-02.bak"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files that are no text are Linux's")
def test_a_name_that_is_no_text_is_a_row_that_can_be_written(study):
    os.mkdir(os.fsencode(study) + b"/sub-\xff")  # noqa: PTH102
    found = select_scans(study)
    assert len(found.scans) == 2
    failures = Dataset.begin(study.parent / "out", study, CohortSettings()).failures
    failures.add(*(FailedScan(p.subject, p.session, "choosing", p.reason + "\udcff") for p in found.problems))
    assert failures.rows()[0].subject == "sub-\\udcff"


def test_a_folder_that_may_not_be_read_is_a_row(study, monkeypatch):
    listed = Path.iterdir

    def refused(folder: Path):
        if folder.parent.name == "sub-01":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", refused)
    found = select_scans(study)
    assert [scan.name for scan in found.scans] == ["sub-02"]
    assert "Permission denied" in found.problems[0].reason


def test_a_run_that_is_no_number_and_a_link_that_leads_nowhere_are_rows(study):
    image(study, "sub-01", "run-²_T1w")
    t1 = study / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
    t1.unlink()
    t1.symlink_to(study / "nowhere")
    found = select_scans(study, SelectionCriteria(runs="last"))
    assert found.scans == ()
    assert "2 T1 images" in found.problems[0].reason
    assert "datalad get" in found.problems[1].reason


def test_group_wants_the_dataset_that_the_results_are_of(made, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="holds results of the dataset"):
        group(made[0], tmp_path / "other")
    with pytest.raises(InputError, match="does not exist"):
        group(made[0], tmp_path / "nowhere")


def test_a_spreadsheet_shows_the_reasons_as_they_are_and_what_it_saves_otherwise_is_refused(made):
    out, _ = made
    failures = Dataset.open(out).failures
    row = FailedScan("sub-Z", "", "reading", "The T1 of Müller, Jörg is damaged")
    failures.add(row)
    text = failures.path.read_bytes()
    assert text.startswith(codecs.BOM_UTF8)
    assert row in failures.rows()
    failures.path.write_bytes(text.replace(b",", b";"))
    with pytest.raises(InputError, match="another program has changed it"):
        failures.rows()
    failures.path.unlink()


def test_a_dataset_that_has_moved_is_known_by_its_images(made, tmp_path):
    out, source = made
    settings = Dataset.open(out).settings
    moved = source.rename(tmp_path / "moved")
    assert group(out, moved).startswith("10 scans")
    assert Dataset.begin(out, moved, settings).source == moved
    assert Dataset.open(out).source == moved
    again = moved.rename(tmp_path / "again")
    image(again, "sub-00001", "T1w").write_bytes(b"an IMAGE")
    with pytest.raises(InputError, match="which no longer exists, and the images in"):
        Dataset.begin(out, again, settings)


def test_people_are_found_with_and_without_sub_and_what_is_wrong_with_the_table_is_said(made):
    out, source = made
    table = source / "participants.tsv"
    table.write_text("participant_id\tage\n00001\t40\nsub-00001\t50\n00002\t60\n", "utf-8")
    people, _ = read_participants(table)
    assert {name: row["age"] for name, row in people.items()} == {"sub-00001": "50", "sub-00002": "60"}
    said = group(out, source)
    assert "more than one row of sub-00001: the last one counts." in said
    assert "8 of 10 scans have no row in participants.tsv." in said
    table.write_bytes("participant_id\tname\nsub-00001\tJosé\n".encode("latin-1"))
    assert "it is not text in UTF-8" in group(out, source)


def test_a_quotation_mark_in_a_table_of_bids_costs_no_row(tmp_path):
    table = tmp_path / "participants.tsv"
    lines = [
        '"participant_id"\t"age"\tcomment',
        'sub-1\t40\t"small, left',
        'sub-2\t"50"\t5\' 3"',
        "",
        "sub-3\t60",
    ]
    table.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    people, problems = read_participants(table)
    assert {name: row["age"] for name, row in people.items()} == {"sub-1": "40", "sub-2": "50", "sub-3": "60"}
    assert (people["sub-2"]["comment"], problems) == ("5' 3\"", [])


def test_values_beyond_the_colours_are_other():
    assert _grouped([*"FMNFMNFMNABC"]) == [*"FMN"] * 3 + ["other"] * 3
    assert _grouped([*"FMAB"]) == [*"FMAB"]


def new_result(dataset: Dataset, content: str) -> Path:
    working = dataset.work / f"made {content}"
    (working / "anat").mkdir(parents=True)
    (working / "anat" / "x").write_text(content)
    return working


def test_an_older_result_stays_readable_until_the_new_one_is_there(study, tmp_path, monkeypatch):
    dataset = Dataset.begin(tmp_path / "out", study, CohortSettings())
    scan = CohortScan("sub-01", "", Path(), Path())
    dataset.publish(new_result(dataset, "old"), scan)
    session = dataset.folder / "sub-01" / "ses-a"
    session.mkdir()
    content = dataset.folder / "sub-01" / "anat" / "x"
    working, rename = new_result(dataset, "new"), Path.rename

    def full(path: Path, target: Path) -> Path:
        if path == working:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space"):
        dataset.publish(working, scan)
    assert content.read_text() == "old"
    monkeypatch.undo()
    dataset.publish(working, scan)
    assert content.read_text() == "new"
    assert session.is_dir(), "a session is not carried away"

    # Killed between the two steps: the next run puts the older one back.
    (dataset.work / "sub-01.old-x").mkdir()
    (dataset.folder / "sub-01").rename(dataset.work / "sub-01.old-x" / "old")
    (dataset.work / "sub-011.y").mkdir()
    Dataset.begin(dataset.folder, study, CohortSettings())
    assert content.read_text() == "new"
    assert [path.name for path in dataset.work.glob("sub-*")] == ["sub-011.y"]


def test_locks_survive_a_race_and_are_not_sure_where_there_are_none(tmp_path, monkeypatch):
    mkdir, asked = Path.mkdir, []

    def raced(path: Path, **options: object) -> None:
        asked.append(path)
        if len(asked) == 1:
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
        mkdir(path, **options)

    monkeypatch.setattr(Path, "mkdir", raced)
    with locked(tmp_path / "lock") as lock:
        assert lock.acquired
        assert lock.exclusive
    monkeypatch.undo()
    monkeypatch.setattr("AnomalyDetectionLib.files.folder_lock._lock", lambda handle: None)
    with locked(tmp_path / "lock") as lock:
        assert lock
        assert not lock.exclusive


def test_the_description_leads_to_the_dataset_only_from_inside_it(study, tmp_path):
    secret = DetectionSettings(model=str(tmp_path / "secret" / "m.safetensors"))
    settings = CohortSettings(secret, brain_masks=str(tmp_path / "masks"))
    outside = Dataset.begin(tmp_path / "out", study, settings)
    assert '"raw": "study"' in (outside.folder / "dataset_description.json").read_text("utf-8")
    inside = Dataset.begin(study / "derivatives" / "a", study, settings)
    assert '"raw": "../.."' in (inside.folder / "dataset_description.json").read_text("utf-8")
    told = {"a": [f"no mask in {tmp_path}/masks/sub-01, {tmp_path}/secret/m; {study}."]}
    assert outside.without_folders(told) == {"a": ["no mask in sub-01, m; study."]}


def test_options_that_are_quoted_wrongly_are_said(study, tmp_path):
    dataset = Dataset.begin(tmp_path / "out", study, CohortSettings())
    with pytest.raises(InputError, match="quoted wrongly"):
        _command(dataset.work, Workflow(options="--a 'b"))
