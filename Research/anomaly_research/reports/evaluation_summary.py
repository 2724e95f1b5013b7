"""One page about an evaluation, in Markdown: tables that can stand in a README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from AnomalyDetectionLib.files.text import counted

from ..evaluation import published
from ..evaluation.bootstrap import CONFIDENCE
from ..evaluation.categories import CATEGORIES
from ..evaluation.csv_rows import Row
from ..evaluation.evaluation_tables import AIMED_AT
from ..evaluation.froc import MOST_FLAGGED, RATES
from ..evaluation.run_evaluation import Evaluation
from ..evaluation.threshold_curves import ANY
from .kinds_table import kinds_tables
from .markdown import dice, figure, grouped, markdown_page, points, share, table


def summary_page(evaluation: Evaluation, tables: Mapping[str, Sequence[Row]], said: str) -> str:
    """The page, from the tables of `evaluation_tables` by name; it begins with what was simulated."""
    first = tables["methods"][0]
    people = counted(first["patients"], "patient")
    interval = (
        f"In brackets: {CONFIDENCE:g} % interval over patients ({evaluation.request.resamples} resamples)."
        if first["patients"] > 1
        else "No intervals: there is but one patient."
    )
    smallest = {f"{r['smallest_ml']:g} ml ({r['method']})" for r in tables["methods"] if r["smallest_ml"]}
    return markdown_page(
        "evaluation.md",
        said=said,
        people=people,
        size=f"{people}, {counted(first['scans'], 'scan')}, {counted(first['lesions'], 'infarct')}",
        interval=interval,
        failures=evaluation.failures,
        smallest=", ".join(sorted(smallest)),
        most_flagged=f"{100 * MOST_FLAGGED:g}",
        models=", ".join(f"{name} ({m.fingerprint[:12]})" for name, m in evaluation.models.items()),
        methods=_method_table(tables["methods"]),
        sensitivity=_rate_table(tables["sensitivity"]),
        rates=_aim_table(tables["rates"]),
        differences=_difference_table(tables["differences"]),
        strata=_strata_table(tables["strata"]),
        strata_at_rates=_strata_rate_table(tables["strata"]),
        lesion_free=_free_table(tables["lesion_free"]),
        categories=_category_table(tables["categories"]),
        kinds=kinds_tables(tables["kinds"]),
    )


def _method_table(rows: Sequence[Row]) -> list[str]:
    heads = ["method", "at", "infarcts found", "one-to-one", "10 % covered", "volume found", "voxels flagged", "Dice",
             "findings a scan", "false positives", "WMH ignored", "flagged ml"]  # fmt: skip
    body = [
        [
            row["method"],
            row["operating_point"]
            + ("" if "threshold" in row["operating_point"] else f" ({row['threshold']:.2f})"),
            f"{row['found']} of {row['lesions']}: {share(row, 'sensitivity')}",
            *(share(row, f"sensitivity_{criterion}") for criterion in ("one_to_one", "covered")),
            *(share(row, of) for of in ("volume_share", "voxel_share")),
            dice(row),
            *(
                figure(row, n)
                for n in ("findings", "false_positives", "false_positives_no_wmh", "flagged_ml")
            ),
        ]
        for row in rows
    ]
    found = f"{published.FOUND} of {published.INFARCTS}: {100 * published.FOUND / published.INFARCTS:.0f} %"
    a_scan = (
        published.FINDINGS / published.PATIENTS,
        (published.FINDINGS - published.FOUND) / published.PATIENTS,
    )
    volume = f"{100 * published.VOLUME_SHARE:.1f} %"
    body.append(["*the paper (real infarcts)*", "threshold 3", found, "", "", volume, "", "",
                 *(f"{count:.1f}" for count in a_scan), "", ""])  # fmt: skip
    return table(heads, body)


def _rate_table(rows: Sequence[Row]) -> list[str]:
    groups = grouped([row for row in rows if row["criterion"] == ANY], "wmh", "method")
    body = [
        [method, wmh, *(share(row, "sensitivity") for row in own)] for (wmh, method), own in groups.items()
    ]
    body.sort(key=lambda cells: cells[1])  # counted before ignored
    return table(["method", "findings on WMH", *(f"at {rate:g}" for rate in RATES)], body)


def _aim_table(rows: Sequence[Row]) -> list[str]:
    heads = ["method", "false positives a scan", "findings on WMH", "threshold", "infarcts found", "volume found",
             "voxels flagged", "Dice", "findings a scan", "flagged ml"]  # fmt: skip
    return table(
        heads,
        [
            [row["method"], f"{row['rate']:g}", row["wmh"],
             "-" if row["threshold"] is None else f"{row['threshold']:.3g}",
             *(share(row, name) for name in ("sensitivity", "volume_share", "voxel_share")), dice(row),
             *(figure(row, name) for name in ("findings", "flagged_ml"))]
            for row in rows
        ],
    )  # fmt: skip


def _difference_table(rows: Sequence[Row]) -> list[str]:
    body = [
        [f"{one} less {other}, WMH {wmh}", *(points(row) for row in own)]
        for (one, other, wmh), own in grouped(rows, "method", "less", "wmh").items()
    ]
    return table(["percentage points", *(f"at {rate:g}" for rate in RATES)], body)


def _strata_table(rows: Sequence[Row]) -> list[str]:
    """A row a class of lesions, a column a method."""
    body = [
        [
            f"{stratum}: {name}",
            own[0]["lesions"],
            own[0]["patients"],
            *(share(row, "sensitivity") for row in own),
        ]
        for (stratum, name), own in grouped(rows, "stratum", "class").items()
    ]
    return table(["infarcts", "number", "patients", *dict.fromkeys(row["method"] for row in rows)], body)


def _strata_rate_table(rows: Sequence[Row]) -> list[str]:
    methods = dict.fromkeys(row["method"] for row in rows)
    heads = ["infarcts", "number", *(f"{method} at {rate:g}" for method in methods for rate in AIMED_AT)]
    columns = [f"sensitivity_at_{rate:g}_no_wmh" for rate in AIMED_AT]
    body = [
        [f"{stratum}: {name}", own[0]["lesions"], *(share(row, column) for row in own for column in columns)]
        for (stratum, name), own in grouped(rows, "stratum", "class").items()
    ]
    return table(heads, body)


def _free_table(rows: Sequence[Row]) -> list[str]:
    if not any(row["scans_are"] == "without infarct" for row in rows):
        return ["There are none."]
    figures = ("false_positives_no_wmh", "on_known_lesions", "false_positives", "flagged_ml")
    body = [
        [
            row["method"], row["operating_point"], f"{row['scans']} {row['scans_are']}", row["patients"],
            *(figure(row, name) for name in figures),
        ]
        for row in rows
    ]  # fmt: skip
    heads = ["method", "at", "scans", "patients", "false positives a scan, WMH ignored", "findings on known WMH",
             "both together", "flagged ml"]  # fmt: skip
    return table(heads, body)


def _category_table(rows: Sequence[Row]) -> list[str]:
    def cell(row: Row) -> str:
        part = "" if row["share"] is None else f" ({100 * row['share']:.0f} %)"
        return f"{row['findings_a_scan']:.1f}{part}"

    body = [[method, *map(cell, own)] for (method,), own in grouped(rows, "method").items()]
    return table(["findings a scan", *CATEGORIES], body)
