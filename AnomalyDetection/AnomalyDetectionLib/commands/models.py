"""`anomaly-detection models`: list them, show a card, complete one."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import InputError
from .options import DEBUG, PATH
from .progress import progress_of


@click.group(invoke_without_command=True, short_help="List the models, or show the card of one.")
@click.pass_context
def models(context: click.Context) -> None:
    """The models that ship with the program, and what is known about them."""
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@models.command("list")
@DEBUG
def list_models(debug: bool = False) -> None:
    """Name, hash and purpose of each model that ships with the program."""
    from ..reporting.models import model_list

    click.echo(model_list())


@models.command("show")
@click.argument("model", metavar="NAME|FILE")
@DEBUG
def show_model(model: str, debug: bool) -> None:
    """The card of a model: data, licences, settings, measured results."""
    from ..reporting.models import model_card

    click.echo(model_card(model))


@models.command("add-library")
@click.argument("model", metavar="NAME|FILE")
@click.option(
    "--scans", type=PATH, required=True, metavar="FILE", help="Scans from `prepare` that it was trained on."
)
@click.option("--output", type=PATH, metavar="FILE", help="Model file to write.  [default: the model's own]")
@DEBUG
def add_library(model: str, scans: Path, output: Path | None, debug: bool) -> None:
    """Give a model a library of the normal patches that it was trained on, or choose it anew.

    Findings are then shown beside the most similar normal tissue. Only scans that the model's card names as
    trained on are taken. `train` does this by itself.
    """
    from anomaly_research.training.publish import with_library

    from ..calibration.scan_file import read_scans
    from ..model.model_file import find_model, load_paper_model, save_model

    path = output or find_model(model)
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} is not there; make it, or choose another --output.")
    made = with_library(load_paper_model(model, "The library of normal patches"), read_scans(scans))
    save_model(made, path)
    assert made.library is not None
    note = made.card["library"]
    click.echo(
        f"{len(made.library)} normal patches ({note['bytes'] / 1e6:.1f} MB) in {path}; mean distance of held-out patches"
        f" to the nearest {note['mean distance of held-out patches to the nearest']:g}, of as many at random"
        f" {note['the same, of as many patches at random']:g}."
    )


@models.command("add-statistics")
@click.argument("model", metavar="NAME|FILE")
@click.option(
    "--scans", type=PATH, required=True, metavar="FILE", help="Scans from `prepare` that it was trained on."
)
@click.option("--output", type=PATH, metavar="FILE", help="Model file to write.  [default: the model's own]")
@DEBUG
def add_statistics(model: str, scans: Path, output: Path | None, debug: bool) -> None:
    """Give a model statistics by tissue, for `detect --statistics tissue` and `--distance mahalanobis`.

    Only scans that the model's card names as trained on are taken. Its usual scores stay what they are.
    """
    from anomaly_research.training.tissue import with_tissue_statistics

    from ..calibration.scan_file import read_scans
    from ..model.model_file import find_model, load_paper_model, save_model

    path = output or find_model(model)
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} is not there; make it, or choose another --output.")
    loaded = load_paper_model(model, "What is known of normal tissue by its kind")
    with progress_of("bar") as report:
        made = with_tissue_statistics(
            loaded, read_scans(scans), lambda name, done: report("scoring", done, name)
        )
    save_model(made, path)
    patches = made.card["statistics by tissue"]["patches"]
    click.echo(
        f"Statistics of {sum(patches.values())} normal patches in {path}: "
        + ", ".join(f"{tissue} {count}" for tissue, count in patches.items())
        + "."
    )


@models.command("add-rates")
@click.argument("model", metavar="NAME|FILE")
@click.option(
    "--scans", type=PATH, required=True, metavar="FILE", help="Normal scans from `prepare`, not trained on."
)
@click.option(
    "--patient",
    "patients",
    multiple=True,
    metavar="PATIENT",
    help="Only these; give several.  [default: all]",
)
@click.option("--output", type=PATH, metavar="FILE", help="Model file to write.  [default: the model's own]")
@DEBUG
def add_rates(model: str, scans: Path, patients: tuple[str, ...], output: Path | None, debug: bool) -> None:
    """Let a model know how many findings normal scans have above each threshold.

    Findings then say how many like them a normal scan has, and `detect --budget` works. Scores and threshold stay what
    they are. The scans must be of people that the model was not trained on.
    """
    from ..calibration.calibrate_scans import add_rates as add
    from ..model.rates import in_words

    with progress_of("bar") as report:
        made = add(model, scans, patients, output, report)
    curve, own = made.rates, made.scoring.threshold
    assert curve is not None
    low, high = map(in_words, curve.interval(own))
    click.echo(
        f"Above its threshold of {own:g} the model {made.name} has {in_words(curve.rate(own))} ({low} to {high}) findings "
        f"in a normal scan, by {curve.scans} of them."
    )


@models.command("add-results")
@click.argument("model", metavar="NAME|FILE")
@click.argument("evaluation", type=PATH, metavar="EVALUATION")
@DEBUG
def add_results(model: str, evaluation: Path, debug: bool) -> None:
    """Put what `evaluate` measured into a model's card, in place of what it said before."""
    import dataclasses

    from anomaly_research.experiments.card import results_for_card

    from ..model.model_file import find_model, load_model, save_model

    path = find_model(model)
    loaded = load_model(model)
    results = results_for_card(evaluation, loaded)
    save_model(dataclasses.replace(loaded, card={**loaded.card, "results": results}), path)
    click.echo(f"The results are in the card of {path}.")
