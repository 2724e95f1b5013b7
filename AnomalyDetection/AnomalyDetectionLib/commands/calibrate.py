"""`anomaly-detection calibrate`: a model fitted to a scanner."""

from __future__ import annotations

from pathlib import Path

import click

from ..model.bundled import DEFAULT_MODEL
from .options import DEBUG, PATH, PROGRESS, finite
from .progress import progress_of


@click.command(short_help="Fit a model to a scanner with a handful of normal scans.")
@click.option(
    "--model", metavar="NAME|FILE", default=DEFAULT_MODEL, show_default=True, help="The model to start from."
)
@click.option(
    "--scans",
    type=PATH,
    metavar="TABLE",
    help="1 to 20 normal scans: CSV with the columns name, patient, t1, flair and, optionally, brain_mask and lesions.",
)
@click.option(
    "--root",
    type=PATH,
    default=Path(),
    help="Folder that the table's paths start from.  [default: this one]",
)
@click.option("--prepared", type=PATH, metavar="FILE", help="Instead of a table: scans from `prepare`.")
@click.option(
    "--output", type=PATH, required=True, metavar="FILE", help="Model file to write (.safetensors)."
)
@click.option(
    "--false-positives",
    metavar="FINDINGS",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    default=2.0,
    show_default=True,
    help="Findings per normal scan (false positives) that the threshold is set for.",
)
@click.option(
    "--keep-statistics",
    is_flag=True,
    help="Set the threshold only, and leave the latent statistics (of the paper's kind of model) as they are.",
)
@click.option(
    "--prior-scans",
    type=click.FloatRange(min=0),
    callback=finite,
    default=2.0,
    show_default=True,
    help="As how many scans the model's own statistics count beside the new ones.",
)
@click.option(
    "--device",
    default="auto",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    show_default=True,
    help="Where to compute.",
)
@PROGRESS
@DEBUG
def calibrate(
    model: str,
    scans: Path | None,
    root: Path,
    prepared: Path | None,
    output: Path,
    false_positives: float,
    keep_statistics: bool,
    prior_scans: float,
    device: str,
    progress: str,
    debug: bool,
) -> None:
    """Fit a model to a scanner: how many findings its normal scans have, and which threshold keeps to the false positives per scan.

    Normal scans are of people without the lesions that are searched for; where they have others, such as white matter
    hyperintensities, give their masks, and findings there are not counted. Takes minutes, without training. Writes a
    new model file for `detect --model`.

    Example:

    \b
      anomaly-detection calibrate --scans normal.csv --root scans --output ours.safetensors
    """
    from ..calibration.calibrate_scans import calibrate_to_scans
    from ..calibration.calibration import CalibrationSettings

    settings = CalibrationSettings(
        false_positives=false_positives, statistics=not keep_statistics, prior_scans=prior_scans
    )
    with progress_of(progress) as report:
        sentence = calibrate_to_scans(
            model, output, table=scans, root=root, prepared=prepared, settings=settings, device=device,
            progress=report,
        )  # fmt: skip
        report("done", 1.0, sentence)
    if progress != "json":
        click.echo(sentence)
