"""The tables of a group with their data dictionaries: one row per scan, and one row per finding."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..cohort.sidecars import column, finding_columns
from ..detection.hints import HINTS
from ..files.atomic_file import atomic_file, write_text_atomically
from .outliers import Outlier, warnings_of
from .summaries import FindingSummary, ScanSummary

SCANS, FINDINGS = "group_scans.tsv", "group_findings.tsv"
SIDES = ("left", "right", "midline")
_PLAIN = {
    "participant_id": ("The subject", None),
    "session_id": ("The session; n/a if the subject has none", None),
    "age": ("From participants.tsv", "year"),
    "sex": ("From participants.tsv", None),
    "findings": ("Number of findings", None),
    "burden_ml": ("Volume of all findings", "mL"),
    "burden_percent": ("The same, of the brain", "%"),
    "largest_ml": ("Volume of the largest finding; 0 without any", "mL"),
    "peak_score": ("Highest score of the findings; 0 without any", None),
    "brain_ml": ("Volume of the brain that was searched", "mL"),
    "shift_mm": ("Mean distance that the registration moved the T1 by", "mm"),
    "rotation_deg": ("Angle that the registration rotated the T1 by", "degree"),
    "t1_contrast": (
        "Contrast between the darkest and the brightest tissue on the T1: difference divided by sum",
        None,
    ),
    "flair_contrast": ("The same on the FLAIR", None),
    "seconds": ("Duration of the analysis", "s"),
    "finished": ("Time when the analysis ended, UTC", None),
    "model": ("Name of the model and the first digits of its SHA256", None),
    "warnings": ("Number of warnings and unusual values", None),
    "highest_z": ("The modified z-score farthest from 0 among the unusual values", None),
    "warning_text": ("Warnings of the analysis, and values unlike the rest of the group", None),
}
_TAIL = ("brain_ml", "shift_mm", "rotation_deg", "t1_contrast", "flair_contrast", "seconds", "finished", "model",
         "warnings", "highest_z", "warning_text")  # fmt: skip


class FindingsTable:
    """`FINDINGS`, written scan by scan in a `with` block; the file appears when the block ends without an error."""

    def __init__(self, folder: Path) -> None:
        """Write into this folder of a dataset."""
        self._path = folder / FINDINGS
        self._columns = finding_columns()
        self._whole = atomic_file(self._path)

    def __enter__(self) -> FindingsTable:
        """Begin the table."""
        partial = self._whole.__enter__()
        self._file = partial.open("w", newline="", encoding="utf-8")
        self._table = csv.writer(self._file, delimiter="\t", lineterminator="\n")
        self._table.writerow(["participant_id", "session_id", "number", *self._columns])
        return self

    def __exit__(self, *error: Any) -> None:
        """Finish the file; after an error the earlier file is kept."""
        self._file.close()
        self._whole.__exit__(*error)
        if error[0] is None:
            about = {name: column(*_PLAIN[name]) for name in ("participant_id", "session_id")}
            about |= {"number": column("Number of the finding in its scan"), **self._columns}
            _write_json(self._path, about)

    def add(self, rows: Iterable[FindingSummary]) -> None:
        """Add the findings of a scan."""
        for row in rows:
            r, a, s = row.values.get("centroid_ras_mm") or (None, None, None)
            values = {**row.values, "centroid_r_mm": r, "centroid_a_mm": a, "centroid_s_mm": s}
            cells = [_cell(values.get(name)) for name in ("number", *self._columns)]
            self._table.writerow([row.subject, row.session or "n/a", *cells])


def write_scans(
    folder: Path,
    scans: Sequence[ScanSummary],
    unusual: Sequence[Sequence[Outlier]],
    people: Mapping[str, Mapping[str, str]],
) -> None:
    """Write `SCANS` and its dictionary.

    Args:
        unusual: of each scan.
        people: the rows of participants.tsv by subject.

    Raises:
        OSError: if it cannot be written.
    """
    parts = sorted({part for scan in scans for part in scan.volumes_ml["part"]})
    about = dict(_PLAIN)
    kinds: list[tuple[str, str, str]] = []
    for kind, names in (("hint", HINTS), ("side", SIDES), ("part", parts)):
        for name in names:
            slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
            kinds.append((f"findings_{kind}_{slug}", kind, name))
            about[f"findings_{kind}_{slug}"] = (f"Findings with the {kind} {name}", None)
            about[f"ml_{kind}_{slug}"] = (f"Volume of the findings with the {kind} {name}", "mL")
    extra = [name for name in ("age", "sex") if any(value_of(row, name) for row in people.values())]
    heads = [
        "participant_id",
        "session_id",
        *extra,
        "findings",
        "burden_ml",
        "burden_percent",
        "largest_ml",
        "peak_score",
    ]
    columns = [
        *heads,
        *(name for key, _, _ in kinds for name in (key, key.replace("findings_", "ml_", 1))),
        *_TAIL,
    ]
    with atomic_file(folder / SCANS) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(columns)
        for scan, strange in zip(scans, unusual, strict=True):
            row: dict[str, Any] = {name: getattr(scan, name, None) for name in columns}
            row |= {"participant_id": scan.subject, "session_id": scan.session or None}
            row |= {name: value_of(people.get(scan.subject, {}), name) or None for name in extra}
            for key, kind, name in kinds:
                row[key] = scan.counts[kind].get(name, 0)
                row[key.replace("findings_", "ml_", 1)] = float(scan.volumes_ml[kind].get(name, 0.0))
            warnings = warnings_of(scan, strange)
            row |= {"warnings": len(warnings), "warning_text": "; ".join(warnings) or None}
            row["highest_z"] = strange[0].z if strange else None
            table.writerow([_cell(row[name]) for name in columns])
    _write_json(folder / SCANS, {name: column(*about[name]) for name in columns})


def value_of(row: Mapping[str, str], name: str) -> str:
    """A cell of participants.tsv, whatever the case of its column's name; "" for n/a."""
    names = {"sex": ("sex", "gender")}.get(name, (name,))
    for key, value in row.items():
        if key.strip().lower() in names:
            return "" if value.strip().lower() in ("n/a", "na", "nan", "") else value.strip()
    return ""


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "n/a"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"
    return " ".join(str(value).split()) or "n/a"


def _write_json(table: Path, content: dict[str, Any]) -> None:
    write_text_atomically(
        table.with_suffix(".json"), json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    )
