"""Scans one after another, each in a process of its own that starts in no time.

A process for each scan, so that one that takes all memory, or crashes, ends itself alone. A new Python needs seconds
for its imports; so one process imports everything once and is copied for each scan (multiprocessing's "forkserver").
Windows cannot copy processes; there each starts anew.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..bids.selection import CohortScan
from ..errors import InputError
from ..files.parent_process import call_when_process_ends
from .dataset import Dataset
from .failures import Failure

DONE, THERE, FAILED, BUSY = "done", "there", "failed", "busy"
"""What became of a scan: analysed; analysed before; not possible; being analysed by another run."""

IMPORTS = "AnomalyDetectionLib.cohort.scan"
KILLED = (
    "The process of this scan was killed, most likely because the memory ran out: run fewer scans at once, "
    "or on a machine with more memory."
)
ENDED = (
    "The whole job was ended by force while it was at this scan, most likely because the memory or the time ran out: run the "
    "same again, with fewer scans at once, fewer scans a job, or more memory."
)
LOST = 70
"""Exit code of a process whose parent is gone."""


def limit_threads(threads: int) -> None:
    """How many threads the libraries may use, in this process and those it starts; before they are imported."""
    for name in (
        *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    ):
        os.environ[name] = str(threads)


def run_scans(
    dataset: Dataset,
    scans: Iterable[CohortScan],
    *,
    begun: Path | None = None,
    after: Callable[[str, str], None] | None = None,
) -> Counter[str]:
    """Analyse scans; those that another run is at come last, when that one may have ended.

    Args:
        begun: a file that each scan is written into when it is begun. Those that it holds already and that have no
            result took the whole job with them when they ran: they are rows in errors.csv, and not begun again.
        after: called with a scan's name and what became of it.

    Returns:
        How many scans became what.

    Raises:
        InputError: the dataset's folder cannot be written.
    """
    context = _context()
    before = set(begun.read_text("utf-8").split()) if begun is not None and begun.exists() else set()
    outcomes: Counter[str] = Counter()
    busy: list[CohortScan] = []

    def one(scan: CohortScan, wait: bool) -> None:
        if scan.name in before and not dataset.is_finished(scan):
            if scan.name not in {row.name for row in dataset.failures.rows()}:
                dataset.failures.add(Failure(scan.subject, scan.session, "running", ENDED))
            outcome = FAILED
        else:
            if begun is not None:
                with begun.open("a", encoding="utf-8") as file:
                    file.write(f"{scan.name}\n")
            outcome = _in_a_process(context, dataset, scan, wait)
        if outcome == BUSY:
            busy.append(scan)
            return
        outcomes[outcome] += 1
        if after is not None:
            after(scan.name, outcome)

    for scan in scans:
        one(scan, False)
    for scan in tuple(busy):
        before.discard(scan.name)
        one(scan, True)
    return outcomes


def write_list(path: Path, scans: Iterable[CohortScan]) -> None:
    """The scans of a batch, as a file: a JSON object a line."""
    lines = []
    for scan in scans:
        mask = str(scan.brain_mask) if scan.brain_mask else None
        images = [str(scan.t1), str(scan.flair), mask, scan.t1_series, scan.flair_series]
        lines.append(json.dumps([scan.subject, scan.session, *images]))
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


def _in_a_process(context: Any, dataset: Dataset, scan: CohortScan, wait: bool) -> str:
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_analyse, args=(dataset, scan, wait, theirs, os.getpid()), name=scan.name, daemon=True
    )
    process.start()
    theirs.close()
    try:
        kind, said = mine.recv()
    except EOFError:
        kind, said = "killed", ""
    except BaseException:  # the run is to stop: nothing of this scan is of use
        process.kill()
        raise
    finally:
        process.join()
        mine.close()
    if kind == "outcome":
        return str(said)
    if kind == "error":
        raise InputError(said)
    reason = KILLED
    if not hasattr(signal, "SIGKILL") or process.exitcode != -signal.SIGKILL:
        reason = (
            f"The process of this scan crashed (code {process.exitcode}): run it again, alone, to see whether it is the "
            "scan's fault."
        )
    if not dataset.is_finished(scan):
        dataset.failures.add(Failure(scan.subject, scan.session, "running", reason))
        return FAILED
    return DONE


def _analyse(dataset: Dataset, scan: CohortScan, wait: bool, answer: Connection, parent: int) -> None:
    """In the scan's own process."""
    from .scan import analyse

    call_when_process_ends(parent, lambda: os._exit(LOST))
    for name in ("SIGINT", "SIGHUP"):  # whoever started it decides, and ends it
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        answer.send(("outcome", analyse(dataset, scan, wait=wait)))
    except InputError as error:
        answer.send(("error", str(error)))
