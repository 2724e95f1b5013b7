"""Run a worklist: the studies of a folder are analysed one after another as a cohort, while the finished ones are read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .. import __version__
from ..bids.selection import CohortScan, SelectionCriteria, SkippedSession
from ..errors import InputError
from ..files.text import counted
from ..reporting.worklist_file import DONE, FAILED, RUNNING, WAITING, Worklist, WorklistEntry, write_worklist
from .batch import FAILED as SCAN_FAILED
from .batch import cores, limit_threads, run_scans
from .cohort_settings import CohortSettings
from .dataset import SETTINGS, Dataset
from .failures import CHOOSING, FailedScan
from .studies import studies_in

Progress = Callable[[str, float, str], None]


def list_studies(source: Path, results: Path, report: Progress) -> tuple[Worklist, dict[str, CohortScan]]:
    """The studies (as of `studies_in`) with their state, and their scans by name.

    The worklist file in the results folder, which need not exist, grows as they are found. An InputError says if there is
    no study, or the folder cannot be written.
    """
    before = Dataset.open(results) if (results / SETTINGS).exists() else None
    failures = {} if before is None else {row.name: row.reason for row in before.failures.rows()}
    worklist, scans = Worklist(), {}
    for name, scan in studies_in(source, None if before is None else _wanted(before.settings)):
        place = f"{scan.subject}/{scan.session}" if scan.session else scan.subject
        if isinstance(scan, SkippedSession):
            entry = WorklistEntry(name, scan.name, place, state=FAILED, reason=scan.reason)
        else:
            scans[scan.name] = scan
            entry = WorklistEntry(name, scan.name, place, str(scan.t1), str(scan.flair))
            entry = _known(entry, before, scan, failures)
        worklist = worklist.with_entry(entry)
        write_worklist(worklist, results)
        report("looking", 0.0, f"Looking for the studies: {len(worklist.entries)} so far")
    worklist = replace(worklist, complete=True)
    write_worklist(worklist, results)
    return worklist, scans


def run_worklist(
    source: Path, results: Path, report: Progress, *, model: str | None = None, device: str = "auto"
) -> Worklist:
    """Analyse all studies that have no result yet, one after another; the worklist file shows the state of each.

    Another call continues a run that was killed; a study that failed has a reason and is tried again by the next call.

    Args:
        model, device: as for `detect`; model None: the model of the existing results, else the default. With other
            settings than those of the existing results this is an InputError.
    """
    worklist, scans = list_studies(source, results, report)
    root = source.parent if source.is_file() else source
    dataset = Dataset.begin(results, root, _settings(results, model, device))
    limit_threads(cores())
    problems = [entry for entry in worklist.entries if entry.scan not in scans]
    dataset.failures.add(
        *(FailedScan(*each.place.partition("/")[::2], CHOOSING, each.reason) for each in problems)
    )
    for place, entry in enumerate(worklist.entries):
        if (scan := scans.get(entry.scan)) is None:
            continue
        report("scans", place / len(worklist.entries), f"{place} of {len(worklist.entries)}: {entry.name}")
        if not dataset.is_finished(scan):
            worklist = worklist.with_entry(replace(entry, state=RUNNING, reason="", findings=None))
            write_worklist(worklist, results)
        outcome = run_scans(dataset, [scan])
        rows = {row.name: row.reason for row in dataset.failures.rows()} if outcome[SCAN_FAILED] else {}
        worklist = worklist.with_entry(_known(replace(entry, state=WAITING), dataset, scan, rows))
        write_worklist(worklist, results)
    return worklist


def summary(worklist: Worklist, results: Path) -> str:
    """The number of studies in each state, in one line."""
    counts = Counter(entry.state for entry in worklist.entries)
    states = ", ".join(f"{counts[state]} {state}" for state in (DONE, FAILED, WAITING) if counts[state])
    return f"{counted(len(worklist.entries), 'study', 'studies')}: {states}; results are in {results}"


def _known(
    entry: WorklistEntry, dataset: Dataset | None, scan: CohortScan, failures: dict[str, str]
) -> WorklistEntry:
    """The entry of a study with the state of its result."""
    if entry.scan in failures:
        return replace(entry, state=FAILED, reason=failures[entry.scan])
    if dataset is None or not dataset.record(scan).is_file():
        return entry
    try:
        count = int(json.loads(dataset.record(scan).read_text("utf-8"))["count"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return entry
    return replace(entry, state=DONE, reason="", findings=count)


def _settings(results: Path, model: str | None, device: str) -> CohortSettings:
    """The settings of the existing results, else those for a review: scores kept, no pictures."""
    there = (results / SETTINGS).exists()
    settings = Dataset.open(results).settings if there else CohortSettings(keep_scores=True, pictures=False)
    detection = replace(settings.detection, device=device)
    settings = replace(settings, detection=detection, version=__version__)
    return settings.with_model(model or detection.model)


def _wanted(settings: CohortSettings) -> SelectionCriteria:
    """The selection with which the results were started."""
    try:
        rules = json.loads(settings.filter or "{}").items()
        entities = {suffix: {name: tuple(values) for name, values in rule.items()} for suffix, rule in rules}
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(
            "The settings of these results are damaged: choose another folder for results."
        ) from error
    masks = Path(settings.brain_masks) if settings.brain_masks else None
    return SelectionCriteria(runs=settings.runs, entities=entities, brain_masks=masks)
