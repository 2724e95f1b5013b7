"""The content of the JSON sidecars of images and tables, after the BIDS rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

SCORE, LABELS = "space-FLAIR_desc-anomaly_statmap", "space-FLAIR_desc-anomaly_dseg"
BRAIN = "space-FLAIR_desc-brain_mask"
"""Suffixes of the images, after the scan's name. A score is not a probability, so it has the suffix of statistical maps,
which BIDS does not define yet."""

_WORDS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        "number": ("Number of the finding; 1 has the highest peak score", None),
        "volume_ml": ("Volume on the FLAIR's grid", "mL"),
        "peak_score": ("Highest anomaly score of its patches", None),
        "mean_score": ("Mean anomaly score of its patches", None),
        "per_normal_scan": ("Findings in a normal scan that are as unusual or more, besides white matter hyperintensities", None),
        "patches": ("Number of patches of the finding", None),
        "side": ("left, right or midline of the patient", None),
        "region": ("Region of the brain", None),
        "centroid_r_mm": ("Centroid, right is positive", "mm"),
        "centroid_a_mm": ("Centroid, anterior is positive", "mm"),
        "centroid_s_mm": ("Centroid, superior is positive", "mm"),
        "t1_relative": ("Mean T1 intensity divided by that of the surrounding tissue", None),
        "flair_relative": ("Mean FLAIR intensity divided by that of the surrounding tissue", None),
        "hint": ("What the finding may be: infarct-like, WMH-like, other anomaly, normal tissue or artefact, unknown", None),
        "hint_evidence": ("Why", None),
    }
)  # fmt: skip


def json_text(content: dict[str, Any]) -> str:
    """The text of a JSON file."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def column(description: str, unit: str | None = None) -> dict[str, str]:
    """The entry of a column in a data dictionary."""
    return {"Description": description} | ({"Units": unit} if unit else {})


def finding_columns() -> dict[str, dict[str, str]]:
    """The columns of the table of a scan's findings, in order, without index and name, which BIDS defines."""
    from ..reporting.tables import COLUMNS

    return {name: column(*_WORDS.get(name, (name, None))) for name in COLUMNS if name != "number"}


def common() -> dict[str, dict[str, Any]]:
    """The sidecars at the top of the dataset that apply to all scans (BIDS inheritance), by name without .json."""
    return {
        SCORE: {"Description": "Anomaly score of every voxel of the brain, 0 outside; above the threshold it is suspected."},
        LABELS: {
            "Description": "Suspected anomalies; the value is the finding's number. Research use only.",
            "Manual": False,
            **finding_columns(),
        },
        BRAIN: {"Description": "The region that was searched for anomalies.", "Type": "Brain"},
    }  # fmt: skip


def of_image(flair: str, t1: str) -> dict[str, Any]:
    """The sidecar of an image on the FLAIR's grid.

    Args:
        flair, t1: BIDS URIs.
    """
    return {"SpatialReference": flair, "Sources": [flair, t1]}
