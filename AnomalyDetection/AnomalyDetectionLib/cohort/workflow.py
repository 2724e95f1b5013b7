"""The scans of a cohort by Snakemake: batches, here or wherever an executor takes them."""

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
from dataclasses import dataclass
from pathlib import Path

from ..bids.selection import CohortScan
from ..errors import InputError
from ..files.folder_lock import locked
from ..files.parent_process import call_when_process_ends
from .batch import LOST, write_list
from .dataset import Dataset

HERE = Path(__file__).resolve().parent
STARTED_BY = "ANOMALY_DETECTION_COHORT"
"""Environment variable: machine and process that batches on the same machine belong to."""

MEMORY_MB = 4000
"""For a job in a queue; a scan of the usual size takes 0.8 GB, large ones up to 2 GB."""
MINUTES_A_SCAN = 4
"""For a job in a queue, on a slow core."""
CLUSTER_BATCH, CLUSTER_THREADS = 25, 2
_MOST_IN_A_BATCH, _LEAST_BATCHES_A_JOB = 20, 4
_LOOK_S = 1.0
_ALIVE = "alive"


@dataclass(frozen=True)
class Workflow:
    """How the scans are run.

    Attributes:
        jobs: at the same time; None: one a core here, what the profile says elsewhere.
        executor: "local", "slurm", or another that there is a plug-in for; empty: the profile's.
        profile: a folder with a Snakemake profile, or one of ours by its name; empty: ours for the executor.
        batch: scans a job; None: chosen.
        threads: a scan; None: chosen.
        options: others of Snakemake, as on its command line.
    """

    jobs: int | None = None
    executor: str = ""
    profile: str = ""
    batch: int | None = None
    threads: int | None = None
    options: str = ""

    @property
    def is_local(self) -> bool:
        """Whether all runs on this machine."""
        return self.executor in ("", "local") and self.profile in ("", "local")

    @property
    def local_jobs(self) -> int:
        """On this machine: as many as were asked for, else one a core, as far as the memory goes."""
        return self.jobs or max(1, min(cores(), int(_memory_mb() // MEMORY_MB) or 1))


def is_installed() -> bool:
    """Whether there is a Snakemake."""
    return importlib.util.find_spec("snakemake") is not None


def cores() -> int:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def stop_with_coordinator() -> None:
    """End this process as soon as the one that began the run is gone, if that one is on this machine."""
    machine, _, process = os.environ.get(STARTED_BY, "").rpartition(":")
    if process.isdigit() and machine == socket.gethostname():
        call_when_process_ends(int(process), lambda: os._exit(LOST))


def run_workflow(
    dataset: Dataset, scans: Sequence[CohortScan], workflow: Workflow, look: Callable[[], None]
) -> bool:
    """Run Snakemake over scans, and wait for it.

    Args:
        look: called every now and then.

    Returns:
        Whether all batches came to their ends. What became of the scans is in the dataset.

    Raises:
        InputError: if nothing could be begun: Snakemake, a plug-in, or an option is wrong.
    """
    runs = dataset.work / "runs"
    _remove_dead(runs)
    run = runs / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
    run.mkdir(parents=True)
    with locked(run / _ALIVE):
        return _run(dataset, scans, workflow, run, look)


def _run(
    dataset: Dataset, scans: Sequence[CohortScan], workflow: Workflow, run: Path, look: Callable[[], None]
) -> bool:
    """The same in a folder of its own, which is gone afterwards."""
    batches = _write_batches(run, scans, workflow)
    _write_config(run, dataset, max(len(batch) for batch in batches), workflow)
    log = run / "snakemake.log"
    environment = dict(os.environ)
    environment[STARTED_BY] = f"{socket.gethostname()}:{os.getpid()}"
    library = str(HERE.parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (library, environment.get("PYTHONPATH", "")) if p)
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(run, workflow), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=run
        )  # fmt: skip
    try:
        while process.poll() is None:
            look()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)
    except BaseException:
        _end(process)
        shutil.rmtree(run, ignore_errors=True)
        raise
    if process.returncode == 0:
        shutil.rmtree(run, ignore_errors=True)
        return True
    kept = dataset.logs / run.name
    dataset.logs.mkdir(exist_ok=True)
    begun = any(run.glob("batch-*.begun"))
    shutil.copytree(
        run, kept, ignore=shutil.ignore_patterns(".snakemake", _ALIVE, "*.jsonl", "*.begun", "*.done")
    )
    shutil.rmtree(run, ignore_errors=True)
    if not begun:
        raise InputError(
            f"Snakemake could not begin any scan ({_last_line(kept / log.name)}): see {kept / log.name}."
        )
    return False


def _remove_dead(runs: Path) -> None:
    """What runs have left that were killed. Jobs of theirs that still wait in a queue will find nothing to do."""
    for run in runs.glob("*"):
        with locked(run / _ALIVE, wait=False) as free:
            if free:
                shutil.rmtree(run, ignore_errors=True)


def _write_batches(run: Path, scans: Sequence[CohortScan], workflow: Workflow) -> list[Sequence[CohortScan]]:
    size = workflow.batch
    if size is None and workflow.is_local:
        size = min(_MOST_IN_A_BATCH, len(scans) // (_LEAST_BATCHES_A_JOB * workflow.local_jobs))
    size = max(1, CLUSTER_BATCH if size is None else size)
    batches = [scans[first : first + size] for first in range(0, len(scans), size)]
    digits = max(4, len(str(len(batches))))
    for number, batch in enumerate(batches, start=1):
        write_list(run / f"batch-{number:0{digits}d}.jsonl", batch)
    return batches


def _write_config(run: Path, dataset: Dataset, largest: int, workflow: Workflow) -> None:
    threads = workflow.threads
    if threads is None:
        threads = max(1, cores() // workflow.local_jobs) if workflow.is_local else CLUSTER_THREADS
    config = {
        "run": str(run),
        "dataset": str(dataset.folder),
        "threads": threads,
        "mem_mb": MEMORY_MB,
        "minutes": 10 + MINUTES_A_SCAN * largest,
        "gpus": int(dataset.settings.detection.device == "cuda" and not workflow.is_local),
    }
    (run / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _command(run: Path, workflow: Workflow) -> list[str]:
    own = HERE / "profiles"
    profile = workflow.profile or ("local" if workflow.is_local else "slurm")
    place = own / profile if profile in ("local", "slurm") else Path(profile).absolute()
    if not (place / "config.yaml").is_file() and not list(place.glob("config.v*.yaml")):
        raise InputError(f"The profile {profile} is no folder with a config.yaml: give one, or slurm.")
    command = [sys.executable, "-m", "AnomalyDetectionLib.cohort.snakemake_process", str(os.getpid())]
    command += ["--snakefile", str(HERE / "Snakefile"), "--configfile", str(run / "config.json")]
    command += ["--directory", str(run), "--profile", str(place)]
    if workflow.executor:
        command += ["--executor", workflow.executor]
    if workflow.is_local:
        # A core for each thread of a scan; so many scans at once.
        threads = workflow.threads or max(1, cores() // workflow.local_jobs)
        command += ["--cores", str(workflow.local_jobs * threads), "--resources", "gpu=1000"]
    elif workflow.jobs:
        command += ["--jobs", str(workflow.jobs)]
    try:
        return command + shlex.split(workflow.options)
    except ValueError as error:
        raise InputError(
            f"The options in --snakemake are quoted wrongly ({error}): {workflow.options}"
        ) from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let Snakemake take back what it has given to a queue, and make sure that it is gone."""
    with contextlib.suppress(OSError):
        process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _memory_mb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    except (AttributeError, ValueError, OSError):  # Windows
        return float("inf")


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    wrong = [line for line in lines if "error" in line.lower()]
    return (wrong or lines or ["it said nothing"])[-1][:300]
