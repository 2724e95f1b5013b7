"""`anomaly-detection train-context`: the training of the context detector."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import click
from AnomalyDetectionLib.commands.options import ABOUT, DEBUG, PATH, PROGRAM, PROGRESS
from AnomalyDetectionLib.commands.progress import check_output, progress_of
from AnomalyDetectionLib.errors import InputError


class _Widths(click.ParamType):
    name = "widths"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        try:
            return tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value} is no list of numbers such as 24,48,64,96.", param, ctx)


@click.command("train-context", short_help="Train the context detector.")
@click.option(
    "--scans", type=PATH, required=True, multiple=True, metavar="FILE", help="From `prepare`; give several."
)
@click.option("--output", type=PATH, required=True, metavar="DIR", help="Folder for checkpoint and model.")
@click.option("--name", default="context", show_default=True, help="Of the model, and of its file.")
@click.option(
    "--held-out",
    multiple=True,
    required=True,
    metavar="PATIENT",
    help="Patient to calibrate on; give several.",
)
@click.option(
    "--leave-out", multiple=True, metavar="PATIENT", help="For testing: not looked at; give several."
)
@click.option(
    "--outlines",
    type=PATH,
    multiple=True,
    metavar="DIR",
    help="Masks of real lesions, 1 mm, that lend their shapes; give several.",
)
@click.option(
    "--from", "from_model", metavar="NAME|FILE", help="Fine-tune this model instead of starting anew."
)
@click.option("--widths", type=_Widths(), default="32,64,128,192", show_default=True, help="Of the U-Net.")
@click.option(
    "--steps", type=click.IntRange(min=1), default=20000, show_default=True, help="Of the optimiser."
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=2),
    default=24,
    show_default=True,
    help="Windows of slices a step.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.002,
    show_default=True,
    help="Highest.",
)
@click.option("--device", default="cpu", type=click.Choice(["cpu", "cuda", "mps"]), show_default=True)
@ABOUT
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of all that is random."
)
@PROGRESS
@DEBUG
def train_context(**options: Any) -> None:
    """Train the context detector on normal scans, into which lesions are painted, or go on with a run.

    A stopped run goes on from its checkpoint in the output folder, with the same command. The patients held out calibrate
    the second look and set the threshold for one false positive a scan.
    """
    from ..training.context_command import train_context_from_options

    check_output(options["output"])
    try:
        with progress_of(options["progress"]) as report:
            sentence = train_context_from_options(options, shlex.join([PROGRAM, *sys.argv[1:]]), report)
    except KeyboardInterrupt:
        raise InputError(
            f"Stopped; the same command goes on from the last checkpoint in {options['output']}."
        ) from None
    if options["progress"] != "json":
        click.echo(sentence)
