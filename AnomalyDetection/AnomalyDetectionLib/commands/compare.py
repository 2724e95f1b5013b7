"""`anomaly-detection compare`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import DEBUG, PATH, PROGRESS
from .progress import Stop, progress_of


@click.command(short_help="Compare two results of one patient: new, grown, shrunken, known, gone.")
@click.option(
    "--earlier", type=PATH, required=True, metavar="DIR", help="Results of detect, or of one scan of bids."
)
@click.option("--later", type=PATH, required=True, metavar="DIR", help="Likewise, of a later scan.")
@click.option(
    "--output", type=PATH, required=True, metavar="FILE", help="A table (.csv), or all of it (.json)."
)
@click.option("--parent", metavar="PID", type=click.IntRange(min=1), hidden=True)
@PROGRESS
@DEBUG
def compare(earlier: Path, later: Path, output: Path, parent: int | None, progress: str, debug: bool) -> None:
    """What has become of the findings between two scans of one patient.

    The earlier FLAIR is registered to the later one, rigidly. Findings that overlap there belong together; those that
    have split or run together are compared as one. A difference of volume counts as a change where it is more than the
    outlines are sure of, which follows from the voxels and patches (limit_ml in the table).

    \b
      new, gone             there is none in the other scan
      grown, shrunken       the volume differs by more than the limit
      known                 it does not
      not covered           the other scan was not searched there

    Example:

    \b
      anomaly-detection compare --earlier results2021 --later results2024 --output changes.csv
    """
    if parent is not None:
        from ..files.parent_process import call_when_gone

        call_when_gone(parent, Stop.from_thread)
    with progress_of(progress) as report:
        from ..reporting.result_comparison import check_suffix, compare_folders, summary, write_comparison

        check_suffix(output)  # a mistake is said before the work
        found = compare_folders(earlier, later, report)
        write_comparison(found, output)
        said = f"{summary(found.changes)}; the table is in {output}"
        report("done", 1.0, said)
    if progress != "json":
        for remark in found.remarks:
            click.echo(remark)
        click.echo(said)
