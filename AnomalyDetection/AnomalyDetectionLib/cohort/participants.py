"""The level "participant": all scans of a cohort that have no result yet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..bids.selection import CohortScan, Selection, set_aside_remarks
from ..errors import InputError
from ..reporting.extras import Missing
from .batch import limit_threads, run_scans
from .dataset import RECORD, Dataset
from .failures import CHOOSING, Failure
from .workflow import Workflow, cores, is_installed, run_workflow

Progress = Callable[[str, float, str], None]

NOT_REACHED = "The job that it was in ended before it: run the same again; what was done is kept."


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        now: scans that were analysed.
        before: scans that had a result.
        failed: rows of errors.csv among what was asked for.
        remarks: sentences about the run, without full stops.
    """

    now: int
    before: int
    failed: int
    remarks: tuple[str, ...] = ()


def run_participants(
    dataset: Dataset, selection: Selection, workflow: Workflow, report: Progress, *, everything: bool = False
) -> Outcome:
    """Analyse what has no result; what cannot be analysed is a row in errors.csv.

    Args:
        everything: the selection is the whole dataset: rows of scans that it does not hold any more are taken out.

    Raises:
        InputError: the folder cannot be written, or the workflow cannot be begun.
    """
    remarks = [f"{name} has neither a T1 nor a FLAIR" for name in selection.without]
    remarks += set_aside_remarks(selection.set_aside, "; --bids-filter-file says otherwise")
    failures = dataset.failures
    problems = [Failure(p.subject, p.session, CHOOSING, p.reason) for p in selection.problems]
    report("looking", 0.0, "Looking what is there already")
    names = {scan.name for scan in selection.scans}
    if everything:
        remarks += _gone(dataset, {*names, *(problem.name for problem in problems)})
        failures.keep({*names, *(problem.name for problem in problems)})
    failures.add(*problems)
    left = [scan for scan in selection.scans if not dataset.is_finished(scan)]
    before = len(selection.scans) - len(left)
    failures.remove(names.difference(scan.name for scan in left))  # a run was killed between result and row
    if left:
        remarks += _run(dataset, left, workflow, report)
    unfinished = [scan for scan in left if not dataset.is_finished(scan)]
    rows = {row.name for row in failures.rows()}
    failures.add(
        *(Failure(s.subject, s.session, "waiting", NOT_REACHED) for s in unfinished if s.name not in rows)
    )
    for sentence in (incomplete := _incomplete(dataset, [scan for scan in left if scan not in unfinished])):
        report("missing", 1.0, f"{sentence}.")
    remarks += incomplete
    return Outcome(len(left) - len(unfinished), before, len(unfinished) + len(problems), tuple(remarks))


def _incomplete(dataset: Dataset, scans: Sequence[CohortScan]) -> list[str]:
    """A sentence a thing about what could not be made of the results of these scans."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for scan in scans:
        for one in _missing(dataset.record(scan)):
            lacking.setdefault((one.what, one.reason), []).append(scan.name)
    said = []
    for (what, reason), names in lacking.items():
        first = ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
        count = f"{len(names)} scan{'' if len(names) == 1 else 's'}"
        said.append(
            f"{what} is missing of {count}, whose findings are there all the same ({first}): {reason}"
        )
    return said


def _missing(record: Path) -> list[Missing]:
    """What could not be made of a scan's result; nothing where that is not known."""
    try:
        return [Missing.of(one) for one in json.loads(record.read_text("utf-8")).get("missing", ())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _gone(dataset: Dataset, known: set[str]) -> list[str]:
    """A sentence about results of scans that are not in the dataset any more, if there are any."""
    gone = [name for path in dataset.records() if (name := path.name.removesuffix(f"_{RECORD}")) not in known]
    if not gone:
        return []
    first = ", ".join(gone[:5]) + (" and more" if len(gone) > 5 else "")
    results = "result" if len(gone) == 1 else "results"
    return [
        f"{len(gone)} {results} of scans that the dataset does not hold any more: {first} (group leaves them out)"
    ]


def _run(dataset: Dataset, scans: Sequence[CohortScan], workflow: Workflow, report: Progress) -> list[str]:
    """Run them, by Snakemake where that is needed; returns remarks."""
    count = len(scans)
    if workflow.is_local and (workflow.jobs == 1 or workflow.local_jobs == 1 or not is_installed()):
        said = []
        if workflow.jobs != 1 and not is_installed():
            said.append('Snakemake is not installed (extra "cluster"): one scan was done after another')
        limit_threads(workflow.threads or cores())
        done: Counter[str] = Counter()

        def after(name: str, outcome: str) -> None:
            done[outcome] += 1
            total = sum(done.values())
            report("scans", total / count, f"{total} of {count} scans ({name} {outcome})")

        report("scans", 0.0, f"0 of {count} scans")
        run_scans(dataset, scans, after=after)
        return said
    if not is_installed():
        raise InputError('--executor and --profile need Snakemake: install the extra "cluster".')
    pending = {scan.name: scan for scan in scans}
    seen = [-1]
    failed_before = {row.name: row for row in dataset.failures.rows()}

    def look() -> None:
        rows = dataset.failures.rows()
        for name in [n for n, scan in pending.items() if dataset.record(scan).exists()]:
            del pending[name]
        new = sum(1 for row in rows if row.name in pending and failed_before.get(row.name) != row)
        total = count - len(pending) + new
        if total != seen[0]:
            seen[0] = total
            report("scans", total / count, f"{total} of {count} scans")

    # A result of other images is in the place of a scan that is to be done again: it does not count as done.
    again = {scan.name for scan in scans if dataset.record(scan).exists()}
    for name in again:
        del pending[name]
    if not run_workflow(dataset, scans, workflow, look):
        return [f"Not all jobs came to their end: see {dataset.logs}"]
    return []
