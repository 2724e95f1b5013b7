"""What models find of real lesions, as tables and on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from AnomalyDetectionLib.imaging.unusable import Unusable, write_unusable

from ..evaluation.bootstrap import CONFIDENCE
from ..evaluation.csv_rows import write_rows
from ..experiments.real_lesion_tables import (
    Group,
    Row,
    groups_of,
    kind_rows,
    scan_rows,
    size_rows,
    tumour_rows,
)
from ..experiments.real_lesions import ERRORS, Found, as_rows
from .kinds_table import kinds_tables
from .markdown import counted, dice, figure, share, table

PAGE = "summary.md"


def write_real_lesions(found: Sequence[Found], unusable: Sequence[Unusable], folder: Path) -> None:
    """Write summary.md, and under tables/ everything that it sums up as CSV."""
    groups = groups_of(found)
    tumours, sizes, scans, kinds = (
        list(rows) for rows in (tumour_rows(groups), size_rows(groups), scan_rows(groups), kind_rows(found))
    )
    tables = folder / "tables"
    tables.mkdir()
    for name, rows in (
        ("tumours", tumours),
        ("lesions_by_size", sizes),
        ("scans", scans),
        ("kinds", kinds),
        ("lesions", as_rows([row for group in groups for row in group.lesions])),
        ("findings", as_rows([row for group in groups for row in group.findings])),
    ):
        write_rows(tables / f"{name}.csv", rows)
    write_unusable(folder / ERRORS, unusable)
    page = "\n".join(_page(groups, tumours, sizes, scans, kinds, unusable)) + "\n"
    (folder / PAGE).write_text(page, encoding="utf-8", errors="backslashreplace")


def in_words(found: Sequence[Found], unusable: Sequence[Unusable]) -> str:
    """What was looked at, in one sentence."""
    scans, people = len({one.name for one in found}), len({one.patient for one in found})
    failed = f"; {counted(len(unusable), 'scan')} could not be used" if unusable else ""
    return f"Real lesions in {counted(scans, 'scan')} of {counted(people, 'person', 'people')}{failed}."


def _page(
    groups: Sequence[Group],
    tumours: Sequence[Row],
    sizes: Sequence[Row],
    scans: Sequence[Row],
    kinds: Sequence[Row],
    unusable: Sequence[Unusable],
) -> list[str]:
    found = [scan for group in groups for scan in group.scans]
    thresholds = dict.fromkeys(
        f"{one.method} {one.threshold:.3g}" for one in found if " as much as " not in one.method
    )
    lines = [
        f"# {in_words(found, unusable)}",
        "",
        f"As `detect` at the models' own thresholds ({', '.join(thresholds)}); outlines on the FLAIR's own grid. Found: any voxel "
        f"shared with a finding. Bright FLAIR flags as much as the model beside it. In brackets: {CONFIDENCE:g} % interval "
        "over patients.",
        "",
        "## Tumours",
        "",
    ]  # fmt: skip
    if tumours:
        heads = ["method", "collection", "patients", "found", "median share marked", "median Dice of those found",
                 "findings a scan", "of these on no tumour"]  # fmt: skip
        lines += table(
            heads,
            [
                [row["method"], row["collection"], row["patients"],
                 f"{row['found']} of {row['tumours']}: {share(row, 'found_share')}", share(row, "share_marked"), dice(row),
                 figure(row, "findings"), figure(row, "on_no_lesion")]
                for row in tumours
            ],
        )  # fmt: skip
        lines += ["", "The share of a missed tumour is 0. Dice: with all findings that touch the tumour.", ""]
    else:
        lines += ["There are none.", ""]
    for lesion_class, title in (("ms", "MS lesions"), ("wmh", "White matter hyperintensities")):
        own = [row for row in sizes if row["lesion_class"] == lesion_class]
        lines += [f"## {title}", ""]
        if own:
            lines += [
                *_sizes(own),
                "",
                *_scans([row for row in scans if row["lesion_class"] == lesion_class], own),
                "",
            ]
            lines += ["Where a mask marks only a part of the lesions (openms_long: those that changed), findings on the others "
                      "look as if they were on none.", ""]  # fmt: skip
        else:
            lines += ["There are none.", ""]
    lines += ["## What the findings on these lesions were called", ""]
    lines += kinds_tables(kinds)
    return lines[:-1]


def _sizes(rows: Sequence[Row]) -> list[str]:
    """How many were found: a row a collection and size, a column a method."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    body = []
    for collection, size in dict.fromkeys((row["collection"], row["size"]) for row in rows):
        own = {r["method"]: r for r in rows if (r["collection"], r["size"]) == (collection, size)}
        any_of = own[methods[0]]
        body.append([f"{collection}: {size}", any_of["lesions"], f"{any_of['volume_ml']:.1f}",
                     *(share(own[method], "found_share") for method in methods)])  # fmt: skip
    return table(["lesions", "number", "ml in all", *(f"found by {method}" for method in methods)], body)


def _scans(rows: Sequence[Row], sizes: Sequence[Row]) -> list[str]:
    """Shares of the volume, findings a scan: a row a collection and method."""
    heads = ["collection", "method", "patients", "scans", "volume of lesions found", "voxels of lesions marked",
             "findings a scan", "of these on no lesion", "flagged ml a scan"]  # fmt: skip
    whole = {(row["collection"], row["method"]): row for row in sizes if row["size"] == "all"}
    return table(
        heads,
        [
            [row["collection"], row["method"], row["patients"], row["scans"],
             *(share(whole.get((row["collection"], row["method"]), {}), name) for name in ("volume_share", "voxel_share")),
             *(figure(row, name) for name in ("findings", "on_no_lesion", "flagged_ml"))]
            for row in rows
        ],
    )  # fmt: skip
