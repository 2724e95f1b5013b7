"""`anomaly-detection experiment`: the paper's experiments from what `evaluate` stored, as tables and figures.

Research/Experiments/Snakefile runs them in their order, from scans to the page.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click
from AnomalyDetectionLib.commands.options import DEBUG, MODELS, PATH
from AnomalyDetectionLib.commands.progress import check_output, progress_of
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.atomic_folder import atomic_folder
from AnomalyDetectionLib.files.text import counted
from AnomalyDetectionLib.model.bundled import DEFAULT_MODEL

from .shared import DEVICES, ROOT, option, output, path_option, repeated, resumable

_EVALUATION = click.argument("evaluation", type=PATH, metavar="EVALUATION")
_OUTPUT = output("Folder to write the results to.")
_DEVICE = option("--device", DEVICES, "Device to compute on; auto uses a GPU if there is one.", "auto")


@click.group("experiment", short_help="The paper's experiments: tables, figures, one page.")
def experiment() -> None:
    """The experiments of the paper, each from the output of `evaluate`, compared with the paper's figures."""


@experiment.command(short_help="Experiment 1: latent size, percentile and threshold.")
@_EVALUATION
@path_option(
    "--model models",
    "FILE",
    "Model of the sweep, to report how it was trained; give the option for each model.",
    multiple=True,
)
@_OUTPUT
@DEBUG
def sweep(evaluation: Path, models: tuple[Path, ...], output: Path, debug: bool) -> None:
    """The paper's figure 4, and the best latent size, percentile and threshold at equal false positives.

    EVALUATION is the output of `evaluate` with the models latent-050, latent-075 and so on (whichever there are) and
    with --percentiles. Counting takes some seconds per scan.
    """
    from AnomalyDetectionLib.model.model_file import load_paper_model

    from ..evaluation.store import Store
    from ..experiments.latent_sweep_counting import count_sweep, latent_models
    from ..reports.experiment_about import subjects_of, what_was_evaluated
    from ..reports.sweep_report import best_in_words, write_sweep

    about = what_was_evaluated(evaluation)
    trained = [load_paper_model(str(path), "The sweep of latent sizes") for path in models]
    check_output(output)
    store = Store(evaluation)
    with progress_of("bar") as report:
        counts = count_sweep(store, latent_models(store), subjects_of(evaluation), report)
    with atomic_folder(output) as beside:
        write_sweep(counts, beside, about=about, models=trained)
    click.echo(f"{best_in_words(counts)} Tables and figures in {output}.")


@experiment.command(short_help="Experiment 2: what the suspected anomalies are.")
@click.argument("tables", type=PATH, nargs=-1, required=True, metavar="EVALUATION|TABLE...")
@option("--method", str, "Method of the evaluation to report.  [default: the first model]", metavar="NAME")
@_OUTPUT
@DEBUG
def categories(tables: tuple[Path, ...], method: str | None, output: Path, debug: bool) -> None:
    """The paper's table 2: suspected anomalies by category, next to the paper's own.

    To count by the truth, give the output of `evaluate`; to count by a reader, give the tables (CSV, one per scan) that
    the module for 3D Slicer exported, or a folder that holds nothing else.
    """
    from ..evaluation.csv_rows import write_rows
    from ..experiments.category_table import from_evaluation, from_readers_tables, rows
    from ..reports.experiment_about import what_was_evaluated, write_about

    if len(tables) == 1 and (tables[0] / "tables").is_dir():
        found = from_evaluation(tables[0], method)
        about = {**what_was_evaluated(tables[0]), "categories from": "the truth of the simulation"}
    elif method is not None:
        raise InputError("A reader's tables have no methods: leave out --method.")
    else:
        files = (sorted(path.glob("*.csv")) if path.is_dir() else [path] for path in tables)
        if not (read := [*chain.from_iterable(files)]):
            raise InputError(
                f"There is no table in {tables[0]}: give the output of `evaluate`, or exported CSVs."
            )
        found, about = from_readers_tables(read), {"categories from": "a reader"}
    with atomic_folder(output) as beside:
        write_rows(beside / "categories.csv", rows(found))
        write_about({**about, "method": method or "", "scans": found.scans}, beside)
    unreviewed = f", and {found.unreviewed} that nobody has categorised" if found.unreviewed else ""
    said = f"{found.total} suspected anomalies in {counted(found.scans, 'scan')} by category{unreviewed}"
    click.echo(f"{said}, in {output}/categories.csv.")


@experiment.command(short_help="Compare hints with the truth.")
@_EVALUATION
@option("--method", str, "Model of the evaluation whose hints are counted.", DEFAULT_MODEL)
@_OUTPUT
@DEBUG
def hints(evaluation: Path, method: str, output: Path, debug: bool) -> None:
    """What the findings of a model really are, against what they are called: infarct, WMH, tumour, normal tissue.

    EVALUATION is the output of `evaluate` with this model; its findings at the model's own threshold count, and beside them
    every candidate that its second look judged.
    """
    from ..evaluation.kinds import CALLED, confusion, read_called
    from ..reports.experiment_about import what_was_evaluated, write_about
    from ..reports.kinds_table import kinds_in_words, write_kinds

    about = what_was_evaluated(evaluation)
    rows = [
        {"method": method, "of": which, **row}
        for which in CALLED
        for row in confusion(*read_called(evaluation, method, which))
    ]
    said = kinds_in_words([row for row in rows if row["of"] == "findings"])
    check_output(output)
    with atomic_folder(output) as beside:
        write_kinds(rows, beside, about["simulated"])
        write_about({**about, "method": method, "hints": said}, beside)
    click.echo(f"{said} Tables in {output}.")


@experiment.command("real-lesions", short_help="Measure what is found of real lesions.")
@click.argument("table", type=PATH, metavar="TABLE")
@ROOT
@MODELS
@_DEVICE
@_OUTPUT
@DEBUG
def real_lesions(
    table: Path, root: Path, models: tuple[str, ...], device: str, output: Path, debug: bool
) -> None:
    """Tumours, MS lesions and white matter hyperintensities found by models, as `detect` finds them, and what they are called.

    TABLE is CSV or TSV of scans: name, patient, t1, flair, brain_mask (or nothing), lesions and lesion_class ("tumour",
    "ms" or "wmh"). What was found is kept in DIR: when run again, only what is missing is computed.
    """
    from AnomalyDetectionLib.calibration.prepare_scans import read_table

    from ..experiments.real_lesions import ERRORS, find_real_lesions
    from ..reports.real_lesions_page import PAGE, in_words, write_real_lesions

    entries = read_table(table, root)
    check_output(output)
    with resumable("bar", f"from what is stored in {output}") as report:
        found, unusable = find_real_lesions(
            entries, root, models, output, device, lambda line, done: report("detecting", done, line)
        )
    with atomic_folder(output, [ERRORS]) as beside:  # an earlier table of errors goes
        write_real_lesions(found, unusable, beside)
    click.echo(f"{in_words(found, unusable)} Tables in {output / PAGE}.")


@experiment.command(short_help="Experiment 3: the missed infarcts.")
@_EVALUATION
@option("--model", str, "Model of the evaluation whose missed infarcts are shown.", "paper")
@option(
    "--method", str, "Name of the model in the evaluation.  [default: the model's own name]", metavar="NAME"
)
@path_option("--cohort", "COHORT", "Cohort that was evaluated; needed if its prepared images were deleted.")
@click.option("--slices", is_flag=True, help="Also draw whole slices; such a picture shows the patient.")
@click.option(
    "--no-patches", is_flag=True, help="Draw no tissue of the patients, for results that will be published."
)
@_OUTPUT
@DEBUG
def missed(
    evaluation: Path,
    model: str,
    method: str | None,
    cohort: Path | None,
    slices: bool,
    no_patches: bool,
    output: Path,
    debug: bool,
) -> None:
    """The paper's figure 6: missed infarcts by volume and region, and the normal tissue they look like.

    EVALUATION is the output of `evaluate` with this model. The nearest training patches are those of the model's own
    library; without one (see `models add-library`) they are left out.
    """
    from AnomalyDetectionLib.detection.nearest_normal import NormalTissue
    from AnomalyDetectionLib.model.model_file import load_model

    from ..evaluation.store import Store
    from ..experiments.missed import Missed, compare_missed, prepared_scans, read_infarcts
    from ..reports.experiment_about import what_was_evaluated, write_about
    from ..reports.missed_report import in_words, write_missed

    about, loaded = what_was_evaluated(evaluation), load_model(model)
    name = method or loaded.name
    infarcts = read_infarcts(evaluation, name)
    check_output(output)
    tissue, store = NormalTissue.of(loaded), Store(evaluation, loaded.preparation)
    prepared = prepared_scans(store, cohort)
    with progress_of("bar") as report:
        if tissue is None:
            gone = [Missed(infarct) for infarct in infarcts if not infarct.found]
        else:
            gone = list(
                compare_missed(
                    infarcts,
                    store,
                    name,
                    loaded.fingerprint,
                    tissue,
                    prepared,
                    lambda subject, done: report("comparing", done, subject),
                )
            )
        with atomic_folder(output) as beside:
            write_missed(
                infarcts,
                gone,
                beside,
                said=about["simulated"],
                patches=not no_patches,
                slices_of=prepared if slices else None,
            )
            write_about({**about, "method": name, "missed": in_words(infarcts, gone, tissue)}, beside)
    without = "" if tissue else f" The model {name} has no library of normal patches to compare with."
    click.echo(f"{in_words(infarcts, gone, tissue)}{without} Tables and figures in {output}.")


@experiment.command(short_help="Measure the effect of each open question of the method.")
@click.argument("cohort", type=PATH, metavar="COHORT")
@option("--model", str, "Model whose scores are evaluated with other settings.", "paper")
@path_option("--alike", "FILE", "Model that differs from each --trained model in one setting.")
@repeated("--trained", PATH, "Model trained with another setting", "FILE")
@path_option(
    "--store",
    "DIR",
    "Folder with the output of `evaluate`, or for it; scores are stored there.",
    required=True,
)
@_DEVICE
@_OUTPUT
@DEBUG
def ablations(
    cohort: Path,
    model: str,
    alike: Path | None,
    trained: tuple[Path, ...],
    store: Path,
    device: str,
    output: Path,
    debug: bool,
) -> None:
    """One change at a time, all else equal: what it does to COHORT's infarcts found and false positives.

    Percentile, back-projection, neighbours, stride, statistics and so on by evaluating the scores of --model with other
    settings; activation, widths, features and so on by models that were trained for it (--trained), compared with one that
    was trained alike without the change (--alike).
    """
    from AnomalyDetectionLib.detection.device import resolve_device
    from AnomalyDetectionLib.model.model_file import load_paper_model

    from ..evaluation.truth_files import read_bids
    from ..experiments.ablations import ablations as measure
    from ..experiments.ablations import write_ablations
    from ..reports.evaluation_report import what_was_simulated
    from ..reports.experiment_about import write_about

    scans, problems = read_bids(cohort)
    check_output(output)
    purpose = "The table of the method's open questions"
    own, *others = (load_paper_model(str(name), purpose) for name in (model, *trained))
    reference = None if alike is None else load_paper_model(str(alike), purpose)
    with progress_of("bar") as report:
        rows, failures = measure(
            scans,
            store,
            own,
            others,
            reference,
            device=resolve_device(device),
            progress=lambda line, done: report("scoring", done, line),
        )
    failures = (*problems, *failures)
    names = {failure.subject for failure in failures}
    measured = [scan for scan in scans if scan.subject not in names]
    with atomic_folder(output) as beside:
        write_ablations(rows, beside / "ablations.csv")
        write_about({"simulated": what_was_simulated(cohort, measured), "model": model}, beside)
    failed = f" {len(failures)} could not be used, the first: {failures[0].reason}" if failures else ""
    click.echo(f"{len(rows)} rows in {output}/ablations.csv.{failed}")


@experiment.command(short_help="Write all results on one page.")
@click.argument("results", type=PATH, metavar="RESULTS")
@option("--title", str, "Title of the page.", "The experiments of the paper")
@repeated("--link links", str, "Link to other results", "NAME=ADDRESS")
@DEBUG
def page(results: Path, title: str, links: tuple[str, ...], debug: bool) -> None:
    """Write RESULTS/index.html: every table and figure there is, beside the paper's, in one file.

    RESULTS has the folders sweep, categories, missed and ablations of the other commands, and evaluation, a copy of
    summary.json, the figures and tables of `evaluate`; or some of them.
    """
    from ..reports.experiments_page import write_page

    named = [link.partition("=") for link in links]
    if any(not address for _, _, address in named):
        raise InputError("A --link is NAME=ADDRESS.")
    path = write_page(results, title=title, links={name: address for name, _, address in named})
    click.echo(f"The page is {path}.")


@experiment.command("training-table", short_help="List a lesion-free cohort in a table for `prepare`.")
@click.argument("cohort", type=PATH, metavar="COHORT")
@output("CSV file to write.", "FILE")
@DEBUG
def training_table(cohort: Path, output: Path, debug: bool) -> None:
    """List the lesion-free scans of COHORT as `prepare` reads them, confounders as lesions to keep out."""
    from ..experiments.training_table import write_training_table

    count = write_training_table(cohort, output)
    click.echo(f"{counted(count, 'lesion-free scan')} in {output}.")
