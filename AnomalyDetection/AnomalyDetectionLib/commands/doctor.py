"""`anomaly-detection doctor`, and the devices for programs."""

from __future__ import annotations

import json

import click

from .options import DEBUG


@click.command(short_help="One page about this machine, for a bug report.")
@DEBUG
def doctor(debug: bool) -> None:
    """What a maintainer asks for first: machine, versions, devices, models. Add it to a bug report."""
    from ..reporting.doctor import examination

    click.echo(examination())


@click.command(hidden=True)
@click.option(
    "--progress", type=click.Choice(["json"]), default="json", help="json: an error is a record, too."
)
@DEBUG
def devices(progress: str, debug: bool) -> None:
    """The devices of this machine for programs: a JSON object a line (device, name), the fastest first."""
    from ..detection.device import available_devices, device_name

    for device in available_devices():
        click.echo(json.dumps({"device": device, "name": device_name(device)}))
