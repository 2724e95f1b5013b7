"""A cohort analysed: whatever is broken or killed, every scan has one result or one row, and nothing is doubled."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from AnomalyDetectionLib.cohort.cohort_settings import CohortSettings
from AnomalyDetectionLib.cohort.dataset import Dataset
from AnomalyDetectionLib.errors import InputError
from made_cohort import add_subject, command, cut_off, run, small_model, table_of, wait_for

HALF_FOLDERS = [f"anat/*_{end}" for end in ("dseg.json", "dseg.nii.gz", "statmap.nii.gz", "dseg.tsv")]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("model") / "small.safetensors")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two good scans of one subject, a good subject, one whose FLAIR is cut off, and one without any."""
    folder = tmp_path_factory.mktemp("study")
    add_subject(folder, "sub-01", "ses-a")
    add_subject(folder, "sub-01", "ses-b")
    for subject in ("sub-02", "sub-03", "sub-04"):
        add_subject(folder, subject)
    cut_off(folder / "sub-03" / "anat" / "sub-03_FLAIR.nii.gz")
    (folder / "sub-04" / "anat" / "sub-04_FLAIR.nii.gz").unlink()
    (folder / "dataset_description.json").write_text('{"Name": "Heads", "BIDSVersion": "1.10.0"}')
    (folder / "participants.tsv").write_text(
        "participant_id\tage\tsex\nsub-01\t63\tF\nsub-02\t89+\tM\nsub-03\tn/a\tM\nsub-04\t5\tF\n"
    )
    return folder


def records(output: Path) -> dict[str, str]:
    """When each result was made, by its name."""
    found = {}
    for path in sorted(output.glob("sub-*/**/*_dseg.json")):
        record = json.loads(path.read_text("utf-8"))
        found[path.name.partition("_space")[0]] = f"{record['run']} {path.stat().st_mtime_ns}"
    return found


def errors(output: Path) -> dict[str, str]:
    with (output / "errors.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert len({row["subject"] + row["session"] for row in rows}) == len(rows)
    return {row["subject"]: f"{row['stage']}: {row['reason']}" for row in rows}


def assert_no_half_folder(output: Path) -> None:
    for path in output.glob("sub-*/**/anat"):
        for pattern in HALF_FOLDERS:
            assert any(path.parent.glob(pattern)), f"{path.parent} has no {pattern}"


def begin(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "AnomalyDetectionLib", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def killed(dataset, model, tmp_path_factory):
    """A run that was killed when it had one result, and what there was then; run again to its end."""
    output = tmp_path_factory.mktemp("results") / "with a space"
    process = begin(command(dataset, output, model, "--jobs", "1"))
    wait_for(lambda: records(output) or process.poll() is not None)
    wait_for(lambda: any((output / ".work").glob("sub-*")) or process.poll() is not None)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = records(output)
    assert_no_half_folder(output)
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive, "a process goes on for nobody"
    done = run(dataset, output, model, "--jobs", "1", levels=("participant", "group"))
    return output, before, done


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals on Windows")
def test_a_killed_run_goes_on_with_nothing_lost_or_doubled(killed):
    output, before, done = killed
    assert 1 <= len(before) < 3
    after = records(output)
    assert list(after) == ["sub-01_ses-a", "sub-01_ses-b", "sub-02"]
    assert all(after[name] == when for name, when in before.items())
    assert_no_half_folder(output)
    assert not [path for path in (output / ".work").rglob("*") if path.is_file()]
    assert done.code == 3, done.stderr


def test_what_cannot_be_analysed_is_a_row_with_its_reason(killed):
    output, _, done = killed
    said = errors(output)
    assert list(said) == ["sub-03", "sub-04"]
    assert said["sub-03"].startswith("reading: The FLAIR ")
    assert "damaged or incomplete" in said["sub-03"]
    assert said["sub-04"].startswith("choosing the images: no FLAIR")
    assert "2 scans have no result: see" in done.stdout


def test_the_results_are_a_bids_derivatives_dataset(killed, dataset):
    output, _, _ = killed
    about = json.loads((output / "dataset_description.json").read_text("utf-8"))
    assert about["DatasetType"] == "derivative"
    assert about["GeneratedBy"][0]["Model"]["Name"] == "small"
    assert about["DatasetLinks"]["raw"] == dataset.name, "the results lie elsewhere: no path that leads there"
    anat = output / "sub-01" / "ses-a" / "anat"
    record = json.loads((anat / "sub-01_ses-a_space-FLAIR_desc-anomaly_dseg.json").read_text("utf-8"))
    assert record["SpatialReference"] == "bids:raw:sub-01/ses-a/anat/sub-01_ses-a_FLAIR.nii.gz"
    assert record["model"]["sha256"] == about["GeneratedBy"][0]["Model"]["SHA256"]
    assert str(dataset) not in json.dumps(record), "where the dataset lies is nobody's business"
    table = (anat / "sub-01_ses-a_space-FLAIR_desc-anomaly_dseg.tsv").read_text("utf-8").splitlines()
    assert table[0].startswith("index\tname\tvolume_ml")
    assert len(table) == record["count"] + 1


def test_group_has_a_line_a_scan_and_a_line_a_finding(killed):
    output, _, _ = killed
    scans, findings = (table_of(output / f"group_{name}.tsv") for name in ("scans", "findings"))
    assert [(row["participant_id"], row["session_id"], row["age"], row["sex"]) for row in scans] == [
        ("sub-01", "ses-a", "63", "F"),
        ("sub-01", "ses-b", "63", "F"),
        ("sub-02", "n/a", "89+", "M"),
    ]
    assert len(findings) == sum(int(row["findings"]) for row in scans) > 0
    one = [float(row["volume_ml"]) for row in findings if row["participant_id"] == "sub-02"]
    assert float(scans[2]["burden_ml"]) == pytest.approx(sum(one), rel=1e-3)
    for name, rows in (("scans", scans), ("findings", findings)):
        assert list(json.loads((output / f"group_{name}.json").read_text("utf-8"))) == list(rows[0])
    page = (output / "group_pages" / "scans-0001.html").read_text("utf-8")
    assert page.count("(no thumbnail)") == 3, "it was run without pictures"
    assert "sub-03" in (output / "group.html").read_text("utf-8"), "the page tells who is without a result"


@pytest.fixture
def copy(killed, dataset, tmp_path):
    """The finished results and the dataset, to be changed."""
    study, output = tmp_path / "study", tmp_path / "results"
    shutil.copytree(dataset, study)  # keeps the times of files
    shutil.copytree(killed[0], output)
    settings = output / "code" / "settings.json"
    content = json.loads(settings.read_text("utf-8"))
    settings.write_text(json.dumps({**content, "source": str(study)}), encoding="utf-8")
    return study, output


def test_only_what_has_changed_is_done_again_and_a_row_goes_with_its_reason(copy, model):
    study, output = copy
    before = records(output)
    add_subject(study, "sub-03")
    changed = study / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
    changed.write_bytes(changed.read_bytes() + b"\0")  # other bytes, the same image
    os.utime(study / "sub-01" / "ses-a" / "anat" / "sub-01_ses-a_T1w.nii.gz")  # another time, the same bytes
    done = run(study, output, model, "--jobs", "1")
    assert done.code == 3, done.stderr
    after = records(output)
    assert after["sub-01_ses-a"] == before["sub-01_ses-a"]
    assert after["sub-02"] != before["sub-02"]
    assert "sub-03" in after
    assert list(errors(output)) == ["sub-04"]
    assert_no_half_folder(output)


def test_other_settings_for_the_same_folder_are_refused(killed, dataset):
    there = Dataset.open(killed[0])
    settings, detection = there.settings, there.settings.detection
    assert Dataset.begin(killed[0], dataset, settings) == there
    other = replace(settings, detection=replace(detection, threshold=2.0), model_sha256="0")
    with pytest.raises(InputError, match="another --threshold and another model: give the same settings"):
        Dataset.begin(killed[0], dataset, other)
    with pytest.raises(InputError, match="holds results of the dataset"):
        Dataset.begin(killed[0], dataset.parent, settings)
    on_gpu = replace(settings, detection=replace(detection, device="cuda"))
    assert on_gpu.fingerprint == settings.fingerprint


def test_a_folder_with_something_else_in_it_is_refused(dataset, tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(InputError, match="holds other files"):
        Dataset.begin(tmp_path, dataset, CohortSettings())
    with pytest.raises(InputError, match="is the dataset itself"):
        Dataset.begin(dataset, dataset, CohortSettings())
    with pytest.raises(InputError, match="no results of a cohort"):
        Dataset.open(tmp_path)


def test_a_run_that_was_killed_before_it_had_written_everything_can_go_on(dataset, tmp_path):
    there = Dataset.begin(tmp_path / "out", dataset, CohortSettings())
    for path in (tmp_path / "out").iterdir():
        if path.name != "code" and path.is_file():
            path.unlink()
    (there.work / "sub-02.half").mkdir(parents=True)
    assert Dataset.begin(tmp_path / "out", dataset, CohortSettings()) == there
    assert (tmp_path / "out" / "dataset_description.json").is_file()


@pytest.mark.slow
def test_two_runs_into_one_folder_share_the_work(dataset, model, tmp_path):
    output = tmp_path / "results"
    arguments = command(dataset, output, model, "--jobs", "1", "--participant-label", "01", "02")
    both = [begin(arguments) for _ in range(2)]
    assert [process.wait(300) for process in both] == [0, 0]
    assert len(records(output)) == 3
    assert_no_half_folder(output)
    assert not [path for path in (output / ".work").rglob("*") if path.is_file()]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals on Windows")
def test_a_scan_whose_process_is_killed_for_its_memory_is_a_row_and_the_rest_goes_on(
    dataset, model, tmp_path
):
    output = tmp_path / "results"
    process = begin(command(dataset, output, model, "--jobs", "1", "--participant-label", "01"))
    wait_for(lambda: any((output / ".work").glob("sub-01_ses-a.*")))
    wait_for(lambda: _scans(process.pid))
    _scans(process.pid)[0].send_signal(signal.SIGKILL)
    assert process.wait(300) == 3
    assert list(records(output)) == ["sub-01_ses-b"]
    assert "memory ran out" in errors(output)["sub-01"]
    assert Dataset.open(output).failures.rows()[0].session == "ses-a"


def _scans(pid: int) -> list[psutil.Process]:
    """The descendants of a process that were copied from one that waits for this: they analyse the scans."""
    children = psutil.Process(pid).children(recursive=True)
    servers = {child.pid for child in children if any("forkserver" in part for part in child.cmdline())}
    return [child for child in children if child.ppid() in servers]
