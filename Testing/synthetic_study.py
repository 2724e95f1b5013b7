"""A small head made of ellipsoids, prepared and scored by hand: no files, no network, known answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from AnomalyDetectionLib.detection.lattice import paint_cells
from AnomalyDetectionLib.detection.score_map import ScoreMap
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.flair_grid import to_flair_grid
from AnomalyDetectionLib.imaging.prepared import Alignment, IntensityScale, PreparedStudy
from AnomalyDetectionLib.model.model_settings import ScoringSettings

FIRST = (2, 2)
STRIDE = 4
MODEL_GRID = Grid((80, 96, 10), (0.9, 0.9, 4.0), (-36.0, -43.2, -20.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
FLAIR_GRID = Grid((100, 110, 12), (0.8, 0.85, 4.0), (-39.6, -46.3, -24.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
AXES_MM = (32.0, 40.0, 21.0)


def rotated(grid: Grid, degrees: float) -> Grid:
    """The grid turned round the z axis through the world's origin."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    direction = turn @ np.array(grid.direction).reshape(3, 3)
    return replace(
        grid,
        origin=tuple(float(v) for v in turn @ np.array(grid.origin)),
        direction=tuple(float(v) for v in direction.ravel()),
    )


def ellipsoid(grid: Grid, degrees: float = 0.0) -> np.ndarray:
    """Bool array: the brain, an ellipsoid round the world's origin, turned round z by `degrees`."""
    s, r, c = np.indices(grid.shape)
    points = grid.points(np.stack([c, r, s], axis=-1).reshape(-1, 3))
    angle = np.deg2rad(degrees)
    x = np.cos(angle) * points[:, 0] + np.sin(angle) * points[:, 1]
    y = -np.sin(angle) * points[:, 0] + np.cos(angle) * points[:, 1]
    inside = (x / AXES_MM[0]) ** 2 + (y / AXES_MM[1]) ** 2 + (points[:, 2] / AXES_MM[2]) ** 2 < 1
    return inside.reshape(grid.shape)


def heads(grid: Grid = FLAIR_GRID) -> dict[str, sitk.Image]:
    """T1 and FLAIR with noise, float32, and brain mask of the head, on a grid of as many voxels as `FLAIR_GRID`."""
    brain, rng = ellipsoid(FLAIR_GRID), np.random.default_rng(3)
    images = {"brain": grid.image(brain.astype(np.uint8))}
    for name, level in (("T1", 300.0), ("FLAIR", 200.0)):
        array = np.where(brain, level, 5) + rng.normal(0, 10, brain.shape)
        images[name] = grid.image(array.astype(np.float32))
    return images


def write_heads(folder: Path, grid: Grid = FLAIR_GRID) -> None:
    """T1.nii.gz, FLAIR.nii.gz and brain.nii.gz."""
    for name, image in heads(grid).items():
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))


def prepared_study(
    *, flair_grid: Grid = FLAIR_GRID, model_grid: Grid = MODEL_GRID, degrees: float = 0.0
) -> PreparedStudy:
    """A prepared study of uniform tissue: T1 300 and FLAIR 200 scanner units in the brain, 0 outside."""
    brain = ellipsoid(model_grid, degrees)
    t1_scale, flair_scale = IntensityScale(100.0, 400.0), IntensityScale(50.0, 250.0)
    return PreparedStudy(
        t1=t1_scale.apply(np.where(brain, 300.0, 0.0)),
        flair=flair_scale.apply(np.where(brain, 200.0, 0.0)),
        brain=brain,
        grid=model_grid,
        flair_grid=flair_grid,
        flair_brain=ellipsoid(flair_grid, degrees),
        t1_scale=t1_scale,
        flair_scale=flair_scale,
        alignment=Alignment(False, 0.0, 0.0, tuple(np.eye(4).ravel())),
    )


SCORES = {
    **{(5, 10, column): score for column, score in zip(range(5, 12), (9, 8, 4, 4, 4, 7, 6), strict=True)},
    (3, 16, 8): 5.0,
    (6, 12, 14): 3.5,
    (6, 13, 14): 3.4,
}
"""One finding at 3 with two peaks, which are two findings above 4; a single patch; a faint pair."""


def empty_lattice(study: PreparedStudy) -> np.ndarray:
    """Score 1 for every patch whose centre is in the brain, NaN elsewhere."""
    centres = study.brain[:, FIRST[0] :: STRIDE, FIRST[1] :: STRIDE]
    return np.where(centres, 1.0, np.nan).astype(np.float32)


def scored(study: PreparedStudy, lattice: np.ndarray, **settings: object) -> ScoreMap:
    """The score map of a lattice."""
    image = to_flair_grid(paint_cells(lattice, FIRST, STRIDE, study.grid.shape), study, nearest=True)
    return ScoreMap(lattice, FIRST, image, study, ScoringSettings(stride=STRIDE, **settings))


def scores_at(
    patches: Mapping[tuple[int, int, int], float] = SCORES,
    flair_grid: Grid = FLAIR_GRID,
    model_grid: Grid = MODEL_GRID,
    degrees: float = 0.0,
) -> ScoreMap:
    """The study, turned round z, scored 1 everywhere but at these patches (slice, row, column)."""
    study = prepared_study(flair_grid=flair_grid, model_grid=rotated(model_grid, degrees), degrees=degrees)
    lattice = empty_lattice(study)
    for patch, score in patches.items():
        lattice[patch] = score
    return scored(study, lattice)


def many_patches(count: int | None = None) -> dict[tuple[int, int, int], float]:
    """So many patches in the brain that do not touch, above 3; None: all, which are more than 200."""
    inside = np.isfinite(empty_lattice(prepared_study()))
    apart = [tuple(patch) for patch in np.argwhere(inside).tolist() if all(n % 2 == 0 for n in patch)]
    assert count is None or len(apart) >= count
    return {patch: 3.1 + 0.01 * k for k, patch in enumerate(apart[:count])}
