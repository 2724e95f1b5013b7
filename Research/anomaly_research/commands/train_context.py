"""`anomaly-detection train-context`: the training of the context detector."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import click
from AnomalyDetectionLib.commands.options import ABOUT, DEBUG, PATH, PROGRAM, PROGRESS
from AnomalyDetectionLib.commands.progress import check_output, progress_of
from AnomalyDetectionLib.errors import InputError

from ..painting.lesion_contents import KINDS


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
    "--scans",
    type=PATH,
    required=True,
    multiple=True,
    metavar="FILE",
    help="File with prepared scans from `prepare`; can be given several times.",
)
@click.option(
    "--output", type=PATH, required=True, metavar="DIR", help="Folder to write checkpoint and model to."
)
@click.option("--name", default="context", show_default=True, help="Name of the model and of its file.")
@click.option(
    "--held-out",
    multiple=True,
    required=True,
    metavar="PATIENT",
    help="Patient to calibrate on, not to train on; can be given several times.",
)
@click.option(
    "--leave-out",
    multiple=True,
    metavar="PATIENT",
    help="Patient to leave out altogether, for testing; can be given several times.",
)
@click.option(
    "--outlines",
    type=PATH,
    multiple=True,
    metavar="DIR",
    help="Folder with masks of real lesions at 1 mm, whose shapes the painted lesions take; can be given several times.",
)
@click.option(
    "--from",
    "from_model",
    metavar="NAME|FILE",
    help="Model to fine-tune, instead of starting from random weights.",
)
@click.option(
    "--widths",
    type=_Widths(),
    default="32,64,128,192",
    show_default=True,
    help="Feature maps at each level of the U-Net, the finest first.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=20000,
    show_default=True,
    help="Number of steps of the optimiser.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=2),
    default=24,
    show_default=True,
    help="Windows of slices per step.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.002,
    show_default=True,
    help="Highest learning rate of the schedule: it is reached after 2 % of the steps.",
)
@click.option(
    "--painted-scans",
    type=click.IntRange(min=1),
    default=900,
    show_default=True,
    help="Scans with painted lesions for the second look to learn from; a sixth more are painted for its calibration.",
)
@click.option(
    "--paint",
    type=click.Choice(tuple(KINDS)),
    multiple=True,
    help="Kind of lesion to paint; can be given several times. Without it, every kind.",
)
@click.option(
    "--mining/--no-mining",
    default=True,
    show_default=True,
    help="Whether to search real normal tissue for false alarms, and to train on them again.",
)
@click.option(
    "--device",
    default="cpu",
    type=click.Choice(["cpu", "cuda", "mps"]),
    show_default=True,
    help="Device to train on.",
)
@ABOUT
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of all random numbers."
)
@PROGRESS
@DEBUG
def train_context(**options: Any) -> None:
    """Train the context detector on normal scans into which lesions are painted, or continue a run.

    A stopped run continues from its checkpoint in the output folder when the same command is given again. The patients
    held out are used to calibrate the second look and to set the threshold for one false positive per scan.
    """
    from ..training.context_command import train_context_from_options

    check_output(options["output"])
    try:
        with progress_of(options["progress"]) as report:
            sentence = train_context_from_options(options, shlex.join([PROGRAM, *sys.argv[1:]]), report)
    except KeyboardInterrupt:
        raise InputError(
            f"Stopped; the same command continues from the last checkpoint in {options['output']}."
        ) from None
    if options["progress"] != "json":
        click.echo(sentence)
