"""What an experiment was made on, kept beside its results: nothing measured on simulated lesions goes without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from AnomalyDetectionLib.errors import InputError

FILE = "about.json"
SUMMARY = "summary.json"


def what_was_evaluated(evaluation: Path) -> dict[str, Any]:
    """What an evaluation says of its scans and models: "simulated" (a sentence) and "models" (name to SHA256).

    Args:
        evaluation: the output of `evaluate`.

    Raises:
        InputError: if it is none, or damaged.
    """
    path = evaluation / SUMMARY
    try:
        summary = json.loads(path.read_text("utf-8"))
        return {"simulated": str(summary["what_was_simulated"]), "models": dict(summary["run"]["models"])}
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
