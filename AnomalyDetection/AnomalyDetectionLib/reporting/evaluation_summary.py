"""One page about an evaluation, in Markdown: tables that can stand in a README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..evaluation import published
from ..evaluation.bootstrap import CONFIDENCE
from ..evaluation.categories import CATEGORIES
from ..evaluation.curves import ANY
from ..evaluation.froc import MOST_FLAGGED, RATES
from ..evaluation.run import Evaluation
from ..evaluation.tables import Row


@dataclass(frozen=True)
class Tables:
    """The tables of an evaluation (see `evaluation.tables`)."""

    methods: list[Row]
    sensitivity: list[Row]
    differences: list[Row]
    strata: list[Row]
    lesion_free: list[Row]
    categories: list[Row]


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
        "Found: any voxel shared with a finding. Volume found: of the infarcts found, counted whole. False positives: "
        "findings that touch no infarct. The baselines' smallest findings are "
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
        f"### Differences at the same false positives, paired over patients ({people})",
        "",
        *_difference_table(tables.differences),
        "",
        f"### By size, kind and region, at the operating points ({size})",
        "",
        *_strata_table(tables.strata),
        "",
        "### In scans without infarcts",
        "",
        *_free_table(tables.lesion_free),
        "",
        f"### What the findings are, by the truth ({people})",
        "",
        *_category_table(tables.categories),
        "",
        "Models: "
        + ", ".join(f"{name} ({m.fingerprint[:12]})" for name, m in evaluation.models.items())
        + ".",
        "",
    ]
    return "\n".join(lines)


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun, such as "1 scan" or "6 people"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def _method_table(rows: Sequence[Row]) -> list[str]:
    heads = ["method", "at", "infarcts found", "one-to-one", "10 % covered", "volume found", "voxels flagged",
             "findings a scan", "false positives", "WMH ignored", "flagged ml"]  # fmt: skip
    body = [
        [
            row["method"],
            f"{row['operating_point']}"
            + ("" if "threshold" in row["operating_point"] else f" ({row['threshold']:.2f})"),
            f"{row['found']} of {row['lesions']}: {_share(row, 'sensitivity')}",
            _share(row, "sensitivity_one_to_one"),
            _share(row, "sensitivity_covered"),
            _share(row, "volume_share"),
            _share(row, "voxel_share"),
            *(
                _figure(row, name)
                for name in ("findings", "false_positives", "false_positives_no_wmh", "flagged_ml")
            ),
        ]
        for row in rows
    ]
    share = published.FOUND / published.INFARCTS
    body.append(
        [
            "*the paper (real infarcts)*",
            "threshold 3",
            f"{published.FOUND} of {published.INFARCTS}: {100 * share:.0f} %",
            "",
            "",
            f"{100 * published.VOLUME_SHARE:.1f} %",
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
            body.append([method, wmh, *(_share(row, "sensitivity") for row in own)])
    return table(["method", "findings on WMH", *(f"at {rate:g}" for rate in RATES)], body)


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
                     *(_share(own[method], "sensitivity") for method in methods)])  # fmt: skip
    return table(["infarcts", "number", "patients", *methods], body)


def _free_table(rows: Sequence[Row]) -> list[str]:
    if not any(row["scans_are"] == "without infarct" for row in rows):
        return ["There are none."]
    body = [
        [
            row["method"], row["operating_point"], f"{row['scans']} {row['scans_are']}", row["patients"],
            *(_figure(row, name) for name in ("false_positives", "false_positives_no_wmh", "flagged_ml")),
        ]
        for row in rows
    ]  # fmt: skip
    return table(
        ["method", "at", "scans", "patients", "false positives a scan", "WMH ignored", "flagged ml"], body
    )


def _category_table(rows: Sequence[Row]) -> list[str]:
    body = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = {row["category"]: row for row in rows if row["method"] == method}
        body.append([method, *(_category(own[category]) for category in CATEGORIES)])
    return table(["findings a scan", *CATEGORIES], body)


def _category(row: Row) -> str:
    share = "" if row["share"] is None else f" ({100 * row['share']:.0f} %)"
    return f"{row['findings_a_scan']:.1f}{share}"


def _share(row: Row, figure: str) -> str:
    """A share with its interval, in per cent."""
    value, low, high = (row.get(name) for name in (figure, f"{figure}_low", f"{figure}_high"))
    if value is None:
        return "-"
    return f"{100 * value:.0f} %" + (
        "" if low is None or high is None else f" [{100 * low:.0f}-{100 * high:.0f}]"
    )


def _figure(row: Row, figure: str) -> str:
    value, low, high = (row[name] for name in (figure, f"{figure}_low", f"{figure}_high"))
    if value is None:
        return "-"
    return f"{value:.1f}" + ("" if low is None or high is None else f" [{low:.1f}-{high:.1f}]")


def _points(row: Row) -> str:
    value, low, high = (row[name] for name in ("difference", "difference_low", "difference_high"))
    if value is None:
        return "-"
    return f"{100 * value:+.0f}" + (
        "" if low is None or high is None else f" [{100 * low:+.0f} to {100 * high:+.0f}]"
    )


def table(heads: Iterable[str], body: Iterable[Iterable[object]]) -> list[str]:
    """A table in Markdown, line by line."""
    heads = list(heads)
    rows = [heads, ["---"] * len(heads), *body]
    return ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows]
