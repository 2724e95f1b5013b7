"""One self-contained HTML page: tables and pictures inside it, nothing fetched, readable on paper as on a screen."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

_NUMBER = re.compile(r"[-+−–±]?[\d.,]*([–-][\d.,]+)?(\s?%)?(\s.*)?")


def page(title: str, parts: Iterable[str], *, style: str = "", running: str = "") -> str:
    """The page. A browser lets it run no script and load nothing (Content Security Policy).

    Args:
        title: plain text.
        parts: HTML, from the functions below.
        style: CSS after that of all pages.
        running: plain text at the foot of every printed page.
    """
    body = "\n".join(parts)
    rules = f"{_STYLE}{style}"
    foot = f'<footer class="running"><p>{html.escape(running)}</p></footer>\n' if running else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(rules)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{rules}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f"{foot}</body>\n</html>\n"
    )


def _policy(rules: str) -> str:
    """Pictures from the page itself, this style and no other, nothing else: also where a text got past the escaping."""
    digest = base64.b64encode(sha256(rules.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def heading(text: str, level: int = 2, anchor: str = "") -> str:
    """A heading; `anchor` is what links lead to."""
    mark = f' id="{html.escape(anchor)}"' if anchor else ""
    return f"<h{level}{mark}>{html.escape(text)}</h{level}>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text, in which **words** are strong; kind "note" stands out, "fine" is small."""
    mark = f' class="{kind}"' if kind else ""
    return f"<p{mark}>{_strong(text)}</p>"


def links(places: Iterable[tuple[str, str]], kind: str = "") -> str:
    """Names that lead to addresses, in a line."""
    anchors = (f'<a href="{html.escape(address)}">{html.escape(name)}</a>' for name, address in places)
    return f'<p class="{kind or "links"}">{" · ".join(anchors)}</p>'


def picture(path: Path, caption: str, alternative: str) -> str:
    """A PNG inside the page.

    Args:
        caption: under it; **words** are strong.
        alternative: what it shows, for those who cannot see it.

    Raises:
        OSError: if it cannot be read.
    """
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return (
        f'<figure><img alt="{html.escape(alternative)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{_strong(caption)}</figcaption></figure>"
    )


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    caption: str = "",
    *,
    theirs: Sequence[int] = (),
    last_is_total: bool = False,
) -> str:
    """A table; columns of numbers stand to the right.

    Args:
        caption: above it; **words** are strong.
        theirs: columns that hold the paper's own figures; they look different.
        last_is_total: a line above the last row.
    """
    body = [list(row) for row in rows]
    numeric = [
        bool(body) and all(not row[k] or _NUMBER.fullmatch(row[k]) for row in body) for k in range(len(heads))
    ]

    def mark(k: int) -> str:
        classes = [name for name, yes in (("number", numeric[k]), ("theirs", k in theirs)) if yes]
        return f' class="{" ".join(classes)}"' if classes else ""

    head = "".join(f"<th{mark(k)}>{html.escape(name)}</th>" for k, name in enumerate(heads))
    lines = []
    for place, row in enumerate(body):
        total = ' class="total"' if last_is_total and place == len(body) - 1 else ""
        lines.append(
            f"<tr{total}>{''.join(f'<td{mark(k)}>{_strong(cell)}</td>' for k, cell in enumerate(row))}</tr>"
        )
    above = f"<caption>{_strong(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{above}<thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def folded(summary: str, parts: Iterable[str]) -> str:
    """Something long that is shown on a click."""
    return f"<details><summary>{html.escape(summary)}</summary>{''.join(parts)}</details>"


def _strong(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text))


_STYLE = """
:root { --ink: #1c1c1c; --soft: #5b5b5b; --line: #d8d6d0; --note: #f6f3ea; --theirs: #7a4a12; --link: #1f4e79; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 16px/1.55 Georgia, "Times New Roman", serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; font-weight: 600; }
h2 { font-size: 1.35rem; margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line); font-weight: 600; }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .3rem; font-weight: 600; }
p { margin: .6rem 0; max-width: 46rem; }
a { color: var(--link); }
.note { background: var(--note); border-left: 3px solid #b08d3c; padding: .5rem .8rem; font-size: .93rem; }
.fine, figcaption, caption, summary, .links { font: .84rem/1.45 "Helvetica Neue", Helvetica, Arial, sans-serif; }
.fine, figcaption { color: var(--soft); }
figure { margin: 1.4rem 0; }
img { display: block; width: 46rem; max-width: 100%; height: auto; }
figcaption { margin-top: .4rem; max-width: 46rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font: .84rem/1.35 "Helvetica Neue", Helvetica, Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .4rem; color: var(--soft); }
th, td { text-align: left; padding: .28rem .8rem .28rem 0; vertical-align: top; border-bottom: 1px solid #ecebe6; }
th { border-bottom: 1px solid var(--ink); vertical-align: bottom; font-weight: 600; }
.number { text-align: right; }
td.number { white-space: nowrap; }
.theirs { color: var(--theirs); }
.total td { border-top: 1px solid var(--ink); border-bottom: 0; font-weight: 600; }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--link); }
@media print { h2 { break-after: avoid; } figure, tr { break-inside: avoid; } main { max-width: none; } }
"""
