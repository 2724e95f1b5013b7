"""Training of the paper's model and of the anatomy network, and what precedes it: prepare, train, train-anatomy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from AnomalyDetectionLib.commands.options import ABOUT, DEBUG, PATH, PROGRESS, PROGRESS_OF_DETECT, finite
from AnomalyDetectionLib.commands.progress import check_output, progress_of
from AnomalyDetectionLib.errors import InputError
from click.core import ParameterSource

from .shared import (
    COUNT,
    DEVICES,
    ROOT,
    check_folder_of,
    option,
    output,
    path_option,
    repeated,
    resumable,
    seed,
    share,
    typed,
)


@click.command(short_help="Prepare the scans of a table for training, and put them into one file.")
@option(
    "--table",
    PATH,
    "CSV file of scans with the columns name, patient, t1, flair and, optionally, brain_mask, lesions, "
    "lesion_class (wmh, ms or tumour), group (old or young) and healthy (yes).",
    required=True,
)
@ROOT
@output("File to write, such as scans.npz.", "FILE")
@option(
    "--outside-brain",
    ["zero", "keep"],
    "Intensities outside the brain mask: set to zero, or kept as they are.",
    "zero",
)
@DEBUG
def prepare(table: Path, root: Path, output: Path, outside_brain: str, debug: bool) -> None:
    """Prepare scans for training and put them into one compact file.

    A scan that cannot be used is left out and listed in FILE_errors.csv with the reason. Tissue that touches a lesion mask, or a cluster of bright FLAIR voxels, is kept out of training.
    """
    from AnomalyDetectionLib.calibration.prepare_scans import prepare_scans, read_table
    from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
    from AnomalyDetectionLib.imaging.unusable import in_words

    check_folder_of(output)
    entries = read_table(table, root)
    errors = output.with_name(f"{output.stem}_errors.csv")
    doubts: list[str] = []
    with progress_of("bar") as report:
        settings = PreparationSettings(outside_brain=outside_brain, scaling="modes")
        unusable = prepare_scans(
            entries, output, settings, errors,
            progress=lambda name, done: report("preparing", done, name), doubt=doubts.append,
        )  # fmt: skip
    size = f"{output.stat().st_size / 1e6:.0f} MB"
    made = f"{len(entries) - len(unusable)} scans prepared for training in {output} ({size})"
    click.echo("\n".join([*doubts, f"{made}{in_words(unusable, errors)}."]))


@click.command(short_help="Train a model on prepared scans; interrupt and resume at will.")
@path_option("--scans", "FILE", "File with prepared scans from `prepare`.", required=True)
@output("Folder to write checkpoint, curves and model to.")
@option("--name", str, "Name of the model and of its file.", "model")
@option(
    "--from start",
    str,
    "Model to fine-tune, instead of starting from random weights; its network is kept.",
    metavar="NAME|FILE",
)
@option(
    "--held-out",
    str,
    "Patient for training-validation; can be given several times, and left out with --from.",
    multiple=True,
    metavar="PATIENT",
)
@repeated("--leave-out", str, "Patient to leave out altogether, for testing", "PATIENT")
@option("--latent-size", COUNT, "Number of elements of the latent vector z.", 100)
@option(
    "--widths",
    (COUNT, COUNT),
    "Number of feature maps after the first and after the second convolution.",
    (64, 128),
)
@option("--output-activation", ["tanh", "none"], "Activation after the last layer of the decoder.", "tanh")
@option(
    "--features",
    ["penultimate", "all"],
    "Discriminator layers that the adversarial loss compares.",
    "penultimate",
)
@option(
    "--sampling",
    ["brain", "tissue"],
    "Where patches are drawn: from all voxels alike, or equally often from dark, grey and white tissue.",
    "brain",
)
@option("--patches", COUNT, "Number of patches for training.", 1_000_000)
@option("--validation-patches", COUNT, "Number of patches for validation.", 100_000)
@option("--batch-size", click.IntRange(min=2), "Patches per step.", 64)
@option(
    "--learning-rate",
    click.FloatRange(0, 1, min_open=True),
    "Learning rate of Adam.  [default: 0.001, with --from 0.0002]",
    callback=finite,
)
@option(
    "--beta1",
    click.FloatRange(0, 1, max_open=True),
    "First beta of Adam (GANomaly: 0.5).",
    0.9,
    callback=finite,
)
@share("--gain", "Largest change of a patch's contrast, as a fraction; drawn for T1 and FLAIR separately.")
@share(
    "--shift",
    "Largest shift of a patch's intensities "
    "(1 is the span from the 5th to the 95th percentile of the brain).",
)
@share("--noise", "Largest standard deviation of the noise that is added to a patch (1 is the same span).")
@share(
    "--blur", "Strongest blur of a patch: the fraction that the blurring kernel takes from its centre voxel."
)
@option("--patience", COUNT, "Epochs without a lower validation loss before training stops.", 10)
@option(
    "--max-epochs",
    click.IntRange(min=0),
    "Largest number of epochs, 0 for no limit.  [default: 0, with --from 3]",
)
@option(
    "--minutes",
    click.FloatRange(min=0, min_open=True),
    "Minutes after which training pauses; the same command continues it.",
)
@option("--precision", ["32", "bf16"], "Precision of the networks: 32-bit floats, or bfloat16.", "32")
@option("--device", DEVICES, "Device to train on; auto uses a GPU if there is one.", "auto")
@option("--devices", COUNT, "Number of processes (GPUs) that train one model together.", 1)
@ABOUT
@seed()
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
    progress = options["progress"] if first else "none"
    with resumable(progress, f"from the last checkpoint in {options['output']}") as report:
        sentence = train_from_options(options, typed(), report)
    if first and options["progress"] != "json":
        click.echo(sentence)


@click.command("train-anatomy", short_help="Train the network that tells the parts of the brain apart.")
@path_option("--labels", "DIR", "Folder with label maps of whole heads, such as SynthSeg's.", required=True)
@output("Network file to write (.safetensors).", "FILE")
@option("--steps", COUNT, "Number of steps to train.", 1500)
@option(
    "--held-out", COUNT, "Number of label maps kept for validation, the last ones by name.", 4, metavar="MAPS"
)
@seed(default=1)
@PROGRESS_OF_DETECT
@DEBUG
def train_anatomy(
    labels: Path, output: Path, steps: int, held_out: int, seed: int, progress: str, debug: bool
) -> None:
    """Train the network that tells the parts of the brain apart, on images simulated from label maps.

    No scan is needed. The network is written after each eighth of the run. The heads that are first made from the
    maps are kept next to it for the next run.
    """
    from ..training import anatomy_training

    check_folder_of(output)
    settings = anatomy_training.AnatomyTraining(steps=steps, held_out=held_out, seed=seed)
    with progress_of(progress) as report:
        dice = anatomy_training.train_anatomy(labels, output, settings, typed(), report)
    if progress != "json":
        said = ", ".join(f"{part.replace('_', ' ')} {value:.2f}" for part, value in dice.items())
        click.echo(f"Dice on the maps held out: {said}; network in {output}.")
