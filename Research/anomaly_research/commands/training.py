"""Training of the paper's model and of the anatomy network, and what precedes it: prepare, train, train-anatomy."""

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
    """An option of `train` for how much patches are varied: from 0, which is not at all, to 1."""
    amount = click.FloatRange(0, 1)
    return click.option(name, type=amount, callback=finite, default=0.0, show_default=True, help=text)


@click.command(short_help="Prepare the scans of a table for training, and put them into one file.")
@click.option(
    "--table",
    type=PATH,
    required=True,
    help="CSV file of scans with the columns name, patient, t1, flair and, optionally, brain_mask, lesions, lesion_class (wmh or tumour), "
    "group (old or young) and healthy (yes).",
)
@click.option(
    "--root",
    type=PATH,
    default=Path(),
    help="Folder that the paths in the table are relative to.  [default: the current folder]",
)
@click.option("--output", type=PATH, required=True, metavar="FILE", help="File to write, such as scans.npz.")
@click.option(
    "--outside-brain",
    type=click.Choice(["zero", "keep"]),
    default="zero",
    show_default=True,
    help="Intensities outside the brain mask: set to zero, or kept as they are.",
)
@DEBUG
def prepare(table: Path, root: Path, output: Path, outside_brain: str, debug: bool) -> None:
    """Prepare scans for training and put them into one compact file.

    A scan that cannot be used is left out and listed in FILE_errors.csv with the reason. Tissue that touches a lesion mask, or a cluster of bright FLAIR voxels, is kept out of training.
    """
    from AnomalyDetectionLib.calibration.prepare_scans import prepare_scans, read_table
    from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
    from AnomalyDetectionLib.imaging.unusable import in_words

    if not output.parent.is_dir():
        raise InputError(f"The folder {output.parent} is not there; make it, or choose another --output.")
    entries = read_table(table, root)
    errors = output.with_name(f"{output.stem}_errors.csv")
    with progress_of("bar") as report:
        unusable = prepare_scans(
            entries,
            output,
            PreparationSettings(outside_brain=outside_brain, scaling="modes"),
            errors,
            progress=lambda name, done: report("preparing", done, name),
        )
    click.echo(
        f"{len(entries) - len(unusable)} scans prepared for training in {output}"
        f" ({output.stat().st_size / 1e6:.0f} MB){in_words(unusable, errors)}."
    )


@click.command(short_help="Train a model on prepared scans; interrupt and resume at will.")
@click.option(
    "--scans", type=PATH, required=True, metavar="FILE", help="File with prepared scans from `prepare`."
)
@click.option(
    "--output",
    type=PATH,
    required=True,
    metavar="DIR",
    help="Folder to write checkpoint, curves and model to.",
)
@click.option("--name", default="model", show_default=True, help="Name of the model and of its file.")
@click.option(
    "--from",
    "start",
    metavar="NAME|FILE",
    help="Model to fine-tune, instead of starting from random weights; its network is kept.",
)
@click.option(
    "--held-out",
    multiple=True,
    metavar="PATIENT",
    help="Patient for training-validation; can be given several times, and left out with --from.",
)
@click.option(
    "--leave-out",
    multiple=True,
    metavar="PATIENT",
    help="Patient to leave out altogether, for testing; can be given several times.",
)
@click.option(
    "--latent-size",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Number of elements of the latent vector z.",
)
@click.option(
    "--widths",
    type=(click.IntRange(min=1), click.IntRange(min=1)),
    default=(64, 128),
    show_default=True,
    help="Number of feature maps after the first and after the second convolution.",
)
@click.option(
    "--output-activation",
    type=click.Choice(["tanh", "none"]),
    default="tanh",
    show_default=True,
    help="Activation after the last layer of the decoder.",
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
    help="Where patches are drawn: from all voxels alike, or equally often from dark, grey and white tissue.",
)
@click.option(
    "--patches",
    type=click.IntRange(min=1),
    default=1_000_000,
    show_default=True,
    help="Number of patches for training.",
)
@click.option(
    "--validation-patches",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Number of patches for validation.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=2), default=64, show_default=True, help="Patches per step."
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 1, min_open=True),
    callback=finite,
    help="Learning rate of Adam.  [default: 0.001, with --from 0.0002]",
)
@click.option(
    "--beta1",
    type=click.FloatRange(0, 1, max_open=True),
    callback=finite,
    default=0.9,
    show_default=True,
    help="First beta of Adam (GANomaly: 0.5).",
)
@_variation(
    "--gain", "Largest change of a patch's contrast, as a fraction; drawn for T1 and FLAIR separately."
)
@_variation(
    "--shift",
    "Largest shift of a patch's intensities (1 is the span from the 5th to the 95th percentile of the brain).",
)
@_variation(
    "--noise", "Largest standard deviation of the noise that is added to a patch (1 is the same span)."
)
@_variation(
    "--blur", "Strongest blur of a patch: the fraction that the blurring kernel takes from its centre voxel."
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Epochs without a lower validation loss before training stops.",
)
@click.option(
    "--max-epochs",
    type=click.IntRange(min=0),
    help="Largest number of epochs, 0 for no limit.  [default: 0, with --from 3]",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Minutes after which training pauses; the same command continues it.",
)
@click.option(
    "--precision",
    type=click.Choice(["32", "bf16"]),
    default="32",
    show_default=True,
    help="Precision of the networks: 32-bit floats, or bfloat16.",
)
@click.option(
    "--device",
    default="auto",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    show_default=True,
    help="Device to train on; auto uses a GPU if there is one.",
)
@click.option(
    "--devices",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of processes (GPUs) that train one model together.",
)
@ABOUT
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all random numbers."
)
@PROGRESS
@DEBUG
def train(**options: Any) -> None:
    """Train the paper's model, or continue the run in the output folder.

    Stops when the generator loss on the held-out patients has not fallen for some epochs, and keeps the best
    epoch. Ctrl-C leaves a checkpoint; the same command continues from it.

    With --from, a model is fine-tuned on scans of another scanner; `calibrate` alone takes minutes, and should
    follow in any case, since a fine-tuned model does not know its false positives.
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
            f"Stopped; the same command continues from the last checkpoint in {options['output']}."
        ) from None
    if first and options["progress"] != "json":
        click.echo(sentence)


@click.command("train-anatomy", short_help="Train the network that tells the parts of the brain apart.")
@click.option(
    "--labels",
    type=PATH,
    required=True,
    metavar="DIR",
    help="Folder with label maps of whole heads, such as SynthSeg's.",
)
@click.option(
    "--output", type=PATH, required=True, metavar="FILE", help="Network file to write (.safetensors)."
)
@click.option(
    "--steps", type=click.IntRange(min=1), default=1500, show_default=True, help="Number of steps to train."
)
@click.option(
    "--held-out",
    metavar="MAPS",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Number of label maps kept for validation, the last ones by name.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of all random numbers."
)
@click.option(
    "--progress", type=click.Choice(["bar", "json", "none"]), default="bar", show_default=True,
    help="Format of the progress: bar for people, json for programs (one object per line: stage, fraction, message).",
)  # fmt: skip
@DEBUG
def train_anatomy(
    labels: Path, output: Path, steps: int, held_out: int, seed: int, progress: str, debug: bool
) -> None:
    """Train the network that tells the parts of the brain apart, on images simulated from label maps.

    No scan is needed. The network is written after each eighth of the run. The heads that are first made from the
    maps are kept next to it for the next run.
    """
    from ..training import anatomy_training

    settings = anatomy_training.AnatomyTraining(steps=steps, held_out=held_out, seed=seed)
    command = shlex.join([PROGRAM, *sys.argv[1:]])
    with progress_of(progress) as report:
        dice = anatomy_training.train_anatomy(labels, output, settings, command, report)
    if progress != "json":
        said = ", ".join(f"{part.replace('_', ' ')} {value:.2f}" for part, value in dice.items())
        click.echo(f"Dice on the maps held out: {said}; network in {output}.")
