"""Training of the paper's model and of the anatomy network, and what goes before: prepare, train, train-anatomy."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from AnomalyDetectionLib.commands.options import ABOUT, DEBUG, PATH, PROGRAM, PROGRESS, finite
from AnomalyDetectionLib.commands.progress import check_output, progress_of
from AnomalyDetectionLib.errors import InputError
from click.core import ParameterSource


def _variation(name: str, text: str) -> Callable[[Any], Any]:
    """An option of `train` for how much patches are varied: from 0, not at all, to 1."""
    amount = click.FloatRange(0, 1)
    return click.option(name, type=amount, callback=finite, default=0.0, show_default=True, help=text)


@click.command(short_help="Prepare scans for training: a table of them into one file.")
@click.option(
    "--table",
    type=PATH,
    required=True,
    help="CSV with the columns name, patient, t1, flair and, optionally, brain_mask, lesions, lesion_class (wmh or tumour), "
    "group (old or young) and healthy (yes).",
)
@click.option(
    "--root",
    type=PATH,
    default=Path(),
    help="Folder that the table's paths start from.  [default: this one]",
)
@click.option("--output", type=PATH, required=True, metavar="FILE", help="File to write, such as scans.npz.")
@click.option(
    "--outside-brain",
    type=click.Choice(["zero", "keep"]),
    default="zero",
    show_default=True,
    help="What patches hold beyond the brain mask: nothing, or skull and all.",
)
@DEBUG
def prepare(table: Path, root: Path, output: Path, outside_brain: str, debug: bool) -> None:
    """Prepare scans for training and put them into one compact file.

    A scan that cannot be used is left out; it is a row in FILE_errors.csv, which says why. Tissue that touches a lesion mask, or a cluster of bright FLAIR voxels, is kept out of training.
    """
    from AnomalyDetectionLib.calibration.prepare_scans import prepare_scans, read_table
    from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
    from AnomalyDetectionLib.imaging.unusable import in_words, write_unusable

    if not output.parent.is_dir():
        raise InputError(f"The folder {output.parent} is not there; make it, or choose another --output.")
    entries = read_table(table, root)
    with progress_of("bar") as report:
        unusable = prepare_scans(
            entries,
            output,
            PreparationSettings(outside_brain=outside_brain, scaling="modes"),
            progress=lambda name, done: report("preparing", done, name),
        )
    errors = output.with_name(f"{output.stem}_errors.csv")
    write_unusable(errors, unusable)
    click.echo(
        f"{len(entries) - len(unusable)} scans prepared for training in {output}"
        f" ({output.stat().st_size / 1e6:.0f} MB){in_words(unusable, errors)}."
    )


@click.command(short_help="Train a model on prepared scans; interrupt and resume at will.")
@click.option("--scans", type=PATH, required=True, metavar="FILE", help="Scans from `prepare`.")
@click.option(
    "--output", type=PATH, required=True, metavar="DIR", help="Folder of the run: checkpoint, curves, model."
)
@click.option("--name", default="model", show_default=True, help="Of the model, and of its file.")
@click.option(
    "--from",
    "start",
    metavar="NAME|FILE",
    help="Fine-tune this model, instead of starting from random weights; its network is kept.",
)
@click.option(
    "--held-out",
    multiple=True,
    metavar="PATIENT",
    help="Patient for training-validation; give several. With --from there may be none.",
)
@click.option(
    "--leave-out", multiple=True, metavar="PATIENT", help="Patient not to be used at all (for testing)."
)
@click.option(
    "--latent-size", type=click.IntRange(min=1), default=100, show_default=True, help="Elements of z."
)
@click.option(
    "--widths",
    type=(click.IntRange(min=1), click.IntRange(min=1)),
    default=(64, 128),
    show_default=True,
    help="Feature maps after the first and second convolution.",
)
@click.option(
    "--output-activation",
    type=click.Choice(["tanh", "none"]),
    default="tanh",
    show_default=True,
    help="Of the decoder.",
)
@click.option(
    "--features",
    type=click.Choice(["penultimate", "all"]),
    default="penultimate",
    show_default=True,
    help="Discriminator layers that the adversarial loss compares.",
)
@click.option(
    "--sampling",
    type=click.Choice(["brain", "tissue"]),
    default="brain",
    show_default=True,
    help="Patches from all voxels alike, or from dark, grey and white tissue alike.",
)
@click.option(
    "--patches", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="For training."
)
@click.option(
    "--validation-patches",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="For validation.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=2), default=64, show_default=True, help="Patches a step."
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 1, min_open=True),
    callback=finite,
    help="Adam's.  [default: 0.001, with --from 0.0002]",
)
@click.option(
    "--beta1",
    type=click.FloatRange(0, 1, max_open=True),
    callback=finite,
    default=0.9,
    show_default=True,
    help="Adam's first beta (GANomaly: 0.5).",
)
@_variation("--gain", "Vary each channel's contrast by up to this part.")
@_variation("--shift", "Vary each channel's level by up to this.")
@_variation("--noise", "Add noise of an SD up to this.")
@_variation("--blur", "Blur by up to this part.")
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Epochs without a better one.",
)
@click.option(
    "--max-epochs",
    type=click.IntRange(min=0),
    help="Stop after so many.  [default: 0, no limit; with --from 3]",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Leave off after so long; the same command goes on.",
)
@click.option(
    "--precision", type=click.Choice(["32", "bf16"]), default="32", show_default=True, help="Of the networks."
)
@click.option(
    "--device",
    default="auto",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    show_default=True,
    help="Where to train.",
)
@click.option(
    "--devices",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes (GPUs) that train as one.",
)
@ABOUT
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is random."
)
@PROGRESS
@DEBUG
def train(**options: Any) -> None:
    """Train the paper's model, or go on with the run that the output folder holds.

    Stops when the generator loss on the held-out patients has not fallen for some epochs, and keeps the best
    epoch. Ctrl-C leaves a checkpoint behind; the same command goes on from it.

    With --from, a model is fine-tuned on scans of another scanner; `calibrate` takes minutes instead, and should
    follow, for a fine-tuned model does not know its rates.
    """
    from ..training.command import train_from_options

    context = click.get_current_context()
    for name in ("latent_size", "widths", "output_activation", "features") if options["start"] else ():
        if context.get_parameter_source(name) != ParameterSource.DEFAULT:
            raise InputError(
                f"--{name.replace('_', '-')} belongs to the network, which --from keeps: leave it out."
            )
    # Of several processes that train as one, the first speaks.
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    if first:
        check_output(options["output"])
    try:
        with progress_of(options["progress"] if first else "none") as report:
            sentence = train_from_options(options, shlex.join([PROGRAM, *sys.argv[1:]]), report)
    except KeyboardInterrupt:
        raise InputError(
            f"Stopped; the same command goes on from the last checkpoint in {options['output']}."
        ) from None
    if first and options["progress"] != "json":
        click.echo(sentence)


@click.command("train-anatomy", short_help="Train the network that tells the parts of the brain apart.")
@click.option(
    "--labels", type=PATH, required=True, metavar="DIR", help="Whole-head label maps, as SynthSeg's."
)
@click.option("--output", type=PATH, required=True, metavar="FILE", help="Network to write (.safetensors).")
@click.option(
    "--steps", type=click.IntRange(min=1), default=1500, show_default=True, help="How long to train."
)
@click.option(
    "--held-out",
    metavar="MAPS",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="How many label maps, the last by name, are kept for validation.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--progress", type=click.Choice(["bar", "json", "none"]), default="bar", show_default=True,
    help="bar for people, json (one object a line: stage, fraction, message) for programs.",
)  # fmt: skip
@DEBUG
def train_anatomy(
    labels: Path, output: Path, steps: int, held_out: int, seed: int, progress: str, debug: bool
) -> None:
    """Train the network that tells the parts of the brain apart, on images simulated from label maps.

    No scan is needed. The network is written at every eighth of the run. The heads that are made from the maps
    first are kept beside it, for the next run.
    """
    from ..training import anatomy_training

    settings = anatomy_training.AnatomyTraining(steps=steps, held_out=held_out, seed=seed)
    command = shlex.join([PROGRAM, *sys.argv[1:]])
    with progress_of(progress) as report:
        dice = anatomy_training.train_anatomy(labels, output, settings, command, report)
    if progress != "json":
        said = ", ".join(f"{part.replace('_', ' ')} {value:.2f}" for part, value in dice.items())
        click.echo(f"Dice on the maps held out: {said}; network in {output}.")
