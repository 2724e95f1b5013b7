"""What an evaluation says of itself, for a model's card, and to be kept beside the results of an experiment.

Nothing measured on simulated lesions goes without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.model_file import AnyModel

FILE = "about.json"
SUMMARY = "summary.json"


def what_was_evaluated(evaluation: Path) -> dict[str, Any]:
    """What the output of `evaluate` says of scans and models: "simulated" (a sentence) and "models" (name to SHA256).

    An `InputError` if it is none, or damaged.
    """
    return _from_summary(
        evaluation,
        lambda said: {"simulated": str(said["what_was_simulated"]), "models": dict(said["run"]["models"])},
    )


def subjects_of(evaluation: Path) -> tuple[str, ...]:
    """The scans that `evaluate` measured last; earlier ones may be stored beside them. Errors as above."""
    return _from_summary(evaluation, lambda said: tuple(said["run"]["subjects"]))


def _from_summary(evaluation: Path, taken: Callable[[dict[str, Any]], Any]) -> Any:
    path = evaluation / SUMMARY
    try:
        return taken(json.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        raise InputError(f"{evaluation} is no output of `evaluate`: it has no {SUMMARY}.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: run `evaluate` again.") from error


def write_about(about: dict[str, Any], folder: Path) -> None:
    """Keep what a result was made on beside it."""
    text = json.dumps(about, indent=2, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_about(folder: Path) -> dict[str, Any]:
    """What `write_about` wrote; nothing where there is none; an `InputError` if it is damaged."""
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged: run the experiment again.") from error


def results_for_card(evaluation: Path, model: AnyModel) -> dict[str, Any]:
    """The main figures of a model in the output of `evaluate`, in words, with what was simulated said.

    An `InputError` if the folder has no summary, or not one of this model.
    """
    path, summary = evaluation / SUMMARY, _from_summary(evaluation, dict)
    try:
        name = {hashed: name for name, hashed in summary["run"]["models"].items()}.get(model.fingerprint)
        if name is None:
            raise InputError(f"{path} is of other models: evaluate {model.name} first.")
        if not any(row["lesions"] for row in summary["methods"]):
            raise InputError(f"{path} is of scans without infarcts: a card tells how many of them are found.")
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
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be used ({error!r}): give the output of `evaluate`.") from error


def _in_words(row: dict[str, Any]) -> str:
    over = "one patient"
    if row["sensitivity_low"] is not None:
        low, high = 100 * row["sensitivity_low"], 100 * row["sensitivity_high"]
        over = f"95 % interval over {row['patients']} patients {low:.0f} to {high:.0f}"
    return (
        f"{row['found']} of {row['lesions']} infarcts ({100 * row['sensitivity']:.0f} %, {over}), "
        f"{100 * row['volume_share']:.0f} % of their volume, {row['findings']:.1f} findings, "
        f"{row['false_positives']:.1f} on no infarct, {row['false_positives_no_wmh']:.1f} on neither infarct nor "
        f"white matter hyperintensity, {row['flagged_ml']:.1f} ml a scan, at {row['operating_point']}"
    )
