"""`anomaly-detection simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from AnomalyDetectionLib.commands.options import DEBUG
from AnomalyDetectionLib.commands.progress import check_output
from AnomalyDetectionLib.errors import InputError
from click.core import ParameterSource

from .shared import ROOT, option, output, path_option, resumable, seed, share

_NUMBER = click.IntRange(min=0)


@click.command(short_help="Make a patient, or a cohort, with known infarcts.")
@output("Folder to write images and truth to.")
@seed("Seed of all random numbers; the same seed gives the same voxels.", metavar="NUMBER")
@option("--subjects", _NUMBER, "Number of subjects with infarcts: simulate a cohort as a BIDS dataset.")
@option(
    "--lesion-free", _NUMBER, "Number of further subjects without infarcts; real scans stay as they are.", 0
)
@option(
    "--anatomy",
    ["real", "icbm152", "synthseg"],
    "Heads to put infarcts into: real scans (--sources), or heads simulated from a template or from "
    "label maps (--labels).  [default: whichever of --sources and --labels is given, else the template]",
)
@path_option(
    "--sources",
    "TABLE",
    "CSV or TSV file of real scans: name, patient, t1, flair and, optionally, brain_mask and lesions.",
)
@ROOT
@path_option("--labels", "DIR", "Folder with label maps of whole heads, such as SynthSeg's.")
@path_option(
    "--shapes",
    "DIR",
    "Folder with lesion masks *_lesion.nii.gz in MNI space, whose shapes half of the infarcts take.",
)
@option(
    "--spacing",
    (click.FloatRange(0.5, 3), click.FloatRange(0.5, 3), click.FloatRange(0.5, 8)),
    "Voxel size of simulated heads in mm.",
    (0.9, 0.9, 4.0),
    metavar="X Y Z",
)
@option(
    "--infarcts-per-subject infarcts",
    str,
    "Smallest and largest number of infarcts per subject; small numbers are more frequent.",
    "1-6",
    metavar="FROM-TO",
)
@share("--wmh", "Share of subjects with white matter hyperintensities.", 0.3)
@share("--perivascular", "Share of subjects with enlarged perivascular spaces.", 0.4)
@share("--sulci", "Share of subjects with widened sulci.", 0.3)
@share("--artefacts", "Share of subjects with motion artefacts, ghosts or ringing.", 0.15)
@DEBUG
def simulate(output: Path, seed: int, subjects: int | None, debug: bool, **options: Any) -> None:
    """Simulate chronic infarcts whose every voxel is known.

    Without --subjects: the T1 and the FLAIR of one patient, with the truth. With it: a cohort in the layout
    of BIDS, of real scans or of simulated heads, with the truth in derivatives/truth; volumes as in the
    paper, with other lesions and artefacts, labelled as such. If interrupted, the same command continues
    the cohort.

    Example:

    \b
      anomaly-detection simulate --subjects 50 --sources scans.tsv --output cohort
    """
    check_output(output)
    if subjects is not None:
        from ..simulation.command import simulate_from_options

        with resumable("bar", f"the cohort in {output}") as report:
            sentence = simulate_from_options(output, seed, subjects, options, report)
        click.echo(sentence)
        return
    context = click.get_current_context()
    for one in context.command.params:
        if one.name in options and context.get_parameter_source(one.name) != ParameterSource.DEFAULT:
            raise InputError(f"{one.opts[0]} is for a cohort: give --subjects as well, which may be 0.")
    from AnomalyDetectionLib.files.atomic_folder import atomic_folder

    from ..simulation.simulated_patient import simulate_patient, write_patient

    patient = simulate_patient(seed)
    with atomic_folder(output) as beside:
        write_patient(patient, beside)
    click.echo(f"Simulated patient {seed} written to {output}.")
