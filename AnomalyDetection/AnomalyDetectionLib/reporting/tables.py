"""The findings as a table (CSV), and with their provenance as JSON."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

from ..detection.findings import Finding, Findings

COLUMNS = (
    *("number", "volume_ml", "peak_score", "mean_score", "per_normal_scan", "patches", "side", "region"),
    *("centroid_r_mm", "centroid_a_mm", "centroid_s_mm", "t1_relative", "flair_relative", "hint"),
    "hint_evidence",
)
"""The columns of findings.csv. Centroids are RAS: right, anterior and superior are positive.
`per_normal_scan`: findings in a normal scan that are as unusual or more, besides white matter hyperintensities; empty if the model does not know."""


def write_csv(findings: Findings, path: Path) -> None:
    """Write a header and one row for each finding; missing values are empty cells."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(_row(finding) for finding in findings.items)


def write_json(findings: Findings, provenance: dict[str, Any], path: Path) -> None:
    """Write `provenance`, blocks of plain values (see `provenance.py`), and then the findings; missing values are null."""
    content = {
        **provenance,
        "count": len(findings.items),
        "threshold": findings.threshold,
        "min_patches": findings.min_patches,
        "findings": [_record(finding) for finding in findings.items],
    }
    # allow_nan=False: "NaN" is not JSON, and many parsers reject it.
    text = json.dumps(_without_nan(content), indent=2, ensure_ascii=False, allow_nan=False)
    # A file name need not be valid text; JSON writes such a byte as "\udcff".
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def _row(finding: Finding) -> list[str | int]:
    ratios = finding.t1_relative, finding.flair_relative
    return [
        finding.number,
        f"{finding.volume_ml:.3f}",
        f"{finding.peak_score:.3f}",
        f"{finding.mean_score:.3f}",
        "" if finding.per_normal_scan is None else f"{finding.per_normal_scan:.3g}",
        finding.patches,
        finding.side,
        finding.region,
        *(f"{mm:.1f}" for mm in finding.centroid_ras),
        *("" if math.isnan(ratio) else f"{ratio:.3f}" for ratio in ratios),
        finding.hint,
        finding.hint_evidence,
    ]


def _record(finding: Finding) -> dict[str, Any]:
    rate = finding.per_normal_scan
    return {
        "number": finding.number,
        "volume_ml": round(finding.volume_ml, 6),
        "peak_score": round(finding.peak_score, 5),
        "mean_score": round(finding.mean_score, 5),
        "per_normal_scan": None if rate is None else float(f"{rate:.4g}"),
        "patches": finding.patches,
        "side": finding.side,
        "region": finding.region,
        "centroid_ras_mm": [round(mm, 3) for mm in finding.centroid_ras],
        "t1_relative": round(finding.t1_relative, 5),
        "flair_relative": round(finding.flair_relative, 5),
        "hint": finding.hint,
        "hint_evidence": finding.hint_evidence,
    }


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
