"""Counting a sweep from a store of two scans, two models and two percentiles, all made up."""

import json

import numpy as np
import pytest
from anomaly_research.evaluation.cohort_store import cohort_curves
from anomaly_research.evaluation.store import LatticeScores, Store
from anomaly_research.evaluation.truth import Lesion, ScanTruth
from anomaly_research.experiments.latent_sweep import at_false_positives, at_threshold
from anomaly_research.experiments.latent_sweep_counting import count_sweep, latent_models
from AnomalyDetectionLib.detection.patches import PatchLattice
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.model_settings import ScoringSettings
from made_truth import experiment

SUBJECTS = ("sub-01", "sub-02")
PERCENTILES = np.array([25.0, 50.0], np.float32)


def a_truth(subject):
    """A brain of 3 x 60 x 60 voxels with one infarct of 2 x 8 x 8."""
    brain = np.ones((3, 60, 60), bool)
    infarct = np.zeros_like(brain)
    infarct[:2, 20:28, 20:28] = True
    at = np.flatnonzero(infarct)
    return ScanTruth(
        subject=subject,
        patient="one" if subject == "sub-01" else "other",
        lesions=(Lesion(1, "cortical", "cortex", "left", "no", 0.5),),
        lesion_voxels=np.array([len(at)]),
        infarcts=np.stack([at, np.zeros_like(at), np.ones_like(at)]).astype(np.int32),
        confounders=np.zeros((3, 0), np.int32),
        voxel_ml=0.0033,
        voxels=brain.astype(np.uint16),
        brain=brain,
        flair=np.zeros(brain.sum(), np.float16),
        model_voxel_ml=0.0033,
    )


def some_scores(seed, brain, percentiles=PERCENTILES):
    """Noise in which the patches at the infarct stand out; a higher percentile gives higher scores."""
    centres = PatchLattice.over(brain, 4).centres()
    noise = np.random.default_rng(seed).gamma(2.0, 0.5, len(centres))
    at_infarct = (np.abs(centres[:, 1:] - 24) <= 4).all(axis=1) & (centres[:, 0] < 2)
    base = noise + 3.0 * at_infarct
    scores = np.stack([base * p / 50 for p in percentiles]).astype(np.float32)
    return LatticeScores(percentiles, scores, ScoringSettings(), "0" * 64, 15, brain)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    for number, subject in enumerate(SUBJECTS):
        truth = a_truth(subject)
        store.write_truth(truth, {})
        for model, method in enumerate(("latent-050", "latent-100", "paper")):
            store.write_scores(method, subject, some_scores(10 * model + number, truth.brain), {})
    return store


def test_the_models_of_a_sweep_are_known_by_their_names(store, tmp_path):
    assert latent_models(store) == {50: "latent-050", 100: "latent-100"}
    with pytest.raises(InputError, match="no scores of a sweep"):
        latent_models(Store(tmp_path / "empty"))


def test_at_the_papers_threshold_the_counts_are_those_of_the_cohorts_curves(store):
    counts = count_sweep(store, latent_models(store), SUBJECTS)
    assert counts.patients == ("one", "other")
    assert counts.lesions.tolist() == [1, 1]
    for point in at_threshold(counts):
        curves = cohort_curves(
            store, f"latent-{point.latent_size:03d}", percentile=point.percentile, thresholds=np.array([3.0])
        )
        assert point.findings == curves.findings[0].mean()
        assert point.false_positives == curves.false_positives[0].mean()
        assert point.sensitivity == curves.found()[0].mean()
        assert point.flagged_ml == pytest.approx(curves.flagged_ml[0].mean(), rel=1e-6)


def test_a_percentile_that_only_scales_the_scores_is_no_better_and_no_worse(store):
    """At the fixed threshold the two look different; with a threshold that suits each they are the same."""
    counts = count_sweep(store, {50: "latent-050"}, SUBJECTS)
    low, high = at_threshold(counts)
    assert low.findings < high.findings
    low, high = at_false_positives(counts, 4.0)
    assert low.sensitivity == high.sensitivity == 1.0
    assert high.threshold == pytest.approx(2 * low.threshold, rel=0.02)


def test_every_setting_has_a_threshold_that_is_silent(store):
    counts = count_sweep(store, latent_models(store), SUBJECTS)
    assert (counts.findings[..., -1] == 0).all()
    assert (np.diff(counts.thresholds, axis=-1) >= 0).all()


def test_models_scored_at_different_percentiles_are_refused(store):
    for subject in SUBJECTS:
        brain = store.read_truth(subject).brain
        store.write_scores("latent-100", subject, some_scores(1, brain, np.array([50.0], np.float32)), {})
    with pytest.raises(InputError, match="different percentiles"):
        count_sweep(store, latent_models(store), SUBJECTS)


def test_a_scan_that_one_model_has_not_scored_is_left_out_for_all(store):
    (store.folder / "scores" / "latent-100" / "sub-02.npz").unlink()
    assert count_sweep(store, latent_models(store), SUBJECTS).patients == ("one",)
    (store.folder / "scores" / "latent-100" / "sub-01.npz").unlink()
    with pytest.raises(InputError, match="no scan that all models have scored"):
        count_sweep(store, latent_models(store), SUBJECTS)


def test_scans_of_an_earlier_evaluation_in_the_same_folder_do_not_count(store, tmp_path):
    """The store keeps what it has: of two patients the second run of `evaluate` measured one."""
    run = {"models": {}, "subjects": ["sub-02"]}
    (tmp_path / "summary.json").write_text(
        json.dumps({"what_was_simulated": "1 scan of 1 person.", "run": run})
    )
    done = experiment("sweep", tmp_path, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    assert (about["scans"], about["people"], about["infarcts"]) == (1, 1, 1)
