"""A small head made of ellipsoids, prepared and scored by hand: no files, no network, known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
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


def empty_lattice(study: PreparedStudy) -> np.ndarray:
    """Score 1 for every patch whose centre is in the brain, NaN elsewhere."""
    centres = study.brain[:, FIRST[0] :: STRIDE, FIRST[1] :: STRIDE]
    return np.where(centres, 1.0, np.nan).astype(np.float32)


def scored(study: PreparedStudy, lattice: np.ndarray, **settings: object) -> ScoreMap:
    """The score map of a lattice."""
    image = to_flair_grid(paint_cells(lattice, FIRST, STRIDE, study.grid.shape), study, nearest=True)
    return ScoreMap(lattice, FIRST, image, study, ScoringSettings(stride=STRIDE, **settings))
