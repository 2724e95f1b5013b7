"""The scans of a cohort on a cluster: Snakemake sends them to the queue in batches.

`python -m AnomalyDetectionLib.cohort.cluster PID ...` is Snakemake, which ends when the process PID ends.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..bids.selection import CohortScan
from ..errors import InputError
from ..files.folder_lock import locked
from ..files.parent_process import call_when_process_ends
from .batch import LOST, MEMORY_MB, Workflow, write_list
from .dataset import Dataset

HERE = Path(__file__).resolve().parent
STARTED_BY = "ANOMALY_DETECTION_COHORT"
"""Environment variable: host name and process id of the command that started the batches."""

MINUTES_A_SCAN = 4
"""Minutes to ask the queue for, for each scan on a slow core."""
BATCH, THREADS = 25, 2
"""Scans for each job, and cores for each job."""
_POLL_S = 1.0
_ALIVE = "alive"


def is_installed() -> bool:
    """Whether Snakemake is installed."""
    return importlib.util.find_spec("snakemake") is not None


def stop_with_coordinator() -> None:
    """End this process when the command that started the run ends, if both are on the same machine."""
    machine, _, process = os.environ.get(STARTED_BY, "").rpartition(":")
    if process.isdigit() and machine == socket.gethostname():
        call_when_process_ends(int(process), lambda: os._exit(LOST))


def run_on_cluster(
    dataset: Dataset, scans: Sequence[CohortScan], workflow: Workflow, on_wait: Callable[[], None]
) -> bool:
    """Run the scans by Snakemake and wait for it; returns whether all batches ended well.

    The outcome of each scan is in the dataset. An InputError is raised if none could be started.

    Args:
        on_wait: called about once a second while Snakemake runs.
    """
    runs = dataset.work / "runs"
    _remove_dead(runs)
    run = runs / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
    run.mkdir(parents=True)
    with locked(run / _ALIVE):
        return _run(dataset, scans, workflow, run, on_wait)


def _run(
    dataset: Dataset, scans: Sequence[CohortScan], workflow: Workflow, run: Path, on_wait: Callable[[], None]
) -> bool:
    """Run them in the folder `run`, which is removed at the end."""
    batches = _write_batches(run, scans, workflow)
    _write_config(run, dataset, max(len(batch) for batch in batches), workflow)
    log = run / "snakemake.log"
    paths = [str(HERE.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    started_by = f"{socket.gethostname()}:{os.getpid()}"
    environment = {**os.environ, STARTED_BY: started_by, "PYTHONPATH": os.pathsep.join(paths)}
    command = _command(run, workflow)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=run
        )
    try:
        while process.poll() is None:
            on_wait()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_S)
        if process.returncode == 0:
            return True
        kept = dataset.logs / run.name
        ignored = shutil.ignore_patterns(".snakemake", _ALIVE, "*.jsonl", "*.begun", "*.done")
        shutil.copytree(run, kept, ignore=ignored)
        if any(run.glob("batch-*.begun")):
            return False
        log = kept / log.name
        raise InputError(f"Snakemake could not start any scan ({_last_line(log)}): see {log}.")
    finally:
        _end(process)
        shutil.rmtree(run, ignore_errors=True)


def _remove_dead(runs: Path) -> None:
    """Remove the folders of runs that were killed. Their jobs that still wait in a queue will find nothing to do."""
    for run in runs.glob("*"):
        with locked(run / _ALIVE, wait=False) as free:
            if free.exclusive:
                shutil.rmtree(run, ignore_errors=True)


def _write_batches(run: Path, scans: Sequence[CohortScan], workflow: Workflow) -> list[Sequence[CohortScan]]:
    size = workflow.batch or BATCH
    batches = [scans[first : first + size] for first in range(0, len(scans), size)]
    for number, batch in enumerate(batches, start=1):
        write_list(run / f"batch-{number:04d}.jsonl", batch)
    return batches


def _write_config(run: Path, dataset: Dataset, largest: int, workflow: Workflow) -> None:
    config = {
        "run": str(run),
        "dataset": str(dataset.folder),
        "threads": workflow.threads or THREADS,
        "mem_mb": MEMORY_MB,
        "minutes": 10 + MINUTES_A_SCAN * largest,
        "gpus": int(dataset.settings.detection.device == "cuda"),
    }
    (run / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _command(run: Path, workflow: Workflow) -> list[str]:
    profile = workflow.profile or "slurm"
    place = HERE / "profiles" / "slurm" if profile == "slurm" else Path(profile).absolute()
    if not (place / "config.yaml").is_file() and not list(place.glob("config.v*.yaml")):
        raise InputError(
            f"The profile {profile} is not a folder with a config.yaml: give such a folder, or slurm."
        )
    command = [sys.executable, "-m", "AnomalyDetectionLib.cohort.cluster", str(os.getpid())]
    command += ["--snakefile", str(HERE / "Snakefile"), "--configfile", str(run / "config.json")]
    command += ["--directory", str(run), "--profile", str(place)]
    if workflow.executor:
        command += ["--executor", workflow.executor]
    if workflow.jobs:
        command += ["--jobs", str(workflow.jobs)]
    try:
        return command + shlex.split(workflow.options)
    except ValueError as error:
        raise InputError(
            f"The options in --snakemake are quoted wrongly ({error}): correct {workflow.options}"
        ) from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let Snakemake cancel its jobs in the queue, and make sure that it ends; nothing if it has ended."""
    with contextlib.suppress(OSError):
        process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    wrong = [line for line in lines if "error" in line.lower()]
    return (wrong or lines or ["it printed nothing"])[-1][:300]


def main() -> None:
    """Run Snakemake with the arguments after the first, until the process whose id is the first argument ends."""
    call_when_process_ends(int(sys.argv[1]), lambda: os._exit(1))
    from snakemake.cli import main as snakemake

    snakemake(sys.argv[2:])


if __name__ == "__main__":
    main()
