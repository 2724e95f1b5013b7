"""A simulated, lesion-free cohort as the table of scans that `prepare` reads."""

from __future__ import annotations

import csv
from pathlib import Path

from AnomalyDetectionLib.errors import InputError

from ..evaluation.truth_files import read_bids

COLUMNS = ("name", "patient", "t1", "flair", "brain_mask", "lesions")


def write_training_table(cohort: Path, table: Path) -> int:
    """List the lesion-free scans of a cohort, with absolute paths; confounders are the lesions to keep out.

    Every simulated subject counts as a patient of its own, so that some can be held out. Names of scans go into the
    model's card, so that of a simulated one says so.

    Returns:
        How many there are.

    Raises:
        InputError: the cohort is none, or has no scan that its participants.tsv says to be free of lesions.
        OSError: if the table cannot be written.
    """
    scans = [scan for scan in read_bids(cohort)[0] if scan.lesion_free]
    if not scans:
        raise InputError(f"The cohort {cohort} has no lesion-free scan: simulate some with --lesion-free.")
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for scan in scans:
            paths = (scan.t1, scan.flair, scan.brain_mask, scan.confounders)
            anatomy = scan.participant.get("anatomy", "")
            name = scan.subject if anatomy in ("", "real") else f"{scan.subject} (simulated, {anatomy})"
            files = ("" if path is None else path.resolve() for path in paths)
            rows.writerow([name, scan.subject, *files])
    return len(scans)
