"""The comparison of a result in the scene with an earlier one, run by the engine in a separate process."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..errors import InputError
from ..files.file_hash import sha256_of
from ..grid import Grid
from ..reporting.result_comparison import Comparison
from .engine_job import EngineJob
from .findings_table import rows
from .hierarchy import identity_in_scene
from .result import Result, provenance_of, score_map_of, settings_of
from .segment_voxels import segment_voxels
from .titles import identity_of
from .volumes import image_of

RECORD, LABELS, SCORE = "findings.json", "suspected_anomalies.nii.gz", "anomaly_score.nii.gz"
"""Names of a result's files, as in `reporting.result_files`, which imports packages that Slicer may lack."""


class ComparisonJob(EngineJob):
    """A running comparison; it does not change the scene.

    `earlier`: a result folder of the same patient, or another result in the scene. Raises an InputError if a
    result cannot be passed to the engine; nothing was started.
    """

    def __init__(
        self, later: Result, earlier: Result | Path, *, python: Sequence[str], temporary: Path | None = None
    ) -> None:
        super().__init__(temporary)
        try:
            places = [self._place(earlier, "earlier"), self._place(later, "later")]
            self._output = self._folder / "comparison.json"
            arguments = ["compare", "--earlier", str(places[0]), "--later", str(places[1])]
            arguments += ["--output", str(self._output), "--progress", "json", "--parent", str(os.getpid())]
            self.start(python, arguments)
        except BaseException:
            self._remove_folder()
            raise

    def finish(self) -> Comparison:
        """The comparison of a finished run; removes the run's folder.

        Raises an InputError if the run failed or was cancelled.
        """
        try:
            if self.state != "done":
                raise InputError(self.error or "The comparison failed; see Details.")
            return Comparison.of(json.loads(self._output.read_text("utf-8")))
        finally:
            self._remove_folder()

    def _place(self, result: Result | Path, name: str) -> Path:
        if isinstance(result, Path):
            return result
        folder = self._folder / name
        write_for_comparison(result, folder)
        self._names[str(folder)] = result.flair.GetName()
        return folder


def write_for_comparison(result: Result, folder: Path) -> None:
    """Write a result of the scene as a folder that `compare` reads, with the current findings and edits.

    It has the position of the FLAIR in the scene.

    Raises an InputError if volumes of the result are missing, the FLAIR has a non-linear transform, or the
    folder cannot be written.
    """
    flair = image_of(result.flair)
    grid = Grid.of(flair)
    labels = segment_voxels(result, [row.number for row in rows(result.table)])
    score = sitk.GetArrayFromImage(score_map_of(result).image)
    threshold, min_patches = settings_of(result)
    provenance, scene = provenance_of(result), result.flair.GetScene()
    file = folder / "FLAIR.nrrd"
    try:
        folder.mkdir()
        sitk.WriteImage(flair, str(file), useCompression=False)
        sitk.WriteImage(grid.image(labels), str(folder / LABELS))
        sitk.WriteImage(grid.image(score), str(folder / SCORE))
        record: dict[str, Any] = {
            "model": provenance.get("model"),
            "settings": provenance.get("settings"),
            "inputs": {"flair": {"path": str(file), "sha256": sha256_of(file)}},
            "threshold": threshold,
            "min_patches": min_patches,
            "findings": [],
            "identity": asdict(identity_in_scene(scene, result.flair)),
            "subject": identity_of(scene, result.flair)[0],
        }
        (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"The results for the comparison cannot be written ({folder}): free some space on that disk, or choose "
            "another folder for temporary files (Edit, Application Settings)."
        ) from error
