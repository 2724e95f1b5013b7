"""One change at a time: rows that follow from stored scores, from the network again, and from other trainings."""

import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from anomaly_research.evaluation import cohort_store
from anomaly_research.evaluation.cohort_store import cohort_curves, store_cohort
from anomaly_research.evaluation.froc import operating_point
from anomaly_research.evaluation.store import Store
from anomaly_research.evaluation.truth_files import read_bids
from anomaly_research.experiments.ablations import READINGS, Reading, ablations, differences, write_ablations
from AnomalyDetectionLib.detection.detector import score
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.model_file import load_model
from AnomalyDetectionLib.model.tissue_statistics import CLASSES, TissueStatistics
from made_truth import boxes, experiment, write_subject


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablations") / "cohort"
    for number in range(2):
        write_subject(folder, f"sub-{number}", boxes((1, 20, 20), (3, 40, 40)), seed=number)
    return read_bids(folder)[0]


@pytest.fixture(scope="module")
def model(a_random_model):
    model = load_model(str(a_random_model))
    return replace(model, scoring=replace(model.scoring, threshold=0.05))


@pytest.fixture(scope="module")
def stored(scans, model, tmp_path_factory):
    """A store of the cohort, prepared and scored with the model."""
    folder = tmp_path_factory.mktemp("stored")
    subjects, failures = store_cohort(scans, folder, {model.name: model})
    assert len(subjects) == len(scans), failures
    return folder


@pytest.fixture
def a_store(stored, tmp_path):
    """A copy of it."""
    shutil.copytree(stored, tmp_path / "store")
    return tmp_path / "store"


def differing(model, name, **settings):
    """A model whose card says that it was trained with these settings."""
    return replace(model, name=name, card={"training settings": {"batch_size": 64, **settings}})


def test_another_reading_of_stored_scores_is_that_of_a_model_with_these_settings(scans, model, a_store):
    changes = {"back_projection": "mean", "min_patches": 1, "z_factor": 1.0, "neighbourhood": "8"}
    changed = replace(model, name="changed", scoring=replace(model.scoring, **changes))
    subjects, _ = store_cohort(scans, a_store, {model.name: model, "changed": changed})
    store = Store(a_store, model.preparation)
    read = cohort_curves(store, model.name, subjects, scoring=changes)
    computed = cohort_curves(store, "changed", subjects)
    for name in ("coverage", "findings", "false_positives", "flagged_ml"):
        np.testing.assert_array_equal(getattr(read, name), getattr(computed, name))


@pytest.mark.parametrize("changes", [{"stride": 2}, {"statistics": "scan"}, {"distance": "mahalanobis"}])
def test_what_needs_the_network_is_not_read_from_stored_scores(scans, model, a_store, changes):
    subjects, _ = store_cohort(scans[:1], a_store, {model.name: model})
    with pytest.raises(ValueError, match="network"):
        cohort_curves(Store(a_store, model.preparation), model.name, subjects, scoring=changes)


def with_statistics(model):
    """Statistics by tissue, as those of a model that got them."""
    size = len(model.median)
    whitening = (torch.eye(size) / size**0.5).half().expand(CLASSES, -1, -1)
    median, deviation = (tensor.expand(CLASSES, -1) for tensor in (model.median, model.deviation))
    return replace(model, tissue_statistics=TissueStatistics(median, deviation, whitening))


def test_readings_that_need_statistics_by_tissue_are_left_out_of_a_model_without(scans, model, a_store):
    readings = [Reading("distance", "Mahalanobis", {"distance": "mahalanobis"}), READINGS[0]]
    rows, failures = ablations(scans, a_store, model, readings=readings)
    assert failures == ()
    assert [row.question for row in rows[1:]] == ["back-projection"]


@pytest.mark.slow
def test_every_reading_gives_a_row_beside_the_paper_s(scans, model, a_store, monkeypatch):
    labelled = []

    def all_white_matter(study, _device):
        labelled.append(study)
        return np.full(study.brain.shape, 4, np.uint8)

    monkeypatch.setattr(cohort_store, "segment_anatomy", all_white_matter)
    model = with_statistics(model)
    rows, failures = ablations(scans, a_store, model)
    assert len(labelled) == len(scans), "once a scan, for all readings"
    assert failures == ()
    assert [row.value for row in rows[1:]] == [reading.value for reading in READINGS]
    assert rows[0].difference is None
    assert all(row.difference is not None for row in rows[1:])
    assert all(row.lesions == rows[0].lesions for row in rows)


def test_a_reading_that_changes_nothing_differs_by_nothing(scans, model, a_store):
    rows, _ = ablations(scans, a_store, model, readings=[Reading("stride", "4", {"stride": 4})])
    assert rows[1].difference == (0, 0, 0)
    assert rows[1].sensitivity == rows[0].sensitivity


def test_trained_models_are_compared_with_the_one_that_was_trained_alike(scans, model, a_store):
    alike = differing(model, "alike", features="penultimate")
    other = differing(model, "other", features="all")
    rows, _ = ablations(scans, a_store, model, [other], alike, readings=[])
    assert [(row.question, row.value) for row in rows[1:]] == [
        ("trained alike", "the model alike"),
        ("features", "all"),
    ]
    assert rows[1].difference is None
    assert rows[2].difference == (0, 0, 0), "the weights are the same"


def test_two_trained_models_of_one_name_are_measured_each_by_its_own_scores(scans, model, a_store):
    """`train` calls every model "model"."""
    alike = differing(model, "model", features="penultimate")
    deaf = replace(
        differing(model, "model", features="all"), median=model.median, deviation=1e6 * model.deviation
    )
    rows, _ = ablations(scans, a_store, model, [deaf], alike, readings=[])
    assert rows[1].findings == rows[0].findings > 0
    assert (rows[2].question, rows[2].findings) == ("features", 0)
    with pytest.raises(InputError, match="given twice"):
        ablations(scans, a_store, model, [deaf, deaf], alike, readings=[])


def test_of_one_patient_there_is_a_difference_without_an_interval(scans, model, a_store, tmp_path):
    rows, _ = ablations(scans[:1], a_store, model, readings=READINGS[:1])
    assert rows[1].difference[1:] == (None, None)
    write_ablations(rows, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8") as file:
        _, row = csv.DictReader(file)
    assert row["difference at 4 FP"] != ""
    assert row["95 % interval, low"] == row["95 % interval, high"] == ""


def test_the_command_tells_of_scans_that_it_could_not_use(scans, model, tmp_path, a_random_model):
    cohort = shutil.copytree(scans[0].t1.parents[2], tmp_path / "cohort")
    (cohort / "sub-1" / "anat" / "sub-1_FLAIR.nii.gz").unlink()
    at = ("--model", a_random_model, "--store", tmp_path / "store", "--output", tmp_path / "out")
    done = experiment("ablations", cohort, *at, "--device", "cpu")
    assert "1 could not be used, the first: sub-1" in done.output
    assert "1 scan of 1 person" in (tmp_path / "out" / "about.json").read_text("utf-8")
    (cohort / "sub-0" / "anat" / "sub-0_FLAIR.nii.gz").write_bytes(b"")
    assert "No scan can be used" in str(experiment("ablations", cohort, *at).exception)


def test_the_differences_are_named_with_their_values(model):
    one = differing(model, "one", features="all", betas=[0.5, 0.999])
    assert differences(one, differing(model, "two", features="penultimate", betas=[0.5, 0.999])) == (
        "features",
        "all",
    )
    assert differences(one, differing(model, "two", features="penultimate", betas=[0.9, 0.999])) == (
        "features, betas",
        "features all, betas 0.5, 0.999",
    )
    assert differences(one, one) == ("nothing", "")


def test_the_table_has_a_line_a_row_and_the_differences_in_points(scans, model, a_store, tmp_path):
    rows, _ = ablations(scans, a_store, model, readings=READINGS[:1])
    write_ablations([rows[0], replace(rows[1], difference=(0.125, -0.05, 0.3))], tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first["difference at 4 FP"] == ""
    assert (second["difference at 4 FP"], second["95 % interval, low"], second["95 % interval, high"]) == (
        "+12.5",
        "-5.0",
        "+30.0",
    )


def test_the_row_of_the_paper_counts_what_detection_finds(scans, model, a_store):
    subjects, _ = store_cohort(scans, a_store, {model.name: model})
    store = Store(a_store, model.preparation)
    point = operating_point(cohort_curves(store, model.name, subjects), model.scoring.threshold)
    findings = 0
    for subject in subjects:
        scores = score(store.read_prepared(subject), model)
        findings += len(
            derive_findings(
                scores, threshold=model.scoring.threshold, min_patches=model.scoring.min_patches
            ).items
        )
    assert point.values["findings"] == findings / len(subjects)
