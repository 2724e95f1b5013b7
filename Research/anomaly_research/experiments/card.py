"""What an evaluation measured, in the words of a model's card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.model_file import AnyModel


def results_for_card(evaluation: Path, model: AnyModel) -> dict[str, Any]:
    """The main figures of an evaluation, with what was simulated said.

    Args:
        evaluation: output folder of `evaluate`.
        model: among those that were evaluated.

    Raises:
        InputError: the folder has no summary, or not one of this model.
    """
    path = evaluation / "summary.json"
    try:
        summary = json.loads(path.read_text("utf-8"))
        name = {hashed: name for name, hashed in summary["run"]["models"].items()}.get(model.fingerprint)
        if name is None:
            raise InputError(f"{path} is of other models: evaluate {model.name} first.")
        rows = {row["method"]: _in_words(row) for row in reversed(summary["methods"]) if row["lesions"]}
        at_rates = [
            row for row in summary["sensitivity"]
            if row["method"] in (name, "bright FLAIR") and row["criterion"] == "any overlap"
        ]  # fmt: skip
        return {
            "how": summary["what_was_simulated"],
            "at the operating points": {method: rows[method] for method in (name, "bright FLAIR")},
            "infarcts found at a number of false positives a scan, WMH ignored": {
                f"{row['method']}, {row['false_positives']:g}": f"{100 * row['sensitivity']:.0f} %"
                for row in at_rates
                if row["wmh"] == "ignored"
            },
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be used ({error!r}): give the output of `evaluate`.") from error


def _in_words(row: dict[str, Any]) -> str:
    return (
        f"{row['found']} of {row['lesions']} infarcts ({100 * row['sensitivity']:.0f} %, 95 % interval over "
        f"{row['patients']} patients {100 * row['sensitivity_low']:.0f} to {100 * row['sensitivity_high']:.0f}), "
        f"{100 * row['volume_share']:.0f} % of their volume, {row['findings']:.1f} findings, "
        f"{row['false_positives']:.1f} on no infarct, {row['false_positives_no_wmh']:.1f} on neither infarct nor "
        f"white matter hyperintensity, {row['flagged_ml']:.1f} ml a scan, at {row['operating_point']}"
    )
