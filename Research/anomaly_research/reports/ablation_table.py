"""The table of ablations, as a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ..evaluation.froc import RATES
from ..experiments.ablations import RATE, Ablation

COLUMNS = (
    "question",
    "value",
    "infarcts found",
    "infarcts",
    "share of infarct volume, %",
    "findings a scan",
    "false positives a scan, WMH ignored",
    *(f"sensitivity at {rate:g} FP, %" for rate in RATES),
    f"difference at {RATE:g} FP",
    "95 % interval, low",
    "95 % interval, high",
)
"""Found, findings and false positives are those at the model's own threshold; the sensitivities are at so many
false positives a scan, findings on white matter hyperintensities ignored."""


def write_ablations(rows: Sequence[Ablation], path: Path) -> None:
    """Write the table as CSV, one row an ablation.

    Raises:
        OSError: if it cannot be written.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            difference = (
                ("", "", "") if row.difference is None else tuple(f"{100 * d:+.1f}" for d in row.difference)
            )
            writer.writerow(
                [row.question, row.value, row.found, row.lesions, f"{100 * row.volume_share:.1f}"]
                + [f"{row.findings:.1f}", f"{row.false_positives:.1f}"]
                + [f"{100 * s:.1f}" for s in row.sensitivity]
                + [*difference]
            )
