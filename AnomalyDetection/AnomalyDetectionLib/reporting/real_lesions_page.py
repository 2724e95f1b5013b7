"""What models find of real lesions, as tables and on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..evaluation.bootstrap import CONFIDENCE
from ..evaluation.real_lesion_tables import (
    Group,
    Row,
    groups_of,
    kind_rows,
    scan_rows,
    size_rows,
    tumour_rows,
)
from ..evaluation.real_lesions import TRUTHS, Found, as_rows
from ..imaging.unusable import Unusable, write_unusable
from .csv_rows import write_rows
from .kinds_table import kinds_tables
from .markdown import counted, dice, figure, share, table

PAGE = "summary.md"


def write_real_lesions(found: Sequence[Found], unusable: Sequence[Unusable], folder: Path) -> None:
    """Write summary.md, and under tables/ everything that it sums up as CSV.

    Raises:
        OSError: if they cannot be written.
    """
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
    write_unusable(tables / "errors.csv", unusable)
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
    for lesion_class in ("ms", "wmh"):
        own = [row for row in sizes if row["lesion_class"] == lesion_class]
        lines += [f"## {TRUTHS[lesion_class][0].upper()}{TRUTHS[lesion_class][1:]}s", ""]
        lines += [*_sizes(own), "", *_scans([r for r in scans if r["lesion_class"] == lesion_class])]
        lines += ["", "Masks that mark only a part of the lesions (openms_long: those that changed) make findings on the others "
                  "look as if they were on none.", ""] if own else []  # fmt: skip
    lines += ["## What the findings on these lesions were called", ""]
    lines += kinds_tables(kinds)
    return lines[:-1]


def _sizes(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return ["There are none."]
    heads = ["lesions", "method", "patients", "found", "volume found", "voxels marked", "ml in all"]
    return table(
        heads,
        [
            [f"{row['collection']}: {row['size']}", row["method"], row["patients"],
             f"{row['found']} of {row['lesions']}: {share(row, 'found_share')}", share(row, "volume_share"),
             share(row, "voxel_share"), f"{row['volume_ml']:.1f}"]
            for row in sorted(rows, key=lambda row: _order(row, rows))
        ],
    )  # fmt: skip


def _order(row: Row, rows: Sequence[Row]) -> tuple[int, int]:
    """Methods beside each other, for every collection and size."""
    places = list(dict.fromkeys((r["collection"], r["size"]) for r in rows))
    methods = list(dict.fromkeys(r["method"] for r in rows))
    return places.index((row["collection"], row["size"])), methods.index(row["method"])


def _scans(rows: Sequence[Row]) -> list[str]:
    heads = ["collection", "method", "scans", "findings a scan", "of these on no lesion", "flagged ml a scan"]
    return table(
        heads,
        [
            [row["collection"], row["method"], row["scans"], figure(row, "findings"),
             figure(row, "on_no_lesion"), figure(row, "flagged_ml")]
            for row in rows
        ],
    )  # fmt: skip
