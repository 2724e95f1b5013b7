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
    """An option of `simulate` for the share of subjects with a confounder."""
    return click.option(
        name, type=click.FloatRange(0, 1), callback=finite, default=default, show_default=True, help=text
    )


@click.command(short_help="Make a patient, or a cohort, with known infarcts.")
@click.option(
    "--output", type=PATH, required=True, metavar="DIR", help="Folder to write images and truth to."
)
@click.option(
    "--seed",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of all random numbers; the same seed gives the same voxels.",
)
@click.option(
    "--subjects",
    type=click.IntRange(min=0),
    help="Number of subjects with infarcts: simulate a cohort as a BIDS dataset.",
)
@click.option(
    "--lesion-free",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Number of further subjects without infarcts; real scans stay as they are.",
)
@click.option(
    "--anatomy",
    type=click.Choice(["real", "icbm152", "synthseg"]),
    help="Heads to put infarcts into: real scans (--sources), or heads simulated from a template or from label maps"
    " (--labels).  [default: whichever of --sources and --labels is given, else the template]",
)
@click.option(
    "--sources",
    type=PATH,
    metavar="TABLE",
    help="CSV or TSV file of real scans: name, patient, t1, flair and, optionally, brain_mask and lesions.",
)
@click.option(
    "--root",
    type=PATH,
    default=Path(),
    help="Folder that the paths in the table are relative to.  [default: the current folder]",
)
@click.option(
    "--labels", type=PATH, metavar="DIR", help="Folder with label maps of whole heads, such as SynthSeg's."
)
@click.option(
    "--shapes",
    type=PATH,
    metavar="DIR",
    help="Folder with lesion masks *_lesion.nii.gz in MNI space, whose shapes half of the infarcts take.",
)
@click.option(
    "--spacing",
    type=(click.FloatRange(0.5, 3), click.FloatRange(0.5, 3), click.FloatRange(0.5, 8)),
    default=(0.9, 0.9, 4.0),
    show_default=True,
    metavar="X Y Z",
    help="Voxel size of simulated heads in mm.",
)
@click.option(
    "--infarcts-per-subject",
    "infarcts",
    metavar="FROM-TO",
    default="1-6",
    show_default=True,
    help="Smallest and largest number of infarcts per subject; small numbers are more frequent.",
)
@_share("--wmh", "Share of subjects with white matter hyperintensities.", 0.3)
@_share("--perivascular", "Share of subjects with enlarged perivascular spaces.", 0.4)
@_share("--sulci", "Share of subjects with widened sulci.", 0.3)
@_share("--artefacts", "Share of subjects with motion artefacts, ghosts or ringing.", 0.15)
@DEBUG
def simulate(output: Path, seed: int, subjects: int | None, debug: bool, **options: Any) -> None:
    """Simulate chronic infarcts whose every voxel is known.

    Without --subjects: the T1 and the FLAIR of one patient, with the truth. With it: a cohort in the layout
    of BIDS, of real scans or of simulated heads, with the truth in derivatives/truth; volumes as in the
    paper, with other lesions and artefacts, labelled as such. If interrupted, the same command continues
    the cohort. Needs the extra "simulation" (nilearn).

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
            raise InputError(f"Stopped; the same command continues the cohort in {output}.") from None
        click.echo(sentence)
        return
    from AnomalyDetectionLib.files.atomic_folder import atomic_folder

    from ..simulation.simulated_patient import simulate_patient, write_patient

    patient = simulate_patient(seed)
    with atomic_folder(output) as beside:
        write_patient(patient, beside)
    click.echo(f"Simulated patient {seed} written to {output}.")
