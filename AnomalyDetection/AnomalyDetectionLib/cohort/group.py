"""The level "group": tables, figures, and pages with every scan, made from the records alone with little memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..bids.bids_layout import read_participants
from ..errors import InputError
from ..files.folder_lock import locked
from ..files.text import counted, first_of
from .dataset import Dataset
from .group_figures import draw_by_age, draw_by_sex, draw_spread
from .group_pages import INDEX, PAGES, write_index, write_pages
from .group_tables import findings_table, write_scans
from .outliers import Outlier, find_unusual
from .summaries import OutOfDate, ScanSummary, read_summaries

Progress = Callable[[str, float, str], None]

_READ, _TABLES = 0.55, 0.65
"""Fractions of the time until the records are read, and until the tables are written."""


def write_group(folder: Path, source: Path, report: Progress) -> str:
    """Write all outputs of the level "group"; returns a summary in one sentence.

    Args:
        folder: of the results; InputError if there are none, or it cannot be written.
        source: the BIDS dataset, for its participants.tsv.
    """
    dataset = Dataset.open(folder)
    if not source.is_dir():
        raise InputError(
            f"The dataset {source} does not exist: give the dataset that the results were made from."
        )
    dataset = dataset.at(source)
    people, problems = read_participants(source / "participants.tsv")
    try:
        with locked(dataset.work / "group") as lock:
            if lock.exclusive:
                for left in dataset.work.glob("group.*"):  # left by a run that was killed
                    shutil.rmtree(left, ignore_errors=True)
            return _write(dataset, people, problems, report)
    except OSError as error:
        raise InputError(f"The output folder {folder} cannot be written ({error.strerror}): free some space, or check its permissions.") from error  # fmt: skip


def _write(
    dataset: Dataset, people: Mapping[str, Mapping[str, str]], remarks: Sequence[str], report: Progress
) -> str:
    report("group", 0.0, "Reading the records")
    scans: list[ScanSummary] = []
    damaged: list[str] = []
    old: list[OutOfDate] = []
    expected = max(1, sum(1 for _ in dataset.folder.glob("sub-*")))
    with findings_table(dataset.folder) as add:
        for found in read_summaries(dataset):
            if isinstance(found, str):
                damaged.append(found)
                continue
            if isinstance(found, OutOfDate):
                old.append(found)
                continue
            scans.append(found[0])
            add(*found)
            if len(scans) % 100 == 0:
                report("group", min(_READ, _READ * len(scans) / expected), f"{len(scans)} records read")
        if not scans and old:
            raise InputError(f"{dataset.folder} holds no results that are up to date ({old[0].name} {old[0].reason}): run the level participant first.")  # fmt: skip
        if not scans:
            raise InputError(f"{dataset.folder} holds no results: run the level participant first.")
    if people and (unknown := sum(scan.subject not in people for scan in scans)):
        remarks = [*remarks, f"{unknown} of {len(scans)} scans have no row in participants.tsv."]
    unusual = find_unusual(scans)
    report("group", _READ, "Writing the tables")
    write_scans(dataset.folder, scans, unusual, people)
    in_order = sorted(zip(scans, unusual, strict=True), key=_unusual_first)
    made = Path(tempfile.mkdtemp(prefix="group.", dir=dataset.work))
    try:
        _pages(dataset, made, in_order, people, damaged, old, remarks, report)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    findings = counted(sum(scan.findings for scan in scans), "finding")
    summary = f"{counted(len(scans), 'scan')}, {findings}: {dataset.folder / INDEX}."
    if damaged:
        first = first_of(damaged, 3)
        summary += f" {len(damaged)} records cannot be read ({first}): delete their folders and run participant again."
    if old:
        first = first_of([item.name for item in old], 3)
        summary += f" {len(old)} results are out of date and were left out ({first}): see the page."
    return " ".join([summary, *remarks])


def _pages(
    dataset: Dataset,
    made: Path,
    scans: Sequence[tuple[ScanSummary, tuple[Outlier, ...]]],
    people: Mapping[str, Mapping[str, str]],
    damaged: Sequence[str],
    old: Sequence[OutOfDate],
    remarks: Sequence[str],
    report: Progress,
) -> None:
    """Write figures and pages: first the pages with the scans, which replace earlier ones in one step, then the index."""
    pages, figures = made / PAGES, made / "figures"
    pages.mkdir()
    figures.mkdir()
    names = write_pages(
        pages, scans, lambda done: report("group", _TABLES + (0.98 - _TABLES) * done, "Writing the pages")
    )
    summaries = [scan for scan, _ in scans]
    spread, by_age, by_sex = (figures / f"{name}.png" for name in ("spread", "age", "sex"))
    draw_spread(summaries, spread)
    drawn = [(spread, "Number and total volume of the findings of a scan.", "Two histograms")]
    if known := draw_by_age(summaries, people, by_age):
        caption = f"Total volume against age, for the {counted(known, 'scan')} with a known age."
        drawn.append((by_age, caption, "Scatter plot of volume against age"))
    elif known := draw_by_sex(summaries, people, by_sex):
        caption = f"Total volume by sex, for the {counted(known, 'scan')} with a known sex."
        drawn.append((by_sex, caption, "Box plot of volume for each sex"))
    target = dataset.folder / PAGES
    old_pages = made / "old"
    if target.exists():
        target.rename(old_pages)
    try:
        pages.rename(target)
    except BaseException:
        if old_pages.exists():
            old_pages.rename(target)
        raise
    failures = [row._replace(reason=dataset.without_folders(row.reason)) for row in dataset.failures.rows()]
    subjects = counted(len({scan.subject for scan in summaries}), "subject")
    about = f"{counted(len(scans), 'scan')} of {subjects}"
    facts = _facts(dataset, summaries, len(failures), damaged)
    facts += [("out of date, left out", f"{len(old)}")] if old else []
    facts += [("people", remark) for remark in remarks]
    title = f"Suspected anomalies: {about}"
    write_index(dataset.folder, title, scans, failures, names, drawn, facts, old)


def _facts(
    dataset: Dataset, scans: Sequence[ScanSummary], failed: int, damaged: Sequence[str]
) -> list[tuple[str, str]]:
    burden = np.array([scan.burden_ml for scan in scans])
    low, middle, high = np.percentile(burden, [25, 50, 75])
    findings = np.array([scan.findings for scan in scans])
    return [
        ("scans with a result", f"{len(scans)}, of {counted(len({scan.subject for scan in scans}), 'subject')}"),
        ("without", f"{failed}" + (f", and {len(damaged)} whose record cannot be read" if damaged else "")),
        ("findings a scan", f"median {np.median(findings):g}, {findings.min()} to {findings.max()}"),
        ("their volume in a scan", f"median {middle:.1f} ml, half of the scans {low:.1f} to {high:.1f} ml, highest {burden.max():.1f} ml"),
        ("model", ", ".join(sorted({scan.model for scan in scans}))),
        ("time a scan", f"median {np.median([scan.seconds for scan in scans]):.0f} s"),
        ("from", dataset.source.name),
    ]  # fmt: skip


def _unusual_first(item: tuple[ScanSummary, tuple[Outlier, ...]]) -> tuple[int, float, str]:
    scan, unusual = item
    return -(len(scan.warnings) + len(unusual)), -max((abs(u.z) for u in unusual), default=0.0), scan.name
