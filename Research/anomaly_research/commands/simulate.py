"""`anomaly-detection simulate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from AnomalyDetectionLib.commands.options import DEBUG, PATH, finite
from AnomalyDetectionLib.commands.progress import check_output, progress_of
from AnomalyDetectionLib.errors import InputError


def _share(name: str, text: str, default: float) -> Callable[[Any], Any]:
    """An option of `simulate` for the share of subjects that have something."""
    return click.option(
        name, type=click.FloatRange(0, 1), callback=finite, default=default, show_default=True, help=text
    )


@click.command(short_help="Make a patient, or a cohort, with known infarcts.")
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
    check_output(output)
    if subjects is not None:
        from ..simulation.command import simulate_from_options

        try:
            with progress_of("bar") as report:
                sentence = simulate_from_options(output, seed, subjects, options, report)
        except KeyboardInterrupt:
            raise InputError(f"Stopped; the same command goes on with the cohort in {output}.") from None
        click.echo(sentence)
        return
    from AnomalyDetectionLib.files.atomic_folder import atomic_folder

    from ..simulation.simulated_patient import simulate_patient, write_patient

    patient = simulate_patient(seed)
    with atomic_folder(output) as beside:
        write_patient(patient, beside)
    click.echo(f"Simulated patient {seed} written to {output}.")
