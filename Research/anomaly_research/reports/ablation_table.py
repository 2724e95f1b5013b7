"""The table of ablations, as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..evaluation.csv_rows import write_rows
from ..evaluation.froc import RATES
from ..experiments.ablations import RATE, Ablation


def write_ablations(rows: Sequence[Ablation], path: Path) -> None:
    """Write the table as CSV, one row an ablation.

    Found, findings and false positives are those at the model's own threshold; the sensitivities are at so many
    false positives a scan, findings on white matter hyperintensities ignored.
    """
    table = []
    for row in rows:
        difference = ("", "", "") if row.difference is None else [f"{100 * d:+.1f}" for d in row.difference]
        table.append(
            {
                "question": row.question,
                "value": row.value,
                "infarcts found": row.found,
                "infarcts": row.lesions,
                "share of infarct volume, %": f"{100 * row.volume_share:.1f}",
                "findings a scan": f"{row.findings:.1f}",
                "false positives a scan, WMH ignored": f"{row.false_positives:.1f}",
                **{
                    f"sensitivity at {rate:g} FP, %": f"{100 * share:.1f}"
                    for rate, share in zip(RATES, row.sensitivity, strict=True)
                },
                f"difference at {RATE:g} FP": difference[0],
                "95 % interval, low": difference[1],
                "95 % interval, high": difference[2],
            }
        )
    write_rows(path, table, line_end="\n")
