"""`anomaly-detection calibrate`: adapt a model to a scanner."""

from __future__ import annotations

from pathlib import Path

import click

from ..model.bundled import DEFAULT_MODEL
from .options import DEBUG, DEVICE, PATH, PROGRESS, finite
from .progress import progress_of


@click.command(short_help="Adapt a model to a scanner with a few normal scans.")
@click.option(
    "--model",
    metavar="NAME|FILE",
    default=DEFAULT_MODEL,
    show_default=True,
    help="Model to adapt: one that ships with the program, or a model file (.safetensors).",
)
@click.option(
    "--scans",
    type=PATH,
    metavar="TABLE",
    help="CSV file with 1 to 20 normal scans: columns name, patient, t1, flair and, optionally, brain_mask and lesions.",
)
@click.option(
    "--root",
    type=PATH,
    default=Path(),
    help="Folder that the paths in the table are relative to.  [default: the current folder]",
)
@click.option(
    "--prepared",
    type=PATH,
    metavar="FILE",
    help="File with prepared normal scans from `prepare`, instead of --scans.",
)
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
    help="Number of false positives (findings per normal scan) to set the threshold for.",
)
@click.option(
    "--keep-statistics",
    is_flag=True,
    help="Set the threshold only; keep the latent statistics of the model (paper's kind of model).",
)
@click.option(
    "--prior-scans",
    type=click.FloatRange(min=0),
    callback=finite,
    default=2.0,
    show_default=True,
    help="Weight of the model's own statistics, as a number of scans.",
)
@DEVICE
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
    """Adapt a model to a scanner: count the findings of its normal scans, and set the threshold for a number of them.

    Normal scans are of people without the lesions to be found. If they have other lesions, such as white matter
    hyperintensities, give masks of these, and findings there are not counted. Takes minutes and trains nothing. Writes
    a new model file for `detect --model`.

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
