"""The pages of a group: a summary, and every scan with its thumbnail, unusual scans first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from ..files.atomic_file import write_text_atomically
from ..reporting.html_page import page
from ..reporting.notice import NOTICE
from .failures import FailedScan
from .outliers import LIMIT, Outlier, warnings_of
from .scan import REPORT_NAME, THUMBNAIL
from .summaries import OutOfDate, ScanSummary

INDEX, PAGES = "group.html", "group_pages"
ON_A_PAGE = 200
_MOST_UNUSUAL, _MOST = 40, 1000
"""Maximum number of rows in the table of unusual scans and in the other tables."""
_TEMPLATES = Path(__file__).parent / "templates"


def write_pages(
    folder: Path, scans: Sequence[tuple[ScanSummary, Sequence[Outlier]]], report: Callable[[float], None]
) -> list[str]:
    """Write the pages with thumbnails, scans in this order, into an existing folder; returns their names.

    Args:
        report: called with the fraction done.
    """
    count = max(1, -(-len(scans) // ON_A_PAGE))
    names = [f"scans-{number + 1:04d}.html" for number in range(count)]
    for number, name in enumerate(names):
        shown = scans[number * ON_A_PAGE : (number + 1) * ON_A_PAGE]
        first = number * ON_A_PAGE + 1
        around = [("All pages", f"../{INDEX}")]
        around += [("Before", names[number - 1])] if number else []
        around += [("Next", names[number + 1])] if number + 1 < count else []
        title = f"Scans {first} to {first + len(shown) - 1} of {len(scans)}"
        cards = [_card(scan, unusual) for scan, unusual in shown]
        text = page(_TEMPLATES / "scans.html", title=title, around=around, notice=NOTICE, scans=cards)
        (folder / name).write_text(text, encoding="utf-8")
        report((number + 1) / count)
    return names


def write_index(
    folder: Path,
    title: str,
    scans: Sequence[tuple[ScanSummary, Sequence[Outlier]]],
    failures: Sequence[FailedScan],
    page_names: Sequence[str],
    figures: Iterable[tuple[Path, str, str]],
    facts: Sequence[Sequence[str]],
    old: Sequence[OutOfDate] = (),
) -> None:
    """Write the index page.

    Args:
        scans: in the order of the pages.
        figures: file, caption and alternative text.
        facts: rows of the table at the top: label and value.
        old: results that are out of date.
    """
    unusual = [
        (scan.name, f"{scan.findings}", f"{scan.burden_ml:.1f}", "; ".join(warnings))
        for scan, items in scans
        if (warnings := warnings_of(scan, items))
    ]
    pages = [
        (f"{k * ON_A_PAGE + 1} to {min((k + 1) * ON_A_PAGE, len(scans))}", f"{PAGES}/{name}")
        for k, name in enumerate(page_names)
    ]
    text = page(
        _TEMPLATES / "group.html",
        title=title,
        notice=NOTICE,
        facts=facts,
        figures=figures,
        pages=pages,
        scans=len(scans),
        unusual=unusual,
        most_unusual=_MOST_UNUSUAL,
        limit=LIMIT,
        failures=[(row.name, row.stage, row.reason) for row in failures],
        old=old,
        most=_MOST,
    )
    write_text_atomically(folder / INDEX, text)


def _card(scan: ScanSummary, unusual: Sequence[Outlier]) -> tuple[ScanSummary, list[str], str, bytes | None]:
    """A scan, its warnings, the address of its report ("" without one), and its thumbnail."""
    where = "../" + quote("/".join(part for part in (scan.subject, scan.session) if part))
    report = scan.folder / f"{scan.name}_{REPORT_NAME}"
    address = f"{where}/{quote(report.name)}" if report.is_file() else ""
    try:
        thumbnail = (scan.folder / "figures" / f"{scan.name}_{THUMBNAIL}").read_bytes()
    except OSError:
        thumbnail = None
    return scan, warnings_of(scan, unusual), address, thumbnail
