"""The command line: `anomaly-detection`, or `python -m AnomalyDetectionLib`.

Everything heavy is imported inside the commands, so that `--help` and mistakes in the options answer at once.
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import json
import math
import os
import shlex
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import click
from click.core import ParameterSource

from . import __version__
from .errors import InputError
from .experiments_cli import experiment
from .model.bundled import DEFAULT_MODEL
from .options import ABOUT, DEBUG, PATH, PROGRESS
from .training_cli import train_context

PROGRAM = "anomaly-detection"
USER_ERROR, OWN_ERROR = 2, 1
LEAST_FREE_MB = 50

Progress = Callable[[str, float, str], None]


@click.group(
    PROGRAM,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", prog_name=PROGRAM)
@click.pass_context
def command_line(context: click.Context) -> None:
    """Suspected anomalies on T1 and FLAIR brain MRI.

    A network that has learnt normal brain tissue marks what does not look like it: chronic infarcts, and
    whatever else is unusual. After van Hespen et al., Scientific Reports 2021.

    Research use only. Not a medical device; not for diagnosis.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _finite(_context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a number that can be used.", param=parameter)
    return value


def _variation(name: str, text: str) -> Callable[[Any], Any]:
    """An option of `train` for how much patches are varied: from 0, not at all, to 1."""
    amount = click.FloatRange(0, 1)
    return click.option(name, type=amount, callback=_finite, default=0.0, show_default=True, help=text)


@command_line.command(short_help="Find suspected anomalies in a T1 and a FLAIR.")
@click.option(
    "--t1",
    type=PATH,
    required=True,
    help="T1-weighted image: NIfTI, NRRD or MetaImage file, or DICOM folder.",
)
@click.option("--flair", type=PATH, required=True, help="FLAIR image of the same head, likewise.")
@click.option("--output", type=PATH, required=True, metavar="DIR", help="Folder for the results.")
@click.option(
    "--brain-mask", type=PATH, help="Image that is not 0 inside the brain. Default: find the brain."
)
@click.option(
    "--t1-series", metavar="SERIES", help="Which DICOM series (number, UID or description), if several."
)
@click.option(
    "--flair-series", metavar="SERIES", help="Which DICOM series (number, UID or description), if several."
)
@click.option(
    "--model",
    metavar="NAME|FILE",
    help=f"A model that ships with the program (see `models`), or a model file.  [default: {DEFAULT_MODEL}]",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto takes a GPU if there is one.",
)
@click.option(
    "--threshold",
    metavar="SCORE",
    type=click.FloatRange(min=0, min_open=True),
    callback=_finite,
    help="Scores above it are suspected.  [default: the model's, 3 as in the paper]",
)
@click.option(
    "--budget",
    metavar="FINDINGS",
    type=click.FloatRange(min=0, min_open=True),
    callback=_finite,
    help="Set the threshold so that a normal scan has so many findings; instead of --threshold.",
)
@click.option(
    "--percentile",
    metavar="N",
    type=click.FloatRange(0, 100),
    callback=_finite,
    help="Of the latent elements' deviations; a patch's score.  [default: the model's, 50 as in the paper]",
)
@click.option(
    "--min-patches",
    metavar="COUNT",
    type=click.IntRange(min=1),
    help="Drop findings of fewer connected patches.  [default: the model's, 2 as in the paper]",
)
@click.option(
    "--stride",
    metavar="VOXELS",
    type=click.IntRange(min=1, max=15),
    help="Voxels between patches; fewer are finer and slower.  [default: the model's, 4 as in the paper]",
)
@click.option(
    "--statistics",
    type=click.Choice(["training", "scan", "tissue"]),
    help="What a patch is compared with: training patches, the scan's own, or training patches of the same tissue."
    "  [default: the model's, training as in the paper]",
)
@click.option(
    "--distance",
    type=click.Choice(["percentile", "mahalanobis"]),
    help="From the latent elements' deviations to one score.  [default: the model's, percentile as in the paper]",
)
@click.option(
    "--min-excess",
    metavar="SCORE",
    type=click.FloatRange(min=0),
    callback=_finite,
    help="Drop findings whose patches exceed the threshold by less together.  [default: the model's, 0 as in the paper]",
)
@click.option("--no-registration", is_flag=True, help="Trust that T1 and FLAIR line up as they are.")
@click.option("--no-bias-correction", is_flag=True, help="The images have no bias field, or none any more.")
@click.option(
    "--hide",
    "hide",
    type=click.Choice(["cavity-like", "wmh-like", "edge-or-artefact", "unknown"]),
    multiple=True,
    help="Leave findings of this hint out of the images; the tables list them all. Give several. In tests on simulated "
    "infarcts, hiding wmh-like also hid about 1 in 4 findings on infarcts.",
)
@click.option(
    "--keep-scores",
    is_flag=True,
    help="Write all patch scores and prepared images, too, into DIR/score_map.",
)
@click.option("--parent", metavar="PID", type=click.IntRange(min=1), hidden=True)
@click.option(
    "--progress",
    type=click.Choice(["bar", "json", "none"]),
    default="bar",
    show_default=True,
    help="bar for people, json (one object a line: stage, fraction, message) for programs.",
)
@DEBUG
def detect(
    t1: Path,
    flair: Path,
    output: Path,
    brain_mask: Path | None,
    t1_series: str | None,
    flair_series: str | None,
    model: str | None,
    device: str,
    threshold: float | None,
    budget: float | None,
    percentile: float | None,
    min_patches: int | None,
    stride: int | None,
    statistics: str | None,
    distance: str | None,
    min_excess: float | None,
    no_registration: bool,
    no_bias_correction: bool,
    hide: tuple[str, ...],
    keep_scores: bool,
    parent: int | None,
    progress: str,
    debug: bool,
) -> None:
    """Find suspected anomalies in the T1 and the FLAIR of one head.

    The two may have any orientation, spacing and field of view; they are compared in physical space, and
    registered if they do not line up. The results lie on the FLAIR's own grid:

    \b
      anomaly_score.nii.gz           score of every voxel
      suspected_anomalies.nii.gz     label map: number of the finding
      suspected_anomalies.seg.nrrd   the same as a segmentation for 3D Slicer
      findings.csv, findings.json    the findings as a table, and with all that led to them
      overlay.png                    the slices that matter, in colour
      nearest_normal.png             each finding beside the most similar normal tissue

    Example:

    \b
      anomaly-detection detect --t1 T1.nii.gz --flair FLAIR.nii.gz --output results
    """
    if parent is not None:  # a program that ended by accident cannot stop the run that it started
        from .parent import call_when_gone

        call_when_gone(parent, _Stop.from_thread)
    with _progress(progress) as report:
        _check_output(output)
        from .detection.hints import HINTS
        from .detection.run import DetectionRequest, remarks, run_detection
        from .reporting.results import NEAREST, summary, write_results

        request = DetectionRequest(
            t1=t1,
            flair=flair,
            brain_mask=brain_mask,
            t1_series=t1_series,
            flair_series=flair_series,
            model=model,
            device=device,
            threshold=threshold,
            budget=budget,
            percentile=percentile,
            min_patches=min_patches,
            stride=stride,
            statistics=statistics,
            distance=distance,
            min_excess=min_excess,
            register=not no_registration,
            bias_correction=not no_bias_correction,
        )
        detection = run_detection(request, report)
        hidden = tuple(name for name in HINTS if name.replace(" ", "-").lower() in hide)
        write_results(detection, output, report, keep_scores=keep_scores, hide=hidden)
        report("done", 1.0, summary(detection, output))
    if progress != "json":
        for remark in remarks(detection.scores.study, detection.scores):
            click.echo(remark + ".")
        if detection.model.library is None:
            click.echo(
                f"The model {detection.model.name} holds no normal tissue to compare findings with: no {NEAREST}."
            )
        click.echo(summary(detection, output))


# --- train --------------------------------------------------------------------------------------------------


@command_line.command(short_help="Prepare scans for training: a table of them into one file.")
@click.option(
    "--table",
    type=PATH,
    required=True,
    help="CSV with the columns name, patient, t1, flair and, optionally, brain_mask and lesions.",
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

    Tissue that touches a lesion mask, or a cluster of bright FLAIR voxels, is kept out of training.
    """
    from .imaging.settings import PreparationSettings
    from .training.prepare_scans import prepare_scans, read_table

    if not output.parent.is_dir():
        raise InputError(f"The folder {output.parent} is not there; make it, or choose another --output.")
    entries = read_table(table, root)
    with _progress("bar") as report:
        prepare_scans(
            entries,
            output,
            PreparationSettings(outside_brain=outside_brain),
            progress=lambda name, done: report("preparing", done, name),
        )
    click.echo(
        f"{len(entries)} scans prepared for training in {output} ({output.stat().st_size / 1e6:.0f} MB)."
    )


@command_line.command(short_help="Train a model on prepared scans; interrupt and resume at will.")
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
    callback=_finite,
    help="Adam's.  [default: 0.001, with --from 0.0002]",
)
@click.option(
    "--beta1",
    type=click.FloatRange(0, 1, max_open=True),
    callback=_finite,
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
    from .training.command import train_from_options

    context = click.get_current_context()
    for name in ("latent_size", "widths", "output_activation", "features") if options["start"] else ():
        if context.get_parameter_source(name) != ParameterSource.DEFAULT:
            raise InputError(
                f"--{name.replace('_', '-')} belongs to the network, which --from keeps: leave it out."
            )
    # Of several processes that train as one, the first speaks.
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    try:
        with _progress(options["progress"] if first else "none") as report:
            sentence = train_from_options(options, shlex.join([PROGRAM, *sys.argv[1:]]), report)
    except KeyboardInterrupt:
        raise InputError(
            f"Stopped; the same command goes on from the last checkpoint in {options['output']}."
        ) from None
    if first and options["progress"] != "json":
        click.echo(sentence)


@command_line.command(short_help="Fit a model to a scanner with a handful of normal scans.")
@click.option(
    "--model", metavar="NAME|FILE", default=DEFAULT_MODEL, show_default=True, help="The model to start from."
)
@click.option(
    "--scans",
    type=PATH,
    metavar="TABLE",
    help="1 to 20 normal scans: CSV with the columns name, patient, t1, flair and, optionally, brain_mask and lesions.",
)
@click.option(
    "--root",
    type=PATH,
    default=Path(),
    help="Folder that the table's paths start from.  [default: this one]",
)
@click.option("--prepared", type=PATH, metavar="FILE", help="Instead of a table: scans from `prepare`.")
@click.option(
    "--output", type=PATH, required=True, metavar="FILE", help="Model file to write (.safetensors)."
)
@click.option(
    "--budget",
    metavar="FINDINGS",
    type=click.FloatRange(min=0, min_open=True),
    callback=_finite,
    default=2.0,
    show_default=True,
    help="Findings that a normal scan may have; sets the threshold.",
)
@click.option(
    "--keep-statistics",
    is_flag=True,
    help="Set the threshold only, and leave the latent statistics (of the paper's kind of model) as they are.",
)
@click.option(
    "--prior-scans",
    type=click.FloatRange(min=0),
    callback=_finite,
    default=2.0,
    show_default=True,
    help="As how many scans the model's own statistics count beside the new ones.",
)
@click.option(
    "--device",
    default="auto",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    show_default=True,
    help="Where to compute.",
)
@PROGRESS
@DEBUG
def calibrate(
    model: str,
    scans: Path | None,
    root: Path,
    prepared: Path | None,
    output: Path,
    budget: float,
    keep_statistics: bool,
    prior_scans: float,
    device: str,
    progress: str,
    debug: bool,
) -> None:
    """Fit a model to a scanner: how many findings its normal scans have, and which threshold keeps to a budget.

    Normal scans are of people without the lesions that are searched for; where they have others, such as white matter
    hyperintensities, give their masks, and findings there are not counted. Takes minutes, without training. Writes a
    new model file for `detect --model`.

    Example:

    \b
      anomaly-detection calibrate --scans normal.csv --root scans --output ours.safetensors
    """
    from .training.calibration import CalibrationSettings
    from .training.calibration_command import calibrate_to_scans

    settings = CalibrationSettings(budget=budget, statistics=not keep_statistics, prior_scans=prior_scans)
    with _progress(progress) as report:
        done = calibrate_to_scans(
            model, output, table=scans, root=root, prepared=prepared, settings=settings, device=device,
            progress=report,
        )  # fmt: skip
        sentence = f"{done.in_words()} Model in {output}."
        report("done", 1.0, sentence)
    if progress != "json":
        click.echo(sentence)


@command_line.command(
    "train-anatomy", short_help="Train the network that tells the parts of the brain apart."
)
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
    from .training import anatomy_training

    settings = anatomy_training.AnatomyTraining(steps=steps, held_out=held_out, seed=seed)
    command = shlex.join([PROGRAM, *sys.argv[1:]])
    with _progress(progress) as report:
        dice = anatomy_training.train_anatomy(labels, output, settings, command, report)
    if progress != "json":
        said = ", ".join(f"{part.replace('_', ' ')} {value:.2f}" for part, value in dice.items())
        click.echo(f"Dice on the maps held out: {said}; network in {output}.")


# --- simulate -----------------------------------------------------------------------------------------------


def _share(name: str, text: str, default: float) -> Callable[[Any], Any]:
    """An option of `simulate` for the share of subjects that have something."""
    return click.option(
        name, type=click.FloatRange(0, 1), callback=_finite, default=default, show_default=True, help=text
    )


@command_line.command(short_help="Make a patient, or a cohort, with known infarcts.")
@click.option("--output", type=PATH, required=True, metavar="DIR", help="Folder for images and truth.")
@click.option(
    "--seed",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Same seed, same voxels.",
)
@click.option("--subjects", type=click.IntRange(min=0), help="Make a cohort of so many, as BIDS.")
@click.option(
    "--lesion-free",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="So many more without infarcts; real scans as they are.",
)
@click.option(
    "--anatomy",
    type=click.Choice(["real", "icbm152", "synthseg"]),
    help="Whose heads: --sources, made from a template, or from --labels.  [default: as these are given]",
)
@click.option(
    "--sources",
    type=PATH,
    metavar="TABLE",
    help="CSV or TSV of real scans: name, patient, t1, flair and, optionally, brain_mask and lesions.",
)
@click.option(
    "--root",
    type=PATH,
    default=Path(),
    help="Folder that the table's paths start from.  [default: this one]",
)
@click.option("--labels", type=PATH, metavar="DIR", help="Whole-head label maps, as SynthSeg's.")
@click.option(
    "--shapes", type=PATH, metavar="DIR", help="Masks *_lesion.nii.gz in MNI space that lend shapes."
)
@click.option(
    "--spacing",
    type=(click.FloatRange(0.5, 3), click.FloatRange(0.5, 3), click.FloatRange(0.5, 8)),
    default=(0.9, 0.9, 4.0),
    show_default=True,
    metavar="X Y Z",
    help="Voxels of simulated heads in mm.",
)
@click.option(
    "--infarcts-per-subject",
    "infarcts",
    metavar="FROM-TO",
    default="1-6",
    show_default=True,
    help="Small numbers more often.",
)
@_share("--wmh", "Share of subjects with white matter hyperintensities.", 0.3)
@_share("--perivascular", "Share with enlarged perivascular spaces.", 0.4)
@_share("--sulci", "Share with widened sulci.", 0.3)
@_share("--artefacts", "Share with motion, ghosts or ringing.", 0.15)
@DEBUG
def simulate(output: Path, seed: int, subjects: int | None, debug: bool, **options: Any) -> None:
    """Simulate chronic infarcts whose every voxel is known.

    Without --subjects: the T1 and the FLAIR of one patient, with the truth. With it: a cohort in the layout
    of BIDS, of real scans or of simulated heads, with the truth in derivatives/truth; volumes as in the
    paper, other lesions and artefacts beside them, labelled as such. The same command goes on with a cohort
    that was left off. Needs the extra "simulation" (nilearn).

    Example:

    \b
      anomaly-detection simulate --subjects 50 --sources scans.tsv --output cohort
    """
    _check_output(output)
    if subjects is not None:
        from .simulation.command import simulate_from_options

        try:
            with _progress("bar") as report:
                sentence = simulate_from_options(output, seed, subjects, options, report)
        except KeyboardInterrupt:
            raise InputError(f"Stopped; the same command goes on with the cohort in {output}.") from None
        click.echo(sentence)
        return
    from .imaging.writing import atomic_folder
    from .simulation.patient import simulate_patient, write_patient

    patient = simulate_patient(seed)
    with atomic_folder(output) as beside:
        write_patient(patient, beside)
    click.echo(f"Simulated patient {seed} written to {output}.")


# --- evaluate -----------------------------------------------------------------------------------------------


def _numbers(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[float, ...]:
    """Percentiles: the option repeated, or several in one with commas."""
    try:
        numbers = tuple(float(part) for value in values for part in value.split(","))
        if any(not 0 <= number <= 100 for number in numbers):
            raise ValueError
    except ValueError:
        raise click.BadParameter(
            "give numbers from 0 to 100, with commas between.", param=parameter
        ) from None
    return numbers


def _names(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Subjects: likewise; with or without the sub- before them."""
    names = [part.strip() for value in values for part in value.split(",") if part.strip()]
    return tuple(name if name.startswith("sub-") else f"sub-{name}" for name in names)


@command_line.command(short_help="How much models and baselines find in a cohort with truth.")
@click.argument("cohort", type=PATH)
@click.option(
    "--output", type=PATH, required=True, metavar="DIR", help="Folder for scores, tables and figures."
)
@click.option(
    "--model",
    "models",
    metavar="NAME|FILE",
    multiple=True,
    default=(DEFAULT_MODEL,),
    show_default=True,
    help="A model that ships with the program, or a model file; give several to compare.",
)
@click.option(
    "--percentiles",
    metavar="N,N,...",
    multiple=True,
    callback=_numbers,
    help="Score at these, too, besides each model's own.",
)
@click.option("--subjects", metavar="SUB,SUB,...", multiple=True, callback=_names, help="Only these.")
@click.option(
    "--device",
    default="auto",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    show_default=True,
    help="Where to compute.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the bootstrap over patients."
)
@PROGRESS
@DEBUG
def evaluate(
    cohort: Path,
    output: Path,
    models: tuple[str, ...],
    percentiles: tuple[float, ...],
    subjects: tuple[str, ...],
    device: str,
    seed: int,
    progress: str,
    debug: bool,
) -> None:
    """Measure how many infarcts models find in COHORT, beside thresholds of bright and of dark FLAIR.

    COHORT is a folder in the layout of BIDS with the truth in derivatives/truth, as `simulate` writes it. Scores
    are kept in DIR: run again, or after an interruption, only what is missing is computed.

    \b
      summary.md, summary.json   all tables on one page, and for programs
      froc.png, strata.png       curves, and infarcts found by size, kind and region
      tables/*.csv               one table each; errors.csv has the scans that could not be used

    Example:

    \b
      anomaly-detection evaluate cohort --output results --model paper --model mine.safetensors
    """
    _check_output(output)
    from .evaluation.run import EvaluationRequest, run_evaluation
    from .reporting.evaluation_report import TABLES, write_evaluation

    request = EvaluationRequest(
        cohort=cohort,
        output=output,
        models=models,
        percentiles=percentiles,
        subjects=subjects,
        device=device,
        seed=seed,
    )
    with _progress(progress) as report:
        try:
            evaluation = run_evaluation(request, report)
            write_evaluation(evaluation, report)
        except KeyboardInterrupt:
            raise InputError(f"Stopped; the same command goes on from what is stored in {output}.") from None
        failed, done = len(evaluation.failures), len(evaluation.scans)
        errors = output / TABLES / "errors.csv"
        if not done:
            first = evaluation.failures[0].reason if failed else "it holds none"
            raise InputError(
                f"No scan of {cohort} could be evaluated; the reasons are in {errors}, the first: {first}"
            )
        missed = f"; {failed} could not be, see {errors}" if failed else ""
        sentence = (
            f"{done} scan{'' if done == 1 else 's'} evaluated{missed}. Results in {output / 'summary.md'}."
        )
        report("done", 1.0, sentence)
    if progress != "json":
        click.echo(sentence)


command_line.add_command(experiment)
command_line.add_command(train_context)


# --- models -------------------------------------------------------------------------------------------------


@command_line.group(invoke_without_command=True, short_help="List the models, or show the card of one.")
@click.pass_context
def models(context: click.Context) -> None:
    """The models that ship with the program, and what is known about them."""
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@models.command("list")
@DEBUG
def list_models(debug: bool = False) -> None:
    """Name, hash and purpose of each model that ships with the program."""
    from .reporting.models import model_list

    click.echo(model_list())


@models.command("show")
@click.argument("model", metavar="NAME|FILE")
@DEBUG
def show_model(model: str, debug: bool) -> None:
    """The card of a model: data, licences, settings, measured results."""
    from .reporting.models import model_card

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
    from .model.model_file import find_model, load_paper_model, save_model
    from .training.publish import with_library
    from .training.scan_file import read_scans

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
    from .model.model_file import find_model, load_paper_model, save_model
    from .training.scan_file import read_scans
    from .training.tissue import with_tissue_statistics

    path = output or find_model(model)
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} is not there; make it, or choose another --output.")
    loaded = load_paper_model(model, "What is known of normal tissue by its kind")
    with _progress("bar") as report:
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
    from .model.rates import in_words
    from .training.calibration_command import add_rates as add

    with _progress("bar") as report:
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

    from .evaluation.card import results_for_card
    from .model.model_file import find_model, load_model, save_model

    path = find_model(model)
    loaded = load_model(model)
    results = results_for_card(evaluation, loaded)
    save_model(dataclasses.replace(loaded, card={**loaded.card, "results": results}), path)
    click.echo(f"The results are in the card of {path}.")


# --- doctor -------------------------------------------------------------------------------------------------


@command_line.command(short_help="One page about this machine, for a bug report.")
@DEBUG
def doctor(debug: bool) -> None:
    """What a maintainer asks for first: machine, versions, devices, models. Add it to a bug report."""
    from .reporting.doctor import examination

    click.echo(examination())


@command_line.command(hidden=True)
@DEBUG
def devices(debug: bool) -> None:
    """The devices of this machine for programs: a JSON object a line (device, name), the fastest first."""
    from .detection.device import available_devices, device_name

    for device in available_devices():
        click.echo(json.dumps({"device": device, "name": device_name(device)}))


# --- from here on: how all commands report, and how they fail -----------------------------------------------


def _check_output(folder: Path) -> None:
    """Find out before the work, not after it, whether the results can be written."""
    from .imaging.writing import atomic_folder

    class NoError(Exception):
        pass

    with contextlib.suppress(NoError), atomic_folder(folder) as beside:
        if shutil.disk_usage(beside).free < LEAST_FREE_MB * 2**20:
            raise InputError(
                f"The disk of the output folder {folder} is full: free at least {LEAST_FREE_MB} MB."
            )
        raise NoError


@contextlib.contextmanager
def _progress(kind: str) -> Iterator[Progress]:
    """A listener of the chosen kind. Meanwhile standard output belongs to it alone."""
    stdout = sys.stdout
    # Libraries print what they like; a program that reads our lines must not stumble over it.
    with contextlib.redirect_stdout(sys.stderr):
        if kind == "json":
            yield _unless_stopped(_json_lines(stdout))
        elif kind == "bar":
            with _bar() as report:
                yield _unless_stopped(report)
        else:
            yield _unless_stopped(lambda stage, fraction, message: None)


def _json_lines(stream: TextIO) -> Progress:
    def report(stage: str, fraction: float, message: str) -> None:
        line = {"stage": stage, "fraction": round(fraction, 4), "message": message}
        stream.write(json.dumps(line, ensure_ascii=True) + "\n")
        stream.flush()

    return report


@contextlib.contextmanager
def _bar() -> Iterator[Progress]:
    from tqdm import tqdm

    layout = "{desc:<34}{percentage:3.0f}% |{bar:30}| {elapsed}{postfix}"
    with tqdm(
        total=100, desc="Starting", bar_format=layout, file=sys.stderr, leave=False, disable=None
    ) as bar:

        def report(stage: str, fraction: float, message: str) -> None:
            short = len(message) < 34
            bar.set_description_str(message if short else stage.capitalize(), refresh=False)
            bar.set_postfix_str("" if short else message, refresh=False)
            bar.n = 100 * fraction
            bar.refresh()

        yield report


class _Stop:
    """Whether the user, or another program, asked this one to end.

    The KeyboardInterrupt alone is not enough: raised inside a library's callback, or one that catches
    everything, it is lost. So it is raised again with the next report of progress.
    """

    asked = False

    @classmethod
    def ask(cls, _signal: int, _frame: FrameType | None) -> None:
        cls.asked = True
        raise KeyboardInterrupt

    @staticmethod
    def from_thread() -> None:
        """The same from another thread; the main one notices between two steps of Python code."""
        _thread.interrupt_main(signal.SIGTERM)


def _unless_stopped(report: Progress) -> Progress:
    def checked(stage: str, fraction: float, message: str) -> None:
        if _Stop.asked:
            raise KeyboardInterrupt
        report(stage, fraction, message)

    return checked


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    0: done. 2: something the user gave cannot be used, or the user stopped the run; one sentence on
    standard error says what. 1: an error of the program's own.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    _be_quiet(debug)
    # Ended by another program is the same as Ctrl-C: leave nothing half-written.
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _Stop.ask)
    try:
        code = command_line.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except Exception as error:
        if debug:
            traceback.print_exc()
        sentence, code = _what_to_say(error)
        click.echo(sentence, err=True)
        sys.exit(code)
    except KeyboardInterrupt:
        click.echo("Stopped; nothing was written.", err=True)
        sys.exit(USER_ERROR)


def _what_to_say(error: Exception) -> tuple[str, int]:
    """One sentence about an error, and the exit code."""
    if isinstance(error, InputError):
        return str(error), USER_ERROR
    if isinstance(error, click.exceptions.Abort):
        return "Stopped; nothing was written.", USER_ERROR
    if isinstance(error, click.ClickException):
        context: Any = getattr(error, "ctx", None)
        path = context.command_path if context is not None else PROGRAM
        return f"{error.format_message().rstrip('.')}; see `{path} --help`.", USER_ERROR
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        where = f" while writing {error.filename}" if error.filename else ""
        return f"The disk is full{where}: free some space and run again.", USER_ERROR
    if isinstance(error, BrokenPipeError):
        return "Stopped, because the program that read the output is gone.", USER_ERROR
    if isinstance(error, PermissionError):
        return f"No permission for {error.filename}: choose another place or change its rights.", USER_ERROR
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(__package__):
        return (
            f"The Python package {error.name} is not installed here: install what {PROGRAM} needs.",
            USER_ERROR,
        )
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return (
            "Not enough memory: close other programs, or use --device cpu if it was the GPU's.",
            USER_ERROR,
        )
    return (
        f"Something went wrong inside {PROGRAM} ({type(error).__name__}); run again with --debug and report"
        f" it together with what `{PROGRAM} doctor` prints.",
        OWN_ERROR,
    )


def _be_quiet(debug: bool) -> None:
    """Libraries' warnings only for those who ask; idle threads sleep, for cores are often shared."""
    if not debug:
        warnings.simplefilter("ignore")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
