"""The promotion rule on a cohort made by hand, whose every finding is known."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.cli import command_line
from AnomalyDetectionLib.detection.patches import PatchLattice
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.evaluation.flair_threshold import BASELINES, baseline_curves
from AnomalyDetectionLib.evaluation.promotion import Figure, Measured, promotion
from AnomalyDetectionLib.evaluation.store import LatticeScores, Store
from AnomalyDetectionLib.evaluation.truth import scan_truth
from AnomalyDetectionLib.imaging.bids import BidsScan
from AnomalyDetectionLib.model.model_file import load_model
from AnomalyDetectionLib.reporting.promotion_table import in_words, write_promotion
from click.testing import CliRunner
from synthetic_study import FLAIR_GRID, prepared_study

PATIENTS = ("Ada", "Bob", "Cyd", "Dan")
SUSPECTED, QUIET = 5.0, 0.1


@pytest.fixture(scope="module")
def models(a_random_model, a_context_model):
    """The paper's kind, and the one with context."""
    return load_model(str(a_random_model)), load_model(str(a_context_model))


def lattice_scores(truth, model, lesions, elsewhere=()):
    """Scores of a scan that is quiet but for some lesions (indices) and some corners of 4 x 4 elements."""
    stride = model.scoring.stride
    lattice, cells = PatchLattice.over(truth.brain, stride), truth.on_cells(stride)
    scores = np.full(lattice.shape, QUIET, np.float32)
    for lesion in lesions:
        scores.ravel()[cells.infarcts[0][cells.infarcts[1] == lesion]] = SUSPECTED
    for s, row, column in elsewhere:
        scores[s, row : row + 4, column : column + 4] = SUSPECTED
    values = scores[lattice.inside][None]
    return LatticeScores(np.array([50.0]), values, model.scoring, model.fingerprint, 15, truth.brain)


@pytest.fixture(scope="module")
def store(models, tmp_path_factory):
    """Four people, each with a scan with a lesion of 1.07 and one of 0.17 ml, and a scan without lesions.

    The paper's model finds the large lesions. The other finds all, and of the lesion-free scans something in Ada's and
    in Bob's.
    """
    folder = tmp_path_factory.mktemp("store")
    labels = np.zeros(FLAIR_GRID.shape, np.uint8)
    labels[5:7, 50:64, 40:54], labels[6, 36:44, 62:70] = 1, 2
    path = folder / "labels.nii.gz"
    sitk.WriteImage(FLAIR_GRID.image(labels), str(path))
    study = prepared_study()
    noise = np.random.default_rng(0).normal(0.5, 0.1, study.flair.shape).astype(np.float32)
    study = replace(study, flair=np.where(study.brain, noise, 0).astype(np.float32))
    truth = scan_truth(BidsScan("sub-1", "Ada", path, path, infarcts=path), study)
    nothing = np.zeros((3, 0), np.int32)
    free = replace(truth, lesions=(), lesion_voxels=np.zeros(0, np.int64), infarcts=nothing)
    store, (paper, context) = Store(folder / "store"), models
    for number, patient in enumerate(PATIENTS):
        for known in (truth, free):
            subject = f"sub-{number}{'free' if known is free else ''}"
            scan = replace(known, subject=subject, patient=patient)
            store.write_truth(scan, {})
            for baseline in BASELINES:
                store.write_curves(baseline, subject, baseline_curves(scan, baseline), {})
            somewhere = ((5, 20, 20),) if known is free and number < 2 else ()
            for model, scores in (
                (paper, lattice_scores(scan, paper, [0] if known is truth else [])),
                (context, lattice_scores(scan, context, [0, 1] if known is truth else [], somewhere)),
            ):
                store.write_scores(model.name, subject, scores, {"model": model.fingerprint})
    (store.folder / "summary.json").write_text(
        json.dumps({"what_was_simulated": "All of it.", "run": {"models": {}}}), encoding="utf-8"
    )
    return store.folder


def figure(result, what):
    (found,) = [figure for figure in result.figures if figure.what.startswith(what)]
    return found


def test_every_figure_of_the_rule_is_measured(store, models):
    paper, context = models
    result = promotion(store, context, paper, resamples=50)
    assert (result.model, result.against) == ("surroundings", "random")
    everything = figure(result, "infarcts found, all")
    assert (everything.measured.value, everything.lesions, everything.patients) == (1, 8, 4)
    assert figure(result, "infarcts found, under 1 ml").lesions == 4
    assert figure(result, "their volume").measured == Measured(1, 1, 1)
    normal = figure(result, "findings in normal tissue")
    assert (normal.measured.value, normal.scans, normal.patients) == (0.5, 4, 4)
    assert normal.measured.low < 0.5 < normal.measured.high
    gained = figure(result, "infarcts found, 0.05 to 1 ml, less random, other reading")
    assert (gained.measured.value, gained.measured.low, gained.lesions) == (1, 1, 4)
    assert gained.reached
    assert len([f for f in result.figures if "less" in f.what]) == 3
    assert figure(result, "infarcts found, 0.05 to 1 ml, less bright FLAIR").above_0
    assert [method.name for method in result.methods] == [
        "surroundings", "random", "random, other reading", "bright FLAIR",
    ]  # fmt: skip


def test_a_model_that_finds_the_large_ones_only_is_not_promoted(store, models):
    paper, context = models
    result = promotion(store, paper, context, resamples=50)
    assert figure(result, "infarcts found, all").measured.value == 0.5
    assert not figure(result, "infarcts found, all").reached
    assert figure(result, "findings in normal tissue").measured.value == 0
    lost = figure(result, "infarcts found, 0.05 to 1 ml, less surroundings")
    assert (lost.measured.value, lost.reached) == (-1, False)
    assert not any("other reading" in f.what for f in result.figures)  # that is the paper's kind only
    assert in_words(result).startswith("The model random is not promoted: ")


def test_rows_by_class_and_patient_add_up(store, models):
    paper, context = models
    result = promotion(store, context, paper, resamples=50)
    own = [row for row in result.by_class if row["method"] == "random" and row["stratum"] == "size"]
    assert {row["class"]: (row["lesions"], row["found"]) for row in own} == {
        "0.1 to 0.3 ml": (4, 0),
        "over 1 ml": (4, 1),
    }
    theirs = [row for row in result.by_patient if row["method"] == "random"]
    assert [(row["patient"], row["lesions"], row["found"]) for row in theirs] == [(p, 2, 1) for p in PATIENTS]
    (row,) = [row for row in result.side_by_side if row["method"] == "surroundings"]
    assert row["own_normal_findings"] == 0.5
    assert row["flagged_ml"] == pytest.approx(row["own_flagged_ml"], rel=0.01)


@pytest.mark.parametrize(
    ("measured", "settings", "reached"),
    [
        ((0.85, 0.5, 1.0), {"aim": 0.85}, True),
        ((0.84, 0.5, 1.0), {"aim": 0.85}, False),
        ((1.0, 0.0, 3.0), {"aim": 1.0, "at_most": True}, True),
        ((1.1, 0.0, 3.0), {"aim": 1.0, "at_most": True}, False),
        ((0.3, -0.01, 0.5), {"aim": 0.1, "above_0": True}, False),
        ((0.3, 0.01, 0.5), {"aim": 0.1, "above_0": True}, True),
        ((math.nan,) * 3, {"aim": 0.1}, False),
        ((math.nan,) * 3, {"aim": 0.1, "at_most": True}, False),
        ((0.3, math.nan, math.nan), {"aim": 0.1, "above_0": True}, False),
    ],
)
def test_what_is_reached_is_told_from_what_is_not(measured, settings, reached):
    assert Figure("a figure", 1, 1, 1, "share", Measured(*measured), None, **settings).reached is reached


def test_a_store_without_a_model_or_with_another_file_of_its_name_is_refused(store, models):
    paper, context = models
    with pytest.raises(InputError, match="lacks scores of the model mine"):
        promotion(store, replace(context, name="mine"), paper)
    other = replace(context, settings=replace(context.settings, hyperintense=0.5))
    with pytest.raises(InputError, match="another file of that name"):
        promotion(store, other, paper)
    with pytest.raises(InputError, match="given twice"):
        promotion(store, paper, paper)


def test_the_page_has_a_row_for_every_figure(store, models, tmp_path):
    paper, context = models
    result = promotion(store, context, paper, real=store, resamples=50)
    assert len([f for f in result.figures if "real lesions" in f.what]) == 4
    write_promotion(result, tmp_path, "All of it.", "Real ones.")
    page = (tmp_path / "promotion.md").read_text("utf-8")
    assert page.startswith("**All of it.**")
    assert "Real lesions (Real ones.)" in page
    for shown in result.figures:
        assert f"| {shown.what} |" in page
    rows = list(csv.DictReader((tmp_path / "rule.csv").open(encoding="utf-8")))
    assert [row["reached"] for row in rows] == ["yes" if f.reached else "no" for f in result.figures]
    assert rows[0]["measured"] == "1"
    assert {path.name for path in tmp_path.iterdir()} == {
        "promotion.md", "rule.csv", "side_by_side.csv", "by_class.csv", "by_patient.csv", "real_lesions.csv",
    }  # fmt: skip


def test_the_command_says_whether_the_model_is_promoted(store, a_random_model, a_context_model, tmp_path):
    options = ["--store", store, "--model", a_context_model, "--against", a_random_model]
    arguments = [*options, "--output", tmp_path / "out"]
    done = CliRunner().invoke(command_line, ["experiment", "promotion", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    assert "The model surroundings is " in done.output
    assert json.loads((tmp_path / "out" / "about.json").read_text())["simulated"] == "All of it."
