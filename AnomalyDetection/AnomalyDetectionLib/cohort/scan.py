"""One scan of a cohort: detect, arrange the results as BIDS, and move them into place in one step.

sub-XX[/ses-YY]/
    anat/sub-XX_space-FLAIR_desc-anomaly_statmap.nii.gz      score of every voxel
    anat/sub-XX_space-FLAIR_desc-anomaly_dseg.nii.gz         label image: number of the finding
    anat/sub-XX_space-FLAIR_desc-anomaly_dseg.tsv            the findings
    anat/sub-XX_space-FLAIR_desc-anomaly_dseg.json           the findings with settings and provenance
    anat/sub-XX_space-FLAIR_desc-anomaly.seg.nrrd            the same as a segmentation for 3D Slicer
    anat/sub-XX_space-FLAIR_desc-brain_mask.nii.gz           where anomalies were looked for
    figures/sub-XX_desc-*                                    thumbnail, overlay, nearest normal tissue
    sub-XX_report.html                                       the report
    score_map/                                               with --keep-scores

Pictures, report and kept scores that cannot be made are listed in the record as missing; the result is still complete.
The folder appears in one step: a scan during which a run was killed is analysed again by the next run.
"""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..bids.selection import CohortScan
from ..detection.pipeline import Detection, run_detection
from ..errors import InputError
from ..files.folder_lock import locked
from ..imaging.out_of_memory import is_out_of_memory
from ..imaging.prepared import IntensityScale
from ..imaging.volume import Volume
from ..imaging.write_image import write_image
from ..reporting import results
from ..reporting.extras import Extra, MissingExtra, make_extras
from ..reporting.segmentation_file import segment_name
from . import sidecars
from .batch import BUSY, DONE, FAILED, THERE
from .dataset import RECORD, Dataset
from .failures import FailedScan

LEAST_FREE_MB = 100
"""Free disk space needed to start a scan, MB."""

_PICTURES = {results.OVERLAY: "desc-overlay_FLAIR.png", results.NEAREST: "desc-nearest_FLAIR.png"}
REPORT_NAME, THUMBNAIL = "report.html", "desc-thumbnail_FLAIR.jpg"


def analyse(dataset: Dataset, scan: CohortScan, *, wait: bool = True) -> str:
    """Analyse a scan; a failure becomes a row in errors.csv, not an exception.

    Args:
        wait: if another process is analysing this scan, wait until it ends; False: return `BUSY`.

    Returns:
        One of `DONE`, `THERE`, `FAILED`, `BUSY`. An InputError is raised for what affects all scans: the dataset's
        folder cannot be written.
    """
    with locked(dataset.work / "locks" / scan.name, wait=wait) as ours:
        if not ours:
            return BUSY
        if ours.exclusive:  # we hold the lock, so existing files were left by a process that was killed
            dataset.recover(scan.name)
        if dataset.is_finished(scan):
            dataset.failures.remove([scan.name])
            return THERE
        _check_disk(dataset)
        stages = ["starting"]
        working = Path(tempfile.mkdtemp(prefix=f"{scan.name}.", dir=dataset.work))
        try:
            _analyse(dataset, scan, working, stages)
        except Exception as error:
            _check_disk(dataset)
            if isinstance(error, OSError) and _is_about(error, dataset.folder):
                raise InputError(
                    f"The output folder {dataset.folder} cannot be written ({error.strerror}): check its permissions, and run "
                    "the same again."
                ) from error
            reason = _reason(dataset, scan, error)
            dataset.failures.add(FailedScan(scan.subject, scan.session, stages[-1], reason))
            return FAILED
        finally:
            shutil.rmtree(working, ignore_errors=True)
        dataset.failures.remove([scan.name])
        return DONE


def _analyse(dataset: Dataset, scan: CohortScan, working: Path, stages: list[str]) -> None:
    settings = dataset.settings

    def progress(stage: str, _fraction: float, _message: str) -> None:
        if stage != "missing":  # sent after the stage has ended
            stages.append(stage)

    before = dataset.inputs(scan)
    detection = _without_folders(run_detection(settings.request(scan), progress), dataset)
    made, arranged = working / "made", working / "arranged"
    keep, hide, pictures = settings.keep_scores, settings.hide, settings.pictures
    written = results.write_results(detection, made, progress, keep_scores=keep, hide=hide, pictures=pictures)
    arranged.mkdir()
    missing = [*written.missing, *_arrange(dataset, scan, detection, made, arranged)]
    record = json.loads((made / results.RECORD).read_text("utf-8"))
    record = _record(dataset, scan, detection, record, before, missing)
    _write_json(arranged / "anat" / f"{scan.name}_{RECORD}", record)
    stages.append("writing")
    dataset.publish(arranged, scan)
    if missing:
        _write_log(dataset, scan, "\n".join(f"{one.sentence}.\n{one.details}" for one in missing))
    else:
        _log(dataset, scan).unlink(missing_ok=True)


def _without_folders(detection: Detection, dataset: Dataset) -> Detection:
    """The detection with image paths replaced by BIDS URIs, as paths on this machine are private."""

    def named(volume: Volume) -> Volume:
        path = volume.path
        if path is None:
            return volume
        inside = path.is_relative_to(dataset.source)
        return replace(volume, path=path.relative_to(dataset.source) if inside else Path(path.name))

    study = detection.study
    mask = None if study.brain_mask is None else named(study.brain_mask)
    study = replace(study, t1=named(study.t1), flair=named(study.flair), brain_mask=mask)
    return replace(detection, study=study)


def _arrange(
    dataset: Dataset, scan: CohortScan, detection: Detection, made: Path, place: Path
) -> list[MissingExtra]:
    """Write the files of a run under their BIDS names; returns the optional outputs that are missing."""
    anat, figures = place / "anat", place / "figures"
    anat.mkdir()
    figures.mkdir()

    def named(name: str) -> Path:
        return anat / f"{scan.name}_{name}"

    flair, t1 = dataset.from_source(scan.flair), dataset.from_source(scan.t1)
    (made / results.SCORE).rename(named(f"{sidecars.SCORE}.nii.gz"))
    (made / results.LABELS).rename(named(f"{sidecars.LABELS}.nii.gz"))
    (made / results.SEGMENTATION).rename(named("space-FLAIR_desc-anomaly.seg.nrrd"))
    study = detection.scores.study
    brain = study.flair_grid.image(study.flair_brain.astype(np.uint8))
    write_image(brain, named(f"{sidecars.BRAIN}.nii.gz"), on=detection.study.flair)
    for name in (sidecars.SCORE, sidecars.BRAIN):
        _write_json(named(f"{name}.json"), sidecars.of_image(flair, t1))
    _write_table(made / results.TABLE, detection, named(f"{sidecars.LABELS}.tsv"))
    for name, new in _names(scan).items():
        if (made / name).exists():
            (made / name).rename(place / new)
    if not dataset.settings.pictures:
        return []
    thumbnail = f"figures/{scan.name}_{THUMBNAIL}"

    def make(folder: Path) -> tuple[str, ...]:
        from .thumbnail import write_thumbnail

        write_thumbnail(detection, folder / thumbnail)
        return ()

    return make_extras([Extra("The thumbnail", (thumbnail,), make)], place, lambda _: None)[1]


def _names(scan: CohortScan) -> dict[str, str]:
    """The BIDS names of the optional outputs, by the names that `detect` gives them."""
    pictures = {name: f"figures/{scan.name}_{new}" for name, new in _PICTURES.items()}
    return {**pictures, results.REPORT: f"{scan.name}_{REPORT_NAME}", results.FOLDER: results.FOLDER}


def _record(
    dataset: Dataset,
    scan: CohortScan,
    detection: Detection,
    record: dict[str, Any],
    before: dict[str, Any],
    missing: Sequence[MissingExtra],
) -> dict[str, Any]:
    """The record of a scan: the keys of a BIDS sidecar, those of findings.json, and those of the cohort."""
    flair, t1 = dataset.from_source(scan.flair), dataset.from_source(scan.t1)
    for role, described in record["inputs"].items():
        if described is not None:
            described["path"] = before[role]["file"]
            before[role]["sha256"] = described["sha256"]
    record["run"].pop("files", None)  # their names differ here
    names = _names(scan)
    here = [replace(one, files=tuple(names.get(name, name) for name in one.files)) for one in missing]
    record["missing"] = [one.plain for one in here]
    record["model"]["file"] = Path(record["model"]["file"]).name
    study = detection.scores.study
    cohort = {
        "subject": scan.subject,
        "session": scan.session,
        "settings": dataset.settings.fingerprint,
        "inputs": before,
        "contrast": {"t1": _contrast(study.t1_scale), "flair": _contrast(study.flair_scale)},
    }
    return {**sidecars.of_image(flair, t1), "cohort": cohort, **dataset.without_folders(record)}


def _contrast(scale: IntensityScale) -> float:
    """The contrast between the darkest and the brightest tissue of the brain: difference divided by sum, 0 to 1."""
    total = abs(scale.high) + abs(scale.low)
    return round((scale.high - scale.low) / total, 4) if total else 0.0


def _write_table(table: Path, detection: Detection, path: Path) -> None:
    """Write findings.csv as a BIDS table: tab-separated, with index and name first, and n/a for missing values."""
    names = {str(finding.number): segment_name(finding) for finding in detection.findings.items}
    columns = ["index", "name", *sidecars.finding_columns()]
    with (
        table.open(newline="", encoding="utf-8") as source,
        path.open("w", newline="", encoding="utf-8") as target,
    ):
        rows = csv.DictReader(source)
        out = csv.writer(target, delimiter="\t", lineterminator="\n")
        out.writerow(columns)
        for row in rows:
            row |= {"index": row["number"], "name": names[row["number"]]}
            out.writerow([row.get(name) or "n/a" for name in columns])


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(sidecars.json_text(content), encoding="utf-8", errors="backslashreplace")


def _reason(dataset: Dataset, scan: CohortScan, error: Exception) -> str:
    """Why a scan has no result, in one line; for errors of the program the traceback is written to the logs."""
    if isinstance(error, InputError):
        return str(error)
    if is_out_of_memory(error):
        return "Not enough memory: run fewer scans at once, or use the CPU if the memory of the GPU ran out."
    if isinstance(error, FileNotFoundError) and not (scan.t1.exists() and scan.flair.exists()):
        return f"{error.filename} no longer exists: restore it and run again."
    log = _write_log(dataset, scan, "".join(traceback.format_exception(error)))
    return f"Something went wrong inside the program ({type(error).__name__}: {error}): report it with {log.name} in {dataset.logs}."


def _write_log(dataset: Dataset, scan: CohortScan, text: str) -> Path:
    dataset.logs.mkdir(exist_ok=True)
    log = _log(dataset, scan)
    log.write_text(text, encoding="utf-8", errors="backslashreplace")
    return log


def _check_disk(dataset: Dataset) -> None:
    """Raise an InputError if the disk is full, which affects all scans."""
    if shutil.disk_usage(dataset.work).free < LEAST_FREE_MB * 2**20:
        raise InputError(
            f"The disk of the output folder {dataset.folder} is full: free some space and run the same command again."
        )


def _log(dataset: Dataset, scan: CohortScan) -> Path:
    return dataset.logs / f"{scan.name}.txt"


def _is_about(error: OSError, folder: Path) -> bool:
    name = error.filename
    return isinstance(name, (str, bytes)) and Path(str(name)).absolute().is_relative_to(folder)
