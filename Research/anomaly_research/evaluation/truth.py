"""What is known to be in a scan, counted on the elements that are scored: patches, or voxels.

Findings count as their cells, painted on the model's grid and brought to the FLAIR's by nearest neighbour
(`derive_findings` with the outline "cells"; `detect` outlines the lesions). So every FLAIR voxel of the brain
belongs to one voxel of the model's grid, and with it to one cell of the patch lattice. It is enough to count
once how many voxels of each lesion every cell stands for; what a threshold finds follows from these counts
exactly, without an image.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.lattice import paint_cells
from AnomalyDetectionLib.detection.patches import PatchLattice
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.file_image import header_of
from AnomalyDetectionLib.imaging.flair_grid import to_flair_grid
from AnomalyDetectionLib.imaging.prepared import PreparedStudy
from AnomalyDetectionLib.imaging.reading import read_volume
from AnomalyDetectionLib.imaging.same_voxels import placed_on
from AnomalyDetectionLib.imaging.voxels import voxels_of
from scipy import ndimage

from .truth_files import CONFOUNDERS, BidsScan

WMH, TUMOUR = KNOWN_LESIONS = (1, 5)
"""The values of white matter hyperintensities and of tumours in a confounder map (`CONFOUNDERS`): real or simulated
lesions that are no infarcts."""


@dataclass(frozen=True)
class Lesion:
    """One infarct that is known to be there.

    Attributes:
        number: its value in the label map.
        kind, region, side, cavitated: as the table of infarcts says; empty where there is none.
        volume_ml: of its voxels on the FLAIR's grid; of the table where no voxel carries its number.
        contrast: contrast to noise (see `contrast_to_noise`); None where nothing of it or round it can be seen.
    """

    number: int
    kind: str
    region: str
    side: str
    cavitated: str
    volume_ml: float
    contrast: float | None = None


@dataclass(frozen=True)
class ElementTruth:
    """The truth of a scan, by the elements (patches or voxels) that a method scores.

    Attributes:
        shape: of the scored array (slices, rows, columns); elements are its flat indices.
        lesions: the infarcts; their place in this tuple is their index.
        lesion_voxels: (lesions,) FLAIR voxels of each, those that no element stands for among them.
        voxels: (elements,) FLAIR voxels that each element stands for.
        infarcts: int32 (3, n): element, lesion index, FLAIR voxels of this lesion in this element.
        confounders: int32 (3, n): element, class (`CONFOUNDERS`), FLAIR voxels.
        voxel_ml: of a FLAIR voxel.
        element_ml: of one voxel of the model's grid times the voxels of the grid in an element.
        brain_ml: of the brain on the FLAIR's grid.
    """

    shape: tuple[int, int, int]
    lesions: tuple[Lesion, ...]
    lesion_voxels: np.ndarray
    voxels: np.ndarray
    infarcts: np.ndarray
    confounders: np.ndarray
    voxel_ml: float
    element_ml: float
    brain_ml: float


@dataclass(frozen=True)
class ScanFacts:
    """What is said of a scan beside what is found in it: as of `ScanTruth` and `ElementTruth`."""

    subject: str
    patient: str
    lesions: tuple[Lesion, ...]
    brain_ml: float
    known_ml: float = 0.0  # of the infarcts and the other known lesions in it


@dataclass(frozen=True)
class ScanTruth:
    """The truth of a scan on the voxels of the model's grid, and what the baselines need of the scan.

    Attributes:
        subject, patient: as of `BidsScan`.
        lesions, lesion_voxels, infarcts, confounders, voxel_ml: as of `ElementTruth`; elements are voxels.
        voxels: uint16 on the model's grid: FLAIR voxels of the brain that each voxel stands for.
        brain: bool on the model's grid.
        flair: float16, the prepared FLAIR at the voxels of `brain`, in array order.
        model_voxel_ml: of a voxel of the model's grid.
    """

    subject: str
    patient: str
    lesions: tuple[Lesion, ...]
    lesion_voxels: np.ndarray
    infarcts: np.ndarray
    confounders: np.ndarray
    voxel_ml: float
    voxels: np.ndarray
    brain: np.ndarray
    flair: np.ndarray
    model_voxel_ml: float

    @property
    def brain_ml(self) -> float:
        """Of the brain on the FLAIR's grid, as far as the model's reaches."""
        return float(self.voxels.sum()) * self.voxel_ml

    @property
    def facts(self) -> ScanFacts:
        """What a cohort keeps of it."""
        known_ml = self.voxel_ml * known_voxels(self.infarcts, self.confounders)
        return ScanFacts(self.subject, self.patient, self.lesions, self.brain_ml, known_ml)

    def on_voxels(self) -> ElementTruth:
        """For a method that scores every voxel of the model's grid."""
        return self._on(self.brain.shape, 1, self.voxels.ravel(), self.infarcts, self.confounders)

    def on_cells(self, stride: int) -> ElementTruth:
        """For a method that scores the patches of the lattice of a stride."""
        lattice = PatchLattice.over(self.brain, stride)
        cells = int(np.prod(lattice.shape))
        numbers = np.arange(1, cells + 1, dtype=np.int32).reshape(lattice.shape)
        # 0, beyond the lattice, is an element of its own and dropped again.
        cell = paint_cells(numbers, lattice.first, stride, self.brain.shape).ravel()  # type: ignore[arg-type]
        seen = np.flatnonzero(self.voxels)
        voxels = np.bincount(cell[seen], weights=self.voxels.ravel()[seen], minlength=cells + 1)[1:]
        infarcts, confounders = (_on_cells(counts, cell) for counts in (self.infarcts, self.confounders))
        return self._on(lattice.shape, stride * stride, voxels.astype(np.int64), infarcts, confounders)

    def flair_image(self) -> np.ndarray:
        """The prepared FLAIR in the brain, float32 on the model's grid; NaN outside."""
        image = np.full(self.brain.shape, np.nan, np.float32)
        image[self.brain] = self.flair
        return image

    def _on(
        self, shape: Any, size: int, voxels: np.ndarray, infarcts: np.ndarray, confounders: np.ndarray
    ) -> ElementTruth:
        """`size`: voxels of the model's grid in an element."""
        own, volumes = (self.lesions, self.lesion_voxels), (self.model_voxel_ml * size, self.brain_ml)
        return ElementTruth(shape, *own, voxels, infarcts, confounders, self.voxel_ml, *volumes)


def known_voxels(infarcts: np.ndarray, confounders: np.ndarray) -> int:
    """FLAIR voxels of the infarcts and of the other `KNOWN_LESIONS`, as of `ElementTruth`."""
    return int(infarcts[2].sum() + confounders[2][np.isin(confounders[1], KNOWN_LESIONS)].sum())


def scan_truth(scan: BidsScan, study: PreparedStudy) -> ScanTruth:
    """Read the truth of a scan and count it on the voxels of the model's grid.

    A lesion of which no voxel can be scored, because it lies outside the brain or has no voxel at all, still
    counts as a lesion. An `InputError` as of `check_truth_is_there`, or if the truth is unreadable.
    """
    check_truth_is_there(scan)
    numbers = np.arange(1, study.brain.size + 1, dtype=np.int32).reshape(study.brain.shape)
    stands_for = sitk.GetArrayFromImage(to_flair_grid(numbers, study)).ravel()
    voxels = np.bincount(stands_for, minlength=numbers.size + 1)[1:].reshape(study.brain.shape)
    infarcts = _labels(scan.infarcts, "label map of infarcts", scan, study)
    confounders = _labels(scan.confounders, "label map of confounders", scan, study)
    confounders[~np.isin(confounders, list(CONFOUNDERS))] = 0
    lesions, sizes = _lesions(scan, infarcts, study.flair_grid.voxel_ml)
    at_infarct = _counts(infarcts, stands_for)
    image = study.flair_grid.image(infarcts.reshape(study.flair_grid.shape))
    owner = sitk.GetArrayFromImage(study.grid.resampled(image))
    lesions = tuple(
        replace(known, contrast=contrast_to_noise(owner == known.number, owner > 0, study))
        for known in lesions
    )
    at_infarct[1] = np.searchsorted([lesion.number for lesion in lesions], at_infarct[1])
    return ScanTruth(
        subject=scan.subject,
        patient=scan.patient,
        lesions=lesions,
        lesion_voxels=sizes,
        infarcts=at_infarct,
        confounders=_counts(confounders, stands_for),
        voxel_ml=study.flair_grid.voxel_ml,
        voxels=voxels.astype(np.uint16),
        brain=study.brain,
        flair=study.flair[study.brain].astype(np.float16),
        model_voxel_ml=study.grid.voxel_ml,
    )


def contrast_to_noise(lesion: np.ndarray, lesions: np.ndarray, study: PreparedStudy) -> float | None:
    """How far a lesion stands out: the larger of T1 and FLAIR of |mean inside - mean round it| / SD round it.

    Round it is what lies within three voxels in the slice, in the brain and in none of all the lesions. Masks
    are bool, on the model's grid.
    """
    inside = lesion & study.brain
    ring = ndimage.binary_dilation(lesion, np.ones((1, 7, 7), bool)) & study.brain & ~lesions
    if not inside.any() or np.count_nonzero(ring) < 5:
        return None
    return max(
        float(abs(image[inside].mean() - image[ring].mean()) / max(float(image[ring].std()), 1e-3))
        for image in (study.t1, study.flair)
    )


def check_truth_is_there(scan: BidsScan) -> None:
    """An `InputError` if a scan has no label map of infarcts and is not said to be free of lesions."""
    if scan.infarcts is None and not scan.lesion_free:
        raise InputError(
            f"{scan.subject} has no truth: there is no label map of its infarcts in derivatives/truth, and "
            "participants.tsv does not say that it is free of lesions."
        )


def _labels(path: Path | None, role: str, scan: BidsScan, study: PreparedStudy) -> np.ndarray:
    """A label map as integers on the FLAIR's grid, flat; zeros where there is none."""
    if path is None:
        return np.zeros(int(np.prod(study.flair_grid.shape)), np.int64)
    labels = read_volume(path, role=role, mask=True)
    image = labels.image
    if not _same(Grid.of(image), study.flair_grid):
        image = study.flair_grid.resampled(placed_on(labels, study.flair_grid, header_of(scan.flair)))
    return np.rint(voxels_of(image)).astype(np.int64).ravel()


def _same(one: Grid, other: Grid) -> bool:
    """Whether two grids are one but for what a NIfTI header rounds."""
    return one.size == other.size and all(
        np.allclose(getattr(one, name), getattr(other, name), atol=1e-3)
        for name in ("spacing", "origin", "direction")
    )


def _counts(labels: np.ndarray, stands_for: np.ndarray) -> np.ndarray:
    """int32 (3, n): voxel of the model's grid (flat), label, and how many FLAIR voxels share both."""
    at = np.flatnonzero((labels > 0) & (stands_for > 0))
    pairs, counts = np.unique(np.stack([stands_for[at] - 1, labels[at]]), axis=1, return_counts=True)
    return np.concatenate([pairs, counts[None]]).astype(np.int32)


def _on_cells(counts: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Counts on voxels summed over the cells (numbered from 1; 0: none) that the voxels belong to."""
    owner = cell[counts[0]]
    inside = owner > 0
    if not inside.any():
        return np.zeros((3, 0), np.int32)
    pairs, place = np.unique(np.stack([owner[inside] - 1, counts[1, inside]]), axis=1, return_inverse=True)
    sums = np.bincount(place.ravel(), weights=counts[2, inside])
    return np.concatenate([pairs, sums[None]]).astype(np.int32)


def _lesions(scan: BidsScan, labels: np.ndarray, voxel_ml: float) -> tuple[tuple[Lesion, ...], np.ndarray]:
    """The lesions of the label map and of the table, by number, and their voxels."""
    table, sizes = _table(scan.infarct_table), np.bincount(labels)
    numbers = sorted({int(n) for n in np.flatnonzero(sizes) if n > 0} | set(table))
    voxels = np.array([sizes[n] if n < len(sizes) else 0 for n in numbers], np.int64)
    lesions = []
    for number, count in zip(numbers, voxels, strict=True):
        row = table.get(number, {})
        volume = float(count) * voxel_ml if count else float(row.get("volume_ml") or 0.0)
        kind, region, side, cavitated = (row.get(n) or "" for n in ("kind", "region", "side", "cavitated"))
        lesions.append(Lesion(number, kind, region, side, cavitated, volume))
    return tuple(lesions), voxels


def _table(path: Path | None) -> dict[int, dict[str, str]]:
    """The rows of the table of infarcts by their number."""
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as content:
            rows = list(csv.DictReader(content, delimiter="\t"))
        table = {int(row["index"]): row for row in rows}
        for row in rows:
            float(row.get("volume_ml") or 0.0)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(
            f"The table of infarcts {path} cannot be used: it needs a column 'index' of whole numbers, and "
            "volumes that are numbers."
        ) from error
    return table
