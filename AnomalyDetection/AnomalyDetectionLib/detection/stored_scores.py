"""Store a score map in files or a scene, and restore it without the network.

It holds everything that findings, evidence and pictures are derived from, as ordinary images and one JSON record.
The record holds the exact geometry, because other programs may round image headers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..files.text import display_path
from ..grid import Grid
from ..imaging.prepared import Alignment, IntensityScale, PreparedStudy
from ..imaging.text_header import check_header
from ..imaging.write_image import write_image
from ..model import false_positive_curve
from ..model.classes import CLASSES
from ..model.model_settings import ScoringSettings
from .candidate_probabilities import CandidateProbabilities
from .midline import Midline
from .quality.warning import from_plain
from .score_map import ScoreMap

FOLDER = "score_map"  # Name of the score map's folder in the results folder
IMAGES = ("score", "brain", "patch_scores", "candidates", "prepared_t1", "prepared_flair", "prepared_brain")
RECORD = "score_map.json"

FORMAT, VERSION = "AnomalyDetection score map", 3


@dataclass(frozen=True)
class StoredScores:
    """A score map as images and plain values."""

    # by the names in `IMAGES`, LPS. score: float32 on the FLAIR's grid. brain: uint8 on it. patch_scores:
    # float32, one voxel a patch, centred where the patch is; NaN where there is none. candidates: uint16 on the
    # model's grid, the number of the second look's candidate, or 0. prepared_t1, prepared_flair: float32 on the
    # model's grid, bias-corrected and scaled. prepared_brain: uint8 on it: 0 outside the brain, and in it 1 plus
    # the `AnatomyLabel`, or 1 where the record says that the anatomy is not known.
    images: Mapping[str, sitk.Image]
    record: dict[str, Any]  # what JSON can hold: grids, settings, scales, alignment, times


def store(scores: ScoreMap) -> StoredScores:
    """Convert a score map to its stored form."""
    study, stride = scores.study, scores.settings.stride
    curve, candidates = scores.false_positive_curve, scores.candidates
    images = {
        "score": scores.image,
        "brain": study.flair_grid.image(study.flair_brain.astype(np.uint8)),
        "patch_scores": _lattice_grid(scores).image(scores.lattice),
        "candidates": study.grid.image(_candidate_labels(scores)),
        "prepared_t1": study.grid.image(study.t1),
        "prepared_flair": study.grid.image(study.flair),
        "prepared_brain": study.grid.image(_brain_with_anatomy(scores)),
    }
    record = {
        "format": FORMAT,
        "version": VERSION,
        "lattice": {"shape": list(scores.lattice.shape), "first": list(scores.first), "stride": stride},
        "scoring": asdict(scores.settings),
        "grid": asdict(study.grid),
        "flair_grid": asdict(study.flair_grid),
        "t1_scale": asdict(study.t1_scale),
        "flair_scale": asdict(study.flair_scale),
        "alignment": asdict(study.alignment),
        "fraction_outside_t1": study.fraction_outside_t1,
        "anatomy": scores.anatomy is not None,
        "false_positive_curve": curve and false_positive_curve.plain(curve),
        "candidate_probabilities": candidates and candidates.probabilities.tolist(),
        "midline": asdict(scores.midline),
        "quality": [warning.plain for warning in scores.quality],
        "seconds": {"preparation": dict(study.seconds), "scoring": dict(scores.seconds)},
    }
    # Through JSON once, so that what is kept in memory is what a file or a scene would give back.
    return StoredScores(images, json.loads(json.dumps(record)))


def restore(stored: StoredScores) -> ScoreMap:
    """The score map that was stored: findings derived from it are exactly those of the original.

    The images' arrays count, and not their geometry, which the record has. Raises InputError if an image is
    missing or of another size, or the record is not one of a score map."""
    record = stored.record
    _check_version(record)
    try:
        grid, flair_grid = _grid(record["grid"]), _grid(record["flair_grid"])
        lattice_shape = tuple(int(n) for n in record["lattice"]["shape"])
        first = int(record["lattice"]["first"][0]), int(record["lattice"]["first"][1])
        settings = ScoringSettings(**record["scoring"])
        t1_scale, flair_scale = (IntensityScale(**record[f"{name}_scale"]) for name in ("t1", "flair"))
        alignment = Alignment(**{**record["alignment"], "matrix": tuple(record["alignment"]["matrix"])})
        fraction_outside_t1 = float(record["fraction_outside_t1"])
        curve = false_positive_curve.from_plain(record.get("false_positive_curve"))
        probabilities = _probabilities(record["candidate_probabilities"])
        quality = from_plain(record["quality"])
        midline = _midline(record["midline"])
        seconds = record["seconds"]
        preparation, scoring = dict(seconds["preparation"]), dict(seconds["scoring"])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError) as error:
        raise InputError("The record of the score map is damaged: detect anomalies again.") from error
    others = {"score": flair_grid.shape, "brain": flair_grid.shape, "patch_scores": lattice_shape}
    arrays = {name: _array(stored.images, name, others.get(name, grid.shape)) for name in IMAGES}
    study = PreparedStudy(
        t1=arrays["prepared_t1"].astype(np.float32, copy=False),
        flair=arrays["prepared_flair"].astype(np.float32, copy=False),
        brain=arrays["prepared_brain"] > 0,
        grid=grid,
        flair_grid=flair_grid,
        flair_brain=arrays["brain"] > 0,
        t1_scale=t1_scale,
        flair_scale=flair_scale,
        alignment=alignment,
        seconds=preparation,
        fraction_outside_t1=fraction_outside_t1,
    )
    return ScoreMap(
        lattice=arrays["patch_scores"].astype(np.float32, copy=False),
        first=first,
        image=flair_grid.image(arrays["score"].astype(np.float32, copy=False)),
        study=study,
        settings=settings,
        seconds=scoring,
        anatomy=_anatomy(arrays["prepared_brain"]) if record.get("anatomy") else None,
        false_positive_curve=curve,
        candidates=_candidates(arrays["candidates"], probabilities),
        quality=quality,
        known_midline=midline,
    )


def write_stored(scores: ScoreMap, folder: Path, *, compressed: bool = True) -> None:
    """Write a score map into a folder of its own: `score_map.json`, and an NRRD file for each of `IMAGES`.
    `compressed`: False for files that are read once and removed: that is faster. Raises OSError if it cannot be
    written."""
    stored = store(scores)
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in stored.images.items():
        write_image(image, folder / f"{name}.nrrd", compressed=compressed)
    (folder / RECORD).write_text(json.dumps(stored.record, indent=2) + "\n", encoding="utf-8")


def read_stored(folder: Path) -> StoredScores:
    """Read what `write_stored` wrote. Raises InputError if a file is missing, damaged, or of another version of this
    program."""
    with _damage_told(folder / RECORD):
        record = json.loads((folder / RECORD).read_text("utf-8"))
        if not isinstance(record, dict):
            raise ValueError("no record")
    _check_version(record)  # before images that another version lacks are reported missing
    images = {}
    for name in IMAGES:
        path = folder / f"{name}.nrrd"
        with _damage_told(path):
            check_header(path, role="image")
            images[name] = sitk.ReadImage(str(path))
    return StoredScores(images, record)


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (
        InputError,
        OSError,
        ValueError,
        RuntimeError,
    ) as error:  # too deep a record is a RuntimeError, too
        raise InputError(f"{display_path(path)} is missing or damaged: detect anomalies again.") from error


def _check_version(record: Mapping[str, Any]) -> None:
    if record.get("format") != FORMAT or record.get("version") != VERSION:
        raise InputError(
            f"This is no score map of this program's version (expected '{FORMAT}', version {VERSION}): detect "
            "anomalies again."
        )


def _candidate_labels(scores: ScoreMap) -> np.ndarray:
    if scores.candidates is None:
        return np.zeros(scores.study.grid.shape, np.uint16)
    return scores.candidates.labels.astype(np.uint16)


def _probabilities(record: list[list[float]] | None) -> np.ndarray | None:
    if record is None:
        return None
    probabilities = np.array(record, np.float32).reshape(-1, len(CLASSES))
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities are numbers")
    return probabilities


def _midline(record: dict[str, Any]) -> Midline:
    x, y, z = (float(value) for value in record["normal"])
    midline = Midline((x, y, z), float(record["offset"]))
    if not np.isfinite((*midline.normal, midline.offset)).all():
        raise ValueError("a plane is finite")
    return midline


def _candidates(labels: np.ndarray, probabilities: np.ndarray | None) -> CandidateProbabilities | None:
    if probabilities is None:
        return None
    whole = np.issubdtype(labels.dtype, np.integer)
    if not whole or labels.min(initial=0) < 0 or labels.max(initial=0) > len(probabilities):
        raise InputError("The record of the score map is damaged: detect anomalies again.")
    return CandidateProbabilities(labels.astype(np.int32), probabilities)


def _brain_with_anatomy(scores: ScoreMap) -> np.ndarray:
    """One image for both: the anatomy is OUTSIDE beyond the brain mask, and may be in it."""
    brain = scores.study.brain.astype(np.uint8)
    return brain if scores.anatomy is None else brain * (scores.anatomy + np.uint8(1))


def _anatomy(brain: np.ndarray) -> np.ndarray:
    return np.maximum(brain.astype(np.uint8), 1) - np.uint8(1)


def _lattice_grid(scores: ScoreMap) -> Grid:
    """The patches as voxels: each centred where its patch is."""
    grid, stride = scores.study.grid, scores.settings.stride
    slices, rows, columns = scores.lattice.shape
    x, y, z = grid.points(np.array([[scores.first[1], scores.first[0], 0]]))[0].tolist()
    spacing = (grid.spacing[0] * stride, grid.spacing[1] * stride, grid.spacing[2])
    return Grid((columns, rows, slices), spacing, (x, y, z), grid.direction)


def _grid(record: dict[str, Any]) -> Grid:
    spacing, origin, direction = (
        tuple(float(value) for value in record[name]) for name in ("spacing", "origin", "direction")
    )
    size = tuple(int(value) for value in record["size"])
    if not (len(size) == len(spacing) == len(origin) == 3 and len(direction) == 9):
        raise ValueError("a grid has three axes")
    if min(size) < 1 or min(spacing) <= 0 or not np.isfinite((*spacing, *origin, *direction)).all():
        raise ValueError("the grid is not finite")
    if abs(np.linalg.det(np.reshape(direction, (3, 3)))) < 1e-6:
        raise ValueError("a grid's axes point in three directions")
    return Grid(
        (size[0], size[1], size[2]),
        (spacing[0], spacing[1], spacing[2]),
        (origin[0], origin[1], origin[2]),
        direction,
    )


def _array(images: Mapping[str, sitk.Image], name: str, shape: tuple[int, ...]) -> np.ndarray:
    image = images.get(name)
    if image is None:
        raise InputError(f"The image '{name}' of the score map is missing: detect anomalies again.")
    array = sitk.GetArrayFromImage(image)
    if array.shape != shape:
        raise InputError(
            f"The image '{name}' of the score map has another size than its record says: detect anomalies again."
        )
    return array
