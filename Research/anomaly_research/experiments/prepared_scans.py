"""The prepared images of an evaluation's scans: as they were stored, or prepared again where they were deleted."""

from __future__ import annotations

from pathlib import Path

from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.imaging.reading import read_study

from ..evaluation.store import Store
from ..evaluation.truth_files import read_bids


class PreparedScans:
    """Called with a subject, gives its prepared images; keeps those of the last one."""

    def __init__(self, store: Store, cohort: Path | None = None) -> None:
        """Look nothing up yet.

        Args:
            store: of the evaluation.
            cohort: that was evaluated; None: what was deleted cannot be had.
        """
        self._store, self._cohort = store, cohort
        self._last: tuple[str, PreparedStudy] | None = None

    def __call__(self, subject: str) -> PreparedStudy:
        """The prepared images of a subject.

        An `InputError` if they are not stored, and there is no such scan in the cohort, or it cannot be prepared.
        """
        if self._last is None or self._last[0] != subject:
            self._last = subject, self._get(subject)
        return self._last[1]

    def _get(self, subject: str) -> PreparedStudy:
        if self._store.key("prepared", subject) is not None:
            return self._store.read_prepared(subject)
        if self._cohort is None:
            raise InputError(
                f"The prepared images of {subject} are not in {self._store.folder}: name the cohort with --cohort."
            )
        scans = {scan.subject: scan for scan in read_bids(self._cohort)[0]}
        if subject not in scans:
            raise InputError(
                f"The cohort {self._cohort} has no scan {subject}: give the one that was evaluated."
            )
        scan = scans[subject]
        return prepare(read_study(scan.t1, scan.flair, scan.brain_mask), self._store.preparation)
