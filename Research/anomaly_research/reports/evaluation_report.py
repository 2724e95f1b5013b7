"""The tables, figures and summary of an evaluation, written into its folder."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy
import scipy
from AnomalyDetectionLib import __version__
from AnomalyDetectionLib.files.atomic_folder import atomic_folder
from AnomalyDetectionLib.files.text import counted

from ..evaluation.categories import CATEGORIES
from ..evaluation.csv_rows import Row, write_rows
from ..evaluation.evaluation_tables import (
    difference_rows,
    lesion_and_finding_rows,
    lesion_free_rows,
    method_rows,
    rate_rows,
    scan_rows,
    sensitivity_rows,
    strata_rows,
)
from ..evaluation.kinds import CALLED, called_findings, confusion
from ..evaluation.run_evaluation import Evaluation, Progress
from ..evaluation.truth_files import BidsScan
from .evaluation_figures import froc_figure, strata_figure
from .evaluation_summary import summary_page
from .markdown import grouped

TABLES = "tables"


def write_evaluation(evaluation: Evaluation, progress: Progress) -> None:
    """Write everything into the output folder of the request; of a run that evaluated nothing, only the errors.

    Two runs over the same scans, models and seed write the same bytes. An `InputError` if the folder cannot be
    written, or a stored file is damaged.
    """
    with atomic_folder(evaluation.request.output) as folder:
        (folder / TABLES).mkdir()
        failures = [asdict(failure) for failure in evaluation.failures]
        write_rows(folder / TABLES / "errors.csv", failures, ("subject", "reason"))
        if evaluation.methods:
            _write_results(evaluation, folder, progress)


def _write_results(evaluation: Evaluation, folder: Path, progress: Progress) -> None:
    methods, weights = evaluation.methods, evaluation.weights

    def report(line: str, done: float) -> None:
        progress("tables", 0.95 + 0.04 * done, line)

    by_scan = list(lesion_and_finding_rows(methods, report))
    for name in by_scan[0]:
        write_rows(folder / TABLES / f"{name}.csv", (row for scan in by_scan for row in scan[name]))
    makers = {
        "methods": method_rows,
        "sensitivity": sensitivity_rows,
        "rates": rate_rows,
        "differences": difference_rows,
        "strata": strata_rows,
        "lesion_free": lesion_free_rows,
    }
    tables = {name: list(make(methods, weights)) for name, make in makers.items()}
    tables["categories"] = list(_category_rows(evaluation, by_scan))
    tables["kinds"] = list(_kind_rows(evaluation, by_scan))
    for name, rows in tables.items():
        write_rows(folder / TABLES / f"{name}.csv", rows)
    write_rows(folder / TABLES / "scans.csv", scan_rows(methods))
    said = what_was_simulated(evaluation.request.cohort, evaluation.scans)
    froc_figure(methods, weights, said, folder / "froc.png")
    strata_figure(tables["strata"], said, folder / "strata.png")
    page = summary_page(evaluation, tables, said)
    (folder / "summary.md").write_text(page, encoding="utf-8", errors="backslashreplace")
    record = {"what_was_simulated": said, "run": _record(evaluation), **tables}
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def _kind_rows(evaluation: Evaluation, by_scan: Sequence[dict[str, list[Row]]]) -> Iterator[Row]:
    """What findings and candidates were called."""
    rows = [{"of": name, **row} for scan in by_scan for name in CALLED for row in scan[name]]
    patients = [scan.patient for scan in evaluation.scans]
    for (method, name), own in grouped(
        (row for row in rows if row["hint"] is not None), "method", "of"
    ).items():
        for row in confusion(called_findings(own), patients, evaluation.weights):
            yield {"method": method, "of": name, **row}


def _category_rows(evaluation: Evaluation, by_scan: Sequence[dict[str, list[Row]]]) -> Iterator[Row]:
    counts = Counter((row["method"], row["category"]) for scan in by_scan for row in scan["findings"])
    for method in evaluation.methods:
        total = sum(counts[method.name, category] for category in CATEGORIES)
        for category in CATEGORIES:
            count = counts[method.name, category]
            yield {
                "method": method.name,
                "operating_point": method.points[0][0],
                "category": category,
                "patients": len(set(method.curves.patients)),
                "findings": count,
                "findings_a_scan": count / len(evaluation.scans),
                "share": count / total if total else None,
            }


def what_was_simulated(cohort: Path, scans: Sequence[BidsScan]) -> str:
    """One sentence that heads every table and figure."""
    people = counted(len({scan.patient for scan in scans}), "person", "people")
    size = f"{counted(len(scans), 'scan')} of {people}"
    anatomy = Counter(scan.participant.get("anatomy", "").strip() for scan in scans)
    if set(anatomy) == {""}:
        return f"{_name(cohort)}: {size}; whether anything in them is simulated is not said there."
    kinds = [
        f"real anatomy ({n}; infarcts simulated into real scans)"
        if kind == "real"
        else f"anatomy of {kind} ({n}; the whole image is simulated)"
        for kind, n in sorted(anatomy.items(), key=lambda item: (item[0] != "real", item[0]))
        if kind
    ]
    # The first word names the collection, what follows the person.
    sources = sorted({scan.participant.get("source", "").split(" ")[0] for scan in scans} - {""})
    said = f"Simulated infarcts in {size}: {'; '.join(kinds)}"
    return said + (f"; scans from {', '.join(sources)}." if sources else ".")


def _name(cohort: Path) -> str:
    try:
        return str(json.loads((cohort / "dataset_description.json").read_text("utf-8"))["Name"])
    except (OSError, ValueError, KeyError, TypeError):
        return cohort.name


def _record(evaluation: Evaluation) -> dict[str, Any]:
    """What the tables were made with; no dates, so that two runs are the same."""
    request = evaluation.request
    return {
        "models": {name: model.fingerprint for name, model in evaluation.models.items()},
        "subjects": [scan.subject for scan in evaluation.scans],
        "patients": sorted({scan.patient for scan in evaluation.scans}),
        "failed": [asdict(failure) for failure in evaluation.failures],
        "bootstrap": {"resamples": request.resamples, "seed": request.seed, "unit": "patient"},
        "versions": {
            "AnomalyDetection": __version__,
            "python": platform.python_version(),
            "numpy": numpy.__version__,
            "scipy": scipy.__version__,
        },
    }
