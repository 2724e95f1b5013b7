"""Whose head a subject gets: one of a real scan, or one made up from the template or from label maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.calibration.prepare_scans import ScanEntry
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.acquired_slices import acquired_slices, only_slices
from AnomalyDetectionLib.imaging.reading import read_study, read_volume
from AnomalyDetectionLib.imaging.volume import Study, Volume

from . import scanner
from .confounders import HYPERINTENSITY, TUMOUR
from .host import FINE_MM, Host, analyse
from .label_maps import head_of_labels
from .rendering import POINT_SPREAD, Projection
from .simulated_brain import Brain, Spacing, grid_along_lps, individual_brain
from .surrounding_tissues import SurroundingTissues, healthy_signals, surround

_PAPER_VOXEL_ML = 0.9 * 0.9 * 4.0 / 1000
#: The template's field of view in mm: lowest corner and size along L, P and S.
_CORNER_MM, _SIZE_MM = (-90.0, -96.0, -68.0), (180.0, 219.0, 152.0)


@dataclass(frozen=True)
class Head:
    """A head that lesions can be put into."""

    host: Host
    patient: str  # the person: the unit of resampling
    source: str  # the scan's name


class Heads(Protocol):
    """Where heads come from."""

    anatomy: str  # "real", "ICBM152" or "synthseg"
    limit: int | None = None  # how many lesion-free ones there are; None: any number

    def batch(self, number: int) -> int:
        """Which subjects are best made one after the other as they share a head: those of one batch."""
        return number

    def head(self, number: int, subject: str, seed: np.random.SeedSequence) -> Head:
        """The head of a subject of this name, the same for the same number and seed.

        An InputError where the scan or the label map cannot be used, or nilearn is not installed.
        """

    def description(self) -> dict[str, object]:
        """What tells these heads from others, for the record."""


class RealHeads(Heads):
    """Real scans, at least one, lesion masks in FLAIR space; subject k gets scan k modulo their number."""

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


class TemplateHeads(Heads):
    """Persons made of the ICBM152 maps, each subject another one, scanned at a spacing."""

    anatomy = "ICBM152"

    def __init__(self, spacing: Spacing) -> None:
        self._spacing = spacing

    def head(self, number: int, subject: str, seed: np.random.SeedSequence) -> Head:
        """The person of a seed."""
        person, physics = (np.random.default_rng(s) for s in seed.spawn(2))
        brain = individual_brain(_grid(_CORNER_MM, _SIZE_MM, (FINE_MM,) * 3), person)
        study = scan_head(brain, surround(brain, person), self._spacing, physics)
        return Head(analyse(study, anatomy=brain), subject, "ICBM152 2009a")

    def description(self) -> dict[str, object]:
        """The anatomy and the spacing."""
        return {"Anatomy": self.anatomy, "SpacingMillimetres": list(self._spacing)}


class LabelHeads(Heads):
    """Persons made of whole-head label maps (see `label_maps`), deformed a little anew for each subject."""

    anatomy = "synthseg"

    def __init__(self, maps: tuple[Path, ...], spacing: Spacing) -> None:
        """At least one map; the spacing of the scans."""
        self._maps, self._spacing = maps, spacing

    def head(self, number: int, subject: str, seed: np.random.SeedSequence) -> Head:
        """The person of label map `number` modulo their number."""
        person, physics = (np.random.default_rng(s) for s in seed.spawn(2))
        path = self._maps[number % len(self._maps)]
        brain, around = head_of_labels(path, person)
        host = analyse(scan_head(brain, around, self._spacing, physics), anatomy=brain)
        name = path.name.split(".")[0]
        return Head(host, name, name)

    def description(self) -> dict[str, object]:
        """The anatomy, its maps and the spacing."""
        maps = [path.name.split(".")[0] for path in self._maps]
        return {"Anatomy": self.anatomy, "Maps": maps, "SpacingMillimetres": list(self._spacing)}


def scan_head(brain: Brain, around: SurroundingTissues, spacing: Spacing, rng: np.random.Generator) -> Study:
    """T1, FLAIR and brain mask of a head, on one grid.

    Args:
        brain: on a grid of 1 mm with axes along L, P, S, which is the field of view.
        spacing: mm along x, y, z of the scans.
    """
    fine = brain.grid
    corner = [o - s / 2 for o, s in zip(fine.origin, fine.spacing, strict=True)]
    grid = _grid(corner, [n * s for n, s in zip(fine.size, fine.spacing, strict=True)], spacing)
    projection = Projection(fine, grid, np.eye(4))

    def seen(values: np.ndarray) -> np.ndarray:
        """By the scanner; outside the field of view of the fine grid nothing is known."""
        result = np.zeros(grid.shape, np.float32)
        result[projection.box] = projection.seen(values, POINT_SPREAD)
        return result

    signals, _ = healthy_signals(brain, around, rng)
    body = seen((around.depth_mm < 4).astype(np.float32)) > 0.02
    # Smaller voxels have more noise, and get more averages: as the root of the root of their volume.
    quality = (grid.voxel_ml / _PAPER_VOXEL_ML) ** 0.25
    images = scanner.acquire(signals, lambda signal, uneven: seen(signal) * uneven, body, grid, quality, rng)
    t1, flair = (Volume(image, description=f"the simulated {name}") for name, image in images.items())
    inside = np.zeros(grid.shape, bool)
    inside[projection.box] = projection.fractions(brain.mask.astype(np.float32)) >= 0.5
    mask = Volume(sitk.Cast(grid.image(inside.astype(np.uint8)), sitk.sitkFloat32), description="the brain")
    return Study(t1, flair, mask)


def _grid(corner: Sequence[float], extent: Sequence[float], spacing: Spacing) -> Grid:
    """A grid along L, P, S that fills a box (lowest corner and extent in mm) with whole voxels."""
    size = [max(1, int(e / s + 1e-6)) for e, s in zip(extent, spacing, strict=True)]
    return grid_along_lps([c + s / 2 for c, s in zip(corner, spacing, strict=True)], size, spacing)
