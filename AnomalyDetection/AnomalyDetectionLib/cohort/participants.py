"""The level "participant": analyse all scans of a cohort that have no result yet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..bids.selection import CohortScan, Selection, set_aside_remarks
from ..errors import InputError
from ..files.text import counted, first_of
from ..reporting.extras import MissingExtra
from .batch import Workflow, limit_threads, run_scans
from .cluster import is_installed, run_on_cluster
from .dataset import RECORD, Dataset
from .failures import CHOOSING, FailedScan
from .input_files import UNREADABLE

Progress = Callable[[str, float, str], None]

NOT_REACHED = (
    "The job ended before it reached this scan: run the same command again; finished scans are kept."
)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run.

    Attributes:
        now: number of scans that were analysed.
        before: number of scans that already had a result.
        failed: number of selected scans that are rows of errors.csv.
        remarks: sentences about the run, without full stops.
    """

    now: int
    before: int
    failed: int
    remarks: tuple[str, ...] = ()


def run_participants(
    dataset: Dataset, selection: Selection, workflow: Workflow, report: Progress, *, everything: bool = False
) -> Outcome:
    """Analyse the scans without a result; a scan that cannot be analysed becomes a row in errors.csv.

    Args:
        everything: the selection is the whole dataset, so rows of scans that no longer exist are removed.
    """
    remarks = [f"{name} has neither a T1 nor a FLAIR" for name in selection.without]
    remarks += set_aside_remarks(selection.set_aside, "; choose with --bids-filter-file")
    failures = dataset.failures
    problems = [FailedScan(p.subject, p.session, CHOOSING, p.reason) for p in selection.problems]
    report("looking", 0.0, "Looking for existing results")
    names = {scan.name for scan in selection.scans}
    if everything:
        known = names.union(problem.name for problem in problems)
        remarks += _removed(dataset, known)
        failures.remove(row.name for row in failures.rows() if row.name not in known)
    failures.add(*problems)
    left = [scan for scan in selection.scans if not dataset.is_finished(scan)]
    before = len(selection.scans) - len(left)
    # A run that was killed after it wrote a result has left its row.
    failures.remove(names.difference(scan.name for scan in left))
    if left and workflow.is_local:
        _run_here(dataset, left, workflow, report)
    elif left and not _run_on_cluster(dataset, left, workflow, report):
        remarks.append(f"Not all jobs ended well: see {dataset.logs}")
    unfinished = [scan for scan in left if not dataset.is_finished(scan)]
    rows = {row.name for row in failures.rows()}
    failures.add(
        *(FailedScan(s.subject, s.session, "waiting", NOT_REACHED) for s in unfinished if s.name not in rows)
    )
    for sentence in _incomplete(dataset, [scan for scan in left if scan not in unfinished]):
        report("missing", 1.0, f"{sentence}.")
        remarks.append(sentence)
    return Outcome(len(left) - len(unfinished), before, len(unfinished) + len(problems), tuple(remarks))


def _incomplete(dataset: Dataset, scans: Sequence[CohortScan]) -> list[str]:
    """One sentence for each kind of optional output that is missing from results of these scans."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for scan in scans:
        for one in _missing(dataset.record(scan)):
            lacking.setdefault((one.what, one.reason), []).append(scan.name)
    sentences = []
    for (what, reason), names in lacking.items():
        sentences.append(
            f"{what} is missing for {counted(len(names), 'scan')}, whose findings are complete ({first_of(names, 5)}): {reason}"
        )
    return sentences


def _missing(record: Path) -> list[MissingExtra]:
    """The missing outputs of a scan's result; empty if its record cannot be read."""
    try:
        return [MissingExtra.of(one) for one in json.loads(record.read_text("utf-8")).get("missing", ())]
    except UNREADABLE:
        return []


def _removed(dataset: Dataset, known: set[str]) -> list[str]:
    """A sentence about results of scans that are no longer in the dataset, if there are any."""
    removed = [
        name for path in dataset.records() if (name := path.name.removesuffix(f"_{RECORD}")) not in known
    ]
    if not removed:
        return []
    first = first_of(removed, 5)
    return [
        f"{counted(len(removed), 'result')} of scans that are no longer in the dataset: {first} (left out by group)"
    ]


def _run_here(dataset: Dataset, scans: Sequence[CohortScan], workflow: Workflow, report: Progress) -> None:
    count, done = len(scans), 0
    limit_threads(workflow.local_threads)

    def after(name: str, outcome: str) -> None:
        nonlocal done
        done += 1
        report("scans", done / count, f"{done} of {count} scans ({name} {outcome})")

    report("scans", 0.0, f"0 of {count} scans")
    run_scans(dataset, scans, jobs=workflow.local_jobs, after=after)


def _run_on_cluster(
    dataset: Dataset, scans: Sequence[CohortScan], workflow: Workflow, report: Progress
) -> bool:
    """Whether all jobs ended well."""
    if not is_installed():
        raise InputError('--executor and --profile need Snakemake: install the extra "cluster".')
    count, reported = len(scans), -1
    # A scan that is analysed again already has a result of other images, which must not count as done.
    pending = {scan.name: scan for scan in scans if not dataset.record(scan).exists()}
    failed_before = {row.name: row for row in dataset.failures.rows()}

    def on_wait() -> None:
        nonlocal reported
        rows = dataset.failures.rows()
        for name in [n for n, scan in pending.items() if dataset.record(scan).exists()]:
            del pending[name]
        failed = sum(1 for row in rows if row.name in pending and failed_before.get(row.name) != row)
        done = count - len(pending) + failed
        if done != reported:
            reported = done
            report("scans", done / count, f"{done} of {count} scans")

    return run_on_cluster(dataset, scans, workflow, on_wait)
