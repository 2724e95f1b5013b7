"""All that a run leaves behind, in one folder that appears whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ..detection.nearest import NormalTissue
from ..detection.run import WRITING_BEGINS, Detection, message_of
from ..detection.stored_scores import FOLDER, write_stored
from ..imaging.writing import atomic_folder, write_image
from .nearest_picture import draw_nearest
from .overlay import write_overlay
from .provenance import provenance
from .segmentation import write_segmentation
from .tables import write_csv, write_json

SCORE, LABELS = "anomaly_score.nii.gz", "suspected_anomalies.nii.gz"
SEGMENTATION, OVERLAY, NEAREST = "suspected_anomalies.seg.nrrd", "overlay.png", "nearest_normal.png"
TABLE, RECORD = "findings.csv", "findings.json"


def write_results(
    detection: Detection,
    folder: Path,
    progress: Callable[[str, float, str], None] | None = None,
    *,
    keep_scores: bool = False,
) -> None:
    """Write images, segmentation, tables and pictures.

    `NEAREST` is written where the model has a library of normal patches and there is a finding to compare.

    Args:
        progress: called with the stage, the fraction of the whole run done, and a line for people.
        keep_scores: write the score map, too, into the folder `FOLDER` (see `stored_scores`), so that
            findings can be derived again without the network.

    Raises:
        InputError: if the folder cannot be written.
        OSError: if the disk is full. Nothing half-written is left then.
    """
    if progress is not None:
        progress("writing", WRITING_BEGINS, message_of("writing"))
    begin = time.perf_counter()
    with atomic_folder(folder) as beside:
        write_image(detection.scores.image, beside / SCORE)
        write_image(detection.findings.labels, beside / LABELS)
        write_segmentation(detection.findings, beside / SEGMENTATION)
        write_overlay(detection.scores, detection.findings, header_of(detection), beside / OVERLAY)
        tissue = NormalTissue.of(detection.model)
        if tissue is not None:
            nearest = draw_nearest(detection.scores, detection.findings, tissue, header_of(detection)[1:])
            if nearest is not None:
                nearest.save(beside / NEAREST)
        if keep_scores:
            write_stored(detection.scores, beside / FOLDER)
        write_csv(detection.findings, beside / TABLE)
        record = provenance(detection)
        record["run"]["seconds"]["writing"] = round(time.perf_counter() - begin, 2)
        write_json(detection.findings, record, beside / RECORD)


def summary(detection: Detection, folder: Path) -> str:
    """How many suspected anomalies, the largest of them, and where the files are, in one line."""
    items = detection.findings.items
    if not items:
        return f"No suspected anomaly (score above {detection.findings.threshold:g}); results are in {folder}"
    largest = max(items, key=lambda finding: finding.volume_ml)
    where = "at the midline" if largest.side == "midline" else f"on the {largest.side}"
    count = "1 suspected anomaly" if len(items) == 1 else f"{len(items)} suspected anomalies"
    return (
        f"{count}; the largest has {largest.volume_ml:.2f} ml {where} (number {largest.number}, "
        f"score {largest.peak_score:.1f}); results are in {folder}"
    )


def header_of(detection: Detection) -> list[str]:
    """The lines above the picture."""
    findings = detection.findings
    count = len(findings.items)
    total = sum(finding.volume_ml for finding in findings.items)
    return [
        f"{count} suspected {'anomaly' if count == 1 else 'anomalies'}, {total:.1f} ml together",
        f"T1: {_name(detection.study.t1.path)}    FLAIR: {_name(detection.study.flair.path)}",
        f"Model: {detection.model.name} ({detection.model.sha256[:8]})    score above {findings.threshold:g},"
        f" at least {findings.min_patches} connected patches",
    ]


def _name(path: Path | None) -> str:
    return path.name if path is not None else "from memory"
