"""What an evaluation stores comes back as it was; models are scored once, each by its own rules."""

from dataclasses import fields, replace

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.evaluation.cohort_store import cohort_curves, method_names
from anomaly_research.evaluation.flair_threshold import (
    BRIGHT,
    DARK,
    SMALLEST_ML,
    baseline_curves,
    baseline_scores,
)
from anomaly_research.evaluation.froc import operating_point
from anomaly_research.evaluation.store import LatticeScores, Store, folder_name, preparation_name
from anomaly_research.evaluation.threshold_curves import ANY, COVERED, ONE_TO_ONE
from anomaly_research.evaluation.truth import ScanTruth, scan_truth
from anomaly_research.evaluation.truth_files import BidsScan
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.detection.stored_scores import FOLDER, read_stored, restore
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model.model_settings import ScoringSettings
from conftest import SAMPLE
from hand_made_scans import matched_by_image
from synthetic_study import FLAIR_GRID, prepared_study


@pytest.fixture
def study():
    """A study whose voxels all differ."""
    made = prepared_study()
    rng = np.random.default_rng(0)
    return replace(made, flair=rng.normal(0.5, 0.3, made.flair.shape).astype(np.float32),
                   t1=rng.normal(0.5, 0.3, made.t1.shape).astype(np.float32), fraction_outside_t1=0.125)  # fmt: skip


@pytest.fixture
def truth(study, tmp_path):
    labels = np.zeros(FLAIR_GRID.shape, np.uint16)
    labels[5, 50:60, 40:48] = 1
    labels[6, 30:36, 60:70] = 300
    sitk.WriteImage(FLAIR_GRID.image(labels), str(tmp_path / "infarcts.nii.gz"))
    scan = BidsScan("sub-01", "p", tmp_path / "t1", tmp_path / "flair", infarcts=tmp_path / "infarcts.nii.gz")
    return scan_truth(scan, study)


def same(one, other):
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return one == other


def test_truth_comes_back_as_it_was(truth, tmp_path):
    store = Store(tmp_path / "store")
    assert store.key("scans", "sub-01") is None
    store.write_truth(truth, {"made": "from this"})
    assert store.key("scans", "sub-01") == {"made": "from this"}
    assert store.subjects() == ("sub-01",)
    back = store.read_truth("sub-01")
    for field in fields(ScanTruth):
        assert same(getattr(truth, field.name), getattr(back, field.name)), field.name


def test_prepared_images_come_back_as_far_as_patches_reach(study, tmp_path):
    store = Store(tmp_path / "store")
    store.write_prepared("sub-01", study, {})
    back = store.read_prepared("sub-01")
    assert (back.grid, back.flair_grid, back.alignment, back.t1_scale, back.flair_scale, back.fraction_outside_t1) == (
        study.grid, study.flair_grid, study.alignment, study.t1_scale, study.flair_scale, 0.125,
    )  # fmt: skip
    assert same(back.brain, study.brain)
    assert same(back.flair_brain, study.flair_brain)
    rows, columns = (np.flatnonzero(study.brain.any(axis=axis)) for axis in ((0, 2), (0, 1)))
    box = np.s_[:, max(0, rows[0] - 7) : rows[-1] + 8, max(0, columns[0] - 7) : columns[-1] + 8]
    assert same(back.flair[box], study.flair[box])
    assert same(back.t1[box], study.t1[box])


def test_scores_come_back_and_become_lattices(study, tmp_path):
    patches = int(study.brain[:, 2::4, 2::4].sum())
    scores = np.arange(2.0 * patches, dtype=np.float32).reshape(2, patches)
    stored = LatticeScores(np.array([40, 50.0]), scores, ScoringSettings(), "abc", 15, study.brain)
    store = Store(tmp_path / "store")
    store.write_scores("a model / of mine", "sub-01", stored, {"key": 1})
    back = store.read_scores("a model / of mine", "sub-01")
    assert store.methods() == ("a_model_of_mine",)
    assert same(back.scores, scores)
    assert (back.scoring, back.model_fingerprint, back.patch_size) == (ScoringSettings(), "abc", 15)
    lattice = back.lattice()
    assert np.isfinite(lattice).sum() == patches
    assert lattice[np.isfinite(lattice)].tolist() == scores[1].tolist()
    assert back.lattice(40)[np.isfinite(lattice)].tolist() == scores[0].tolist()


def test_means_of_overlapping_patches_are_taken_where_the_model_wants_them(study):
    patches = int(study.brain[:, 2::4, 2::4].sum())
    scores = np.zeros((1, patches), np.float32)
    scores[0, patches // 2] = 9
    cell = LatticeScores(np.array([50.0]), scores, ScoringSettings(), "", 15, study.brain)
    mean = replace(cell, scoring=ScoringSettings(back_projection="mean"))
    one, other = cell.lattice(), mean.lattice()
    assert np.nanmax(one) == 9
    assert (one > 0).sum() == 1
    assert 0.5 < np.nanmax(other) < 9
    assert (other > 0).sum() > 4  # patches of 15 voxels at a stride of 4 overlap with their neighbours
    assert same(np.isfinite(one), np.isfinite(other))


def test_curves_of_the_baselines_come_back(truth, tmp_path):
    store = Store(tmp_path / "store")
    curves = baseline_curves(truth, BRIGHT)
    store.write_curves(BRIGHT, "sub-01", curves, {})
    back = store.read_curves(BRIGHT, "sub-01")
    assert len(back) == len(curves) == len(SMALLEST_ML)
    for one, other in zip(curves, back, strict=True):
        assert all(same(value, getattr(other, name)) for name, value in vars(one).items())


def test_what_is_missing_or_damaged_is_told(truth, tmp_path):
    store = Store(tmp_path / "store")
    with pytest.raises(InputError, match="missing or damaged"):
        store.read_truth("sub-01")
    store.write_truth(truth, {})
    path = tmp_path / "store" / "scans" / "sub-01.npz"
    path.write_bytes(path.read_bytes()[:-200])
    assert store.key("scans", "sub-01") is None
    with pytest.raises(InputError, match="missing or damaged"):
        store.read_truth("sub-01")


def test_scans_prepared_in_another_way_lie_apart(truth, tmp_path):
    usual, other = Store(tmp_path), Store(tmp_path, PreparationSettings(bias_correction=False))
    usual.write_truth(truth, {})
    assert other.key("scans", "sub-01") is None
    assert other.subjects() == ()
    # what patches hold beyond the brain does not change the images
    assert Store(tmp_path, PreparationSettings(outside_brain="keep")).subjects() == ("sub-01",)
    assert preparation_name(PreparationSettings(slice_mm=3)) != preparation_name(PreparationSettings())


@pytest.mark.parametrize(
    ("name", "folder"), [("paper", "paper"), ("../up", "_up"), ("é x", "é_x"), ("..", "_")]
)
def test_the_name_of_a_method_is_safe_as_that_of_a_folder(name, folder):
    assert folder_name(name) == folder


def test_models_of_one_name_are_told_apart(a_random_model):
    from AnomalyDetectionLib.model.model_file import load_model

    model = load_model(str(a_random_model))
    other = replace(model, median=model.median + 1)
    bright = replace(model, name=BRIGHT)
    assert list(method_names([model])) == ["random"]
    assert list(method_names([model, other])) == [
        f"random-{model.fingerprint[:6]}",
        f"random-{other.fingerprint[:6]}",
    ]
    assert list(method_names([bright])) == [f"{BRIGHT}-{model.fingerprint[:6]}"]
    with pytest.raises(InputError, match="given twice"):
        method_names([model, model])


def test_bright_and_dark_mirror_each_other(truth):
    bright, dark = baseline_scores(truth, BRIGHT), baseline_scores(truth, DARK)
    np.testing.assert_allclose(bright[truth.brain] + dark[truth.brain], 1, atol=1e-6)
    assert np.isnan(bright[~truth.brain]).all()
    with pytest.raises(ValueError, match="baseline"):
        baseline_scores(truth, "grey FLAIR")


def test_the_baseline_drops_small_findings(truth):
    curves = baseline_curves(truth, BRIGHT)
    findings = np.stack([curve.findings for curve in curves])
    middle = findings[:, np.argmax(findings[0])]
    assert middle[0] > middle[1] > middle[2]


def test_on_the_sample_the_curves_are_what_the_program_finds(sample_run, tmp_path):
    assert sample_run.code == 0, sample_run.stderr
    scores = restore(read_stored(sample_run.output / FOLDER))
    study, settings = scores.study, scores.settings
    scan = BidsScan(
        "sub-01", "p", tmp_path, tmp_path,
        infarcts=SAMPLE / "simulated_truth.nii.gz", confounders=SAMPLE / "simulated_WMH.nii.gz",
    )  # fmt: skip
    store = Store(tmp_path / "store")
    store.write_truth(scan_truth(scan, study), {})
    values = scores.lattice[np.isfinite(scores.lattice)][None]
    stored = LatticeScores(np.array([settings.percentile]), values, settings, "", 15, study.brain)
    store.write_scores("paper", "sub-01", stored, {})
    thresholds = np.array([2.0, 2.5, settings.threshold, 4.0, 6.0])
    curves = cohort_curves(store, "paper", thresholds=np.unique(thresholds))
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(SAMPLE / "simulated_truth.nii.gz")))
    wmh = sitk.GetArrayFromImage(sitk.ReadImage(str(SAMPLE / "simulated_WMH.nii.gz")))
    counts = set()
    for threshold in curves.thresholds:
        findings = derive_findings(
            scores, threshold=float(threshold), min_patches=settings.min_patches, outline="cells"
        )
        labels = sitk.GetArrayFromImage(findings.labels)
        by_image = matched_by_image(truth, labels, study.flair_grid.voxel_ml)
        point = operating_point(curves, float(threshold))
        assert (point.found[ANY], point.lesions) == (by_image.found, by_image.lesions)
        assert point.values["findings"] == by_image.findings
        assert point.values["false_positives"] == by_image.findings - by_image.true_findings
        assert point.values["volume_share"] == pytest.approx(by_image.found_volume_ml / by_image.volume_ml)
        assert point.values["flagged_ml"] == pytest.approx(by_image.flagged_ml, rel=1e-6)
        on_something = np.unique(labels[((truth > 0) | (wmh > 0)) & (labels > 0)])
        assert point.values["false_positives_no_wmh"] == by_image.findings - len(on_something)
        assert point.found[ANY] >= point.found[COVERED] >= 0
        assert point.found[ANY] >= point.found[ONE_TO_ONE]
        counts.add(by_image.findings)
    assert len(counts) > 2
