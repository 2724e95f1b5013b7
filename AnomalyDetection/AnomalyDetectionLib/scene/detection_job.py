"""One run of the engine for volumes of a scene: write the nodes to files, run the engine, load the results."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..detection.detection_settings import DetectionRequest, DetectionSettings
from ..engine.job import Job
from ..engine.job_results import read_job_results
from ..errors import InputError
from ..files.run_folders import remove_leftovers
from .engine_job import EngineJob, StandbyEngine
from .nodes import Logics
from .result import Result, add_result, provenance_of, result_of, settings_of
from .volumes import array_view, quoted, study_files

RESULTS, JOB = "results", "job.json"
"""The folder of the engine's results and the job file, within the folder of the run."""


@dataclass(frozen=True)
class DetectionInputs:
    """The volumes and settings of a detection.

    Attributes:
        t1, flair: vtkMRMLScalarVolumeNode.
        brain_mask: vtkMRMLSegmentationNode or vtkMRMLLabelMapVolumeNode; None: the brain is found.
        settings: of the detection.
        keep_intermediate: whether the prepared volumes are listed in Slicer.
    """

    t1: Any
    flair: Any
    brain_mask: Any = None
    settings: DetectionSettings = field(default_factory=DetectionSettings)
    keep_intermediate: bool = False


class DetectionJob(EngineJob):
    """A running detection, until its result is in the scene or the run is cancelled.

    Args:
        replace: the result to update; None: add a new result.
        standby: an engine that waits for a job; it is used if it is still running, and ends with this run.

    Raises an InputError if the volumes cannot be passed to the engine; nothing was started.
    """

    def __init__(
        self,
        scene: Any,
        logics: Logics,
        inputs: DetectionInputs,
        *,
        python: Sequence[str],
        replace: Result | None = None,
        temporary: Path | None = None,
        standby: StandbyEngine | None = None,
    ) -> None:
        self._scene, self._logics, self._inputs, self._replace = scene, logics, inputs, replace
        self._standby = standby
        remove_leftovers(temporary)
        super().__init__(temporary)
        try:
            files = study_files(inputs.t1, inputs.flair, inputs.brain_mask, self._folder)
            self._voxels = {node: zlib.crc32(array_view(node)) for node in (inputs.t1, inputs.flair)}
            self._names = {
                str(files[kind]): node.GetName()
                for kind, node in (
                    ("t1", inputs.t1),
                    ("flair", inputs.flair),
                    ("brain_mask", inputs.brain_mask),
                )
                if node is not None
            }
            request = DetectionRequest(
                files["t1"], files["flair"], files.get("brain_mask"), settings=inputs.settings
            )
            job = Job(request, self._folder / RESULTS, os.getpid())
            if standby is not None and standby.state == "running":
                self._run = standby.run(job)
            else:
                self.start(python, job.write(self._folder / JOB))
        except BaseException:
            self._remove_folder()
            raise

    def finish(self) -> Result:
        """Load the results of a finished run into the scene; removes the run's folder.

        Raises an InputError if the run failed or was cancelled, or T1 or FLAIR are no longer in the scene, or no longer the
        images that were analysed.
        """
        try:
            if self.state != "done":
                raise InputError(self.error or "The detection failed; see Details.")
            for node, voxels in self._voxels.items():
                if self._scene.GetNodeByID(node.GetID() or "") is not node:
                    raise InputError(
                        f"{node.GetName()} was removed from the scene during the detection: load it and detect again. Nothing was changed."
                    )
                if zlib.crc32(array_view(node)) != voxels:
                    raise InputError(
                        f"The voxels of {quoted(node)} were changed during the detection: detect again. Nothing was changed."
                    )
            stored, provenance = read_job_results(self._folder / RESULTS)
            settings = provenance["settings"]["scoring"]
            threshold, min_patches = settings["threshold"], settings["min_patches"]
            replace = self._still_there()
            before = None if replace is None else provenance_of(replace).get("model", {}).get("sha256")
            if replace is not None and before == provenance["model"]["sha256"]:
                # Keep the positions of the sliders that the user has chosen for this pair.
                threshold, min_patches = settings_of(replace)
            _hide_mask(self._inputs.brain_mask)
            return add_result(
                self._scene,
                self._logics,
                t1=self._inputs.t1,
                flair=self._inputs.flair,
                stored=stored,
                provenance=self._in_words_of_the_scene(provenance),
                threshold=threshold,
                min_patches=min_patches,
                replace=replace,
                keep_intermediate=self._inputs.keep_intermediate,
            )
        finally:
            self._remove_folder()

    def _remove_folder(self) -> None:
        super()._remove_folder()
        if self._standby is not None:
            self._standby.cancel()  # its folder goes, too

    def _still_there(self) -> Result | None:
        """The result to replace, with its nodes of now, unless a part of it was deleted or it belongs to another FLAIR."""
        score = None if self._replace is None else self._replace.score
        if score is None or self._scene.GetNodeByID(score.GetID() or "") is not score:
            return None
        result = result_of(score)
        return result if result is not None and result.flair is self._inputs.flair else None

    def _in_words_of_the_scene(self, provenance: dict[str, Any]) -> dict[str, Any]:
        """The provenance with nodes as inputs in place of temporary files."""
        inputs: dict[str, Any] = dict.fromkeys(provenance["inputs"])
        for role, image in provenance["inputs"].items():
            if image is not None:
                name = self._names.get(image["path"], image["description"])
                kept = {key: value for key, value in image.items() if key not in ("path", "description")}
                inputs[role] = {**kept, "volume": name}
        return {**provenance, "inputs": inputs}


def _hide_mask(node: Any) -> None:
    """Hide a brain mask that is a segmentation, as its fill would cover the images."""
    if node is not None and node.IsA("vtkMRMLSegmentationNode") and node.GetDisplayNode() is not None:
        node.GetDisplayNode().SetVisibility(False)
