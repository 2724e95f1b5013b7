"""All that a run leaves behind, in one folder that appears whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ..detection.findings import Findings
from ..detection.hints import HINTS
from ..detection.nearest import NormalTissue
from ..detection.review import ReviewedFinding
from ..detection.run import WRITING_BEGINS, Detection, message_of
from ..detection.stored_scores import FOLDER, write_stored
from ..imaging.dicom_patient import patient_line
from ..imaging.volume import Volume
from ..imaging.writing import atomic_folder, reserved, write_image
from ..model.rates import in_words
from .anonymous import anonymous_record
from .dicom_algorithm import Algorithm
from .dicom_objects import write_dicom
from .nearest_picture import draw_nearest
from .overlay import write_overlay
from .provenance import provenance
from .report import NAME as REPORT
from .report import write_report
from .result_files import RECORD, files_of_result, list_files
from .segmentation import write_segmentation
from .tables import write_csv, write_json

if TYPE_CHECKING:
    from .dicom_source import DicomSource

SCORE, LABELS = "anomaly_score.nii.gz", "suspected_anomalies.nii.gz"
SEGMENTATION, OVERLAY, NEAREST = "suspected_anomalies.seg.nrrd", "overlay.png", "nearest_normal.png"
TABLE = "findings.csv"


def write_results(
    detection: Detection,
    folder: Path,
    progress: Callable[[str, float, str], None] | None = None,
    *,
    keep_scores: bool = False,
    hide: Collection[str] = (),
    dicom: DicomSource | None = None,
    anonymous: bool = False,
) -> tuple[str, ...]:
    """Write images, segmentation, tables and pictures.

    They take the place of all files of an earlier result in the folder; others stay.

    `NEAREST` is written where the model has a library of normal patches and there is a finding to compare.

    Args:
        progress: called with the stage, the fraction of the whole run done, and a line for people.
        keep_scores: write the score map, too, into the folder `FOLDER` (see `stored_scores`), so that
            findings can be derived again without the network.
        hide: hints; findings of these are left out of the images, and are in the tables all the same.
        dicom: the DICOM images of the FLAIR: the findings shown are written as DICOM objects as well.
        anonymous: name no patient, date, path or file of the images anywhere but in DICOM objects. What is kept of
            the scores shows the whole head, face included, all the same.

    Returns:
        What is to be said about the DICOM objects, a sentence each without a full stop.

    Raises:
        InputError: if the folder cannot be written.
        OSError: if the disk is full. Nothing half-written is left then.
    """
    if progress is not None:
        progress("writing", WRITING_BEGINS, message_of("writing"))
    begin = time.perf_counter()
    images = detection.study.flair.files or (() if dicom is None else dicom.files)
    shown, header = detection.findings.without(hide), header_of(detection, hide, anonymous=anonymous)
    said: tuple[str, ...] = ()
    with reserved(folder), atomic_folder(folder, files_of_result(folder)) as beside:
        write_image(detection.scores.image, beside / SCORE, on=detection.study.flair)
        write_image(shown.labels, beside / LABELS, on=detection.study.flair)
        write_segmentation(shown, beside / SEGMENTATION, on=detection.study.flair)
        write_overlay(detection.scores, shown, header, beside / OVERLAY)
        tissue = NormalTissue.of(detection.model)
        if tissue is not None:
            nearest = draw_nearest(detection.scores, shown, tissue, header[1:])
            if nearest is not None:
                nearest.save(beside / NEAREST)
        if keep_scores:
            write_stored(detection.scores, beside / FOLDER)
        write_csv(detection.findings, beside / TABLE)
        record = {**provenance(detection), "hidden_in_images": sorted(hide)}
        if anonymous:
            record = anonymous_record(record)
        write_report(
            beside / REPORT,
            scores=detection.scores,
            findings=shown,
            reviewed=[ReviewedFinding.of(finding) for finding in detection.findings.items],
            record=record,
            patient=patient_line(images[0]) if images else None,
            anonymous=anonymous,
            remarks=detection.remarks,
        )
        if dicom is not None:
            said = write_dicom(
                dicom,
                shown.labels,
                [ReviewedFinding.of(finding) for finding in shown.items],
                Algorithm.of(record),
                beside,
                remarks=detection.remarks,
                left_out=len(detection.findings.items) - len(shown.items),
            ).remarks
        record["run"]["seconds"]["writing"] = round(time.perf_counter() - begin, 2)
        record["run"]["files"] = list_files(beside)  # the record comes last: it lists all that was written
        write_json(detection.findings, record, beside / RECORD)
    return said


def summary(detection: Detection, folder: Path) -> str:
    """How many suspected anomalies, the largest of them, and where the files are, in one line."""
    items = detection.findings.items
    usual = _in_a_normal_scan(detection)
    if not items:
        return f"No suspected anomaly (score above {detection.findings.threshold:g}){usual}; results are in {folder}"
    largest = max(items, key=lambda finding: finding.volume_ml)
    where = "at the midline" if largest.side == "midline" else f"on the {largest.side}"
    count = "1 suspected anomaly" if len(items) == 1 else f"{len(items)} suspected anomalies"
    return (
        f"{count}{usual}; the largest has {largest.volume_ml:.2f} ml {where} (number {largest.number}, "
        f"score {largest.peak_score:.1f}); results are in {folder}"
    )


def header_of(detection: Detection, hide: Collection[str] = (), *, anonymous: bool = False) -> list[str]:
    """The lines above the picture.

    Args:
        hide: hints whose findings it does not show.
        anonymous: without the names of the images.
    """
    findings = detection.findings
    count = len(findings.items)
    total = sum(finding.volume_ml for finding in findings.items)
    usual = _in_a_normal_scan(detection)
    names = f"T1: {_name(detection.study.t1)}    FLAIR: {_name(detection.study.flair)}"
    return [
        f"{count} suspected {'anomaly' if count == 1 else 'anomalies'}, {total:.1f} ml together",
        *_by_hint(findings, hide),
        *([] if anonymous else [names]),
        f"Model: {detection.model.name} ({detection.model.sha256[:8]})    score above {findings.threshold:g}{usual},"
        f" at least {findings.min_patches} connected patches{_together(detection)}",
    ]


def _together(detection: Detection) -> str:
    """By how much the patches of a finding have to exceed the threshold; nothing where they need not."""
    least = detection.scores.settings.min_excess
    return f", together {least:g} above that" if least else ""


def _by_hint(findings: Findings, hide: Collection[str]) -> list[str]:
    """Which findings have which hint, as one line; none where nothing was found."""
    parts = []
    for hint in HINTS:
        numbers = [str(finding.number) for finding in findings.items if finding.hint == hint]
        if numbers:
            parts.append(f"{hint}{' (hidden)' if hint in hide else ''}: {', '.join(numbers)}")
    return ["    ".join(parts)] if parts else []


def _in_a_normal_scan(detection: Detection) -> str:
    """What the threshold means, in brackets; nothing where the model does not know."""
    curve, findings = detection.scores.rates, detection.findings
    if curve is None or findings.min_patches != curve.min_patches:
        return ""
    return f" (a normal scan has about {in_words(curve.rate(findings.threshold))} findings besides WMH)"


def _name(volume: Volume) -> str:
    """The file's name; of a DICOM series, whose folder may hold others, its description."""
    if volume.files:
        return volume.description
    return volume.path.name if volume.path is not None else "from memory"
