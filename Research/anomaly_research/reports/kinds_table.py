"""What findings were called against what they are, as a table in Markdown, as CSV and in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from AnomalyDetectionLib.detection.hints import HINTS

from ..evaluation.csv_rows import Row, write_rows
from ..evaluation.kinds import ALL
from .markdown import grouped, share, table


def _kinds_lines(rows: Sequence[Row]) -> list[str]:
    heads = ["what it is", "right would be", "patients", "number", *HINTS, "called right"]
    columns = ("truth", "expected", "patients", "findings", *HINTS)
    return table(heads, [[*(row[name] for name in columns), share(row, "right_share")] for row in rows])


def kinds_in_words(rows: Sequence[Row], which: str = "findings") -> str:
    """The whole of it in one sentence; `which`: one of `kinds.CALLED`."""
    if not rows:
        return f"There are no {which}."
    whole = next(row for row in rows if row["truth"] == ALL)
    return f"{share(whole, 'right_share')} of {whole['findings']} {which} were called what they are."


def kinds_tables(rows: Sequence[Row]) -> list[str]:
    """A sentence and a table for each method, and for findings and candidates, line by line.

    Args:
        rows: of `confusion`, with the columns "method" and "of", which is one of `kinds.CALLED`.
    """
    lines: list[str] = []
    every = {"candidates": " (every one that the second look judged, below the threshold, too)"}
    for (method, which), own in grouped(rows, "method", "of").items():
        lines += [f"**{method}, {which}**{every.get(which, '')}: {kinds_in_words(own, which)}", ""]
        lines += [*_kinds_lines(own), ""]
    return lines or ["No method says what its findings may be.", ""]


def write_kinds(rows: Sequence[Row], folder: Path, said: str) -> None:
    """Write kinds.csv and kinds.md from rows as of `kinds_tables`, and a sentence on what was looked at."""
    write_rows(folder / "kinds.csv", rows)
    lines = ["# What the findings were called", "", said, "", *kinds_tables(rows)]
    (folder / "kinds.md").write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")
