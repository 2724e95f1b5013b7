"""`anomaly-detection bids`, a BIDS App, and the hidden command that its jobs on a cluster run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from ..detection.detection_settings import DetectionSettings
from ..errors import InputError
from ..files.text import counted
from .options import DEBUG, PATH, PROGRESS, detection_options
from .progress import Report, progress_of

SOME_FAILED = 3
"""The exit code of a run in which some scans got no result."""

PARTICIPANT, GROUP = "participant", "group"
_LABEL_OPTIONS = ("--participant-label", "--session-label")
_LABELS = re.compile(r"(sub-|ses-)?[0-9A-Za-z]+([,\s]+(sub-|ses-)?[0-9A-Za-z]+)*")


class _LabelCommand(click.Command):
    """A command that reads `--participant-label 01 02` as if the option were given twice, as other BIDS Apps do."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Repeat the option before each label."""
        repeated: list[str] = []
        option = ""
        for argument in arguments:
            name, equals, value = argument.partition("=")
            if name.replace("_", "-") in _LABEL_OPTIONS:
                option = name.replace("_", "-")
                if equals:
                    repeated += [option, value]
            elif option and _LABELS.fullmatch(argument) and argument not in (PARTICIPANT, GROUP):
                repeated += [option, argument]
            else:
                option = ""
                repeated.append(argument)
        return super().parse_args(context, repeated)


def _labels(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The labels; one text may hold several, separated by commas or spaces."""
    return tuple(label for text in given for label in re.split(r"[,\s]+", text) if label)


@click.command(cls=_LabelCommand, short_help="Detect anomalies in a whole BIDS dataset.")
@click.argument("dataset", metavar="BIDS_DIR", type=PATH)
@click.argument("output", metavar="OUT", type=PATH)
@click.argument(
    "levels", metavar="participant|group...", type=click.Choice([PARTICIPANT, GROUP]), nargs=-1, required=True
)
@click.option(
    "--participant-label",
    "participants",
    metavar="LABEL...",
    multiple=True,
    callback=_labels,
    help="Subjects to analyse, with or without sub-.  [default: all]",
)
@click.option(
    "--session-label",
    "sessions",
    metavar="LABEL...",
    multiple=True,
    callback=_labels,
    help="Sessions to analyse, with or without ses-.  [default: all]",
)
@click.option(
    "--bids-filter-file",
    "filter_file",
    metavar="FILE",
    type=PATH,
    help='JSON file with the entities of the images to use: {"t1w": {"acquisition": "mprage"}}.',
)
@click.option(
    "--runs",
    type=click.Choice(["refuse", "first", "last"]),
    default="refuse",
    show_default=True,
    help="Image to use where several differ only in their run: none (the scan becomes a row in errors.csv), the first or the last.",
)
@click.option(
    "--brain-masks",
    metavar="DIR",
    type=PATH,
    help="BIDS derivatives dataset with brain masks, *_space-FLAIR_desc-brain_mask.nii.gz.  [default: find the brain]",
)
@detection_options
@click.option(
    "--jobs",
    "--n-cpus",
    type=click.IntRange(min=1),
    help="Scans to analyse at the same time, or jobs in the queue of a cluster.  [default: one for each core, 100 on a cluster]",
)
@click.option(
    "--threads",
    "--omp-nthreads",
    type=click.IntRange(min=1),
    help="Threads for each scan.  [default: cores divided by --jobs, 2 on a cluster]",
)
@click.option(
    "--executor",
    metavar="NAME",
    default="",
    help="Snakemake executor that runs the jobs: slurm, or another whose plug-in is installed.  [default: none, this machine]",
)
@click.option(
    "--profile",
    metavar="DIR",
    default="",
    help="Folder with a Snakemake profile for your cluster, or slurm for the one that ships with the program.",
)
@click.option("--batch", type=click.IntRange(min=1), help="Scans for each job on a cluster.  [default: 25]")
@click.option(
    "--snakemake",
    "snakemake_options",
    metavar="OPTIONS",
    default="",
    help="More options for Snakemake, in quotes.",
)
@PROGRESS
@DEBUG
def bids(
    dataset: Path, output: Path, levels: tuple[str, ...], progress: str, debug: bool, **options: Any
) -> int:
    """Detect anomalies in every scan of a BIDS dataset, and summarise the whole group.

    OUT becomes a BIDS derivatives dataset. Scans that have a result are skipped, so the same command continues a run
    that was interrupted. A scan that cannot be analysed becomes a row in OUT/errors.csv, and the others are still
    analysed. `group` writes tables, figures and pages with a thumbnail of every scan. Both levels can be given at once.

    \b
      0  every scan has a result
      2  an argument or file cannot be used, or the run was stopped
      3  some scans have no result: see OUT/errors.csv

    Examples:

    \b
      anomaly-detection bids study study/derivatives/anomaly participant group --jobs 4
      anomaly-detection bids study results participant --participant-label 01 02 --session-label pre
      anomaly-detection bids study results participant --executor slurm
    """
    code, sentences = 0, list[str]()
    with progress_of(progress) as report:
        if PARTICIPANT in levels:
            try:
                failed, sentences = _participants(dataset, output, options, report)
            except KeyboardInterrupt:
                raise InputError(
                    f"Stopped; finished scans are in {output}: run the same command again to continue."
                ) from None
            code = SOME_FAILED if failed else 0
        if GROUP in levels:
            from ..cohort.group import write_group

            sentences.append(write_group(output, dataset, report))
        report("done", 1.0, sentences[-1])
    if progress != "json":
        click.echo("\n".join(sentences))
    return code


@click.command(hidden=True)
@click.argument("dataset", type=PATH)
@click.argument("scans", type=PATH)
@click.option("--begun", type=PATH, required=True)
@click.option("--threads", type=click.IntRange(min=1), default=1)
@DEBUG
def bids_batch(dataset: Path, scans: Path, begun: Path, threads: int, debug: bool) -> None:
    """Analyse the scans of one job on a cluster."""
    from ..cohort.batch import limit_threads, read_list, run_scans
    from ..cohort.cluster import stop_with_coordinator

    stop_with_coordinator()
    limit_threads(threads)
    from ..cohort.dataset import Dataset

    run_scans(
        Dataset.open(dataset),
        read_list(scans),
        begun=begun,
        after=lambda name, outcome: click.echo(f"{name} {outcome}"),
    )


def _participants(
    dataset: Path, output: Path, options: dict[str, Any], report: Report
) -> tuple[int, list[str]]:
    """Run the level "participant"; returns how many scans have no result, and sentences about the run."""
    report("looking", 0.0, "Looking for the scans")
    from ..bids.entity_filter import plain_filter, read_filter
    from ..bids.selection import SelectionCriteria, select_scans
    from ..cohort.batch import Workflow
    from ..cohort.cohort_settings import CohortSettings
    from ..cohort.dataset import Dataset
    from ..cohort.participants import run_participants
    from ..detection.device import resolve_device
    from ..detection.pipeline import check_settings

    asked: DetectionSettings = options["settings"]
    entities = read_filter(options["filter_file"]) if options["filter_file"] else {}
    subjects, sessions, masks = options["participants"], options["sessions"], options["brain_masks"]
    if masks is not None and not masks.is_dir():
        raise InputError(
            f"The folder of brain masks {masks} does not exist: give a BIDS derivatives dataset."
        )
    wanted = SelectionCriteria(subjects, sessions, entities, options["runs"], masks)
    selection = select_scans(dataset, wanted)
    settings = CohortSettings(
        asked,
        **{name: options[name] for name in ("hide", "keep_scores", "pictures")},
        brain_masks=str(masks.absolute()) if masks is not None else "",
        runs=wanted.runs,
        filter=plain_filter(entities),
    ).with_model(asked.model)
    check_settings(asked)
    places = {name: options[name] for name in ("jobs", "executor", "profile", "batch", "threads")}
    workflow = Workflow(**places, options=options["snakemake_options"])
    if workflow.is_local:
        if workflow.batch or workflow.options:
            raise InputError("--batch and --snakemake are for a cluster: give --executor or --profile, too.")
        resolve_device(asked.device)
    results = Dataset.begin(output, dataset, settings)
    outcome = run_participants(results, selection, workflow, report, everything=not (subjects or sessions))
    done = outcome.now + outcome.before
    sentences = [f"{remark}." for remark in outcome.remarks]
    before = f", {outcome.before} of them earlier" if outcome.before else ""
    sentences.append(f"{counted(done, 'scan')} analysed{before}; results are in {output}.")
    if outcome.failed:
        sentences.append(
            f"{counted(outcome.failed, 'scan has', 'scans have')} no result: see {results.failures.path}."
        )
    return outcome.failed, sentences
