"""`anomaly-detection run`, a hidden command for programs such as the Slicer module."""

from __future__ import annotations

from pathlib import Path

import click

from .options import DEBUG, PATH, PROGRESS
from .progress import Stop, check_output, progress_of


@click.command(hidden=True)
@click.argument("job", type=PATH)
@PROGRESS
@DEBUG
def run(job: Path, progress: str, debug: bool) -> None:
    """Run the job in a file that another program has written."""
    from ..engine.job import Job
    from ..files.parent_process import call_when_process_ends

    asked = Job.read(job)
    if asked.parent is not None:  # end the run when the program that started it ends or crashes
        call_when_process_ends(asked.parent, Stop.from_thread)
    with progress_of(progress) as report:
        check_output(asked.output)
        from ..detection.pipeline import run_detection
        from ..reporting.results import write_results

        detection = run_detection(asked.request, report)
        write_results(detection, asked.output, report, keep_scores=True, pictures=False)
        report("done", 1.0, "The result is ready")
