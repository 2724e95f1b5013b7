"""`anomaly-detection worklist`."""

from __future__ import annotations

from pathlib import Path

import click

from .bids import SOME_FAILED
from .options import DEBUG, DEVICE, PATH, PROGRESS
from .progress import Stop, progress_of


@click.command(
    short_help="Detect anomalies in a folder of studies, to be read one after another in 3D Slicer."
)
@click.argument("source", metavar="FOLDER", type=PATH)
@click.argument("results", metavar="OUT", type=PATH)
@click.option("--list", "only_list", is_flag=True, help="Find the studies, and analyse none.")
@click.option(
    "--model", metavar="NAME|FILE", help="As for detect.  [default: that of the results that are there]"
)
@DEVICE
@click.option("--parent", metavar="PID", type=click.IntRange(min=1), hidden=True)
@PROGRESS
@DEBUG
def worklist(
    source: Path,
    results: Path,
    only_list: bool,
    model: str | None,
    device: str,
    parent: int | None,
    progress: str,
    debug: bool,
) -> int:
    """Detect anomalies in the studies of a folder, one after another; the module in 3D Slicer reads them as a list.

    FOLDER is a BIDS dataset, or holds a folder for each study: with files called T1 and FLAIR, or with DICOM images.
    OUT becomes a BIDS derivatives dataset, as of `bids`. Studies that have a result are skipped, so that the same
    command goes on where it was ended, by whatever; one that cannot be analysed is a row in OUT/errors.csv.

    \b
      0  every study has a result
      2  something that was given cannot be used, or the run was stopped
      3  some studies have no result: see OUT/errors.csv

    Example:

    \b
      anomaly-detection worklist studies studies/anomaly-detection
    """
    if parent is not None:
        from ..files.parent_process import call_when_gone

        call_when_gone(parent, Stop.from_thread)
    with progress_of(progress) as report:
        from ..cohort.worklist_run import list_studies, run_worklist, summary
        from ..reporting.worklist_file import FAILED

        if only_list:
            found = list_studies(source, results, report)[0]
        else:
            found = run_worklist(source, results, report, model=model, device=device)
        said = summary(found, results)
        report("done", 1.0, said)
    if progress != "json":
        click.echo(said)
    failed = any(entry.state == FAILED for entry in found.entries)
    return SOME_FAILED if failed and not only_list else 0
