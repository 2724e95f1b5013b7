"""Whose head a subject gets: a person's whose scan is there, or one that is made up (see `simulated_heads`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from AnomalyDetectionLib.calibration.prepare_scans import ScanEntry
from AnomalyDetectionLib.imaging.acquired_slices import acquired_slices, only_slices
from AnomalyDetectionLib.imaging.reading import read_study, read_volume

from .confounders import HYPERINTENSITY, TUMOUR
from .host import Host, analyse


@dataclass(frozen=True)
class Head:
    """A head that lesions can be put into: the analysed scan, the person (unit of resampling), the scan's name."""

    host: Host
    patient: str
    source: str


class Heads(Protocol):
    """Where heads come from.

    Attributes:
        anatomy: "real", "ICBM152" or "synthseg".
        limit: how many lesion-free ones there are; None: any number.
    """

    anatomy: str
    limit: int | None = None

    def batch(self, number: int) -> int:
        """Which subjects should be made one after the other, because they share a head: those of one batch."""
        return number

    def head(self, number: int, subject: str, seed: np.random.SeedSequence) -> Head:
        """The head of a subject, the same for the same number and seed; `subject` is its name.

        Raises:
            InputError: if the scan or the label map cannot be used, or nilearn is not installed.
        """

    def description(self) -> dict[str, object]:
        """What tells these heads from others, for the record."""


class RealHeads(Heads):
    """Real scans, at least one; subject k gets scan k modulo their number.

    The lesion masks of the entries are in the FLAIR's space.
    """

    anatomy = "real"

    def __init__(self, entries: list[ScanEntry]) -> None:
        self._entries = entries
        self._kept: tuple[int, Head] | None = None
        self.limit = len(entries)

    def batch(self, number: int) -> int:
        """The scan's number."""
        return number % len(self._entries)

    def head(self, number: int, subject: str, seed: np.random.SeedSequence) -> Head:
        """The scan, read and analysed unless it is the one asked for last."""
        place = self.batch(number)
        if self._kept is None or self._kept[0] != place:
            self._kept = None
            entry = self._entries[place]
            entry.check()
            study = read_study(entry.t1, entry.flair, entry.brain_mask)
            # A lesion painted into copies of a slice would be sharper than the scan.
            kept = acquired_slices(study.flair.image)
            if len(kept) < study.flair.image.GetSize()[2]:
                flair = only_slices(study.flair.image, kept)
                study = replace(study, flair=replace(study.flair, image=flair, path=None))
            mask = entry.lesions
            lesions = None if mask is None else read_volume(mask, role="lesion mask", mask=True)
            known = TUMOUR if entry.lesion_class == "tumour" else HYPERINTENSITY
            host = replace(analyse(study, lesions), known_class=known)
            self._kept = place, Head(host, entry.patient, entry.name)
        return self._kept[1]

    def description(self) -> dict[str, object]:
        """The scans' names, in their order."""
        return {"Anatomy": self.anatomy, "Scans": [entry.name for entry in self._entries]}
