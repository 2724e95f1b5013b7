"""The results of a job: the scores alone, for a program that derives the findings itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..detection.stored_scores import FOLDER, StoredScores, read_stored, write_stored
from ..errors import InputError
from ..files.atomic_folder import atomic_folder

if TYPE_CHECKING:
    from ..detection.pipeline import ScoredStudy

PROVENANCE = "provenance.json"


def write_job_results(scored: ScoredStudy, folder: Path) -> None:
    """Write the scores, and how they were made, into a folder that appears complete or not at all (InputError)."""
    from ..reporting.provenance import provenance

    with atomic_folder(folder) as unfinished:
        write_stored(scored.scores, unfinished / FOLDER, compressed=False)
        (unfinished / PROVENANCE).write_text(json.dumps(provenance(scored)), encoding="utf-8")


def read_job_results(folder: Path) -> tuple[StoredScores, dict[str, Any]]:
    """The scores and their provenance, as JSON types; InputError if a file is missing or damaged."""
    try:
        provenance = json.loads((folder / PROVENANCE).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("The results of the detection are missing or damaged: detect again.") from error
    return read_stored(folder / FOLDER), provenance
