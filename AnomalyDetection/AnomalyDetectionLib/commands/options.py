"""Options that several commands have."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..detection.hints import HINTS
from ..model.bundled import DEFAULT_MODEL

PROGRAM = "anomaly-detection"

PATH = click.Path(path_type=Path)
DEBUG = click.option("--debug", is_flag=True, help="Show the full error report if something goes wrong.")
PROGRESS = click.option(
    "--progress",
    type=click.Choice(["bar", "json", "none"]),
    default="bar",
    show_default=True,
    help="As for detect.",
)
ABOUT = click.option(
    "--about", type=PATH, metavar="FILE", help="JSON added to the model's card: licences, description."
)

MODELS = click.option(
    "--model",
    "models",
    metavar="NAME|FILE",
    multiple=True,
    default=(DEFAULT_MODEL,),
    show_default=True,
    help="A model that ships with the program, or a model file; give several to compare.",
)


def finite(_context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """For `callback`: infinity and NaN are numbers to click, and of no use here."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a number that can be used.", param=parameter)
    return value


_DETECTION = (
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda", "mps"]),
        default="auto",
        show_default=True,
        help="Where to compute; auto takes a GPU if there is one.",
    ),
    click.option(
        "--threshold",
        metavar="SCORE",
        type=click.FloatRange(min=0, min_open=True),
        callback=finite,
        help="Scores above it are suspected.  [default: the model's, 3 as in the paper]",
    ),
    click.option(
        "--budget",
        metavar="FINDINGS",
        type=click.FloatRange(min=0, min_open=True),
        callback=finite,
        help="Set the threshold so that a normal scan has so many findings; instead of --threshold.",
    ),
    click.option(
        "--percentile",
        metavar="N",
        type=click.FloatRange(0, 100),
        callback=finite,
        help="Of the latent elements' deviations; a patch's score.  [default: the model's, 50 as in the paper]",
    ),
    click.option(
        "--min-patches",
        metavar="COUNT",
        type=click.IntRange(min=1),
        help="Drop findings of fewer connected patches.  [default: the model's, 2 as in the paper]",
    ),
    click.option(
        "--stride",
        metavar="VOXELS",
        type=click.IntRange(min=1, max=15),
        help="Voxels between patches; fewer are finer and slower.  [default: the model's, 4 as in the paper]",
    ),
    click.option("--no-registration", is_flag=True, help="Trust that T1 and FLAIR line up as they are."),
    click.option(
        "--no-bias-correction", is_flag=True, help="The images have no bias field, or none any more."
    ),
    click.option(
        "--hide",
        "hide",
        type=click.Choice([name.replace(" ", "-").lower() for name in HINTS]),
        multiple=True,
        help="Leave findings of this hint out of the images; the tables list them all. Give several.",
    ),
    click.option(
        "--no-pictures",
        is_flag=True,
        help="Draw nothing: no report, no overlay, no nearest normal tissue; of bids, no thumbnail either.",
    ),
)


def detection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What `detect` asks of one scan, and `bids` of many, in the same words."""
    for option in reversed(_DETECTION):
        command = option(command)
    return command
