"""What findings were called against what they are, as a table in Markdown, as CSV and in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..detection.hints import HINTS
from ..evaluation.kinds import ALL
from ..evaluation.tables import Row
from .csv_rows import write_rows
from .markdown import share, table


def kinds_lines(rows: Sequence[Row]) -> list[str]:
    """The rows of `confusion`, line by line."""
    if not rows:
        return ["There are no findings."]
    heads = ["what it is", "right would be", "patients", "findings", *HINTS, "called right"]
    return table(
        heads,
        [
            [row["truth"], row["expected"], row["patients"], row["findings"], *(row[hint] for hint in HINTS),
             share(row, "right_share")]
            for row in rows
        ],
    )  # fmt: skip


def kinds_in_words(rows: Sequence[Row]) -> str:
    """The whole of it in one sentence."""
    if not rows:
        return "There are no findings."
    whole = next(row for row in rows if row["truth"] == ALL)
    return f"{share(whole, 'right_share')} of {whole['findings']} findings were called what they are."


def write_kinds(rows: Sequence[Row], folder: Path, said: str) -> None:
    """Write kinds.csv and kinds.md.

    Args:
        said: what was looked at, a sentence.

    Raises:
        OSError: if they cannot be written.
    """
    write_rows(folder / "kinds.csv", rows)
    lines = ["# What the findings were called", "", said, "", kinds_in_words(rows), "", *kinds_lines(rows)]
    (folder / "kinds.md").write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")
