"""`anomaly-detection compare`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import DEBUG, PARENT, PATH, PROGRESS
from .progress import progress_of


@click.command(short_help="Compare two results of one patient: new, grown, shrunken, known, gone.")
@click.option(
    "--earlier",
    type=PATH,
    required=True,
    metavar="DIR",
    help="Results folder of the earlier scan, from detect or from one scan of bids.",
)
@click.option("--later", type=PATH, required=True, metavar="DIR", help="Results folder of the later scan.")
@click.option(
    "--output",
    type=PATH,
    required=True,
    metavar="FILE",
    help="File to write: .csv for the table, .json for everything.",
)
@PARENT
@PROGRESS
@DEBUG
def compare(earlier: Path, later: Path, output: Path, progress: str, debug: bool) -> None:
    """Compare the findings of two scans of one patient.

    The earlier FLAIR is registered rigidly to the later one. Findings that overlap belong together; findings that have
    split or merged are compared as one. A difference in volume counts as a change if it exceeds the uncertainty of the
    outlines, which follows from the sizes of voxels and patches (limit_ml in the table).

    \b
      new, gone             there is no such finding in the other scan
      grown, shrunken       the volume differs by more than the limit
      known                 the volume differs by less
      not covered           the other scan was not searched there

    Example:

    \b
      anomaly-detection compare --earlier results2021 --later results2024 --output changes.csv
    """
    with progress_of(progress) as report:
        from ..reporting.result_comparison import check_place, compare_folders, summary, write_comparison

        check_place(output)  # report a wrong argument before the work starts
        found = compare_folders(earlier, later, report)
        write_comparison(found, output)
        result_line = f"{summary(found.changes)}; the table is in {output}"
        report("done", 1.0, result_line)
    if progress != "json":
        for remark in found.remarks:
            click.echo(remark)
        click.echo(result_line)
