"""Findings with their voxels on any grid, and the DICOM images of a FLAIR there: what DICOM objects are made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.reviewed_findings import ReviewedFinding
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.voxels import voxels_of
from AnomalyDetectionLib.reporting.dicom_algorithm import Algorithm
from made_dicom import MadeStudy, classic_series, enhanced_series

ALGORITHM = Algorithm("paper", "5eed" * 16, "0.2.0", {"threshold": "3.0"}, "one run")


def oblique(
    size=(9, 7, 5), spacing=(0.7, 0.9, 4.0), origin=(-12.3, 45.6, 7.8), turns=(0.3, -0.2, 0.5)
) -> Grid:
    """A grid turned about all three axes (radians)."""
    direction = sitk.Euler3DTransform((0.0, 0.0, 0.0), *turns).GetMatrix()
    return Grid(size, spacing, origin, direction)


def finding(number: int, **changes: Any) -> ReviewedFinding:
    """One that nobody has reviewed."""
    plain = ReviewedFinding(
        number=number,
        volume_ml=0.0,
        peak_score=5.4321,
        mean_score=4.1,
        side="left",
        region="anterior superior, cortex",
        centroid_ras=(0.0, 0.0, 0.0),
        hint="infarct-like",
        hint_evidence="dark core 0.30 ml",
        per_normal_scan=0.25,
    )
    return replace(plain, **changes)


def labels_on(grid: Grid, numbers=(1, 3), seed: int = 0) -> sitk.Image:
    """A scattered finding for each number, at least one voxel each; the first and the last slice stay empty."""
    rng = np.random.default_rng(seed)
    voxels = np.zeros(grid.shape, np.uint16)
    inner = voxels[1:-1] if len(voxels) > 2 else voxels
    inner[...] = rng.choice([0, 0, 0, *numbers], size=inner.shape)
    places = rng.choice(inner.size, len(numbers), replace=False)
    inner.reshape(-1)[places] = numbers
    return grid.image(voxels)


def flair_on(grid: Grid) -> sitk.Image:
    """A FLAIR of noise."""
    return grid.image(np.random.default_rng(1).integers(0, 1000, grid.shape).astype(np.int16))


@dataclass(frozen=True)
class Made:
    """The DICOM images of a FLAIR, and what was found in it."""

    files: list[Path]
    grid: Grid
    labels: sitk.Image
    findings: list[ReviewedFinding]


def made(folder: Path, kind: str, grid: Grid, *, numbers=(1, 3), seed: int = 0, **attributes: Any) -> Made:
    """Images of a FLAIR, "classic" or "enhanced", and findings on its grid."""
    study = attributes.pop("study", None) or MadeStudy()
    if kind == "classic":
        files = classic_series(folder, flair_on(grid), study=study, **attributes)
    else:
        files = [enhanced_series(folder, flair_on(grid), study=study, **attributes)]
    return Made(files, grid, labels_on(grid, numbers, seed), [finding(number) for number in numbers])


def points(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Where voxels lie, (n, 3), by the matrix (4, 4) of their indices; sorted."""
    found = np.argwhere(voxels) @ affine[:3, :3].T + affine[:3, 3]
    return found[np.lexsort(found.round(2).T)]


def points_of(labels: sitk.Image, number: int) -> np.ndarray:
    """Where the voxels of a finding lie (LPS mm); sorted."""
    index = np.argwhere(voxels_of(labels) == number)[:, ::-1]
    found = Grid.of(labels).points(index)
    return found[np.lexsort(found.round(2).T)]
