"""`anomaly-detection detect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..files.text import escape_controls
from .options import DEBUG, PARENT, PATH, PROGRESS_OF_DETECT, detection_options
from .progress import check_output, progress_of

if TYPE_CHECKING:
    from ..detection.detection_settings import DetectionSettings
    from ..dicom.series import Series


@click.command(short_help="Find suspected anomalies in a T1 and a FLAIR.")
@click.option("--t1", type=PATH, help="T1-weighted image: NIfTI, NRRD or MetaImage file, or DICOM folder.")
@click.option(
    "--flair", type=PATH, help="FLAIR image of the same head: NIfTI, NRRD or MetaImage file, or DICOM folder."
)
@click.option(
    "--study",
    type=PATH,
    metavar="DIR",
    help="DICOM folder of a study, instead of --t1 and --flair; both series are chosen by their attributes.",
)
@click.option(
    "--study-uid", metavar="UID", help="StudyInstanceUID, if the folder of --study holds several studies."
)
@click.option("--output", type=PATH, required=True, metavar="DIR", help="Folder to write the results to.")
@click.option(
    "--brain-mask",
    type=PATH,
    help="Brain mask: an image that is not 0 inside the brain.  [default: find the brain]",
)
@click.option(
    "--t1-series", metavar="SERIES", help="Which DICOM series (number, UID or description), if several."
)
@click.option(
    "--flair-series", metavar="SERIES", help="Which DICOM series (number, UID or description), if several."
)
@detection_options
@click.option(
    "--dicom",
    is_flag=True,
    help="Also write the findings as DICOM objects that refer to the FLAIR's DICOM images.",
)
@click.option(
    "--dicom-reference",
    type=PATH,
    metavar="DIR",
    help="Folder of the DICOM series that the FLAIR was converted from; implies --dicom.",
)
@click.option(
    "--anonymous",
    is_flag=True,
    help="Leave patient, dates, paths and file names of the images out of the results.",
)
@PARENT
@PROGRESS_OF_DETECT
@DEBUG
def detect(
    t1: Path | None,
    flair: Path | None,
    study: Path | None,
    study_uid: str | None,
    output: Path,
    brain_mask: Path | None,
    t1_series: str | None,
    flair_series: str | None,
    settings: DetectionSettings,
    hide: tuple[str, ...],
    pictures: bool,
    keep_scores: bool,
    dicom: bool,
    dicom_reference: Path | None,
    anonymous: bool,
    progress: str,
    debug: bool,
) -> None:
    """Find suspected anomalies in the T1 and the FLAIR of one head.

    The images may have any orientation, spacing and field of view; they are compared in physical space and registered
    if they do not line up. The results are on the FLAIR's grid:

    \b
      anomaly_score.nii.gz           score of every voxel
      suspected_anomalies.nii.gz     label map: number of the finding
      suspected_anomalies.seg.nrrd   the same as a segmentation for 3D Slicer
      findings.csv, findings.json    the findings as a table, and with settings and provenance
      report.html                    a report with pictures, to read or print
      overlay.png                    the relevant slices with the scores in colour
      nearest_normal.png             with --model paper: each finding beside the most similar normal tissue
      suspected_anomalies.seg.dcm    with --dicom: the findings as a DICOM segmentation
      suspected_anomalies.sr.dcm     with --dicom: and as a structured report

    The first five are on the disk before the others are started. If one of the others cannot be made, the run prints
    it, lists it under "missing" in findings.json, and still succeeds.

    Example:

    \b
      anomaly-detection detect --t1 T1.nii.gz --flair FLAIR.nii.gz --output results
      anomaly-detection detect --study DICOM --output results
    """
    if anonymous and (dicom or dicom_reference is not None):
        raise click.UsageError("DICOM objects name the patient: leave out --anonymous, or --dicom.")
    if anonymous and keep_scores:
        raise click.UsageError(
            "The images kept with the scores show the face: leave out --anonymous, or --keep-scores."
        )
    series: tuple[str | Series | None, str | Series | None] = t1_series, flair_series
    chosen: tuple[str, ...] = ()
    if study is not None:
        if t1 is not None or flair is not None:
            raise click.UsageError(
                "--study chooses T1 and FLAIR itself: leave out --t1 and --flair, or --study."
            )
        from ..dicom.study import choose_pair, the_study

        pair = choose_pair(the_study(study, study_uid), t1_series, flair_series)
        t1, flair, chosen = pair.t1.folder, pair.flair.folder, pair.lines
        series = pair.t1, pair.flair
    elif t1 is None or flair is None:
        absent = "--t1" if t1 is None else "--flair"
        raise click.UsageError(f"Option '{absent}' is missing: give --t1 and --flair, or --study.")
    elif study_uid is not None:
        raise click.UsageError("--study-uid chooses among the studies of a folder: give --study, too.")
    if progress != "json" and chosen:
        click.echo(escape_controls("\n".join(chosen)), err=True)
    with progress_of(progress) as report:
        if chosen:
            report("reading", 0.0, "; ".join(chosen))
        check_output(output)
        from ..detection.detection_settings import DetectionRequest
        from ..detection.pipeline import run_detection
        from ..reporting.dicom_objects import source_of_flair
        from ..reporting.results import summary, write_results

        source = None
        if dicom or dicom_reference is not None:  # report a wrong argument before the work starts
            source = source_of_flair(
                flair, series=series[1], reference=dicom_reference, t1=t1, t1_series=series[0]
            )
        request = DetectionRequest(t1, flair, brain_mask, *series, settings)
        detection = run_detection(request, report)
        written = write_results(
            detection,
            output,
            report,
            keep_scores=keep_scores,
            hide=hide,
            dicom=source,
            anonymous=anonymous,
            pictures=pictures,
        )
        report("done", 1.0, summary(detection, output))
    if debug:
        for one in written.missing:
            click.echo(one.details, err=True)
    if progress != "json":
        missing = (one.sentence for one in written.missing)
        for sentence in (*detection.remarks, *written.remarks, *missing):
            click.echo(sentence + ".")
        click.echo(summary(detection, output))
