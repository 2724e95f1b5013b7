"""The comparison of two result folders of one patient, and its table."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..detection.compare_findings import Change, Outlined, compare
from ..dicom.identity import Identity, written_date
from ..errors import InputError
from ..files.atomic_file import atomic_file
from ..files.text import display_path
from ..grid import Grid
from ..imaging.registration import SAME_HEAD_FROM, register
from ..imaging.text_header import check_header
from ..imaging.zero_level import from_zero
from .result_folder import (
    ImageNotFoundError,
    ResultFolder,
    ResultImage,
    find_image,
    identity_of,
    open_folder,
    read_image,
)

COLUMNS = (
    *("later", "earlier", "status", "later_ml", "earlier_ml", "difference_ml", "limit_ml", "score_there"),
    "unsure",
)

Progress = Callable[[str, float, str], None]


@dataclass(frozen=True)
class Comparison:
    """The changes of the findings between two results.

    Attributes:
        changes: of the findings.
        to_earlier: 4 x 4, row by row, LPS to LPS, from the later FLAIR to the earlier one.
        threshold, min_patches: of the later result, when it was compared.
        remarks: sentences about what limits the comparison.
        dates: of the earlier and the later study, 2021-04-07; "" where one is not known.
    """

    changes: tuple[Change, ...]
    to_earlier: tuple[float, ...]
    threshold: float
    min_patches: int
    remarks: tuple[str, ...] = ()
    dates: tuple[str, str] = ("", "")

    @property
    def plain(self) -> dict[str, Any]:
        """The values as JSON types."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Comparison:
        """The reverse of `plain`. InputError: the record is damaged."""
        try:
            changes = tuple(map(_change, plain["changes"]))
            matrix = tuple(map(float, plain["to_earlier"]))
            if len(matrix) != 16:
                raise ValueError("a transform has 16 numbers")
            remarks = tuple(map(str, plain["remarks"]))
            earlier, later = map(str, plain.get("dates") or ("", ""))  # earlier versions have none
            settings = float(plain["threshold"]), int(plain["min_patches"])
            return cls(changes, matrix, *settings, remarks, (earlier, later))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("The comparison is damaged: compare again.") from error


def _change(plain: Mapping[str, Any]) -> Change:
    later, earlier = (tuple(map(int, plain[side])) for side in ("later", "earlier"))
    later_ml, earlier_ml, limit_ml = (float(plain[name]) for name in ("later_ml", "earlier_ml", "limit_ml"))
    score = None if plain["score_there"] is None else float(plain["score_there"])
    unsure = bool(plain["unsure"])
    return Change(later, earlier, plain["status"], later_ml, earlier_ml, limit_ml, score, unsure)


def compare_folders(earlier: Path, later: Path, report: Progress | None = None) -> Comparison:
    """Compare two results of one patient.

    Args:
        earlier, later: folders of results.
        report: called with the stage, the fraction done, and a message.

    Raises:
        InputError: a folder or an image cannot be used, or the two are not of the same patient or head.
    """
    say = report or (lambda stage, fraction, message: None)
    say("reading", 0.0, "Reading both results")
    then, now = open_folder(earlier), open_folder(later)
    found = [_flair_of(each) for each in (then, now)]
    whose = [identity_of(each, image) for each, image in zip((then, now), found, strict=True)]
    doubts = _doubts_about_the_patient(whose[0], whose[1], then, now)
    then_flair, now_flair = (_from_zero(read_image(image, "flair")) for image in found)
    outlined_then, outlined_now = _outlined(then, then_flair), _outlined(now, now_flair)
    say("aligning", 0.2, "Aligning the earlier FLAIR to the later one")
    transform, sharpness = register(then_flair, now_flair, outlined_now.scores != 0)
    if sharpness < SAME_HEAD_FROM:
        raise InputError(
            f"The FLAIRs of {display_path(earlier)} and {display_path(later)} do not seem to show the same head: choose results of "
            "one patient."
        )
    say("comparing", 0.9, "Comparing the findings")
    changes = compare(outlined_now, outlined_then, transform)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    remarks = (*_remarks_about_the_dates(*whose), *_remarks(then, now), *doubts)
    dates = written_date(whose[0].study_date), written_date(whose[1].study_date)
    return Comparison(changes, tuple(matrix.ravel().tolist()), *now.settings, remarks, dates)


def _flair_of(result: ResultFolder) -> ResultImage:
    try:
        return find_image(result, "flair")
    except ImageNotFoundError as error:
        raise InputError(
            f"The FLAIR that the result in {display_path(result.folder)} was made from is neither where it was nor beside the "
            "result, or has changed: put it beside the result, or detect anomalies again."
        ) from error


def _from_zero(image: sitk.Image) -> sitk.Image:
    """The image as the detection sees it: float32, without voxels that are not numbers."""
    values = sitk.GetArrayFromImage(sitk.Cast(image, sitk.sitkFloat32))
    return Grid.of(image).image(from_zero(values).values)


def check_place(path: Path) -> None:
    """InputError if a comparison cannot be written to a file of this name: its suffix is neither .csv nor .json, or its
    folder is not there."""
    if not path.parent.is_dir():
        raise InputError(
            f"The folder {display_path(path.parent)} is not there: make it, or choose another place."
        )
    if path.suffix.lower() not in (".csv", ".json"):
        raise InputError(f"{display_path(path)} is neither a .csv nor a .json file: give one of these.")


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the comparison as a table (.csv), or completely (.json); InputError if the suffix is another, or it cannot be written."""
    check_place(path)
    try:
        with atomic_file(path) as partial:
            if path.suffix.lower() == ".json":
                partial.write_text(json.dumps(comparison.plain, indent=1) + "\n", encoding="utf-8")
                return
            with partial.open("w", newline="", encoding="utf-8-sig") as file:
                table = csv.writer(file)
                table.writerow(COLUMNS)
                table.writerows(_cells(change) for change in comparison.changes)
    except OSError as error:
        raise InputError(
            f"The comparison cannot be written to {display_path(path)} ({error.strerror}): choose another place."
        ) from error


def summary(changes: tuple[Change, ...]) -> str:
    """The number of findings for each change: "2 new, 1 grown, 3 known, 1 gone"."""
    counts: Counter[str] = Counter(change.status for change in changes)
    order = ("new", "grown", "shrunken", "known", "gone", "not covered")
    return (
        ", ".join(f"{counts[status]} {status}" for status in order if counts[status])
        or "no finding in either"
    )


def _cells(change: Change) -> list[str]:
    volumes = (change.later_ml, change.earlier_ml, change.later_ml - change.earlier_ml, change.limit_ml)
    score = "" if change.score_there is None else f"{change.score_there:.2f}"
    numbers = (" ".join(map(str, side)) for side in (change.later, change.earlier))
    return [*numbers, change.status, *(f"{ml:.3f}" for ml in volumes), score, "yes" if change.unsure else ""]


def _outlined(result: ResultFolder, flair: sitk.Image) -> Outlined:
    grid = Grid.of(flair)
    labels, score = (_on_grid(path, grid, result) for path in (result.labels, result.score))
    settings = result.record.get("settings") or {}
    stride = float((settings.get("scoring") or {}).get("stride") or 0)
    step = stride * float((settings.get("preparation") or {}).get("in_plane_mm") or 0)
    return Outlined(grid.image(labels.astype(np.uint16)), score, result.settings[0], step)


def _on_grid(path: Path, grid: Grid, result: ResultFolder) -> np.ndarray:
    damaged = InputError(
        f"The result in {display_path(result.folder)} is damaged, or does not fit its FLAIR: detect again."
    )
    try:
        check_header(path, role="image")
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except (RuntimeError, OSError) as error:
        raise damaged from error
    if array.shape != grid.shape:
        raise damaged
    return array


def _doubts_about_the_patient(
    earlier: Identity, later: Identity, then: ResultFolder, now: ResultFolder
) -> list[str]:
    """Reasons to doubt that the two are of one patient. InputError: they are of different patients."""
    if different := earlier.contradictions(later):
        raise InputError(
            f"The two results are of different patients ({'; '.join(different)}): choose an earlier result of the "
            "same patient."
        )
    subjects = [str(each.record.get("subject") or each.subject) for each in (then, now)]
    if earlier.shares_a_name_with(later) or (subjects[0] and subjects[0] == subjects[1]):
        return []
    named = f" ({' and '.join(map(repr, subjects))})" if all(subjects) else ""
    return [
        f"The images do not identify the patient{named}: check that both results are of the same patient."
    ]


def _remarks_about_the_dates(earlier: Identity, later: Identity) -> list[str]:
    if not later.is_before(earlier):
        return []
    dates = written_date(earlier.study_date), written_date(later.study_date)
    return [
        f"The scan given as the earlier one ({dates[0]}) is later than the other ({dates[1]}), so findings shown as new "
        "have gone and those shown as grown have shrunken: swap the two results."
    ]


def _remarks(earlier: ResultFolder, later: ResultFolder) -> tuple[str, ...]:
    remarks = []
    models = [(each.record.get("model") or {}).get("sha256") for each in (earlier, later)]
    if models[0] != models[1]:
        remarks.append(
            "The two results were made by different models, so changes may come from the model: detect both scans with "
            "the same model."
        )
    elif earlier.settings != later.settings:
        remarks.append(
            "The two results differ in threshold or minimum size, which changes volumes by itself: use the same settings for both."
        )
    if any(each.record.get("hidden_in_images") for each in (earlier, later)):
        remarks.append("Findings that are hidden in either result are not compared.")
    images = [(each.record["inputs"].get("flair") or {}).get("sha256") for each in (earlier, later)]
    if images[0] is not None and images[0] == images[1]:
        remarks.append("Both results are of the same FLAIR.")
    return tuple(remarks)
