"""The tables of a group with their data dictionaries: one row per scan, and one row per finding."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..detection.hints import HINTS
from ..files.atomic_file import atomic_file, write_text_atomically
from .outliers import Outlier, warnings_of
from .sidecars import column, finding_columns, json_text
from .summaries import Findings, ScanSummary

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
_BURDEN = ("findings", "burden_ml", "burden_percent", "largest_ml", "peak_score")
_REST = tuple(_PLAIN)[tuple(_PLAIN).index("brain_ml") :]


@contextmanager
def findings_table(folder: Path) -> Iterator[Callable[[ScanSummary, Findings], None]]:
    """Yield a function that adds the findings of a scan to `FINDINGS`.

    The file appears when the block ends without an error.
    """
    columns = finding_columns()
    with atomic_file(folder / FINDINGS) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["participant_id", "session_id", "number", *columns])

        def add(scan: ScanSummary, findings: Findings) -> None:
            for finding in findings:
                r, a, s = finding.get("centroid_ras_mm") or (None, None, None)
                values = {**finding, "centroid_r_mm": r, "centroid_a_mm": a, "centroid_s_mm": s}
                cells = [_cell(values.get(name)) for name in ("number", *columns)]
                table.writerow([scan.subject, scan.session or "n/a", *cells])

        yield add
    about = {name: column(*_PLAIN[name]) for name in ("participant_id", "session_id")}
    _write_json(folder / FINDINGS, about | {"number": column("Number of the finding in its scan"), **columns})


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
    of_kinds = [name for key, _, _ in kinds for name in (key, key.replace("findings_", "ml_", 1))]
    columns = ["participant_id", "session_id", *extra, *_BURDEN, *of_kinds, *_REST]
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
    write_text_atomically(table.with_suffix(".json"), json_text(content))
