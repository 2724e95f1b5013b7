"""`anomaly-detection evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from AnomalyDetectionLib.commands.options import DEBUG, MODELS, PATH, PROGRESS
from AnomalyDetectionLib.commands.progress import check_output
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.text import counted

from .shared import DEVICES, option, output, repeated, resumable, seed


def _numbers(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[float, ...]:
    """Percentiles: the option repeated, or several in one with commas."""
    try:
        numbers = tuple(float(part) for value in values for part in value.split(","))
        if all(0 <= number <= 100 for number in numbers):
            return numbers
    except ValueError:
        pass
    raise click.BadParameter("give numbers from 0 to 100, with commas between.", param=parameter)


def _names(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Subjects: likewise; with or without the sub- before them."""
    names = [part.strip() for value in values for part in value.split(",") if part.strip()]
    return tuple(name if name.startswith("sub-") else f"sub-{name}" for name in names)


@click.command(short_help="Measure what models and baselines find in a cohort with truth.")
@click.argument("cohort", type=PATH)
@output("Folder to write scores, tables and figures to.")
@MODELS
@repeated(
    "--percentiles", str, "Percentiles to score with, besides each model's own", "N,N,...", callback=_numbers
)
@option(
    "--subjects",
    str,
    "Subjects to evaluate, with or without sub-.  [default: all]",
    metavar="SUB,SUB,...",
    multiple=True,
    callback=_names,
)
@option("--device", DEVICES, "Device to compute on; auto uses a GPU if there is one.", "auto")
@seed("Seed of the bootstrap over patients.")
@PROGRESS
@DEBUG
def evaluate(cohort: Path, output: Path, progress: str, debug: bool, **options: Any) -> None:
    """Measure how many infarcts models find in COHORT, compared with thresholds of bright and of dark FLAIR.

    COHORT is a folder in the layout of BIDS with the truth in derivatives/truth, as `simulate` writes it. Scores
    are kept in DIR: when run again, only what is missing is computed.

    \b
      summary.md, summary.json   all tables on one page, and for programs
      froc.png, strata.png       curves, and infarcts found by size, kind and region
      tables/*.csv               the tables; errors.csv has the scans that could not be used

    Example:

    \b
      anomaly-detection evaluate cohort --output results --model paper --model mine.safetensors
    """
    check_output(output)
    from AnomalyDetectionLib.bids.selection import set_aside_remarks

    from ..evaluation.run_evaluation import EvaluationRequest, run_evaluation
    from ..reports.evaluation_report import TABLES, write_evaluation

    with resumable(progress, f"from what is stored in {output}") as report:
        evaluation = run_evaluation(EvaluationRequest(cohort, output, **options), report)
        write_evaluation(evaluation, report)
        failed, done = len(evaluation.failures), len(evaluation.scans)
        errors = output / TABLES / "errors.csv"
        if not done:
            first = evaluation.failures[0].reason if failed else "it holds none"
            raise InputError(
                f"No scan of {cohort} could be evaluated; the reasons are in {errors}, the first: {first}"
            )
        missed = f"; {failed} could not be, see {errors}" if failed else ""
        said = f"{counted(done, 'scan')} evaluated{missed}. Results in {output / 'summary.md'}"
        aside = set_aside_remarks([name for scan in evaluation.scans for name in scan.set_aside])
        sentence = " ".join(f"{remark}." for remark in (said, *aside))
        report("done", 1.0, sentence)
    if progress != "json":
        click.echo(sentence)
