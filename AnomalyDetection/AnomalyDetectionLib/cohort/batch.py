"""The pool: scans on this machine, each in a process of its own, several at a time.

Each scan has its own process, so a scan that crashes or runs out of memory ends nothing else. A new Python needs
seconds for its imports, so one process imports everything once and is forked for each scan (multiprocessing's
"forkserver"). Windows cannot fork; there each process starts from scratch.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..bids.selection import CohortScan
from ..errors import InputError
from ..files.parent_process import call_when_process_ends
from .dataset import Dataset
from .failures import FailedScan

DONE, THERE, FAILED, BUSY = "done", "there", "failed", "busy"
"""Outcomes of a scan: analysed now; analysed before; failed; being analysed by another run."""

IMPORTS = "AnomalyDetectionLib.cohort.scan"
KILLED = (
    "The process of this scan was killed, most likely because the memory ran out: run fewer scans at once, "
    "or on a machine with more memory."
)
ENDED = (
    "The whole job was killed during this scan, most likely because the memory or the time ran out: run the "
    "same command again with fewer scans at once, fewer scans for each job, or more memory."
)
LOST = 70
"""Exit code of a process whose parent has ended."""
MEMORY_MB = 4000
"""Memory to plan for each scan; a scan of the usual size takes 0.8 GB, large ones up to 2 GB."""


@dataclass(frozen=True)
class Workflow:
    """Where the scans of a cohort run, and how many at a time.

    Attributes:
        jobs: scans at the same time on this machine, jobs in the queue of a cluster; None: one for each core, or
            what the profile says.
        executor: "slurm", or another executor that Snakemake has a plug-in for; "" or "local": this machine.
        profile: a folder with a Snakemake profile, or "slurm"; "": the one that ships for the executor.
        batch: scans for each job of a cluster; None: `cluster.BATCH`.
        threads: for each scan; None: all cores divided by `jobs`, on a cluster `cluster.THREADS`.
        options: more options for Snakemake, as on its command line.
    """

    jobs: int | None = None
    executor: str = ""
    profile: str = ""
    batch: int | None = None
    threads: int | None = None
    options: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the scans run on this machine, without Snakemake."""
        return self.executor in ("", "local") and not self.profile

    @property
    def local_jobs(self) -> int:
        """Scans at the same time on this machine: by default one for each core, as far as the memory allows."""
        return self.jobs or max(1, min(cores(), int(_memory_mb() // MEMORY_MB) or 1))

    @property
    def local_threads(self) -> int:
        """Threads for each scan on this machine."""
        return self.threads or max(1, cores() // self.local_jobs)


def limit_threads(threads: int) -> None:
    """Limit the threads of the libraries in this process and its children; call it before the libraries are imported."""
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)


def run_scans(
    dataset: Dataset,
    scans: Iterable[CohortScan],
    *,
    jobs: int = 1,
    begun: Path | None = None,
    after: Callable[[str, str], None] | None = None,
) -> Counter[str]:
    """Analyse scans; those that another run is analysing come last, when that run may have ended.

    Args:
        jobs: scans at the same time.
        begun: a file to which each scan's name is added when it starts. A scan that it already names and that has
            no result ended the whole job when it ran: it becomes a row in errors.csv and is not started again.
        after: called with a scan's name and its outcome.

    Returns:
        The number of scans for each outcome. An InputError says that the dataset's folder cannot be written.
    """
    context = _context()
    started_before = set(begun.read_text("utf-8").split()) if begun is not None and begun.exists() else set()
    outcomes: Counter[str] = Counter()
    busy: list[CohortScan] = []
    running: dict[Connection, tuple[CohortScan, Any]] = {}

    def count(scan: CohortScan, outcome: str) -> None:
        if outcome == BUSY:
            busy.append(scan)
            return
        outcomes[outcome] += 1
        if after is not None:
            after(scan.name, outcome)

    def finish_below(limit: int) -> None:
        while len(running) >= limit:
            ready = connection.wait(list(running))
            for pipe in [each for each in running if each in ready]:
                scan, process = running[pipe]
                outcome = _outcome(dataset, scan, process, pipe)
                del running[pipe]  # not before it is known: an error ends the process
                count(scan, outcome)

    def start(scan: CohortScan, wait: bool) -> None:
        finish_below(jobs)
        if begun is not None:
            with begun.open("a", encoding="utf-8") as file:
                file.write(f"{scan.name}\n")
        pipe, process = _start(context, dataset, scan, wait)
        running[pipe] = scan, process

    try:
        for scan in scans:
            if scan.name in started_before and not dataset.is_finished(scan):
                if scan.name not in {row.name for row in dataset.failures.rows()}:
                    dataset.failures.add(FailedScan(scan.subject, scan.session, "running", ENDED))
                count(scan, FAILED)
            else:
                start(scan, False)
        finish_below(1)
        for scan in tuple(busy):
            start(scan, True)
        finish_below(1)
    finally:  # after an error or an interrupt, results of the scans that still run are not wanted
        for _, process in running.values():
            process.kill()
        for _, process in running.values():
            process.join()
    return outcomes


def write_list(path: Path, scans: Iterable[CohortScan]) -> None:
    """Write the scans of a batch to a file, one JSON array per line."""
    lines = [json.dumps(astuple(scan), default=str) for scan in scans]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_list(path: Path) -> list[CohortScan]:
    """The reverse of `write_list`."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
    return [
        CohortScan(subject, session, Path(t1), Path(flair), Path(mask) if mask else None, *series)
        for subject, session, t1, flair, mask, *series in rows
    ]


def _context() -> Any:
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([IMPORTS])
    return context


def _start(context: Any, dataset: Dataset, scan: CohortScan, wait: bool) -> tuple[Connection, Any]:
    """Start a scan's process; returns the pipe that its outcome comes through, and the process."""
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_analyse, args=(dataset, scan, wait, theirs, os.getpid()), name=scan.name, daemon=True
    )
    process.start()
    theirs.close()
    return mine, process


def _outcome(dataset: Dataset, scan: CohortScan, process: Any, pipe: Any) -> str:
    """The outcome of a scan whose process has answered or ended; a process that was killed adds a row to errors.csv."""
    try:
        kind, text = pipe.recv()
    except EOFError:
        kind, text = "killed", ""
    process.join()
    pipe.close()
    if kind == "outcome":
        return str(text)
    if kind == "error":
        raise InputError(text)
    if dataset.is_finished(scan):
        return DONE
    reason = KILLED
    if not hasattr(signal, "SIGKILL") or process.exitcode != -signal.SIGKILL:
        reason = (
            f"The process of this scan crashed (code {process.exitcode}): run this scan alone to see whether it "
            "crashes again."
        )
    dataset.failures.add(FailedScan(scan.subject, scan.session, "running", reason))
    return FAILED


def _analyse(dataset: Dataset, scan: CohortScan, wait: bool, answer: Connection, parent: int) -> None:
    """Analyse the scan; runs in the scan's own process."""
    from .scan import analyse

    call_when_process_ends(parent, lambda: os._exit(LOST))
    for name in ("SIGINT", "SIGHUP"):  # the process that started this one handles the signal
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        answer.send(("outcome", analyse(dataset, scan, wait=wait)))
    except InputError as error:
        answer.send(("error", str(error)))


def cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_mb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    except (AttributeError, ValueError, OSError):  # Windows
        return float("inf")
