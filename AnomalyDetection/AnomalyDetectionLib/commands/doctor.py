"""`anomaly-detection doctor`, and the hidden command `devices`."""

from __future__ import annotations

import json

import click

from .options import DEBUG


@click.command(short_help="Print a page about this machine, for a bug report.")
@DEBUG
def doctor(debug: bool) -> None:
    """Print machine, versions, devices and models. Add the output to a bug report."""
    from ..reporting.machine_report import examination

    click.echo(examination())


@click.command(hidden=True)
@click.option(
    "--progress",
    type=click.Choice(["json"]),
    default="json",
    help="Format of errors: a sentence for people, or json for programs.",
)
@DEBUG
def devices(progress: str, debug: bool) -> None:
    """Print the devices of this machine for programs, the fastest first: one JSON object per line (device, name)."""
    from ..detection.device import available_devices, device_name

    for device in available_devices():
        click.echo(json.dumps({"device": device, "name": device_name(device)}))
