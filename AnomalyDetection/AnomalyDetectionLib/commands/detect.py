"""`anomaly-detection detect`."""

from __future__ import annotations

from pathlib import Path

import click

from ..model.bundled import DEFAULT_MODEL
from .options import DEBUG, PATH, finite
from .progress import Stop, check_output, progress_of


@click.command(short_help="Find suspected anomalies in a T1 and a FLAIR.")
@click.option(
    "--t1",
    type=PATH,
    required=True,
    help="T1-weighted image: NIfTI, NRRD or MetaImage file, or DICOM folder.",
)
@click.option("--flair", type=PATH, required=True, help="FLAIR image of the same head, likewise.")
@click.option("--output", type=PATH, required=True, metavar="DIR", help="Folder for the results.")
@click.option(
    "--brain-mask", type=PATH, help="Image that is not 0 inside the brain. Default: find the brain."
)
@click.option(
    "--t1-series", metavar="SERIES", help="Which DICOM series (number, UID or description), if several."
)
@click.option(
    "--flair-series", metavar="SERIES", help="Which DICOM series (number, UID or description), if several."
)
@click.option(
    "--model",
    metavar="NAME|FILE",
    help=f"A model that ships with the program (see `models`), or a model file.  [default: {DEFAULT_MODEL}]",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto takes a GPU if there is one.",
)
@click.option(
    "--threshold",
    metavar="SCORE",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    help="Scores above it are suspected.  [default: the model's, 3 as in the paper]",
)
@click.option(
    "--budget",
    metavar="FINDINGS",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    help="Set the threshold so that a normal scan has so many findings; instead of --threshold.",
)
@click.option(
    "--percentile",
    metavar="N",
    type=click.FloatRange(0, 100),
    callback=finite,
    help="Of the latent elements' deviations; a patch's score.  [default: the model's, 50 as in the paper]",
)
@click.option(
    "--min-patches",
    metavar="COUNT",
    type=click.IntRange(min=1),
    help="Drop findings of fewer connected patches.  [default: the model's, 2 as in the paper]",
)
@click.option(
    "--stride",
    metavar="VOXELS",
    type=click.IntRange(min=1, max=15),
    help="Voxels between patches; fewer are finer and slower.  [default: the model's, 4 as in the paper]",
)
@click.option(
    "--statistics",
    type=click.Choice(["training", "scan", "tissue"]),
    help="What a patch is compared with: training patches, the scan's own, or training patches of the same tissue."
    "  [default: the model's, training as in the paper]",
)
@click.option(
    "--distance",
    type=click.Choice(["percentile", "mahalanobis"]),
    help="From the latent elements' deviations to one score.  [default: the model's, percentile as in the paper]",
)
@click.option(
    "--min-excess",
    metavar="SCORE",
    type=click.FloatRange(min=0),
    callback=finite,
    help="Drop findings whose patches exceed the threshold by less together.  [default: the model's, 0 as in the paper]",
)
@click.option("--no-registration", is_flag=True, help="Trust that T1 and FLAIR line up as they are.")
@click.option("--no-bias-correction", is_flag=True, help="The images have no bias field, or none any more.")
@click.option(
    "--hide",
    "hide",
    type=click.Choice(["cavity-like", "wmh-like", "edge-or-artefact", "unknown"]),
    multiple=True,
    help="Leave findings of this hint out of the images; the tables list them all. Give several. In tests on simulated "
    "infarcts, hiding wmh-like also hid about 1 in 4 findings on infarcts.",
)
@click.option(
    "--keep-scores",
    is_flag=True,
    help="Write all patch scores and prepared images, too, into DIR/score_map.",
)
@click.option("--parent", metavar="PID", type=click.IntRange(min=1), hidden=True)
@click.option(
    "--progress",
    type=click.Choice(["bar", "json", "none"]),
    default="bar",
    show_default=True,
    help="bar for people, json (one object a line: stage, fraction, message) for programs.",
)
@DEBUG
def detect(
    t1: Path,
    flair: Path,
    output: Path,
    brain_mask: Path | None,
    t1_series: str | None,
    flair_series: str | None,
    model: str | None,
    device: str,
    threshold: float | None,
    budget: float | None,
    percentile: float | None,
    min_patches: int | None,
    stride: int | None,
    statistics: str | None,
    distance: str | None,
    min_excess: float | None,
    no_registration: bool,
    no_bias_correction: bool,
    hide: tuple[str, ...],
    keep_scores: bool,
    parent: int | None,
    progress: str,
    debug: bool,
) -> None:
    """Find suspected anomalies in the T1 and the FLAIR of one head.

    The two may have any orientation, spacing and field of view; they are compared in physical space, and
    registered if they do not line up. The results lie on the FLAIR's own grid:

    \b
      anomaly_score.nii.gz           score of every voxel
      suspected_anomalies.nii.gz     label map: number of the finding
      suspected_anomalies.seg.nrrd   the same as a segmentation for 3D Slicer
      findings.csv, findings.json    the findings as a table, and with all that led to them
      overlay.png                    the slices that matter, in colour
      nearest_normal.png             each finding beside the most similar normal tissue

    Example:

    \b
      anomaly-detection detect --t1 T1.nii.gz --flair FLAIR.nii.gz --output results
    """
    if parent is not None:  # a program that ended by accident cannot stop the run that it started
        from ..parent import call_when_gone

        call_when_gone(parent, Stop.from_thread)
    with progress_of(progress) as report:
        check_output(output)
        from ..detection.hints import HINTS
        from ..detection.run import DetectionRequest, remarks, run_detection
        from ..reporting.results import NEAREST, summary, write_results

        request = DetectionRequest(
            t1=t1,
            flair=flair,
            brain_mask=brain_mask,
            t1_series=t1_series,
            flair_series=flair_series,
            model=model,
            device=device,
            threshold=threshold,
            budget=budget,
            percentile=percentile,
            min_patches=min_patches,
            stride=stride,
            statistics=statistics,
            distance=distance,
            min_excess=min_excess,
            register=not no_registration,
            bias_correction=not no_bias_correction,
        )
        detection = run_detection(request, report)
        hidden = tuple(name for name in HINTS if name.replace(" ", "-").lower() in hide)
        write_results(detection, output, report, keep_scores=keep_scores, hide=hidden)
        report("done", 1.0, summary(detection, output))
    if progress != "json":
        for remark in remarks(detection.scores.study, detection.scores):
            click.echo(remark + ".")
        if detection.model.library is None:
            click.echo(
                f"The model {detection.model.name} holds no normal tissue to compare findings with: no {NEAREST}."
            )
        click.echo(summary(detection, output))
