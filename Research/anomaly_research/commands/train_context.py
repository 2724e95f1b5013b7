"""`anomaly-detection train-context`: the training of the context detector."""

from __future__ import annotations

from typing import Any

import click
from AnomalyDetectionLib.commands.options import ABOUT, DEBUG, PATH, PROGRESS
from AnomalyDetectionLib.commands.progress import check_output

from ..painting.lesion_contents import KINDS
from .shared import COUNT, DEVICES, option, output, repeated, resumable, seed, typed


class _Widths(click.ParamType):
    name = "widths"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        from AnomalyDetectionLib.model.context_network import ContextSettings

        try:
            return ContextSettings(widths=tuple(int(part) for part in str(value).split(","))).widths
        except ValueError:
            self.fail(
                f"{value} is no list of 2 to 6 numbers, from 1 to 1024, such as 24,48,64,96.", param, ctx
            )


@click.command("train-context", short_help="Train the context detector.")
@repeated("--scans", PATH, "File with prepared scans from `prepare`", "FILE", required=True)
@output("Folder to write checkpoint and model to.")
@option("--name", str, "Name of the model and of its file.", "context")
@repeated("--held-out", str, "Patient to calibrate on, not to train on", "PATIENT", required=True)
@repeated("--leave-out", str, "Patient to leave out altogether, for testing", "PATIENT")
@repeated(
    "--outlines",
    PATH,
    "Folder with masks of real lesions at 1 mm, whose shapes the painted lesions take",
    "DIR",
)
@option(
    "--from from_model",
    str,
    "Model to fine-tune, instead of starting from random weights.",
    metavar="NAME|FILE",
)
@option("--widths", _Widths(), "Feature maps at each level of the U-Net, the finest first.", "32,64,128,192")
@option("--steps", COUNT, "Number of steps of the optimiser.", 20000)
@option("--batch-size", click.IntRange(min=2), "Windows of slices per step.", 24)
@option(
    "--learning-rate",
    click.FloatRange(0, 1, min_open=True),
    "Highest learning rate of the schedule: it is reached after 2 % of the steps.",
    0.002,
)
@option(
    "--painted-scans",
    COUNT,
    "Scans with painted lesions for the second look to learn from; "
    "a sixth more are painted for its calibration.",
    900,
)
@option(
    "--paint",
    list(KINDS),
    "Kind of lesion to paint; can be given several times. Without it, every kind.",
    multiple=True,
)
@option(
    "--mining/--no-mining",
    None,
    "Whether to search real normal tissue for false alarms, and to train on them again.",
    True,
)
@option("--device", DEVICES[1:], "Device to train on.", "cpu")
@ABOUT
@seed(default=1)
@PROGRESS
@DEBUG
def train_context(**options: Any) -> None:
    """Train the context detector on normal scans into which lesions are painted, or continue a run.

    A stopped run continues from its checkpoint in the output folder when the same command is given again. The patients
    held out are used to calibrate the second look and to set the threshold for one false positive per scan.
    """
    from ..training.context_command import train_context_from_options

    check_output(options["output"])
    with resumable(options["progress"], f"from the last checkpoint in {options['output']}") as report:
        sentence = train_context_from_options(options, typed(), report)
    if options["progress"] != "json":
        click.echo(sentence)
