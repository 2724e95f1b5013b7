"""A small study with known scores and its result, in a real scene; and a scene saved and opened again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from AnomalyDetectionLib.detection.candidate_probabilities import CandidateProbabilities
from AnomalyDetectionLib.detection.stored_scores import StoredScores, store
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.scene.result import Result, add_result
from slicer_scene import SlicerScene, add_volume, make_scene
from synthetic_study import FIRST, FLAIR_GRID, MODEL_GRID, STRIDE, empty_lattice, prepared_study, scored

Scores = Mapping[tuple[int, int, int], float]

# One finding at 3 with two peaks, which are two findings above 4; a single patch; a faint pair.
SCORES: Scores = {
    **{(5, 10, column): score for column, score in zip(range(5, 12), (9, 8, 4, 4, 4, 7, 6), strict=True)},
    (3, 16, 8): 5.0,
    (6, 12, 14): 3.5,
    (6, 13, 14): 3.4,
}


def stored_scores(
    scores: Scores = SCORES, *, flair_grid: Grid = FLAIR_GRID, model_grid: Grid = MODEL_GRID
) -> StoredScores:
    """The synthetic study, scored 1 everywhere but at these patches (slice, row, column)."""
    study = prepared_study(flair_grid=flair_grid, model_grid=model_grid)
    lattice = empty_lattice(study)
    for patch, score in scores.items():
        lattice[patch] = score
    return store(scored(study, lattice))


# Of the findings of SCORES: the first is most likely an infarct, the second an artefact, the third might be anything.
ANSWERS = {
    (5, 10, 5): (0.05, 0.1, 0.8, 0.05, 0.0),
    (3, 16, 8): (0.3, 0.1, 0.05, 0.05, 0.5),
    (6, 12, 14): (0.3, 0.3, 0.3, 0.1, 0.0),
}


def answered_scores(scores: Scores = SCORES) -> StoredScores:
    """The synthetic study as the context detector scores it: tenths of these scores, and `ANSWERS` of the second look."""
    study = prepared_study()
    lattice = 0.1 * empty_lattice(study)
    for patch, score in scores.items():
        lattice[patch] = 0.1 * score
    labels = np.zeros(MODEL_GRID.shape, np.int32)
    for number, (s, i, j) in enumerate(ANSWERS, start=1):
        labels[s, FIRST[0] + STRIDE * i, FIRST[1] + STRIDE * j] = number
    candidates = CandidateProbabilities(labels, np.array(list(ANSWERS.values()), np.float32))
    return store(replace(scored(study, lattice), candidates=candidates))


def many_findings() -> Scores:
    """More than 200 patches in the brain that do not touch."""
    inside = np.isfinite(empty_lattice(prepared_study()))
    apart = [
        patch
        for patch in map(tuple, np.argwhere(inside).tolist())
        if all(n % 2 == 0 for n in patch[1:]) and patch[0] % 2 == 0
    ]
    return {patch: 3.1 + 0.01 * k for k, patch in enumerate(apart)}


def add_study(scene: Any, grid: Grid = FLAIR_GRID, name: str = "") -> tuple[Any, Any]:
    """T1 and FLAIR nodes on a grid (LPS)."""
    matrix = ijk_to_ras(grid)
    voxels = np.random.default_rng(1).uniform(50, 300, grid.shape).astype(np.float32)
    return add_volume(scene, voxels, matrix, f"{name}T1"), add_volume(scene, voxels, matrix, f"{name}FLAIR")


def ijk_to_ras(grid: Grid) -> np.ndarray:
    """The matrix (4, 4) of a volume node on a grid (LPS)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(grid.direction).reshape(3, 3) * grid.spacing
    matrix[:3, 3] = grid.origin
    return np.diag([-1, -1, 1, 1]) @ matrix


def a_result(made: SlicerScene, scores: Scores = SCORES, **options: Any) -> Result:
    """The synthetic study's result, threshold 3 and at least one patch unless told otherwise."""
    inputs = {"threshold": 3.0, "min_patches": 1, "provenance": {"model": "none"}, **options}
    if "flair" not in inputs:
        inputs["t1"], inputs["flair"] = add_study(made.scene)
    inputs.setdefault("stored", stored_scores(scores))
    return add_result(made.scene, made.logics, **inputs)


def saved_and_opened(scene: Any, folder: Path) -> SlicerScene:
    """Another scene, opened from the .mrb file that this one was saved to."""
    path = folder / "saved scene.mrb"
    scene.SetRootDirectory(str(folder))
    assert scene.WriteToMRB(str(path))
    return opened(path, folder)


def opened(path: Path, folder: Path) -> SlicerScene:
    """A new scene with the content of a .mrb file; `folder` is for what is unpacked."""
    made = make_scene()
    made.scene.SetRootDirectory(str(folder))
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(str(folder))
    data = slicer.vtkDataIOManager()
    data.SetCacheManager(cache)
    made.scene.SetCacheManager(cache)
    made.scene.SetDataIOManager(data)
    assert made.scene.ReadFromMRB(str(path))
    return made
