"""Summaries of scans for the level "group", read from their records: a few hundred bytes per scan, no images."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..files.text import display_path
from ..reporting.extras import MissingExtra
from .dataset import Dataset
from .failures import FailedScan
from .input_files import UNREADABLE

WITHOUT_T1_IS_WORTH_SAYING = 0.005

Findings = Sequence[Mapping[str, Any]]
"""The findings of a scan, as in its record."""


@dataclass(frozen=True)
class ScanSummary:
    """The summary of a scan.

    Attributes:
        name, subject, session: as in `CohortScan`.
        findings: number of findings.
        burden_ml: total volume of the findings.
        brain_ml: volume of the searched part of the brain.
        largest_ml, peak_score: of the findings; 0 without any.
        counts, volumes_ml: by "hint", "side" and "part" (of the brain), then by its name.
        shift_mm, rotation_deg: how the registration moved the T1.
        t1_contrast, flair_contrast: between the darkest and the brightest tissue, 0 to 1.
        seconds: duration of the analysis.
        finished: time when it ended, UTC.
        model: name and the first digits of its fingerprint.
        warnings: of the analysis: reasons to doubt the result, one sentence each.
        folder: the results folder.
    """

    name: str
    subject: str
    session: str
    findings: int
    burden_ml: float
    brain_ml: float
    largest_ml: float
    peak_score: float
    counts: Mapping[str, Mapping[str, int]]
    volumes_ml: Mapping[str, Mapping[str, float]]
    shift_mm: float
    rotation_deg: float
    t1_contrast: float
    flair_contrast: float
    seconds: float
    finished: str
    model: str
    warnings: tuple[str, ...]
    folder: Path

    @property
    def burden_percent(self) -> float:
        """Of the brain."""
        return 100 * self.burden_ml / self.brain_ml if self.brain_ml else math.nan


class OutOfDate(NamedTuple):
    """A result that is out of date, and why."""

    name: str
    reason: str


def read_summaries(dataset: Dataset) -> Iterator[tuple[ScanSummary, Findings] | OutOfDate | str]:
    """Yield for each scan, by name: a summary with its findings, a result that is out of date, or an unreadable record."""
    failed = {row.name: row for row in dataset.failures.rows()}
    for path in dataset.records():
        try:
            record = json.loads(path.read_text("utf-8"))
            summary = _summary(record, path.parents[1])
            if reason := _out_of_date(dataset, record["cohort"], failed.get(summary.name)):
                yield OutOfDate(summary.name, reason)
            else:
                yield summary, record["findings"]
        except (*UNREADABLE, OverflowError):
            yield path.relative_to(dataset.folder).as_posix()


def _out_of_date(dataset: Dataset, cohort: dict[str, Any], failure: FailedScan | None) -> str:
    """Why a result is out of date; "" if it is up to date."""
    if failure is not None:
        return "has a row in errors.csv: the last attempt to analyse it again failed"
    if cohort["settings"] != dataset.settings.fingerprint:
        return "was made with other settings than code/settings.json"
    for role in ("t1", "flair"):
        described = cohort["inputs"].get(role)
        if described and not dataset.holds(described["file"]):
            return f"its image {display_path(described['file'])} is no longer in the dataset"
    return ""


def _summary(record: dict[str, Any], folder: Path) -> ScanSummary:
    cohort, findings = record["cohort"], record["findings"]
    subject, session = str(cohort["subject"]), str(cohort["session"])
    name = f"{subject}_{session}" if session else subject
    counts: dict[str, dict[str, int]] = {"hint": {}, "side": {}, "part": {}}
    volumes: dict[str, dict[str, float]] = {"hint": {}, "side": {}, "part": {}}
    for finding in findings:
        part = finding["region"].rpartition(", ")[2]  # "cortex" of "superior, cortex"
        for kind, value in (("hint", finding["hint"]), ("side", finding["side"]), ("part", part)):
            counts[kind][value] = counts[kind].get(value, 0) + 1
            volumes[kind][value] = volumes[kind].get(value, 0) + finding["volume_ml"]
    alignment, contrast = record["alignment"], cohort["contrast"]
    return ScanSummary(
        name=name,
        subject=subject,
        session=session,
        findings=len(findings),
        burden_ml=sum(float(finding["volume_ml"]) for finding in findings),
        brain_ml=float(record["brain_ml"]),
        largest_ml=max((float(finding["volume_ml"]) for finding in findings), default=0.0),
        peak_score=max((float(finding["peak_score"]) for finding in findings), default=0.0),
        counts=counts,
        volumes_ml=volumes,
        shift_mm=float(alignment["shift_mm"]),
        rotation_deg=float(alignment["rotation_deg"]),
        t1_contrast=float(contrast["t1"]),
        flair_contrast=float(contrast["flair"]),
        seconds=round(sum(record["run"]["seconds"].values()), 2),
        finished=str(record["run"]["finished_utc"]),
        model=f"{record['model']['name']} ({record['model']['sha256'][:8]})",
        warnings=_warnings(record),
        folder=folder,
    )


def _warnings(record: dict[str, Any]) -> tuple[str, ...]:
    warnings = [str(warning["sentence"]) for warning in record.get("quality") or ()]
    if (without := float(record.get("brain_without_t1") or 0)) >= WITHOUT_T1_IS_WORTH_SAYING:
        warnings.append(f"The T1 does not reach {100 * without:.0f} % of the brain")
    warnings += [MissingExtra.of(one).sentence for one in record.get("missing") or ()]
    return tuple(dict.fromkeys(sentence.rstrip(".") for sentence in warnings))
