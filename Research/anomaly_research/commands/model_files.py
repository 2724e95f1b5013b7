"""What research adds to a model file: normal tissue to compare with, statistics by tissue, measured results."""

from __future__ import annotations

from pathlib import Path

import click
from AnomalyDetectionLib.commands.options import DEBUG, PATH
from AnomalyDetectionLib.commands.progress import progress_of

from .shared import check_folder_of, path_option

_SCANS = path_option(
    "--scans",
    "FILE",
    "File with the prepared scans from `prepare` that the model was trained on.",
    required=True,
)
_OUTPUT = path_option("--output", "FILE", "Model file to write.  [default: overwrite the given one]")


@click.command("add-library")
@click.argument("model", metavar="NAME|FILE")
@_SCANS
@_OUTPUT
@DEBUG
def add_library(model: str, scans: Path, output: Path | None, debug: bool) -> None:
    """Give a model a library of the normal patches that it was trained on, or replace the one it has.

    Findings are then shown beside the most similar normal tissue. Only scans that the model's card names as
    trained on are taken. `train` does this automatically.
    """
    from AnomalyDetectionLib.calibration.scan_file import read_scans
    from AnomalyDetectionLib.model.model_file import load_paper_model, save_model

    from ..training.publish import with_library

    path = _written_to(model, output)
    made = with_library(load_paper_model(model, "The library of normal patches"), read_scans(scans))
    save_model(made, path)
    assert made.library is not None
    note = made.card["library"]
    click.echo(
        f"{len(made.library)} normal patches ({note['bytes'] / 1e6:.1f} MB) in {path}; mean distance of held-out patches"
        f" to the nearest {note['mean distance of held-out patches to the nearest']:g}, of as many at random"
        f" {note['the same, of as many patches at random']:g}."
    )


@click.command("add-statistics")
@click.argument("model", metavar="NAME|FILE")
@_SCANS
@_OUTPUT
@DEBUG
def add_statistics(model: str, scans: Path, output: Path | None, debug: bool) -> None:
    """Give a model statistics by tissue, for `detect --statistics tissue` and `--distance mahalanobis`.

    Only scans that the model's card names as trained on are taken. Its usual scores do not change.
    """
    from AnomalyDetectionLib.calibration.scan_file import read_scans
    from AnomalyDetectionLib.model.model_file import load_paper_model, save_model

    from ..training.tissue import with_tissue_statistics

    path = _written_to(model, output)
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


@click.command("add-results")
@click.argument("model", metavar="NAME|FILE")
@click.argument("evaluation", type=PATH, metavar="EVALUATION")
@DEBUG
def add_results(model: str, evaluation: Path, debug: bool) -> None:
    """Put the results of `evaluate` into a model's card, in place of earlier results."""
    import dataclasses

    from AnomalyDetectionLib.model.model_file import find_model, load_model, save_model

    from ..reports.experiment_about import results_for_card

    path = find_model(model)
    loaded = load_model(model)
    results = results_for_card(evaluation, loaded)
    save_model(dataclasses.replace(loaded, card={**loaded.card, "results": results}), path)
    click.echo(f"The results are in the card of {path}.")


def _written_to(model: str, output: Path | None) -> Path:
    """The file to write, which is checked before the work."""
    from AnomalyDetectionLib.model.model_file import find_model

    path = output or find_model(model)
    check_folder_of(path)
    return path
