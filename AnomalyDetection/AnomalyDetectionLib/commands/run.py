"""`anomaly-detection run`, a hidden command for programs such as the Slicer module."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path

import click

from .options import DEBUG, PATH, PROGRESS
from .progress import Stop, check_output, progress_of

JOB_POLL_S = 0.02


@click.command(hidden=True)
@click.argument("job", type=PATH)
@click.option(
    "--standby-for",
    type=int,
    metavar="PID",
    help="Id of the process that is going to write the job: wait for the job as long as that process runs.",
)
@PROGRESS
@DEBUG
def run(job: Path, standby_for: int | None, progress: str, debug: bool) -> None:
    """Run the job in a file that another program has written."""
    from ..engine.job import Job
    from ..files.parent_process import call_when_process_ends

    if standby_for is not None:
        call_when_process_ends(standby_for, Stop.from_thread)
        import_module("AnomalyDetectionLib.detection.pipeline")  # torch and all else that takes its time
        while not job.exists():
            time.sleep(JOB_POLL_S)
    asked = Job.read(job)
    # End the run when the program that started it ends or crashes; one that stands by does already.
    if asked.parent not in (None, standby_for):
        call_when_process_ends(asked.parent, Stop.from_thread)
    with progress_of(progress) as report:
        check_output(asked.output)
        from ..detection.pipeline import WRITING_BEGINS, message_of, score_study
        from ..engine.job_results import write_job_results

        scored = score_study(asked.request, report)
        report("writing", WRITING_BEGINS, message_of("writing"))
        write_job_results(scored, asked.output)
        report("done", 1.0, "The result is ready")
