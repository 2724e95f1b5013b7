"""What a folder of results holds when several runs write into it, one after the other or at once."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from AnomalyDetectionLib.files.atomic_folder import locked_folder, recover
from AnomalyDetectionLib.reporting.result_files import files_of_result
from conftest import SAMPLE_INPUTS, run_command
from synthetic_study import FLAIR_GRID, write_heads


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """T1, FLAIR and brain mask of a small head."""
    folder = tmp_path_factory.mktemp("scans")
    write_heads(folder, replace(FLAIR_GRID, spacing=(1.3, 1.4, 5.0)))  # the head of a child
    return folder


def detect(scans, model, output):
    given = ["detect", "--no-bias-correction", "--no-registration", "--progress", "none", "--model", model]
    for option, name in (("--t1", "T1"), ("--flair", "FLAIR"), ("--brain-mask", "brain")):
        given += [option, scans / f"{name}.nii.gz"]
    return run_command(*given, "--output", output, output=output)


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_record_lists_all_files_of_a_result(sample_run):
    assert {str(path) for path in files_of_result(sample_run.output)} == files_in(sample_run.output)


def test_nothing_of_an_older_result_stands_beside_a_newer_one(sample_run, scans, a_random_model, tmp_path):
    output = tmp_path / "results"
    shutil.copytree(sample_run.output, output)
    (output / "notes.txt").write_text("mine")
    (output / "score_map" / "mine.txt").write_text("mine")
    assert (output / "nearest_normal.png").exists()
    done = detect(scans, a_random_model, output)
    assert done.code == 0, done.stderr
    now = files_in(output)
    assert "score_map/score.nrrd" not in now
    assert "nearest_normal.png" not in now
    assert {"notes.txt", "score_map/mine.txt"} <= now
    assert {str(path) for path in files_of_result(output)} == now - {"notes.txt", "score_map/mine.txt"}
    assert not [name for name in now if "/." in f"/{name}"]


def test_the_files_of_earlier_versions_are_known_without_a_list(sample_run, tmp_path):
    record = json.loads((sample_run.output / "findings.json").read_text("utf-8"))
    del record["run"]["files"]
    (tmp_path / "findings.json").write_text(json.dumps(record), "utf-8")
    known = {str(path) for path in files_of_result(tmp_path)}
    assert known == files_in(sample_run.output) - {"report.html"}


def test_a_record_cannot_make_the_next_run_remove_what_no_result_holds(sample_run, tmp_path):
    record = json.loads((sample_run.output / "findings.json").read_text("utf-8"))
    others = ("thesis.docx", "score_map/mine.txt", "../thesis.docx", "./overlay.png/", "Overlay.png")
    record["run"]["files"] += others
    (tmp_path / "findings.json").write_text(json.dumps(record), "utf-8")
    assert {str(path) for path in files_of_result(tmp_path)} == files_in(sample_run.output)


def test_a_second_run_into_the_same_folder_gets_a_sentence_at_once(scans, a_random_model, tmp_path):
    output, begun, done = tmp_path / "results", threading.Event(), threading.Event()

    def hold():
        with locked_folder(output):
            begun.set()
            done.wait(60)

    first = threading.Thread(target=hold)
    first.start()
    begun.wait(60)
    try:
        second = detect(scans, a_random_model, output)
    finally:
        done.set()
        first.join()
    assert second.code == 2
    assert second.stderr.startswith("Another run is writing into the folder")
    assert len(second.stderr.strip().splitlines()) == 1
    assert not output.exists()


@pytest.mark.slow
def test_a_run_killed_at_any_time_leaves_the_old_result_or_the_new(sample_run, tmp_path):
    output = tmp_path / "results"
    shutil.copytree(sample_run.output, output)
    old = {name: (output / name).read_bytes() for name in files_in(output)}
    command = [sys.executable, "-m", "AnomalyDetectionLib", "detect", *SAMPLE_INPUTS, "--threshold", "4"]
    command += ["--output", str(output), "--progress", "json"]
    rng = np.random.default_rng(0)
    for _ in range(8):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["stage"] == "writing":
                break
        time.sleep(float(rng.uniform(0, 3)))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with contextlib.suppress(FileNotFoundError):
            recover(output)
        now = {name: (output / name).read_bytes() for name in files_in(output)}
        if now != old:
            assert json.loads(now["findings.json"])["threshold"] == 4
            assert {str(path) for path in files_of_result(output)} == set(now)
            break
    assert not [path for path in output.iterdir() if path.name.startswith(".")]
