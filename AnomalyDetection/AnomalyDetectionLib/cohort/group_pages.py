"""The pages of a group: what it is like, and every scan with its thumbnail, the unusual ones first."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from ..files.atomic_file import write_whole
from ..reporting import html_page as pages
from ..reporting.notice import NOTICE
from .failures import Failure
from .outliers import LIMIT, Unusual
from .scan import REPORT_NAME, THUMBNAIL
from .summaries import OutOfDate, ScanSummary

INDEX, PAGES = "group.html", "group_pages"
ON_A_PAGE = 200
_IN_THE_TABLE = 40
_STYLE = """
main { max-width: 76rem; }
.scans { display: grid; grid-template-columns: repeat(auto-fill, minmax(32rem, 1fr)); gap: 1rem 1.4rem; margin: 1.4rem 0; }
.scan { content-visibility: auto; contain-intrinsic-size: auto 14rem; break-inside: avoid; border-top: 1px solid var(--line);
  padding-top: .4rem; font: .84rem/1.4 "Helvetica Neue", Helvetica, Arial, sans-serif; }
.scan img { width: auto; max-width: 100%; }
.scan p { margin: .25rem 0; }
.scan ul { margin: .2rem 0; padding-left: 1.1rem; color: #9a2f12; }
@media (max-width: 36rem) { .scans { grid-template-columns: 1fr; } }
"""


def write_pages(
    folder: Path, scans: Sequence[tuple[ScanSummary, Sequence[Unusual]]], report: Callable[[float], None]
) -> list[str]:
    """Write the pages with thumbnails into a folder that is there.

    Args:
        scans: in the order in which they are shown.
        report: called with the fraction done.

    Returns:
        Their names.

    Raises:
        OSError: if one cannot be written.
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
        parts = [
            pages.heading(title, 1),
            pages.links(around),
            pages.paragraph("Those with most warnings first. Brain mask in blue, findings in red; three FLAIR slices and "
                            f"one of the T1; the patient's left is on the right. {NOTICE}", "fine"),
            f'<div class="scans">{"".join(_card(scan, unusual) for scan, unusual in shown)}</div>',
            pages.links(around),
        ]  # fmt: skip
        (folder / name).write_text(pages.page(title, parts, style=_STYLE), encoding="utf-8")
        report((number + 1) / count)
    return names


def write_index(
    folder: Path,
    title: str,
    scans: Sequence[tuple[ScanSummary, Sequence[Unusual]]],
    failures: Sequence[Failure],
    page_names: Sequence[str],
    figures: Iterable[tuple[Path, str, str]],
    facts: Sequence[Sequence[str]],
    old: Sequence[OutOfDate] = (),
) -> None:
    """Write the page that leads to the others.

    Args:
        scans: in the order in which they are shown.
        figures: file, caption and alternative text.
        facts: rows of the table at the top: what, and how much.
        old: results that do not count any more.

    Raises:
        OSError: if it cannot be written, or a figure cannot be read.
    """
    strange = [(scan, unusual) for scan, unusual in scans if scan.warnings or unusual]
    parts = [
        pages.heading(title, 1),
        pages.paragraph(NOTICE, "note"),
        pages.table(("", ""), facts),
    ]
    parts += [pages.picture(path, caption, alternative) for path, caption, alternative in figures]
    parts.append(pages.heading("Scans", 2, "scans"))
    links = [
        (f"{k * ON_A_PAGE + 1} to {min((k + 1) * ON_A_PAGE, len(scans))}", f"{PAGES}/{name}")
        for k, name in enumerate(page_names)
    ]
    parts.append(pages.paragraph("Every scan with its thumbnail, those with most warnings first:"))
    parts.append(pages.links(links))
    if strange:
        rows = [
            (scan.name, f"{scan.findings}", f"{scan.burden_ml:.1f}", "; ".join(_said(scan, unusual)))
            for scan, unusual in strange[:_IN_THE_TABLE]
        ]
        more = f" The first {_IN_THE_TABLE} of them:" if len(strange) > _IN_THE_TABLE else ""
        parts.append(pages.heading("To be looked at", 2, "warnings"))
        parts.append(
            pages.paragraph(
                f"{len(strange)} of {len(scans)} scans have warnings of the analysis, or a value unlike the rest of the group (modified "
                f"z-score beyond {LIMIT:g}). An outlier is a reason to look, and none to leave a scan out.{more}"
            )
        )
        parts.append(pages.table(("scan", "findings", "ml", "why"), rows))
    if failures:
        parts.append(pages.heading("Without a result", 2, "errors"))
        rows4 = [(row.name, row.stage, row.reason) for row in failures[:1000]]
        more = f" The first 1000 of {len(failures)}; all are in errors.csv." if len(failures) > 1000 else ""
        parts.append(pages.table(("scan", "while", "reason"), rows4, f"From errors.csv.{more}"))
    if old:
        more = f" The first 1000 of {len(old)}." if len(old) > 1000 else ""
        parts.append(pages.heading("Out of date", 2, "old"))
        about = f"Results that are in the folder, but in no table, figure and page of the group.{more}"
        parts.append(pages.table(("scan", "why"), old[:1000], about))
    write_whole(folder / INDEX, pages.page(title, parts, style=_STYLE))


def _card(scan: ScanSummary, unusual: Sequence[Unusual]) -> str:
    """A scan: name, numbers, thumbnail, warnings."""
    said = _said(scan, unusual)
    where = "../" + quote("/".join(part for part in (scan.subject, scan.session) if part))
    report = scan.folder / f"{scan.name}_{REPORT_NAME}"
    name = html.escape(scan.name)
    if report.is_file():
        name = f'<a href="{where}/{quote(report.name)}">{name}</a>'
    facts = (
        f"{scan.findings} finding{'' if scan.findings == 1 else 's'}, {scan.burden_ml:.1f} ml"
        f" ({scan.burden_percent:.2f} % of {scan.brain_ml:.0f} ml brain)"
    )
    if scan.findings:
        facts += f", highest score {scan.peak_score:.1f}"
    warnings = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in said)
    return (
        f'<div class="scan"><p><strong>{name}</strong>: {html.escape(facts)}</p>'
        f"{_thumbnail(scan)}{f'<ul>{warnings}</ul>' if warnings else ''}</div>"
    )


def _thumbnail(scan: ScanSummary) -> str:
    try:
        data = (scan.folder / "figures" / f"{scan.name}_{THUMBNAIL}").read_bytes()
    except OSError:
        return "<p>(no thumbnail)</p>"
    text = base64.b64encode(data).decode("ascii")
    about = html.escape(f"Four slices of {scan.name} with brain mask and findings", quote=True)
    return f'<img alt="{about}" loading="lazy" decoding="async" src="data:image/jpeg;base64,{text}">'


def _said(scan: ScanSummary, unusual: Sequence[Unusual]) -> list[str]:
    return [*scan.warnings, *(item.sentence for item in unusual)]
