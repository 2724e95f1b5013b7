"""Export a result of the scene to files.

Images are written in world space, with the FLAIR's parent transform. An image file cannot hold a non-linear transform;
in that case they are written in the FLAIR's own space, like its file.

The current segments are exported, including corrections from the Segment Editor. The report and DICOM objects are made
in `report_export` and `dicom_export`, also from `numbered_voxels` and `rows`.
"""

from __future__ import annotations

import csv
import errno
import math
import os
import re
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..errors import InputError
from ..files.atomic_folder import atomic_folder
from ..imaging.write_image import write_image
from ..reporting.tables import COLUMNS
from .finding_row import category_name
from .findings_table import DELETED, FindingRow, rows
from .nearest_tissue import comparison_of
from .result import Result, findings_of, hidden_numbers, score_map_of
from .segment_voxels import numbered_voxels
from .segmentation import segment_id
from .volumes import RAS_LPS, grid_of, ijk_to_ras, matrix_between, oriented_image

REVIEW_COLUMNS = ("category", "decision", "note", "edited")
"""Columns of the exported table in addition to those of the engine's findings.csv."""


def export_segmentation(result: Result, path: Path, *, accepted_only: bool = False) -> Path:
    """Export the findings as a Slicer segmentation, one segment per finding, all in one layer.

    Names, colours and terminology are those of the scene; the reference geometry is that of the FLAIR. Where
    segments overlap, the finding with the higher number gets the voxel.

    `path`: ".seg.nrrd" is added if missing. An existing file is replaced. Raises an InputError if there is
    nothing to export, or the file cannot be written.
    """
    import slicer

    path = with_suffix(path, ".seg.nrrd")
    wanted = numbers_wanted(result, accepted_only)
    labels, to_files = numbered_voxels(result, wanted)
    segments = result.segmentation.GetSegmentation()
    image = oriented_image(labels, to_files @ ijk_to_ras(result.score))
    binary = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    node = slicer.vtkMRMLSegmentationNode()  # not added to the scene, so that no observer notices the export
    node.SetName(result.segmentation.GetName())
    copy = node.GetSegmentation()
    copy.SetSourceRepresentationName(binary)
    for number in wanted:
        original = segments.GetSegment(segment_id(number))
        if original is not None:
            segment = slicer.vtkSegment()
            segment.DeepCopyMetadata(original)
            segment.SetLabelValue(number)
            segment.AddRepresentation(binary, image)
            copy.AddSegment(segment, segment_id(number))
    converter = slicer.vtkSegmentationConverter
    copy.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(image)
    )
    with atomic_folder(path.parent) as beside:
        storage = slicer.vtkMRMLSegmentationStorageNode()
        storage.SetFileName(str(beside / path.name))
        if not storage.WriteData(node) or not (beside / path.name).is_file():
            raise _not_written(beside / path.name, labels.nbytes)
    return path


def export_labels(result: Result, path: Path, *, accepted_only: bool = False) -> Path:
    """Export the findings as a label map on the FLAIR's grid in world space; voxel values are finding numbers.

    Without findings all voxels are 0; with `accepted_only` and no accepted finding no file is written.

    `path`: .nii.gz or .nii; ".nii.gz" is added if both are missing. An existing file is replaced. Raises an
    InputError if no finding is accepted, or the file cannot be written.
    """
    path = Path(path) if Path(path).name.lower().endswith(".nii") else with_suffix(path, ".nii.gz")
    numbers = numbers_wanted(result, accepted_only, empty=True)
    labels, to_files = numbered_voxels(result, numbers)
    image = grid_of(result.score, to_files).image(labels)
    with atomic_folder(path.parent) as beside:
        write_image(image, beside / path.name)
    return path


def export_table(result: Result, path: Path) -> Path:
    """Export the findings with their review as CSV, for Excel and other programs.

    UTF-8 with a byte order mark, which Excel needs; comma-separated, with decimal points. Centroids are in
    the current world space (RAS). Findings that have vanished at this threshold are left out.

    `path`: ".csv" is added if missing. An existing file is replaced. Raises an InputError if the file cannot
    be written.
    """
    path = with_suffix(path, ".csv")
    to_now = to_world_now(result)
    with (
        atomic_folder(path.parent) as beside,
        (beside / path.name).open("w", newline="", encoding="utf-8-sig", errors="backslashreplace") as file,
    ):
        table = csv.writer(file)
        table.writerow((*COLUMNS, *REVIEW_COLUMNS))
        table.writerows(_cells(row, to_now) for row in rows(result.table))
    return path


def export_pictures(
    result: Result,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    accepted_only: bool = False,
) -> list[Path]:
    """Export one picture for each finding, finding_001.png and so on.

    Those of an earlier export in the folder, perhaps of another patient, are removed; other files are kept.

    If the model that made the result is available, each also shows the most similar normal tissue.

    `progress`: called before each picture with the number done and the total number. Raises an InputError if
    there is no finding, a drawing package is missing, volumes of the result have no voxels, or the folder
    cannot be written.
    """
    need_packages("Pictures need")
    from ..reporting.finding_picture import draw_finding

    scores, findings = score_map_of(result), findings_of(result)
    numbers = numbers_wanted(result, accepted_only)
    names = [f"finding_{number:03d}.png" for number in numbers]
    there = Path(folder).glob("finding_*.png")
    earlier = [PurePosixPath(path.name) for path in there if re.fullmatch(r"finding_\d{3,}", path.stem)]
    with atomic_folder(Path(folder), earlier) as beside:
        for done, (number, name) in enumerate(zip(numbers, names, strict=True)):
            if progress is not None:
                progress(done, len(numbers))
            try:
                comparison = comparison_of(result, number)
            except InputError:
                comparison = None
            draw_finding(scores, findings, number, comparison).save(beside / name)
    return [Path(folder) / name for name in names]


def need_packages(what: str, *names: str) -> None:
    """Check that matplotlib, Pillow and these packages are installed.

    Raises an InputError if one is missing.
    """
    for name in ("PIL", *names):
        try:
            import_module(name)
        except ImportError as error:
            raise InputError(
                f"{what} the Python package {'pillow' if name == 'PIL' else name}, which is not installed: install the "
                "packages that the module asks for at the first run, then export again."
            ) from error


def numbers_chosen(result: Result, accepted_only: bool) -> list[int]:
    """The numbers of the findings that are shown, or of all accepted findings."""
    hidden = hidden_numbers(result)
    return [
        row.number
        for row in rows(result.table)
        if row.edited != DELETED
        and (row.decision == "accepted" or not (accepted_only or row.number in hidden))
    ]


def numbers_wanted(result: Result, accepted_only: bool, *, empty: bool = False) -> list[int]:
    """Like `numbers_chosen`, but raises an InputError if there is none, unless `empty` allows it where all are wanted."""
    numbers = numbers_chosen(result, accepted_only)
    if not numbers and accepted_only:
        raise InputError("No finding is accepted yet: accept findings in the table, or export all of them.")
    if not numbers and not empty:
        raise InputError(
            "There is no finding to export: lower the threshold or the minimum size, or show what is hidden."
        )
    return numbers


def to_world_now(result: Result) -> np.ndarray:
    """The matrix (4, 4) from RAS of the run, as in the table, to RAS of the current world space."""
    to_world = matrix_between(result.score, None)
    if to_world is None:
        return np.eye(4)
    try:
        then = score_map_of(result).study.flair_grid
    except InputError:  # the volumes were not saved with the scene, so only the table exists
        return np.eye(4)
    corners = np.vstack([np.eye(3), np.zeros(3)])
    points = np.column_stack([then.points(corners), np.ones(4)]) @ RAS_LPS
    index_to_then = np.eye(4)
    index_to_then[:3, :3], index_to_then[:3, 3] = (points[:3, :3] - points[3, :3]).T, points[3, :3]
    return to_world @ ijk_to_ras(result.score) @ np.linalg.inv(index_to_then)


def _cells(row: FindingRow, to_now: np.ndarray) -> list[Any]:
    centroid = (to_now @ [*row.centroid_ras, 1.0])[:3]
    values = {name: getattr(row, name, None) for name in (*COLUMNS, *REVIEW_COLUMNS)}
    values |= {name: f"{values[name]:.3f}" for name in ("volume_ml", "peak_score", "mean_score")}
    values |= {f"centroid_{axis}_mm": f"{mm:.1f}" for axis, mm in zip("ras", centroid, strict=True)}
    values |= {name: _number(getattr(row, name)) for name in ("t1_relative", "flair_relative")}
    values["per_normal_scan"] = "" if row.per_normal_scan is None else f"{row.per_normal_scan:.3g}"
    values["category"], values["note"] = category_name(row.category), _text(row.note)
    return list(values.values())


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _text(note: str) -> str:
    """The note, escaped so that a spreadsheet does not read it as a formula ("- next to the ventricle")."""
    return f"'{note}" if note[:1] in ("=", "+", "-", "@", "\t", "\r") else note


def with_suffix(path: Path, suffix: str) -> Path:
    """The path with this suffix; a part of it that is already there (".nii" or ".gz" of ".nii.gz") is replaced."""
    path, name = Path(path), Path(path).name
    if name.lower().endswith(suffix):
        return path
    for part in reversed(suffix.split(".")[1:]):
        if name.lower().endswith(f".{part}"):
            name = name[: -len(part) - 1]
    return path.with_name(name + suffix)


def _not_written(path: Path, size: int) -> OSError:
    """An error for a file that Slicer could not write; Slicer gives no reason, and a full disk is the most likely one."""
    reason = errno.ENOSPC if shutil.disk_usage(path.parent).free < size else errno.EIO
    return OSError(reason, os.strerror(reason), str(path))
