"""Options that several commands have."""

from __future__ import annotations

import math
from pathlib import Path

import click

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


def finite(_context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """For `callback`: infinity and NaN are numbers to click, and of no use here."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a number that can be used.", param=parameter)
    return value
