"""`anomaly-detection models`: list the models, show a card, complete a model file."""

from __future__ import annotations

from pathlib import Path

import click

from ..files.text import counted
from .open_group import OpenGroup
from .options import DEBUG, PATH
from .progress import progress_of


@click.group(
    cls=OpenGroup,
    entry_point_group="anomaly_detection.models",
    invoke_without_command=True,
    short_help="List the models, or show the card of one.",
)
@click.pass_context
def models(context: click.Context) -> None:
    """Show the models that ship with the program, and their cards."""
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@models.command("list")
@DEBUG
def list_models(debug: bool = False) -> None:
    """List name, hash and purpose of each model that ships with the program."""
    from ..reporting.model_list import model_list

    click.echo(model_list())


@models.command("show")
@click.argument("model", metavar="NAME|FILE")
@DEBUG
def show_model(model: str, debug: bool) -> None:
    """Show the card of a model: data, licences, settings, measured results."""
    from ..reporting.model_list import model_card

    click.echo(model_card(model))


@models.command("add-false-positives")
@click.argument("model", metavar="NAME|FILE")
@click.option(
    "--scans",
    type=PATH,
    required=True,
    metavar="FILE",
    help="File with prepared normal scans from `prepare`, of people that the model was not trained on.",
)
@click.option(
    "--patient",
    "patients",
    multiple=True,
    metavar="PATIENT",
    help="Patients to use; can be given several times.  [default: all]",
)
@click.option(
    "--output", type=PATH, metavar="FILE", help="Model file to write.  [default: overwrite the given one]"
)
@DEBUG
def add_rates(model: str, scans: Path, patients: tuple[str, ...], output: Path | None, debug: bool) -> None:
    """Add to a model how many findings normal scans have at each threshold.

    Results then give the number of similar findings in a normal scan, and `detect --false-positives` works. Scores and
    threshold do not change. The scans must be of people that the model was not trained on.
    """
    from ..calibration.calibrate_scans import add_false_positives as add
    from ..model.false_positive_curve import in_words

    with progress_of("bar") as report:
        made = add(model, scans, patients, output, report)
    curve, own = made.false_positive_curve, made.scoring.threshold
    assert curve is not None
    low, high = map(in_words, curve.interval(own))
    click.echo(
        f"Above its threshold of {own:g} the model {made.name} has {in_words(curve.rate(own))} ({low} to {high}) findings "
        f"per normal scan, counted on {counted(curve.scans, 'scan')}."
    )
