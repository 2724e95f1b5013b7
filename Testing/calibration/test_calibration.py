"""Rates counted on normal scans, and a model fitted to a scanner with a few of them."""

import dataclasses

import numpy as np
import pytest
import torch
from AnomalyDetectionLib.calibration.calibrate_scans import check_place
from AnomalyDetectionLib.calibration.calibration import CalibrationSettings, calibrate, with_local_statistics
from AnomalyDetectionLib.calibration.count_false_positives import (
    NormalScan,
    false_positive_curve,
    findings_above,
)
from AnomalyDetectionLib.calibration.normal_scans import lesion_patches, score_normal_scan
from AnomalyDetectionLib.calibration.scan_file import ScanFile, write_scans
from AnomalyDetectionLib.detection.findings import connected_patches
from AnomalyDetectionLib.detection.patches import PatchLattice
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model.model_file import load_model
from AnomalyDetectionLib.model.model_settings import ScoringSettings
from conftest import run_command
from made_training import a_scan
from scipy import ndimage

SCORING = ScoringSettings()


def a_normal_scan(seed, level=1.0):
    noise = np.random.default_rng(seed).exponential(size=(8, 40, 40))
    lattice = (ndimage.gaussian_filter(noise, 0.8) * 3 * level).astype(np.float32)
    lattice[:, :3] = np.nan
    return NormalScan(f"scan {seed}", lattice)


SCANS = [a_normal_scan(seed) for seed in range(12)]


def test_findings_are_counted_as_detection_makes_them():
    thresholds = np.array([2.0, 4.0, 6.0])
    for scoring in (SCORING, ScoringSettings(min_patches=5, neighbourhood="8")):
        rules = scoring.min_patches, scoring.neighbourhood
        expected = [connected_patches(SCANS[0].lattice, t, *rules).max() for t in thresholds]
        assert findings_above(SCANS[0], thresholds, scoring).tolist() == expected


def test_findings_that_touch_a_known_lesion_are_not_counted():
    lattice = np.ones((1, 8, 8), np.float32)
    lattice[0, 1, 1:4] = lattice[0, 6, 5:7] = 5
    lesion = np.zeros(lattice.shape, bool)
    lesion[0, 1, 3] = True
    counts = [
        findings_above(NormalScan("s", lattice, mask), np.array([3.0]), SCORING)[0] for mask in (None, lesion)
    ]
    assert counts == [2, 1]


def test_the_curve_tells_the_findings_of_scans_that_it_has_not_seen():
    curve = false_positive_curve(SCANS[:6], SCORING)
    for false_positives in (0.5, 2, 8):
        threshold = np.array([curve.threshold_for(false_positives)])
        found = np.mean([findings_above(scan, threshold, SCORING)[0] for scan in SCANS[6:]])
        assert found == pytest.approx(false_positives, rel=0.5, abs=0.35)


def test_large_candidates_of_one_score_leave_the_thresholds_of_the_others():
    """As the context model scores: every voxel of a candidate alike, a tumour of many thousand highest."""
    lattice = np.random.default_rng(0).uniform(0, 0.01, (20, 120, 120)).astype(np.float32)
    lesion = np.zeros(lattice.shape, bool)
    lesion[:, :60, :100] = True
    lattice[lesion] = 0.98
    lattice[:, 61:63, :50] = 0.98  # that reaches beyond its mask
    for k in range(40):
        lattice[2 * (k // 4), 70 + 12 * (k % 4) : 79 + 12 * (k % 4), :20] = 0.02 * (k + 1)
    curve = false_positive_curve(
        [NormalScan("s", lattice, lesion)], dataclasses.replace(SCORING, min_patches=1)
    )
    for count in (12, 20, 30):
        assert curve.threshold_for(count) == pytest.approx(0.8 - 0.02 * count, abs=0.021)
    assert 0.6 < curve.threshold_for(2) < 1


def test_a_single_scan_gives_a_curve_and_a_wide_interval():
    one, all_of_them = false_positive_curve(SCANS[:1], SCORING), false_positive_curve(SCANS, SCORING)
    threshold = all_of_them.threshold_for(2)
    (low, high), (lowest, highest) = one.interval(threshold), all_of_them.interval(threshold)
    assert low < 2 < high
    assert high / low > 2 * highest / lowest


def test_the_curve_is_small_and_says_how_many_scans_it_comes_from():
    curve = false_positive_curve(SCANS, SCORING)
    assert len(curve.scores) <= 66
    assert (curve.scans, curve.min_patches) == (12, 2)
    assert curve.least < 0.01 < curve.most


def a_scan_file(count=3):
    scans = tuple(a_scan(f"P{k}", k) for k in range(count))
    return ScanFile(scans, PreparationSettings(scaling="modes"), "made for a test")


QUICK = CalibrationSettings(false_positives=2.0, patches_a_scan=500)


@pytest.mark.parametrize(("kind", "false_positives"), [("a_random_model", 2.0), ("a_context_model", 0.3)])
def test_a_calibrated_model_keeps_to_the_false_positives_on_the_scans_it_was_calibrated_with(
    kind, false_positives, request
):
    model = load_model(str(request.getfixturevalue(kind)))
    done = calibrate(
        model, a_scan_file(), "ours", dataclasses.replace(QUICK, false_positives=false_positives)
    )
    scans = a_scan_file().scaled(model.preparation.scaling)
    made = done.model
    assert made.name == "ours"
    assert made.scoring.threshold == done.threshold[1] != model.scoring.threshold
    scored = [score_normal_scan(scan, made, scans.preparation) for scan in scans.scans]
    found = np.mean([findings_above(s, np.array([made.scoring.threshold]), made.scoring)[0] for s in scored])
    assert found == pytest.approx(done.findings[1])
    assert found <= 4
    entry = made.card["calibration"]
    assert entry["normal scans"] == 3
    assert entry["from the model"]["fingerprint"] == model.fingerprint
    assert "3 normal scans" in done.in_words()
    assert ("latent statistics" in entry["what"]) == (kind == "a_random_model")
    assert "These are scans of only" not in done.in_words()
    assert "These are scans of only 1 person:" in dataclasses.replace(done, people=1).in_words()


def test_few_scans_draw_the_statistics_less_than_many(a_random_model):
    model = load_model(str(a_random_model))
    difference = torch.randn(400, 8) * 5 + 3
    shifts = [
        float(with_local_statistics(model, [difference] * count, 2.0).median.mean()) for count in (1, 3, 10)
    ]
    assert shifts == sorted(shifts)
    assert shifts[0] == pytest.approx(float(difference.median(dim=0).values.mean()) / 3, abs=0.05)
    whole = with_local_statistics(model, [difference], 0.0)
    assert torch.allclose(whole.median, difference.median(dim=0).values)
    kept = with_local_statistics(dataclasses.replace(model, deviation=torch.zeros(8)), [difference], 2.0)
    assert torch.equal(kept.deviation, torch.zeros(8))


def test_scans_prepared_otherwise_are_refused(a_random_model):
    model = load_model(str(a_random_model))
    scans = dataclasses.replace(
        a_scan_file(1), preparation=PreparationSettings(scaling="modes", outside_brain="keep")
    )
    with pytest.raises(InputError, match="prepared with other settings"):
        calibrate(model, scans, "ours", QUICK)
    with pytest.raises(InputError, match="1 to 20"):
        calibrate(model, dataclasses.replace(a_scan_file(1), scans=()), "ours", QUICK)


def test_known_lesions_lie_in_the_cells_of_their_voxels_and_right_beside_them():
    lesion = np.zeros((4, 60, 50), bool)
    lesion[1, 21, 17] = True
    scan = dataclasses.replace(a_scan("P", 0), lesion=lesion)
    lattice = PatchLattice.over(scan.brain, 4)
    assert np.argwhere(lesion_patches(scan, lattice)).tolist() == [[1, 5, 4]]
    assert not lesion_patches(a_scan("P", 0), lattice).any()
    tumour = lesion_patches(dataclasses.replace(scan, lesion_class="tumour"), lattice)
    assert tumour[0:3].any(axis=(1, 2)).all()
    assert tumour.sum() > 50


def test_the_command_writes_a_model_that_says_what_was_done(a_random_model, tmp_path):
    content = a_scan_file()
    write_scans(content.scans, tmp_path / "normal.npz", content.preparation, "")
    output = tmp_path / "ours.safetensors"
    arguments = [
        "calibrate",
        "--model",
        a_random_model,
        "--prepared",
        tmp_path / "normal.npz",
        "--output",
        output,
    ]
    run = run_command(*arguments, "--device", "cpu", output=output)
    assert run.code == 0, run.stderr
    assert "On 3 normal scans the model had" in run.stdout
    made = load_model(str(output))
    assert made.name == "ours"
    assert made.false_positive_curve.scans == 3
    refused = run_command(*arguments, "--false-positives", 100000, output=output)
    assert refused.code == 2
    assert "cannot be promised" in refused.stderr
    assert load_model(str(output)).sha256 == made.sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["normal.npz", "ours.safetensors"]


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        ([], "either as a table"),
        (["--scans", "t.csv", "--prepared", "s.npz"], "either as a table"),
        (["--prepared", "s.npz", "--output", "nowhere/m.safetensors"], "is not there"),
        (["--prepared", "s.npz", "--output", "m.txt"], "must end in"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(a_random_model, tmp_path, options, mentions):
    arguments = ["calibrate", "--model", a_random_model, "--output", tmp_path / "m.safetensors", *options]
    run = run_command(*arguments, output=tmp_path, cwd=tmp_path)
    assert run.code == 2
    assert mentions in run.stderr


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        check_place(tmp_path / "ours.safetensors")
