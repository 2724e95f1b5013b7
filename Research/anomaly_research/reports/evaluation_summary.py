"""One page about an evaluation, in Markdown: tables that can stand in a README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..evaluation import published
from ..evaluation.bootstrap import CONFIDENCE, Row
from ..evaluation.categories import CATEGORIES
from ..evaluation.evaluation_tables import AIMED_AT
from ..evaluation.froc import MOST_FLAGGED, RATES
from ..evaluation.run_evaluation import Evaluation
from ..evaluation.threshold_curves import ANY
from .kinds_table import kinds_tables
from .markdown import counted, dice, figure, share, table

WMH_SAID = (
    "WMH ignored: a finding that touches no infarct but a known lesion of another kind (a white matter hyperintensity or MS "
    "lesion, simulated or of the scan's own mask, or a tumour) is no false positive; WMH counted: it is one."
)
"""What the columns mean that leave findings on other lesions out."""


@dataclass(frozen=True)
class Tables:
    """The tables of an evaluation (see `evaluation.evaluation_tables`)."""

    methods: list[Row]
    sensitivity: list[Row]
    rates: list[Row]
    differences: list[Row]
    strata: list[Row]
    lesion_free: list[Row]
    categories: list[Row]
    kinds: list[Row]


def summary_page(evaluation: Evaluation, tables: Tables, said: str) -> str:
    """The page.

    Args:
        said: what was simulated; the page begins with it.
    """
    first = tables.methods[0]
    people = counted(first["patients"], "patient")
    size = f"{people}, {counted(first['scans'], 'scan')}, {counted(first['lesions'], 'infarct')}"
    interval = (
        f"In brackets: {CONFIDENCE:g} % interval over patients ({evaluation.request.resamples} resamples)."
        if first["patients"] > 1
        else "No intervals: there is but one patient."
    )
    lines = [
        f"**{said}**",
        "",
        f"{size}. {interval}",
        *(
            [f"{len(evaluation.failures)} could not be evaluated: see tables/errors.csv."]
            if evaluation.failures
            else []
        ),
        "",
        f"### At the operating points ({size})",
        "",
        *_method_table(tables.methods),
        "",
        "Found: any voxel shared with a finding. Volume found: of the infarcts found, counted whole. Dice: the mean of the "
        "infarcts found, each with the finding that covers most of it. False positives: "
        f"findings that touch no infarct. {WMH_SAID} The baselines' smallest findings are "
        + ", ".join(
            sorted({f"{r['smallest_ml']:g} ml ({r['method']})" for r in tables.methods if r["smallest_ml"]})
        )
        + ", chosen on these very scans in their favour.",
        "",
        f"### Infarcts found at a number of false positives a scan ({size})",
        "",
        *_rate_table(tables.sensitivity),
        "",
        f"Thresholds at which over {100 * MOST_FLAGGED:g} % of the brain is flagged do not count.",
        "",
        f"### At 1 and 2 false positives a scan ({size})",
        "",
        *_aim_table(tables.rates),
        "",
        f"### Differences at the same false positives, paired over patients ({people})",
        "",
        *_difference_table(tables.differences),
        "",
        f"### By size, kind and region, at the operating points ({size})",
        "",
        *_strata_table(tables.strata),
        "",
        f"### By size, contrast, kind and region, at 1 and at 2 false positives a scan, WMH ignored ({size})",
        "",
        *_strata_rate_table(tables.strata),
        "",
        "### Normal people: false positives a scan, in scans with no infarct painted",
        "",
        *_free_table(tables.lesion_free),
        "",
        f"### What the findings are, by the truth ({people})",
        "",
        *_category_table(tables.categories),
        "",
        f"### What the findings are called, at the operating points ({people})",
        "",
        *kinds_tables(tables.kinds),
        "Models: "
        + ", ".join(f"{name} ({m.fingerprint[:12]})" for name, m in evaluation.models.items())
        + ".",
        "",
    ]
    return "\n".join(lines)


def _method_table(rows: Sequence[Row]) -> list[str]:
    heads = ["method", "at", "infarcts found", "one-to-one", "10 % covered", "volume found", "voxels flagged", "Dice",
             "findings a scan", "false positives", "WMH ignored", "flagged ml"]  # fmt: skip
    body = [
        [
            row["method"],
            f"{row['operating_point']}"
            + ("" if "threshold" in row["operating_point"] else f" ({row['threshold']:.2f})"),
            f"{row['found']} of {row['lesions']}: {share(row, 'sensitivity')}",
            share(row, "sensitivity_one_to_one"),
            share(row, "sensitivity_covered"),
            share(row, "volume_share"),
            share(row, "voxel_share"),
            dice(row),
            *(
                figure(row, name)
                for name in ("findings", "false_positives", "false_positives_no_wmh", "flagged_ml")
            ),
        ]
        for row in rows
    ]
    found = published.FOUND / published.INFARCTS
    body.append(
        [
            "*the paper (real infarcts)*",
            "threshold 3",
            f"{published.FOUND} of {published.INFARCTS}: {100 * found:.0f} %",
            "",
            "",
            f"{100 * published.VOLUME_SHARE:.1f} %",
            "",
            "",
            f"{published.FINDINGS / published.PATIENTS:.1f}",
            f"{(published.FINDINGS - published.FOUND) / published.PATIENTS:.1f}",
            "",
            "",
        ]
    )
    return table(heads, body)


def _rate_table(rows: Sequence[Row]) -> list[str]:
    body = []
    for wmh in ("counted", "ignored"):
        for method in dict.fromkeys(row["method"] for row in rows):
            own = [r for r in rows if (r["method"], r["wmh"], r["criterion"]) == (method, wmh, ANY)]
            body.append([method, wmh, *(share(row, "sensitivity") for row in own)])
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
    body = []
    for pair in dict.fromkeys((row["method"], row["less"], row["wmh"]) for row in rows):
        own = [row for row in rows if (row["method"], row["less"], row["wmh"]) == pair]
        body.append([f"{pair[0]} less {pair[1]}, WMH {pair[2]}", *(_points(row) for row in own)])
    return table(["percentage points", *(f"at {rate:g}" for rate in RATES)], body)


def _strata_table(rows: Sequence[Row]) -> list[str]:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    body = []
    for stratum, name in dict.fromkeys((row["stratum"], row["class"]) for row in rows):
        own = {r["method"]: r for r in rows if (r["stratum"], r["class"]) == (stratum, name)}
        first = own[methods[0]]
        body.append([f"{stratum}: {name}", first["lesions"], first["patients"],
                     *(share(own[method], "sensitivity") for method in methods)])  # fmt: skip
    return table(["infarcts", "number", "patients", *methods], body)


def _strata_rate_table(rows: Sequence[Row]) -> list[str]:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    heads = ["infarcts", "number", *(f"{method} at {rate:g}" for method in methods for rate in AIMED_AT)]
    body = []
    for stratum, name in dict.fromkeys((row["stratum"], row["class"]) for row in rows):
        own = {r["method"]: r for r in rows if (r["stratum"], r["class"]) == (stratum, name)}
        body.append([f"{stratum}: {name}", own[methods[0]]["lesions"],
                     *(share(own[method], f"sensitivity_at_{rate:g}_no_wmh") for method in methods for rate in AIMED_AT)])  # fmt: skip
    return table(heads, body)


def _free_table(rows: Sequence[Row]) -> list[str]:
    if not any(row["scans_are"] == "without infarct" for row in rows):
        return ["There are none."]
    body = [
        [
            row["method"], row["operating_point"], f"{row['scans']} {row['scans_are']}", row["patients"],
            *(
                figure(row, name)
                for name in ("false_positives_no_wmh", "on_known_lesions", "false_positives", "flagged_ml")
            ),
        ]
        for row in rows
    ]  # fmt: skip
    heads = ["method", "at", "scans", "patients", "false positives a scan, WMH ignored", "findings on known WMH",
             "both together", "flagged ml"]  # fmt: skip
    return table(heads, body)


def _category_table(rows: Sequence[Row]) -> list[str]:
    body = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = {row["category"]: row for row in rows if row["method"] == method}
        body.append([method, *(_category(own[category]) for category in CATEGORIES)])
    return table(["findings a scan", *CATEGORIES], body)


def _category(row: Row) -> str:
    part = "" if row["share"] is None else f" ({100 * row['share']:.0f} %)"
    return f"{row['findings_a_scan']:.1f}{part}"


def _points(row: Row) -> str:
    value, low, high = (row[name] for name in ("difference", "difference_low", "difference_high"))
    if value is None:
        return "-"
    return f"{100 * value:+.0f}" + (
        "" if low is None or high is None else f" [{100 * low:+.0f} to {100 * high:+.0f}]"
    )
