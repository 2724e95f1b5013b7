"""The scores and findings of a result folder, with or without the kept score map.

Without it there are no patch scores, so findings cannot be derived again. They can still be viewed, judged, corrected
and exported, as the images on the FLAIR's grid are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..detection.findings import Findings
from ..detection.score_map import ScoreMap
from ..detection.stored_scores import StoredScores, read_stored, store
from ..detection.written_findings import finding_of, read_findings
from ..errors import InputError
from ..files.text import display_path
from ..grid import Grid
from ..imaging.prepared import Alignment, IntensityScale, PreparedStudy
from ..imaging.text_header import check_header
from ..imaging.voxels import voxels_of
from ..model.model_settings import ScoringSettings
from .result_folder import ResultFolder

WITHOUT_PATCHES = "without_patches"
"""Key in the record of scores that were restored from the images on the FLAIR's grid."""

WHY_FIXED = (
    "The score map was not kept with this result, so threshold and minimum size cannot be changed: detect again with "
    "--keep-scores, or in the module."
)


def scores_of(opened: ResultFolder, t1: sitk.Image, flair: sitk.Image) -> StoredScores:
    """The kept scores of a folder, or scores without patches, from images as they were analysed.

    InputError: a file is damaged, or not of this FLAIR.
    """
    if opened.score_map is not None:
        return read_stored(opened.score_map)
    score = _read(opened, opened.score)
    grid = Grid.of(flair)
    if score.GetSize() != flair.GetSize():
        raise InputError(f"The scores in {display_path(opened.folder)} are not of this FLAIR: detect again.")
    image = grid.image(sitk.GetArrayFromImage(score).astype(np.float32))
    brain = voxels_of(image) != 0
    record = opened.record
    aligned = dict(record.get("alignment") or {})
    matrix = tuple(map(float, aligned.get("flair_to_t1_lps") or np.eye(4).ravel()))
    shift, rotation = (float(aligned.get(key) or 0) for key in ("shift_mm", "rotation_deg"))
    alignment = Alignment(bool(aligned.get("registered")), shift, rotation, matrix)
    same = IntensityScale(0.0, 1.0)
    study = PreparedStudy(
        t1=_on_flair(t1, grid, alignment),
        flair=sitk.GetArrayFromImage(flair).astype(np.float32),
        brain=brain,
        grid=grid,
        flair_grid=grid,
        flair_brain=brain,
        t1_scale=same,
        flair_scale=same,
        alignment=alignment,
    )
    lattice = np.full((1, 1, 1), np.nan, np.float32)
    stored = store(ScoreMap(lattice, (0, 0), image, study, _scoring(record)))
    stored.record[WITHOUT_PATCHES] = True
    if (record.get("settings") or {}).get("scores_are_probabilities"):
        stored.record["candidate_probabilities"] = []  # scores existed, but their values are lost
    return stored


def findings_of_folder(opened: ResultFolder, scores: ScoreMap) -> Findings | None:
    """The findings that a run wrote, for scores from `scores_of`.

    Without patches these are the findings in the label image, else all; None if they must be derived from the
    patches. InputError: the files are damaged or differ in size, and nothing can be derived.
    """
    if np.isfinite(scores.lattice).any():
        return read_findings(opened.record_file, opened.labels, scores)
    labels = sitk.GetArrayFromImage(_read(opened, opened.labels)).astype(np.uint16)
    try:
        items = tuple(finding_of(item) for item in opened.record["findings"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(opened) from error
    there = set(np.unique(labels).tolist()) - {0}
    if labels.shape != scores.study.flair_grid.shape or there - {item.number for item in items}:
        raise _damaged(opened)
    shown = tuple(item for item in items if item.number in there)
    return Findings(shown, scores.study.flair_grid.image(labels), *opened.settings)


def _scoring(record: Mapping[str, Any]) -> ScoringSettings:
    """The settings of the run, without those that this version does not know."""
    given = dict((record.get("settings") or {}).get("scoring") or {})
    known = asdict(ScoringSettings())
    try:
        return ScoringSettings(**{name: value for name, value in given.items() if name in known})
    except (TypeError, ValueError) as error:
        raise InputError("The settings in the record of this result are damaged: detect again.") from error


def _on_flair(t1: sitk.Image, grid: Grid, alignment: Alignment) -> np.ndarray:
    """The T1 on the FLAIR's grid, aligned as in the run."""
    matrix = np.reshape(alignment.matrix, (4, 4))
    to_t1 = sitk.AffineTransform(3)
    to_t1.SetMatrix(matrix[:3, :3].ravel().tolist())
    to_t1.SetTranslation(matrix[:3, 3].tolist())
    moved = sitk.Resample(sitk.Cast(t1, sitk.sitkFloat32), grid.empty_image(), to_t1, sitk.sitkLinear, 0.0)
    return sitk.GetArrayFromImage(moved).astype(np.float32)


def _read(opened: ResultFolder, path: Any) -> sitk.Image:
    try:
        check_header(path, role="image")
        return sitk.ReadImage(str(path))
    except (RuntimeError, OSError) as error:
        raise _damaged(opened) from error


def _damaged(opened: ResultFolder) -> InputError:
    return InputError(
        f"The result in {display_path(opened.folder)} is damaged, or its files do not fit together: detect again."
    )
