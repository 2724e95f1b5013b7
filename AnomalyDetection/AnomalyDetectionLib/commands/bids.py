"""`anomaly-detection bids`, after the conventions of BIDS Apps, and what its jobs run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..detection.detection_settings import DetectionSettings
from ..errors import InputError
from ..files.file_hash import sha256_of
from .options import DEBUG, PATH, PROGRESS, detection_options
from .progress import progress_of

SOME_FAILED = 3
"""The exit code when every scan was dealt with, and some have no result."""

PARTICIPANT, GROUP = "participant", "group"
_LABEL_OPTIONS = {
    "--participant-label": "--participant-label",
    "--participant_label": "--participant-label",
    "--session-label": "--session-label",
    "--session_label": "--session-label",
}
_LABELS = re.compile(r"(sub-|ses-)?[0-9A-Za-z]+([,\s]+(sub-|ses-)?[0-9A-Za-z]+)*")


class _WithLabels(click.Command):
    """`--participant-label 01 02` means the same as giving the option twice, as in other BIDS Apps."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Repeat the option before each label."""
        repeated: list[str] = []
        option = ""
        for argument in arguments:
            name, equals, value = argument.partition("=")
            if name in _LABEL_OPTIONS:
                option = _LABEL_OPTIONS[name]
                if equals:
                    repeated += [option, value]
            elif option and _LABELS.fullmatch(argument) and argument not in (PARTICIPANT, GROUP):
                repeated += [option, argument]
            else:
                option = ""
                repeated.append(argument)
        return super().parse_args(context, repeated)


@click.command(cls=_WithLabels, short_help="Detect anomalies in a whole BIDS dataset.")
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
    help="Only these subjects, with or without sub-.",
)
@click.option(
    "--session-label",
    "sessions",
    metavar="LABEL...",
    multiple=True,
    help="Only these sessions, with or without ses-.",
)
@click.option(
    "--bids-filter-file",
    "filter_file",
    metavar="FILE",
    type=PATH,
    help='JSON that says which images count where there are several: {"t1w": {"acquisition": "mprage"}}.',
)
@click.option(
    "--runs",
    type=click.Choice(["refuse", "first", "last"]),
    default="refuse",
    show_default=True,
    help="Of images that differ only in their run: none (a row in errors.csv), the first or the last.",
)
@click.option(
    "--brain-masks",
    metavar="DIR",
    type=PATH,
    help="BIDS derivatives with *_space-FLAIR_desc-brain_mask.nii.gz.  [default: find the brain]",
)
@detection_options
@click.option(
    "--jobs",
    "--n-cpus",
    type=click.IntRange(min=1),
    help="Scans at the same time.  [default: one a core here, 100 in a queue]",
)
@click.option(
    "--threads",
    "--omp-nthreads",
    type=click.IntRange(min=1),
    help="A scan.  [default: cores by jobs here, 2 in a queue]",
)
@click.option(
    "--executor",
    metavar="NAME",
    default="",
    help="Where the jobs run: slurm, or another that Snakemake has a plug-in for.  [default: here]",
)
@click.option(
    "--profile", metavar="DIR", default="", help="A Snakemake profile for your cluster; slurm: ours."
)
@click.option("--batch", type=click.IntRange(min=1), help="Scans a job.  [default: 25 in a queue]")
@click.option(
    "--snakemake",
    "snakemake_options",
    metavar="OPTIONS",
    default="",
    help="Further options of Snakemake, quoted.",
)
@PROGRESS
@DEBUG
def bids(
    dataset: Path,
    output: Path,
    levels: tuple[str, ...],
    participants: tuple[str, ...],
    sessions: tuple[str, ...],
    filter_file: Path | None,
    runs: str,
    brain_masks: Path | None,
    progress: str,
    debug: bool,
    **options: Any,
) -> int:
    """Detect anomalies in every scan of a dataset in the layout of BIDS, and look at the whole group.

    OUT becomes a BIDS derivatives dataset. Scans that have a result are skipped, so that the same command goes on
    where it was ended, by whatever; a scan that cannot be analysed is a row in OUT/errors.csv, and the rest goes
    on. `group` makes tables, figures and pages with a thumbnail of every scan. Both may be asked for at once.

    \b
      0  every scan has a result
      2  something that was given cannot be used, or the run was stopped
      3  some scans have no result: see OUT/errors.csv

    Examples:

    \b
      anomaly-detection bids study study/derivatives/anomaly participant group --jobs 4
      anomaly-detection bids study results participant --participant-label 01 02 --session-label pre
      anomaly-detection bids study results participant --executor slurm
    """
    code, sentences = 0, []
    with progress_of(progress) as report:
        if PARTICIPANT in levels:
            wanted = {
                "subjects": _labels(participants),
                "sessions": _labels(sessions),
                "filter_file": filter_file,
                "runs": runs,
                "brain_masks": brain_masks,
            }
            try:
                failed, said = _participants(dataset, output, wanted, options, report)
            except KeyboardInterrupt:
                raise InputError(
                    f"Stopped; what was done is in {output}, and the same command goes on."
                ) from None
            code = SOME_FAILED if failed else 0
            sentences += said
        if GROUP in levels:
            from ..cohort.group import write_group

            sentences.append(write_group(output, dataset, report))
        report("done", 1.0, sentences[-1])
    if progress != "json":
        for sentence in sentences:
            click.echo(sentence)
    return code


@click.command(hidden=True)
@click.argument("dataset", type=PATH)
@click.argument("scans", type=PATH)
@click.option("--begun", type=PATH, required=True)
@click.option("--threads", type=click.IntRange(min=1), default=1)
@DEBUG
def bids_batch(dataset: Path, scans: Path, begun: Path, threads: int, debug: bool) -> None:
    """The scans of one job."""
    from ..cohort.batch import limit_threads, read_list, run_scans
    from ..cohort.workflow import stop_with_coordinator

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
    dataset: Path, output: Path, wanted: dict[str, Any], options: dict[str, Any], report: Any
) -> tuple[int, list[str]]:
    """Run the level; returns how many scans have no result, and what to say."""
    report("looking", 0.0, "Looking for the scans")
    from ..bids.entity_filter import plain_filter, read_filter
    from ..bids.selection import SelectionCriteria, select_scans
    from ..cohort.dataset import Dataset
    from ..cohort.participants import run_participants
    from ..cohort.settings import CohortSettings
    from ..cohort.workflow import Workflow
    from ..detection.device import resolve_device
    from ..detection.pipeline import check_settings
    from ..model.bundled import find_model

    filter_file = wanted.pop("filter_file")
    chosen = SelectionCriteria(**wanted, entities=read_filter(filter_file) if filter_file else {})
    masks = chosen.brain_masks
    if masks is not None and not masks.is_dir():
        raise InputError(
            f"The folder of brain masks {masks} does not exist: give a BIDS derivatives dataset."
        )
    selection = select_scans(dataset, chosen)
    asked: DetectionSettings = options["settings"]
    path = find_model(asked.model)
    settings = CohortSettings(
        detection=replace(asked, model=asked.model if path.stem == asked.model else str(path.absolute())),
        model_sha256=sha256_of(path),
        hide=options["hide"],
        keep_scores=options["keep_scores"],
        pictures=options["pictures"],
        brain_masks=str(masks.absolute()) if masks is not None else "",
        runs=chosen.runs,
        filter=plain_filter(chosen.entities),
    )
    check_settings(asked)
    workflow = Workflow(
        jobs=options["jobs"],
        executor=options["executor"],
        profile=options["profile"],
        batch=options["batch"],
        threads=options["threads"],
        options=options["snakemake_options"],
    )
    if workflow.is_local:
        resolve_device(asked.device)
    results = Dataset.begin(output, dataset, settings)
    everything = not (chosen.subjects or chosen.sessions)
    outcome = run_participants(results, selection, workflow, report, everything=everything)
    done = outcome.now + outcome.before
    said = [f"{remark}." for remark in outcome.remarks]
    before = f", {outcome.before} of them before" if outcome.before else ""
    said.append(f"{done} scan{'' if done == 1 else 's'} analysed{before}; results are in {output}.")
    if outcome.failed:
        has = "scan has" if outcome.failed == 1 else "scans have"
        said.append(f"{outcome.failed} {has} no result: see {results.failures.path}.")
    return outcome.failed, said


def _labels(given: tuple[str, ...]) -> tuple[str, ...]:
    """Also several in one, with commas or spaces between them."""
    return tuple(label for text in given for label in re.split(r"[,\s]+", text) if label)
