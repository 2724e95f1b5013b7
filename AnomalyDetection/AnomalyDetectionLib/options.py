"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

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
