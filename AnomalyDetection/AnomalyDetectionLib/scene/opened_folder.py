"""Open a result folder in the scene, with its images and its saved review, and close it again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..detection.numbering import FindingNumbers
from ..errors import InputError
from ..files.text import display_path
from ..grid import Grid
from ..reporting.result_folder import ResultFolder, ResultImage, identity_of, open_folder, read_image
from ..reporting.result_scores import findings_of_folder, scores_of
from .hierarchy import item_above, place_under_patient, remove_patient_if_empty
from .nodes import Logics
from .result import Result, add_result, hide_hints, remove_result, why_fixed
from .result_nodes import remove_node
from .result_record import read_record, record_text
from .saved_review import SavedReview, restore_review, review_again
from .volumes import RAS_LPS, affine, image_data, vtk_matrix

OPENED = "AnomalyDetection.OpenedFrom"
"""Attribute of a volume that was loaded with a result folder and is removed with it."""

_FILES = "AnomalyDetection.DicomFiles"
_SAVED = "AnomalyDetection.SavedReview"
"""Attribute of a result's record: folder, its run, and the state of the review on the disk, to be saved with the scene."""


@dataclass(frozen=True)
class OpenedResult:
    """A result that was opened from a folder.

    Attributes:
        folder: the result folder, in which the review is saved, too.
        result: the nodes in the scene.
        saved: the review on the disk.
        remarks: sentences for the reader.
    """

    folder: ResultFolder
    result: Result
    saved: SavedReview
    remarks: tuple[str, ...] = ()


def open_result(
    scene: Any, logics: Logics, folder: ResultFolder, images: Mapping[str, ResultImage], patient: str = ""
) -> OpenedResult:
    """Open a result folder in the scene without running the engine.

    A failure leaves the scene as it was.

    Args:
        images: "t1" and "flair", from `find_image`.
        patient: name to use if the images are not DICOM; "": the BIDS subject, if there is one.

    Raises an InputError if an image or the result is damaged, or they do not fit together.
    """
    voxels = {role: read_image(images[role], role) for role in ("t1", "flair")}
    stored = scores_of(folder, voxels["t1"], voxels["flair"])
    threshold, min_patches = folder.settings
    nodes = {
        role: add_image(scene, voxels[role], _series(images[role], folder, name), str(folder.folder))
        for role, name in (("t1", "T1"), ("flair", "FLAIR"))
    }
    result = None
    try:
        whose = identity_of(folder, images["flair"])
        place_under_patient(scene, list(nodes.values()), whose, patient or folder.subject)
        for role, node in nodes.items():
            if files := images[role].dicom_files:
                node.SetAttribute(_FILES, json.dumps([str(file) for file in files]))
        result = add_result(
            scene,
            logics,
            t1=nodes["t1"],
            flair=nodes["flair"],
            stored=stored,
            provenance=_in_words_of_the_scene(folder.record, nodes),
            threshold=threshold,
            min_patches=min_patches,
            written=lambda scores: findings_of_folder(folder, scores),
        )
        _number_all(result, folder)
        hide_hints(result, [str(hint) for hint in folder.record.get("hidden_in_images") or ()])
        saved, remarks = restore_review(scene, logics, result, folder)
    except BaseException:
        if result is not None:
            remove_result(scene, result)
        _remove_images(scene, list(nodes.values()))
        raise
    sentences = [f"{image.remark}." for image in images.values() if image.remark]
    if why_fixed(result):
        sentences.append(why_fixed(result))
    return OpenedResult(folder, result, saved, (*sentences, *remarks))


def remember(opened: OpenedResult) -> None:
    """Store with the result which folder it is of, so that `open_again` finds it in a saved scene."""
    saved = opened.folder.folder.absolute(), opened.folder.sha256, opened.saved.content, opened.saved.on_disk
    opened.result.record.SetAttribute(_SAVED, json.dumps(saved, default=str))


def open_again(scene: Any, logics: Logics, result: Result) -> OpenedResult | None:
    """The opened result of a saved scene, whose review is saved in its folder again; None if it is not of a folder.

    Raises an InputError if the folder is gone or has another run's result.
    """
    try:
        place, sha256, content, on_disk = map(str, json.loads(result.record.GetAttribute(_SAVED) or ""))
    except (ValueError, TypeError, RecursionError):  # a scene may come from anywhere
        return None
    kept = f"The review is no longer saved in the result folder {display_path(place)}, only with the scene"
    try:
        folder = open_folder(Path(place))
    except InputError as error:
        raise InputError(f"{kept}: the folder is gone, or its result cannot be read.") from error
    if folder.sha256 != sha256:
        raise InputError(f"{kept}: the folder has the result of a later run now; open it to review that.")
    saved, remarks = review_again(scene, logics, result, folder, SavedReview(content, on_disk))
    return OpenedResult(folder, result, saved, tuple(remarks))


def close_result(scene: Any, result: Result) -> None:
    """Remove a result and its images from the scene; images that the reader has loaded are kept."""
    images = [
        node
        for node in (result.t1, result.flair)
        if node is not None and node.GetAttribute(OPENED) is not None
    ]
    remove_result(scene, result)
    _remove_images(scene, [node for node in images if scene.IsNodePresent(node)])


def remembered_files(node: Any) -> list[Path]:
    """The DICOM files of a volume that was opened with a result, in slice order; they may have been deleted since."""
    try:
        return [Path(file) for file in json.loads(node.GetAttribute(_FILES) or "[]")]
    except (ValueError, TypeError, RecursionError):  # a scene may come from anywhere
        return []


def add_image(scene: Any, image: sitk.Image, name: str, opened_from: str) -> Any:
    """Add a scalar volume node for an image (LPS) to the scene, with a reference to the result folder.

    Raises an InputError if the scene does not support its voxel type.
    """
    try:
        data = image_data(sitk.GetArrayFromImage(image))
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{name} has a voxel type that cannot be shown ({image.GetPixelIDTypeAsString()}): convert it to integers or floats."
        ) from error
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(name))
    node.SetAndObserveImageData(data)
    node.SetIJKToRASMatrix(vtk_matrix(RAS_LPS @ affine(Grid.of(image))))
    node.SetAttribute(OPENED, opened_from)
    node.CreateDefaultDisplayNodes()
    return node


def _remove_images(scene: Any, nodes: list[Any]) -> None:
    """Remove a volume, and its study and patient if they are then empty."""
    for node in nodes:
        study = item_above(scene, node, "Study")
        remove_node(scene, node)
        remove_patient_if_empty(scene, study)


def _series(image: ResultImage, folder: ResultFolder, kind: str) -> str:
    """The name of a volume: like Slicer's name for a DICOM series, else after its scan."""
    if image.series is None:
        return f"{folder.name} {kind}"
    return f"{image.series.number}: {image.series.name}" if image.series.number else image.series.name


def _number_all(result: Result, folder: ResultFolder) -> None:
    """A numbering without patches, in which the numbers of findings that are not in the images are used, too."""
    if not why_fixed(result):
        return
    highest = max((int(item["number"]) for item in folder.record["findings"]), default=0)
    record = read_record(result.record)
    numbering = FindingNumbers(((0, 0, 0),) * highest)
    result.record.SetText(record_text(dataclasses.replace(record, numbering=numbering)))


def _in_words_of_the_scene(record: Mapping[str, Any], nodes: Mapping[str, Any]) -> dict[str, Any]:
    """The provenance without findings, which are in the table, and with nodes as inputs."""
    kept = {key: value for key, value in record.items() if key not in ("findings", "cohort")}
    inputs: dict[str, Any] = {}
    for role, block in dict(kept.get("inputs") or {}).items():
        if isinstance(block, Mapping):
            described = {key: value for key, value in block.items() if key not in ("path", "description")}
            node = nodes.get(role)
            inputs[role] = {**described, "volume": node.GetName() if node is not None else None}
        else:
            inputs[role] = None
    return {**kept, "inputs": inputs}
