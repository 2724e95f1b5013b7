"""`anomaly-detection worklist`."""

from __future__ import annotations

from pathlib import Path

import click

from .bids import SOME_FAILED
from .options import DEBUG, DEVICE, PARENT, PATH, PROGRESS
from .progress import progress_of


@click.command(short_help="Detect anomalies in a folder of studies, to be read one by one in 3D Slicer.")
@click.argument("source", metavar="FOLDER", type=PATH)
@click.argument("results", metavar="OUT", type=PATH)
@click.option("--list", "only_list", is_flag=True, help="List the studies without analysing them.")
@click.option(
    "--model",
    metavar="NAME|FILE",
    help="Model to use: one that ships with the program, or a model file (.safetensors).  [default: the model of the existing results]",
)
@DEVICE
@PARENT
@PROGRESS
@DEBUG
def worklist(
    source: Path, results: Path, only_list: bool, model: str | None, device: str, progress: str, debug: bool
) -> int:
    """Detect anomalies in the studies of a folder, one after another, for the worklist of the module in 3D Slicer.

    FOLDER is a BIDS dataset, or has a subfolder for each study, with files called T1 and FLAIR or with DICOM images.
    OUT becomes a BIDS derivatives dataset, as with `bids`. Studies that have a result are skipped, so the same command
    continues a run that was interrupted. A study that cannot be analysed becomes a row in OUT/errors.csv.

    \b
      0  every study has a result
      2  an argument or file cannot be used, or the run was stopped
      3  some studies have no result: see OUT/errors.csv

    Example:

    \b
      anomaly-detection worklist studies studies/anomaly-detection
    """
    with progress_of(progress) as report:
        from ..cohort.worklist_run import list_studies, run_worklist, summary
        from ..reporting.worklist_file import FAILED

        if only_list:
            found = list_studies(source, results, report)[0]
        else:
            found = run_worklist(source, results, report, model=model, device=device)
        result_line = summary(found, results)
        report("done", 1.0, result_line)
    if progress != "json":
        click.echo(result_line)
    failed = any(entry.state == FAILED for entry in found.entries)
    return SOME_FAILED if failed and not only_list else 0
