"""The promotion rule as tables: one page in Markdown, and CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..evaluation.bootstrap import CONFIDENCE
from ..evaluation.promotion import ALL, RATE, SMALL, UNDER_1, Figure, Measured, Promotion
from .markdown import counted, table

PAGE, RULE = "promotion.md", "rule.csv"


def in_words(promotion: Promotion) -> str:
    """Whether the model is promoted, in one sentence."""
    reached = sum(figure.reached for figure in promotion.figures)
    verdict = "is promoted" if reached == len(promotion.figures) else "is not promoted"
    if reached == len(promotion.figures) and not promotion.real:
        verdict = "cannot be judged yet: real lesions are part of the rule (--real)"
    return (
        f"The model {promotion.model} {verdict}: {reached} of {len(promotion.figures)} figures are reached."
    )


def write_promotion(promotion: Promotion, folder: Path, said: str, said_of_real: str = "") -> None:
    """Write the page and the tables.

    Args:
        said: what was simulated; the page begins with it.
        said_of_real: of the real lesions, where there are any.

    Raises:
        OSError: if they cannot be written.
    """
    (folder / PAGE).write_text(_page(promotion, said, said_of_real), encoding="utf-8")
    _write(folder / RULE, [_row(figure) for figure in promotion.figures])
    _write(folder / "side_by_side.csv", promotion.side_by_side)
    _write(folder / "by_class.csv", promotion.by_class)
    _write(folder / "by_patient.csv", promotion.by_patient)
    if promotion.real:
        _write(folder / "real_lesions.csv", promotion.real)


def _page(promotion: Promotion, said: str, said_of_real: str) -> str:
    curves = promotion.methods[0].curves
    size = (
        f"{counted(len(set(curves.patients)), 'patient')}, {counted(len(curves.subjects), 'scan')}, "
        f"{counted(len(curves.lesions), 'infarct')}"
    )
    lines = [
        f"**{said}**",
        "",
        f"{in_words(promotion)}",
        "",
        f"### The rule ({size})",
        "",
        *table(
            ["figure", "on", "measured", "findings on WMH counted", "aim", "reached"],
            [_rule(figure) for figure in promotion.figures],
        ),
        "",
        f"Sensitivities at {RATE:g} false positives a scan; findings on white matter hyperintensities are ignored but in "
        f"the column that says otherwise. In brackets: {CONFIDENCE:g} % interval over patients; differences are paired. "
        "Differences are in percentage points. A figure is reached by the first of the two, with findings on white matter "
        "hyperintensities ignored. Time and memory are measured elsewhere.",
        "",
        f"### Side by side ({size})",
        "",
        *_side_by_side(promotion.side_by_side, "infarcts"),
        "",
        f"### Infarcts found at {RATE:g} false positives a scan, by class",
        "",
        *_by_class(promotion),
        "",
        f"### By patient, at the threshold of each method that has {RATE:g} false positives a scan in all",
        "",
        *_by_patient(promotion),
        "",
    ]
    if promotion.real:
        lines += [
            f"### Real lesions ({said_of_real})",
            "",
            *_side_by_side(promotion.real, "lesions"),
            "",
        ]
    return "\n".join(lines)


def _rule(figure: Figure) -> list[str]:
    on = counted(figure.lesions, "lesion") if figure.lesions else counted(figure.scans, "scan")
    aim = f"{'at most' if figure.at_most else 'at least'} {_number(figure.aim, figure.unit)}"
    return [
        figure.what,
        f"{on}, {counted(figure.patients, 'patient')}",
        _with_interval(figure.measured, figure.unit),
        "" if figure.counted is None else _with_interval(figure.counted, figure.unit),
        aim + (", interval above 0" if figure.above_0 else ""),
        "yes" if figure.reached else "**no**",
    ]


def _row(figure: Figure) -> dict[str, Any]:
    row: dict[str, Any] = {
        "figure": figure.what,
        "lesions": figure.lesions,
        "scans": figure.scans,
        "patients": figure.patients,
        "unit": figure.unit,
    }
    for name, measured in (("measured", figure.measured), ("wmh_counted", figure.counted)):
        values = (math.nan,) * 3 if measured is None else (measured.value, measured.low, measured.high)
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
    bound = "at most" if figure.at_most else "at least"
    return row | {
        "bound": bound,
        "aim": figure.aim,
        "interval_above_0": figure.above_0,
        "reached": figure.reached,
    }


def _side_by_side(rows: Sequence[dict[str, Any]], what: str) -> list[str]:
    heads = ["method", f"{what} found", UNDER_1, SMALL, "volume", "flagged ml",
             "at its own point", "found", "volume", "findings", "on no lesion or WMH", "flagged ml",
             "normal tissue, a lesion-free scan"]  # fmt: skip
    body = [
        [
            row["method"],
            *(_cell(row, f"found_{size}", "share") for size in (ALL, UNDER_1, SMALL)),
            _cell(row, "volume_share", "share"),
            _number(row["flagged_ml"], "a scan"),
            f"{row['operating_point']} ({row['own_threshold']:.3g})",
            _cell(row, "own_sensitivity", "share"),
            _cell(row, "own_volume_share", "share"),
            *(
                _cell(row, f"own_{name}", "a scan")
                for name in ("findings", "false_positives_no_wmh", "flagged_ml", "normal_findings")
            ),
        ]
        for row in rows
    ]
    return table(heads, body)


def _by_class(promotion: Promotion) -> list[str]:
    names = [method.name for method in promotion.methods]
    cells = {(row["method"], row["stratum"], row["class"]): row for row in promotion.by_class}
    classes = dict.fromkeys((stratum, name) for _, stratum, name in cells)
    body = []
    for stratum, name in classes:
        own = [cells[method, stratum, name] for method in names]
        body.append([f"{stratum}: {name}", own[0]["lesions"], own[0]["patients"],
                     *(_cell(row, "found", "share") for row in own)])  # fmt: skip
    return table(["infarcts", "number", "patients", *names], body)


def _by_patient(promotion: Promotion) -> list[str]:
    names = [method.name for method in promotion.methods]
    cells = {(row["method"], row["patient"]): row for row in promotion.by_patient}
    body = []
    for patient in dict.fromkeys(patient for _, patient in cells):
        own = [cells[name, patient] for name in names]
        body.append([patient, *(_of_patient(row) for row in own)])
    return table(["patient: found, false positives a scan, flagged ml", *names], body)


def _of_patient(row: dict[str, Any]) -> str:
    if "found" not in row:
        return "-"
    false, flagged = row["false_positives_no_wmh"], row["flagged_ml"]
    return f"{row['found']} of {row['lesions']}; {false:.1f}; {flagged:.1f}"


def _cell(row: dict[str, Any], name: str, unit: str) -> str:
    return _with_interval(Measured(row[name], row[f"{name}_low"], row[f"{name}_high"]), unit)


def _with_interval(measured: Measured, unit: str) -> str:
    text = _number(measured.value, unit)
    if math.isnan(measured.low) or math.isnan(measured.value):
        return text
    between = " to " if unit == "points" else "-"
    return f"{text} [{_bare(measured.low, unit)}{between}{_bare(measured.high, unit)}]"


def _number(value: float, unit: str) -> str:
    return "-" if math.isnan(value) else _bare(value, unit) + (" %" if unit == "share" else "")


def _bare(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.0f}" if value < 0.95 or value == 1 else f"{100 * value:.1f}"
    return f"{100 * value:+.0f}" if unit == "points" else f"{value:.1f}"


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(
            file, dict.fromkeys(column for row in rows for column in row), lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
