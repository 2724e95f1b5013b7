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
from synthetic_study import FIRST, FLAIR_GRID, MODEL_GRID, SCORES, STRIDE, many_patches, scored, scores_at

Scores = Mapping[tuple[int, int, int], float]
many_findings = many_patches


def stored_scores(
    scores: Scores = SCORES, *, flair_grid: Grid = FLAIR_GRID, model_grid: Grid = MODEL_GRID
) -> StoredScores:
    """The synthetic study, scored 1 everywhere but at these patches (slice, row, column)."""
    return store(scores_at(scores, flair_grid, model_grid))


# Of the findings of SCORES: the first is most likely an infarct, the second an artefact, the third might be anything.
ANSWERS = {
    (5, 10, 5): (0.05, 0.1, 0.8, 0.05, 0.0),
    (3, 16, 8): (0.3, 0.1, 0.05, 0.05, 0.5),
    (6, 12, 14): (0.3, 0.3, 0.3, 0.1, 0.0),
}


def answered_scores(scores: Scores = SCORES) -> StoredScores:
    """The synthetic study as the context detector scores it: tenths of these scores, and `ANSWERS` of the second look."""
    high = scores_at(scores)
    labels = np.zeros(MODEL_GRID.shape, np.int32)
    for number, (s, i, j) in enumerate(ANSWERS, start=1):
        labels[s, FIRST[0] + STRIDE * i, FIRST[1] + STRIDE * j] = number
    candidates = CandidateProbabilities(labels, np.array(list(ANSWERS.values()), np.float32))
    return store(replace(scored(high.study, 0.1 * high.lattice), candidates=candidates))


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
