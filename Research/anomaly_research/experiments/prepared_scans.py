"""The prepared images of an evaluation's scans: as they were stored, or prepared again where they were deleted."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.imaging.reading import read_study

from ..evaluation.store import Store
from ..evaluation.truth_files import read_bids


def prepared_scans(store: Store, cohort: Path | None = None) -> Callable[[str], PreparedStudy]:
    """What gives the prepared images of a subject; it keeps those of the last one.

    An `InputError` if they are not stored, and there is no such scan in the cohort, or it cannot be prepared.

    Args:
        store: of the evaluation.
        cohort: that was evaluated; None: what was deleted cannot be had.
    """

    @lru_cache(1)
    def prepared(subject: str) -> PreparedStudy:
        if store.key("prepared", subject) is not None:
            return store.read_prepared(subject)
        if cohort is None:
            raise InputError(
                f"The prepared images of {subject} are not in {store.folder}: name the cohort with --cohort."
            )
        scans = {scan.subject: scan for scan in read_bids(cohort)[0]}
        if subject not in scans:
            raise InputError(f"The cohort {cohort} has no scan {subject}: give the one that was evaluated.")
        scan = scans[subject]
        return prepare(read_study(scan.t1, scan.flair, scan.brain_mask), store.preparation)

    return prepared
