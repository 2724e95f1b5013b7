"""A cohort in the pool on this machine, and in batches on a SLURM cluster."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from AnomalyDetectionLib.bids.selection import CohortScan
from AnomalyDetectionLib.cohort import cluster
from AnomalyDetectionLib.cohort.batch import Workflow, read_list, run_scans, write_list
from AnomalyDetectionLib.cohort.cohort_settings import CohortSettings
from AnomalyDetectionLib.cohort.dataset import Dataset
from AnomalyDetectionLib.errors import InputError
from made_cohort import add_subject, run, small_model

needs_snakemake = pytest.mark.skipif(
    not cluster.is_installed(), reason="Snakemake is not installed (extra evaluation)"
)


def scans(count: int) -> list[CohortScan]:
    return [
        CohortScan(f"sub-{k:05d}", "", Path(f"/a b/{k}_T1w.nii"), Path(f"/a b/{k}_FLAIR.nii"))
        for k in range(count)
    ]


@pytest.fixture
def dataset(tmp_path):
    return Dataset.begin(tmp_path / "out", tmp_path, CohortSettings())


def test_a_batch_is_read_as_it_was_written(tmp_path):
    batch = [*scans(2), CohortScan("sub-1", "ses-ä", Path("t1"), Path("flair"), Path("mask"))]
    write_list(tmp_path / "list", batch)
    assert read_list(tmp_path / "list") == batch


@needs_snakemake
def test_ten_thousand_scans_are_some_hundred_jobs(dataset):
    place = dataset.work / "run"
    place.mkdir()
    plan, batches = Workflow(jobs=8, executor="slurm"), 400
    cluster._write_config(place, dataset, 25, plan)
    assert len(cluster._write_batches(place, scans(10_000), plan)) == batches
    command = cluster._command(place, plan)
    command[command.index("-m") + 1 : command.index("--snakefile")] = ["snakemake"]
    done = subprocess.run(
        [*command, "--dry-run", "--quiet", "rules"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^scans\s+{batches}\s*$", done.stdout + done.stderr, re.MULTILINE)


def test_a_scan_that_took_its_whole_job_with_it_is_not_begun_again(dataset, tmp_path):
    (tmp_path / "begun").write_text("sub-00000\n")
    outcomes = run_scans(dataset, scans(1), begun=tmp_path / "begun")
    assert outcomes == {"failed": 1}
    row = dataset.failures.rows()[0]
    assert row.name == "sub-00000"
    assert "memory" in row.reason


def test_a_profile_that_is_not_there_is_refused(dataset):
    with pytest.raises(InputError, match="is not a folder with a config"):
        cluster._command(dataset.work, Workflow(profile="/nowhere"))


@pytest.fixture
def study(tmp_path):
    for subject in ("sub-01", "sub-02", "sub-03"):
        add_subject(tmp_path / "study", subject)
    (tmp_path / "study" / "sub-02" / "anat" / "sub-02_T1w.nii.gz").write_bytes(b"no image")
    return tmp_path / "study", tmp_path / "results", small_model(tmp_path / "small.safetensors")


@pytest.mark.slow
def test_two_processes_here_do_what_one_does_and_need_no_snakemake(study, monkeypatch, tmp_path):
    source, output, model = study
    (tmp_path / "broken" / "snakemake").mkdir(parents=True)
    (tmp_path / "broken" / "snakemake" / "__init__.py").write_text("raise SystemExit('started')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"), prepend=os.pathsep)
    done = run(source, output, model, "--jobs", "2")
    assert done.code == 3, done.stderr
    assert len(list(output.glob("sub-*/anat/*_dseg.json"))) == 2
    assert [row.name for row in Dataset.open(output).failures.rows()] == ["sub-02"]
    assert not (output / "logs").exists()
    assert not (output / ".work" / "runs").exists()


def test_two_processes_deal_with_every_one_of_three_scans(dataset):
    outcomes = run_scans(dataset, scans(3), jobs=2)
    assert outcomes == {"failed": 3}, "three scans whose images are not there"
    assert sorted(row.name for row in dataset.failures.rows()) == ["sub-00000", "sub-00001", "sub-00002"]


def test_options_for_a_cluster_are_refused_without_one(study):
    source, output, model = study
    done = run(source, output, model, "--snakemake", "--dry-run")
    assert done.code == 2
    assert "give --executor or --profile" in done.stderr


SBATCH = """#!{python}
import json, subprocess, sys
open({folder!r} + "/asked", "a").write(json.dumps(sys.argv[1:]) + "\\n")
wrapped = [word[7:] for word in sys.argv if word.startswith("--wrap=")] or [sys.argv[sys.argv.index("--wrap") + 1]]
job, log = wrapped[0].replace("slurm-jobstep", "local"), open({folder!r} + "/job.log", "a")
subprocess.run(job, shell=True, stdout=log, stderr=subprocess.STDOUT)
print(7)
"""


@pytest.mark.slow
@needs_snakemake
def test_slurm_gets_batches_and_its_jobs_do_them(study, tmp_path, monkeypatch):
    """SLURM's commands are replaced by ones that run a job at once, and remember what was asked for."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "sbatch").write_text(SBATCH.format(python=sys.executable, folder=str(tmp_path)))
    answers = {"sacct": "echo '7|COMPLETED'", "sacctmgr": "echo mylab"}
    for name in ("sacct", "sacctmgr", "squeue", "scontrol", "sinfo", "scancel"):
        (commands / name).write_text(f"#!/bin/sh\n{answers.get(name, ':')}\n")
    for path in commands.iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    source, output, model = study
    options = "--default-resources slurm_account=mylab slurm_partition=short --slurm-init-seconds-before-status-checks 1 --latency-wait 5"
    done = run(source, output, model, "--executor", "slurm", "--batch", "2", "--snakemake", options)
    logs = "".join(path.read_text() for path in output.glob("logs/**/*.log"))
    assert done.code == 3, done.stderr + logs + (tmp_path / "job.log").read_text()
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    assert len(asked) == 2, "two batches of three scans"
    text = shlex.join(asked[0])
    assert "--mem 4000" in text or "--mem=4000" in text
    assert "-t 18" in text
    assert len(list(output.glob("sub-*/anat/*_dseg.json"))) == 2
    assert [row.name for row in Dataset.open(output).failures.rows()] == ["sub-02"]
