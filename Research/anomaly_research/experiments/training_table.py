"""A simulated, lesion-free cohort as the table of scans that `prepare` reads."""

from __future__ import annotations

from pathlib import Path

from AnomalyDetectionLib.errors import InputError

from ..evaluation.csv_rows import write_rows
from ..evaluation.truth_files import read_bids


def write_training_table(cohort: Path, table: Path) -> int:
    """List and count the lesion-free scans of a cohort, by absolute paths; confounders are kept out as lesions.

    Every simulated head counts as a patient of its own, so that some can be held out; scans of one real person stay
    together. Names of scans go into the model's card, so that of a simulated one says so.

    Raises:
        InputError: the cohort is none, or has no scan that its participants.tsv says to be free of lesions.
    """
    scans = [scan for scan in read_bids(cohort)[0] if scan.lesion_free]
    if not scans:
        raise InputError(f"The cohort {cohort} has no lesion-free scan: simulate some with --lesion-free.")
    rows, columns = [], ("t1", "flair", "brain_mask", "lesions")
    for scan in scans:
        anatomy = scan.participant.get("anatomy", "")
        real = anatomy in ("", "real")
        name = scan.subject if real else f"{scan.subject} (simulated, {anatomy})"
        files = zip(columns, (scan.t1, scan.flair, scan.brain_mask, scan.confounders), strict=True)
        places = {column: None if path is None else path.resolve() for column, path in files}
        rows.append({"name": name, "patient": scan.patient if real else scan.subject, **places})
    write_rows(table, rows)
    return len(scans)
