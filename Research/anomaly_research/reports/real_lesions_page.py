"""What models find of real lesions, as tables and on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from AnomalyDetectionLib.files.text import counted
from AnomalyDetectionLib.imaging.unusable import Unusable, write_unusable

from ..evaluation.bootstrap import CONFIDENCE
from ..evaluation.csv_rows import write_rows
from ..experiments.real_lesion_tables import Row, groups_of, kind_rows, scan_rows, size_rows, tumour_rows
from ..experiments.real_lesions import ERRORS, Found
from .kinds_table import kinds_tables
from .markdown import dice, figure, grouped, markdown_page, share, table

PAGE = "summary.md"


def write_real_lesions(found: Sequence[Found], unusable: Sequence[Unusable], folder: Path) -> None:
    """Write summary.md, and under tables/ everything that it sums up as CSV."""
    groups = groups_of(found)
    rows = {
        "tumours": list(tumour_rows(groups)),
        "lesions_by_size": list(size_rows(groups)),
        "scans": list(scan_rows(groups)),
        "kinds": list(kind_rows(found)),
        "lesions": [row for group in groups for row in group.lesions],
        "findings": [row for group in groups for row in group.findings],
    }
    tables = folder / "tables"
    tables.mkdir()
    for name, own in rows.items():
        write_rows(tables / f"{name}.csv", own)
    write_unusable(folder / ERRORS, unusable)
    thresholds = dict.fromkeys(
        f"{one.method} {one.threshold:.3g}" for one in found if " as much as " not in one.method
    )
    page = markdown_page(
        "real_lesions.md",
        words=in_words(found, unusable),
        thresholds=", ".join(thresholds),
        confidence=f"{CONFIDENCE:g}",
        tumours=_tumours(rows["tumours"]),
        classes=[
            (title, _sizes(lesion_class, rows), _scans(lesion_class, rows))
            for lesion_class, title in (("ms", "MS lesions"), ("wmh", "White matter hyperintensities"))
        ],
        kinds=kinds_tables(rows["kinds"])[:-1],
    )
    (folder / PAGE).write_text(page, encoding="utf-8", errors="backslashreplace")


def in_words(found: Sequence[Found], unusable: Sequence[Unusable]) -> str:
    """What was looked at, in one sentence."""
    scans, people = len({one.name for one in found}), len({one.patient for one in found})
    failed = f"; {counted(len(unusable), 'scan')} could not be used" if unusable else ""
    return f"Real lesions in {counted(scans, 'scan')} of {counted(people, 'person', 'people')}{failed}."


def _tumours(rows: Sequence[Row]) -> list[str]:
    heads = ["method", "collection", "patients", "found", "median share marked", "median Dice of those found",
             "findings a scan", "of these on no tumour"]  # fmt: skip
    body = [
        [row["method"], row["collection"], row["patients"],
         f"{row['found']} of {row['tumours']}: {share(row, 'found_share')}", share(row, "share_marked"), dice(row),
         figure(row, "findings"), figure(row, "on_no_lesion")]
        for row in rows
    ]  # fmt: skip
    return table(heads, body) if rows else []


def _sizes(lesion_class: str, rows: dict[str, list[Row]]) -> list[str]:
    """How many were found: a row a collection and size, a column a method."""
    own = [row for row in rows["lesions_by_size"] if row["lesion_class"] == lesion_class]
    methods = dict.fromkeys(row["method"] for row in own)
    body = [
        [f"{collection}: {size}", some[0]["lesions"], f"{some[0]['volume_ml']:.1f}",
         *(share(row, "found_share") for row in some)]
        for (collection, size), some in grouped(own, "collection", "size").items()
    ]  # fmt: skip
    heads = ["lesions", "number", "ml in all", *(f"found by {method}" for method in methods)]
    return table(heads, body) if own else []


def _scans(lesion_class: str, rows: dict[str, list[Row]]) -> list[str]:
    """Shares of the volume, findings a scan: a row a collection and method."""
    heads = ["collection", "method", "patients", "scans", "volume of lesions found", "voxels of lesions marked",
             "findings a scan", "of these on no lesion", "flagged ml a scan"]  # fmt: skip
    whole = grouped(rows["lesions_by_size"], "lesion_class", "collection", "method", "size")
    body = []
    for row in rows["scans"]:
        if row["lesion_class"] == lesion_class:
            (lesions,) = whole.get((lesion_class, row["collection"], row["method"], "all"), [{}])
            body.append([
                row["collection"], row["method"], row["patients"], row["scans"],
                *(share(lesions, name) for name in ("volume_share", "voxel_share")),
                *(figure(row, name) for name in ("findings", "on_no_lesion", "flagged_ml")),
            ])  # fmt: skip
    return table(heads, body)
