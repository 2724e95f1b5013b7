"""Write a result folder: first the complete result, then the optional outputs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..detection.findings import Findings, least_size
from ..detection.hints import HINTS
from ..detection.nearest_normal import NormalTissue
from ..detection.pipeline import WRITING_BEGINS, Detection, message_of
from ..detection.reviewed_findings import ReviewedFinding
from ..detection.stored_scores import FOLDER, write_stored
from ..dicom.patient import patient_header
from ..errors import InputError
from ..files.atomic_folder import atomic_folder, locked_folder
from ..files.text import counted
from ..imaging.volume import Volume
from ..imaging.write_image import write_image
from ..model.false_positive_curve import in_words
from .anonymous import anonymous_record
from .dicom_objects import REPORT as DICOM_REPORT
from .dicom_objects import SEGMENTATION as DICOM_SEGMENTATION
from .extras import NOT_REACHED, Extra, MissingExtra, make_extras
from .provenance import provenance
from .result_files import LABELS, RECORD, REPORT, SCORE, files_of_result, list_files
from .segmentation_file import write_segmentation
from .tables import write_csv, write_json

if TYPE_CHECKING:
    from ..dicom.source import DicomSource

SEGMENTATION, OVERLAY, NEAREST = "suspected_anomalies.seg.nrrd", "overlay.png", "nearest_normal.png"
TABLE = "findings.csv"

Progress = Callable[[str, float, str], None]


@dataclass(frozen=True)
class WriteOutcome:
    """Remarks about a result that was written, and what is missing.

    Attributes:
        remarks: about the DICOM objects, one sentence each, without a full stop.
        missing: optional outputs that were asked for and could not be made.
    """

    remarks: tuple[str, ...] = ()
    missing: tuple[MissingExtra, ...] = ()


def write_results(
    detection: Detection,
    folder: Path,
    progress: Progress | None = None,
    *,
    keep_scores: bool = False,
    hide: Collection[str] = (),
    dicom: DicomSource | None = None,
    anonymous: bool = False,
    pictures: bool = True,
) -> WriteOutcome:
    """Write images, segmentation, tables and record; then, when these are on the disk, the optional outputs.

    They replace all files of an earlier result in the folder; other files are kept.

    `NEAREST` is written if the model has a library of normal patches and there is a finding to compare.

    Args:
        progress: called with the stage, the fraction of the run done, and a message; with the stage "missing" for
            each optional output that could not be made.
        keep_scores: also write the score map into the folder `FOLDER` (see `stored_scores`), so that
            findings can be derived again without the network.
        hide: hints whose findings are left out of the images; the tables have them.
        dicom: the DICOM images of the FLAIR; the findings in the images are then also written as DICOM objects.
        anonymous: leave patient, dates, paths and file names out of everything but DICOM objects. Kept scores still
            contain the images of the whole head, including the face.
        pictures: draw overlay, nearest normal tissue and report; False: draw nothing.

    Raises:
        InputError: if the folder cannot be written, or was moved or removed meanwhile.
        OSError: if the disk is full. Nothing half-written is left.
        KeyboardInterrupt: stopped. It has a text if the result is already complete.
    """
    report = progress or (lambda stage, fraction, message: None)
    report("writing", WRITING_BEGINS, message_of("writing"))
    begin = time.perf_counter()
    shown = detection.findings.without(hide)
    record = {**provenance(detection), "hidden_in_images": sorted(hide)}
    if anonymous:
        record = anonymous_record(record)
    extras = _extras(detection, shown, record, hide, keep_scores, pictures, dicom, anonymous)

    def write_record(beside: Path, files: Collection[str], missing: Sequence[MissingExtra]) -> None:
        run = {**record["run"], "files": sorted(files)}
        run["seconds"] = {**run["seconds"], "writing": round(time.perf_counter() - begin, 2)}
        full_record = {**record, "missing": [one.plain for one in missing], "run": run}
        write_json(detection.findings, full_record, beside / RECORD)

    with locked_folder(folder):
        with atomic_folder(folder, files_of_result(folder)) as beside:
            write_image(detection.scores.image, beside / SCORE, on=detection.study.flair)
            write_image(shown.labels, beside / LABELS, on=detection.study.flair)
            write_segmentation(shown, beside / SEGMENTATION, on=detection.study.flair)
            write_csv(detection.findings, beside / TABLE)
            # including the record, which comes last and lists all files
            result = list_files(beside)
            waiting = [MissingExtra(extra.what, extra.files, NOT_REACHED) for extra in extras]
            write_record(beside, result, waiting)
        return _made_of_it(extras, folder, result, write_record, report, anonymous=anonymous)


def _made_of_it(
    extras: Sequence[Extra],
    folder: Path,
    result: Collection[str],
    write_record: Callable[[Path, Collection[str], Sequence[MissingExtra]], None],
    report: Progress,
    *,
    anonymous: bool,
) -> WriteOutcome:
    """Make the optional outputs of a result that is in its folder, and update its record."""
    if not extras:
        return WriteOutcome()
    step = (1 - WRITING_BEGINS) / (len(extras) + 1)

    def begin(place: int) -> None:
        what = extras[place].what
        report("writing", WRITING_BEGINS + step * (place + 1), f"Writing {what[0].lower()}{what[1:]}")

    remarks: Sequence[str] = ()
    try:
        with atomic_folder(folder) as beside:
            remarks, missing = make_extras(extras, beside, begin, anonymous=anonymous)
            write_record(beside, {*result, *list_files(beside)}, missing)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped; the findings are in {folder}, and {RECORD} lists the outputs that are missing."
        ) from None
    except Exception as error:  # they could not be moved to their place, so all of them are missing
        _check_still_there(folder, result)
        remarks, missing = (), [MissingExtra.because(extra, error, anonymous=anonymous) for extra in extras]
        with contextlib.suppress(InputError, OSError), atomic_folder(folder) as beside:
            write_record(beside, result, missing)
    _check_still_there(folder, result)
    for one in missing:
        report("missing", 1 - step, one.sentence)
    return WriteOutcome(tuple(remarks), tuple(missing))


def _check_still_there(folder: Path, result: Collection[str]) -> None:
    """Raise InputError if a result was taken away while more was made of it."""
    if not all((folder / name).is_file() for name in result):
        raise InputError(
            f"The folder {folder}, or files in it, were moved or removed while the results were written: run again, and leave it "
            "as it is until the run has ended."
        )


def _extras(
    detection: Detection,
    shown: Findings,
    record: dict[str, Any],
    hide: Collection[str],
    keep_scores: bool,
    pictures: bool,
    dicom: DicomSource | None,
    anonymous: bool,
) -> list[Extra]:
    """The optional outputs of a result, in the order in which they are made."""
    scores, header = detection.scores, header_of(detection, hide, anonymous=anonymous)
    tissue = NormalTissue.of(detection.model) if pictures else None

    def kept(folder: Path) -> Sequence[str]:
        write_stored(scores, folder / FOLDER)
        return ()

    def overlay(folder: Path) -> Sequence[str]:
        from .overlay_picture import draw_overlay

        draw_overlay(scores, shown, header).save(folder / OVERLAY, format="PNG")
        return ()

    def nearest(folder: Path) -> Sequence[str]:
        from .nearest_picture import draw_nearest

        assert tissue is not None
        picture = draw_nearest(scores, shown, tissue, header[1:])
        if picture is not None:
            picture.save(folder / NEAREST)
        return ()

    def report(folder: Path) -> Sequence[str]:
        from .report import report_html

        images = detection.study.flair.files or (() if dicom is None else dicom.files)
        page = report_html(
            scores=scores,
            findings=shown,
            reviewed=[ReviewedFinding.of(finding) for finding in detection.findings.items],
            record=record,
            patient=patient_header(images[0]) if images else None,
            anonymous=anonymous,
            remarks=detection.remarks,
        )
        (folder / REPORT).write_text(page, encoding="utf-8")
        return ()

    def dicom_objects(folder: Path) -> Sequence[str]:
        from .dicom_algorithm import Algorithm
        from .dicom_objects import write_dicom

        assert dicom is not None
        return write_dicom(
            dicom,
            shown.labels,
            [ReviewedFinding.of(finding) for finding in shown.items],
            Algorithm.of(record),
            folder,
            remarks=detection.remarks,
            left_out=len(detection.findings.items) - len(shown.items),
        ).remarks

    planned = [Extra("The score map", (FOLDER,), kept)] if keep_scores else []
    if pictures:
        planned.append(Extra("The overview picture", (OVERLAY,), overlay))
        if tissue is not None:
            planned.append(Extra("The picture of the nearest normal tissue", (NEAREST,), nearest))
        planned.append(Extra("The report", (REPORT,), report))
    if dicom is not None:
        planned.append(Extra("The set of DICOM objects", (DICOM_SEGMENTATION, DICOM_REPORT), dicom_objects))
    return planned


def summary(detection: Detection, folder: Path) -> str:
    """One line with the number of suspected anomalies, the largest of them, and the results folder."""
    items = detection.findings.items
    usual = _in_a_normal_scan(detection)
    if not items:
        return f"No suspected anomaly (score above {detection.findings.threshold:g}){usual}; results are in {folder}"
    largest = max(items, key=lambda finding: finding.volume_ml)
    where = "at the midline" if largest.side == "midline" else f"on the {largest.side}"
    count = counted(len(items), "suspected anomaly", "suspected anomalies")
    return (
        f"{count}{usual}; the largest has {largest.volume_ml:.2f} ml {where} (number {largest.number}, "
        f"score {largest.peak_score:.2f}); results are in {folder}"
    )


def header_of(detection: Detection, hide: Collection[str] = (), *, anonymous: bool = False) -> list[str]:
    """The lines above the picture.

    `hide`: hints whose findings the picture does not show. `anonymous`: leave out the names of the images.
    """
    findings, usual = detection.findings, _in_a_normal_scan(detection)
    count = len(findings.items)
    total = sum(finding.volume_ml for finding in findings.items)
    names = f"T1: {_name(detection.study.t1)}    FLAIR: {_name(detection.study.flair)}"
    return [
        f"{counted(count, 'suspected anomaly', 'suspected anomalies')}, {total:.1f} ml together",
        *_by_hint(findings, hide),
        *([] if anonymous else [names]),
        f"Model: {detection.model.name} ({detection.model.sha256[:8]})    score above {findings.threshold:g}{usual},"
        f" {least_size(findings.min_patches, detection.scores.settings.stride)}",
    ]


def _by_hint(findings: Findings, hide: Collection[str]) -> list[str]:
    """The numbers of the findings for each hint, as one line; no line without findings."""
    parts = []
    for hint in HINTS:
        numbers = [str(finding.number) for finding in findings.items if finding.hint == hint]
        if numbers:
            parts.append(f"{hint}{' (hidden)' if hint in hide else ''}: {', '.join(numbers)}")
    return ["    ".join(parts)] if parts else []


def _in_a_normal_scan(detection: Detection) -> str:
    """Findings per normal scan at the threshold, in brackets; "" if the model does not know."""
    curve, findings = detection.scores.false_positive_curve, detection.findings
    if curve is None or findings.min_patches != curve.min_patches:
        return ""
    rate = in_words(curve.rate(findings.threshold))
    return f" (a normal scan has {'' if rate.startswith('under') else 'about '}{rate} findings besides WMH)"


def _name(volume: Volume) -> str:
    """The file's name, or the description of a DICOM series, whose folder may hold other series."""
    if volume.files:
        return volume.description
    return volume.path.name if volume.path is not None else "from memory"
