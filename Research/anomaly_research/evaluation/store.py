"""The folder that an evaluation leaves: what is known about every scan, and its scores by every method.

    scans/<subject>.npz             the truth, counted on the model's voxels (`ScanTruth`)
    prepared/<subject>.npz          the prepared images; may be deleted, only another model needs them again
    scores/<method>/<subject>.npz   percentiles, scores of the patches, what the second look says, settings
    curves/<baseline>/<subject>.npz curves of a baseline (`ScanCurve`), one for each smallest size

Every file is plain arrays and JSON, is written completely or not at all, and carries the key of what it was made
from. So a run that was stopped goes on, and only what has changed is made anew. Scans that were prepared with
other than the default settings lie in a sub-folder named after these settings.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from AnomalyDetectionLib.detection.candidate_probabilities import CandidateProbabilities
from AnomalyDetectionLib.detection.lattice import at_centres, mean_of_patches
from AnomalyDetectionLib.detection.patches import PatchLattice
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.prepared import Alignment, IntensityScale, PreparedStudy
from AnomalyDetectionLib.model.model_settings import ScoringSettings

from .stored_arrays import key_of, read_arrays, write_arrays
from .threshold_curves import ScanCurve, scan_curves
from .truth import ElementTruth, Lesion, ScanTruth

_MARGIN = 8
"""Voxels kept round the brain within the slices: patches reach 7 beyond it."""


NEEDS_NETWORK = ("stride", "statistics", "distance")
"""Scoring settings that scores do not follow from which were stored with others."""


@dataclass(frozen=True)
class LatticeScores:
    """Scores of one scan by one model, at several percentiles.

    Attributes:
        percentiles: (P,) ascending.
        scores: float32 (P, patches) in the order of `PatchLattice.centres()`.
        scoring: the model's settings; its percentile is among `percentiles`.
        model_fingerprint: of the model.
        patch_size: voxels along the side of a patch.
        brain: bool on the model's grid, which the patches lie in.
        candidates: what the second look says of each candidate; None: this kind of model has none.
    """

    percentiles: np.ndarray
    scores: np.ndarray
    scoring: ScoringSettings
    model_fingerprint: str
    patch_size: int
    brain: np.ndarray
    candidates: CandidateProbabilities | None = None

    def read_with(self, scoring: Mapping[str, Any]) -> LatticeScores:
        """The same scores under other settings, by name: all but `NEEDS_NETWORK` follow from what is stored.

        A `ValueError` if they do not follow.
        """
        if {*NEEDS_NETWORK} & {*scoring}:
            raise ValueError("another stride, other statistics or another distance need the network again")
        settings = replace(self.scoring, **scoring)
        factor = settings.z_factor / self.scoring.z_factor
        return replace(self, scores=self.scores * factor, scoring=settings)

    def lattice(self, percentile: float | None = None) -> np.ndarray:
        """Scores (slices, lattice rows, lattice columns) as findings follow from them; NaN where there are none.

        A `ValueError` if the percentile (None: the model's own) was not scored.
        """
        wanted = self.scoring.percentile if percentile is None else percentile
        place = np.flatnonzero(np.isclose(self.percentiles, wanted))
        if not len(place):
            raise ValueError(f"percentile {wanted:g} was not scored, only {self.percentiles.tolist()}")
        lattice = PatchLattice.over(self.brain, self.scoring.stride)
        scores = lattice.scatter(self.scores[place[0]])
        if self.scoring.back_projection == "mean":
            shape: Any = self.brain.shape
            painted = mean_of_patches(scores, lattice.first, lattice.stride, shape, self.patch_size)
            means = at_centres(painted, lattice.first, lattice.stride)
            scores = np.where(lattice.inside, means, np.nan).astype(np.float32)
        return scores

    def curve(
        self, cells: ElementTruth, thresholds: np.ndarray, percentile: float | None = None
    ) -> ScanCurve:
        """What is found in the scan at each threshold; `cells`: of its truth, at this stride."""
        smallest, neighbourhood = (self.scoring.min_patches,), self.scoring.neighbourhood
        scores = self.lattice(percentile)
        return scan_curves(scores, cells, thresholds, smallest=smallest, neighbourhood=neighbourhood)[0]


_Read = TypeVar("_Read")


def _or_damaged(read: Callable[..., _Read]) -> Callable[..., _Read]:
    """A reader of stored values that says in one sentence that they are not what they should be."""

    @functools.wraps(read)
    def reader(store: Store, *names: str) -> _Read:
        try:
            return read(store, *names)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            raise InputError(
                f"What is stored of {names[-1]} in {store.folder} is damaged: delete the folder, and run 'anomaly-detection "
                "evaluate' again."
            ) from error

    return reader


_TRUTH = ("flair", "lesion_voxels", "infarcts", "confounders")
_OF_IMAGES = ("grid", "flair_grid", "t1_scale", "flair_scale", "alignment")


class Store:
    """Reads and writes the files of an evaluation; holds nothing in memory.

    Whatever is read and is missing or damaged is an `InputError`.
    """

    def __init__(self, folder: Path, preparation: PreparationSettings | None = None) -> None:
        """The store of a folder; `preparation`: how the scans are prepared, None: with the default settings."""
        self.folder = folder
        self.preparation = preparation or PreparationSettings()
        name = preparation_name(self.preparation)
        self._part = "" if name == preparation_name(PreparationSettings()) else name

    def subjects(self) -> tuple[str, ...]:
        """The scans whose truth is stored, by name."""
        return tuple(sorted(path.stem for path in (self.folder / "scans" / self._part).glob("sub-*.npz")))

    def methods(self) -> tuple[str, ...]:
        """The folders of stored scores, by name."""
        return tuple(sorted(path.name for path in (self.folder / "scores").glob("*") if path.is_dir()))

    def key(self, kind: str, subject: str, method: str = "") -> dict[str, Any] | None:
        """What a file in "scans", "prepared", "scores" or "curves" (these two of a method) was made from.

        None if there is none, or it cannot be used.
        """
        return key_of(self._path(kind, subject, method))

    def write_truth(self, truth: ScanTruth, key: dict[str, Any]) -> None:
        """Store a scan's truth."""
        box = _box(truth.brain | (truth.voxels > 0), 0)
        plain = {
            "subject": truth.subject,
            "patient": truth.patient,
            "lesions": [asdict(lesion) for lesion in truth.lesions],
            "voxel_ml": truth.voxel_ml,
            "model_voxel_ml": truth.model_voxel_ml,
            **_placed(truth.brain, box),
        }
        arrays = {name: getattr(truth, name) for name in _TRUTH}
        boxed = {"brain": truth.brain[box].astype(np.uint8), "voxels": truth.voxels[box]}
        write_arrays(self._path("scans", truth.subject), key, plain, **boxed, **arrays)

    @_or_damaged
    def read_truth(self, subject: str) -> ScanTruth:
        """A scan's truth."""
        _, plain, arrays = read_arrays(self._path("scans", subject))
        values: dict[str, Any] = {name: arrays[name] for name in _TRUTH}
        values |= {name: plain[name] for name in ("subject", "patient", "voxel_ml", "model_voxel_ml")}
        return ScanTruth(
            **values,
            lesions=tuple(Lesion(**lesion) for lesion in plain["lesions"]),
            voxels=_whole(arrays["voxels"], plain),
            brain=_whole(arrays["brain"], plain) > 0,
        )

    def write_prepared(self, subject: str, study: PreparedStudy, key: dict[str, Any]) -> None:
        """Store prepared images, as far as patches in the brain reach."""
        box = _box(study.brain, _MARGIN)
        plain = {
            **_placed(study.brain, box),
            **{name: asdict(getattr(study, name)) for name in _OF_IMAGES},
            "uncovered": study.fraction_outside_t1,
        }
        brain, flair_brain = study.brain[box].astype(np.uint8), study.flair_brain.astype(np.uint8)
        images = {"t1": study.t1[box], "flair": study.flair[box], "brain": brain, "flair_brain": flair_brain}
        write_arrays(self._path("prepared", subject), key, plain, **images)

    @_or_damaged
    def read_prepared(self, subject: str) -> PreparedStudy:
        """Prepared images; 0 beyond the box round the brain that was kept."""
        _, plain, arrays = read_arrays(self._path("prepared", subject))
        alignment = plain["alignment"]
        return PreparedStudy(
            t1=_whole(arrays["t1"], plain),
            flair=_whole(arrays["flair"], plain),
            brain=_whole(arrays["brain"], plain) > 0,
            grid=_grid(plain["grid"]),
            flair_grid=_grid(plain["flair_grid"]),
            flair_brain=arrays["flair_brain"] > 0,
            t1_scale=IntensityScale(**plain["t1_scale"]),
            flair_scale=IntensityScale(**plain["flair_scale"]),
            alignment=Alignment(**{**alignment, "matrix": tuple(alignment["matrix"])}),
            fraction_outside_t1=plain["uncovered"],
        )

    def write_scores(self, method: str, subject: str, scores: LatticeScores, key: dict[str, Any]) -> None:
        """Store a scan's scores."""
        plain = {
            "scoring": asdict(scores.scoring),
            "model_fingerprint": scores.model_fingerprint,
            "patch_size": scores.patch_size,
            "shape": list(scores.brain.shape),
        }
        arrays: dict[str, np.ndarray] = {
            "percentiles": np.asarray(scores.percentiles, np.float32),
            "scores": np.asarray(scores.scores, np.float32),
            "brain": np.packbits(scores.brain),
        }
        if scores.candidates is not None:
            arrays |= {"labels": scores.candidates.labels, "answers": scores.candidates.probabilities}
        write_arrays(self._path("scores", subject, method), key, plain, **arrays)

    @_or_damaged
    def read_scores(self, method: str, subject: str) -> LatticeScores:
        """A scan's scores."""
        _, plain, arrays = read_arrays(self._path("scores", subject, method))
        shape, judged = tuple(plain["shape"]), "answers" in arrays
        return LatticeScores(
            percentiles=arrays["percentiles"],
            scores=arrays["scores"],
            scoring=ScoringSettings(**plain["scoring"]),
            model_fingerprint=plain["model_fingerprint"],
            patch_size=plain["patch_size"],
            brain=np.unpackbits(arrays["brain"], count=int(np.prod(shape))).reshape(shape) > 0,
            candidates=CandidateProbabilities(arrays["labels"], arrays["answers"]) if judged else None,
        )

    def write_curves(
        self, baseline: str, subject: str, curves: tuple[ScanCurve, ...], key: dict[str, Any]
    ) -> None:
        """Store curves over the same thresholds."""
        numbered = enumerate(curves)
        arrays = {
            f"{number}/{name}": each for number, curve in numbered for name, each in vars(curve).items()
        }
        write_arrays(self._path("curves", subject, baseline), key, {"curves": len(curves)}, **arrays)

    @_or_damaged
    def read_curves(self, baseline: str, subject: str) -> tuple[ScanCurve, ...]:
        """A scan's curves by a baseline."""
        _, plain, arrays = read_arrays(self._path("curves", subject, baseline))
        return tuple(
            ScanCurve(**{name: arrays[f"{number}/{name}"] for name in ScanCurve.__dataclass_fields__})
            for number in range(plain["curves"])
        )

    def _path(self, kind: str, subject: str, method: str = "") -> Path:
        folder = self.folder / kind / (folder_name(method) if method else "")
        # Scores belong to a model, and so to one preparation.
        return (folder if kind == "scores" else folder / self._part) / f"{subject}.npz"


def folder_name(method: str) -> str:
    """A method's name as that of a folder."""
    return re.sub(r"[^\w.+=()-]+", "_", method).strip(".") or "_"


def preparation_name(settings: PreparationSettings) -> str:
    """Eight letters that differ between settings that prepare scans differently."""
    content = asdict(settings)
    content.pop("outside_brain")  # concerns the patches, not the prepared images
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def _box(mask: np.ndarray, margin: int) -> tuple[slice, slice, slice]:
    """All slices, and the rows and columns that hold the mask, with a margin."""
    box = [slice(0, mask.shape[0])]
    for axis in (1, 2):
        there = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        low, high = (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)
        box.append(slice(max(0, low - margin), min(mask.shape[axis], high + margin)))
    return box[0], box[1], box[2]


def _placed(whole: np.ndarray, box: tuple[slice, ...]) -> dict[str, Any]:
    """Where the part in a box belongs, for `_whole`."""
    return {"shape": list(whole.shape), "box": [[part.start, part.stop] for part in box]}


def _whole(part: np.ndarray, plain: dict[str, Any]) -> np.ndarray:
    whole = np.zeros(plain["shape"], part.dtype)
    whole[tuple(slice(*ends) for ends in plain["box"])] = part
    return whole


def _grid(record: dict[str, Any]) -> Grid:
    return Grid(*(tuple(record[name]) for name in ("size", "spacing", "origin", "direction")))
