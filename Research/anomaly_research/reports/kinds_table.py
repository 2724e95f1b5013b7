"""What findings were called against what they are, as a table in Markdown, as CSV and in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from AnomalyDetectionLib.detection.hints import HINTS

from ..evaluation.csv_rows import Row, write_rows
from ..evaluation.kinds import ALL
from .markdown import share, table


def kinds_lines(rows: Sequence[Row]) -> list[str]:
    """The rows of `confusion`, line by line."""
    if not rows:
        return ["There are no findings."]
    heads = ["what it is", "right would be", "patients", "number", *HINTS, "called right"]
    return table(
        heads,
        [
            [row["truth"], row["expected"], row["patients"], row["findings"], *(row[hint] for hint in HINTS),
             share(row, "right_share")]
            for row in rows
        ],
    )  # fmt: skip


def kinds_in_words(rows: Sequence[Row], which: str = "findings") -> str:
    """The whole of it in one sentence; `which`: one of `kinds.CALLED`."""
    if not rows:
        return f"There are no {which}."
    whole = next(row for row in rows if row["truth"] == ALL)
    return f"{share(whole, 'right_share')} of {whole['findings']} {which} were called what they are."


def kinds_tables(rows: Sequence[Row]) -> list[str]:
    """A sentence and a table for each method, and for findings and candidates, line by line.

    Args:
        rows: of `confusion`, with the columns "method" and "of".
    """
    lines: list[str] = []
    for method, which in dict.fromkeys((row["method"], row["of"]) for row in rows):
        own = [row for row in rows if (row["method"], row["of"]) == (method, which)]
        every = (
            " (every one that the second look judged, below the threshold, too)"
            if which == "candidates"
            else ""
        )
        lines += [f"**{method}, {which}**{every}: {kinds_in_words(own, which)}", "", *kinds_lines(own), ""]
    return lines or ["No method says what its findings may be.", ""]


def write_kinds(rows: Sequence[Row], folder: Path, said: str) -> None:
    """Write kinds.csv and kinds.md.

    Args:
        rows: of `confusion`, with the method, and which of `kinds.CALLED`, as columns "method" and "of".
        said: what was looked at, a sentence.
    """
    write_rows(folder / "kinds.csv", rows)
    lines = ["# What the findings were called", "", said, "", *kinds_tables(rows)]
    (folder / "kinds.md").write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")
