"""Training: it learns, it stops, it goes on after a kill as if nothing had been, and two train as one."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from anomaly_research.training.command import draw_curves
from anomaly_research.training.loop import CHECKPOINT, train
from anomaly_research.training.publish import make_model
from AnomalyDetectionLib.calibration.latent_statistics import latent_statistics
from AnomalyDetectionLib.calibration.patch_source import Augmentation, PatchSource
from AnomalyDetectionLib.calibration.scan_file import read_scans, write_scans
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model.model_settings import NetworkSettings, ScoringSettings
from AnomalyDetectionLib.model.networks import Generator, initialise
from made_training import TINY, a_scan
from safetensors import safe_open

MODES = PreparationSettings(scaling="modes")
ONCE = dataclasses.replace(TINY, max_epochs=1)

SCRIPT = f"""
import dataclasses, sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
import torch; torch.set_num_threads(1)
from anomaly_research.training.loop import train
from anomaly_research.training.processes import launch
from made_training import TINY
"""


@pytest.fixture(scope="module")
def scan_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scans") / "scans.npz"
    write_scans([a_scan("A", 0), a_scan("A", 1), a_scan("B", 2)], path, MODES, "made for a test")
    return path


@pytest.fixture
def whole(tmp_path):
    """An empty folder for a run that nothing stops."""
    (tmp_path / "whole").mkdir()
    return tmp_path / "whole"


@pytest.fixture
def cut(tmp_path):
    """An empty folder for a run that is stopped."""
    (tmp_path / "cut").mkdir()
    return tmp_path / "cut"


def in_sittings(scan_file, folder, settings, **options):
    """What a run ends with whose sittings end at the first report, in the middle of an epoch or at its end."""
    for sitting in range(50):
        done = train(scan_file, folder, settings, stop_after_seconds=0.0, **options)
        if done is not None:
            assert sitting > 0
            return done
    raise AssertionError("the run does not end")


def assert_same_weights(one, other):
    for name, weight in one.weights.items():
        assert torch.equal(weight, other.weights[name]), name


@pytest.mark.slow
def test_a_tiny_set_is_learnt_in_seconds(scan_file, tmp_path):
    settings = dataclasses.replace(TINY, max_epochs=12, learning_rate=0.003)
    trained = train(scan_file, tmp_path, settings)
    first, last = trained.history.epochs[0], trained.history.epochs[-1]
    assert last.reconstruction < 0.6 * first.reconstruction
    assert trained.history.best.validation < 0.7 * first.validation
    assert last.patch_steps == 12 * 1024
    draw_curves(trained.history, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_it_stops_when_the_validation_loss_has_stopped_falling(scan_file, tmp_path):
    settings = dataclasses.replace(TINY, patience=2, max_epochs=0, learning_rate=0.5)
    trained = train(scan_file, tmp_path, settings)
    assert trained.history.epochs[-1].number == trained.history.best.number + 2


def test_fine_tuning_that_is_cut_goes_on_to_the_same_weights(scan_file, whole, cut, tmp_path):
    start = make_model("first", train(scan_file, tmp_path, ONCE), ONCE, ScoringSettings(), "train", {})
    settings = dataclasses.replace(
        TINY, held_out=(), start=start.fingerprint, max_epochs=2, learning_rate=1e-4
    )
    tuned = train(scan_file, whole, settings, start=start)
    assert_same_weights(tuned, in_sittings(scan_file, cut, settings, start=start))
    assert {scan.patient for scan in tuned.scans} == {"A", "B"}
    # It starts where the model was: nearer to it than another training comes.
    near, far = (
        sum(float((w - start.weights[n]).abs().sum()) for n, w in weights.items() if "running" not in n)
        for weights in (tuned.weights, Generator(TINY.network).state_dict())
    )
    assert near < 0.3 * far


def test_a_run_cut_anywhere_goes_on_to_the_same_weights(scan_file, whole, cut):
    one, other = train(scan_file, whole, TINY), in_sittings(scan_file, cut, TINY)
    assert_same_weights(one, other)
    assert [e.validation for e in one.history.epochs] == [e.validation for e in other.history.epochs]


def test_a_killed_run_goes_on_from_its_last_checkpoint_to_the_same_weights(scan_file, whole, cut):
    run = f"""
train(Path({str(scan_file)!r}), Path({str(cut)!r}),
      dataclasses.replace(TINY, max_epochs=500, patience=500), checkpoint_seconds=0)
"""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT + run])
    checkpoint = cut / CHECKPOINT
    deadline = time.monotonic() + 90
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, "the run ended by itself"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with safe_open(checkpoint, framework="pt") as content:
        done = json.loads(content.metadata()["position"])[0] - 1
    longer = dataclasses.replace(TINY, max_epochs=done + 1, patience=500)
    torch.set_num_threads(1)
    resumed = train(scan_file, cut, longer)
    assert resumed.history.epochs[-1].number == done + 1
    assert_same_weights(train(scan_file, whole, longer), resumed)


def test_an_interruption_in_the_middle_of_a_step_changes_nothing(scan_file, whole, cut, monkeypatch):
    calls = iter(range(10_000))
    step = torch.optim.Adam.step

    def interrupted(self, *args, **kwargs):
        if next(calls) == 75:  # the generator's, when the discriminator's is done
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(scan_file, cut, TINY)
    monkeypatch.undo()
    assert_same_weights(train(scan_file, whole, TINY), train(scan_file, cut, TINY))


def test_the_loop_needs_no_imaging_library():
    script = (
        "import sys; sys.modules.update(dict.fromkeys(['SimpleITK', 'scipy', 'nibabel', 'matplotlib', 'click']));"
        "import anomaly_research.training.loop, anomaly_research.training.publish"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"training_patches": 10}, "must not exceed"),
        ({"held_out": ("Z",)}, "no patient Z"),
        ({"left_out": TINY.held_out}, "B cannot be both held out and left out"),
        ({"start": "a model", "held_out": (), "left_out": ("Z",)}, "no patient Z"),
    ],
)
def test_settings_that_the_scans_do_not_allow_are_refused(scan_file, tmp_path, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        train(scan_file, tmp_path, dataclasses.replace(TINY, **changes))


def test_a_run_with_other_settings_is_not_mixed_into_and_a_damaged_checkpoint_is_named(scan_file, tmp_path):
    train(scan_file, tmp_path, ONCE)
    with pytest.raises(InputError, match="another batch_size"):
        train(scan_file, tmp_path, dataclasses.replace(ONCE, batch_size=32))
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged"):
        train(scan_file, tmp_path, ONCE)


@pytest.mark.slow
def test_two_processes_train_as_one(scan_file, tmp_path):
    pytest.importorskip("lightning_fabric", reason="Lightning Fabric (the extra 'research') is not installed")
    runner = tmp_path / "run.py"
    runner.write_text(
        f"""{SCRIPT}
processes = launch(int(sys.argv[1]), "cpu")
train(Path({str(scan_file)!r}), Path(sys.argv[2]), dataclasses.replace(TINY, max_epochs=1), processes=processes)
"""
    )
    histories = []
    for count in ("1", "2"):
        folder = tmp_path / count
        folder.mkdir()
        command = [sys.executable, runner, count, folder]
        subprocess.run(command, check=True, timeout=120, capture_output=True)
        histories.append(train(scan_file, folder, ONCE).history.epochs[0])
    one, two = histories
    for name in ("reconstruction", "encoding", "adversarial", "discriminator", "validation"):
        assert getattr(two, name) == pytest.approx(getattr(one, name), rel=2e-3), name


def test_patches_are_the_voxels_round_their_centre():
    scan = a_scan("A", 5)
    source = PatchSource([a_scan("C", 1), scan], 15, 200, seed=0, sampling="brain", device="cpu")
    patches = source.gather(torch.arange(200)).numpy()
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(scan.flair, ((0, 0), (7, 7), (7, 7))), (15, 15), (1, 2)
    )
    there = {window.tobytes() for window in np.ascontiguousarray(windows[scan.normal])}
    found = sum(np.ascontiguousarray(patch[1]).tobytes() in there for patch in patches)
    assert 50 < found < 150  # about half of the centres lie in the second scan


def test_flips_keep_the_voxels_and_other_changes_stay_small():
    source = PatchSource([a_scan("A", 5)], 15, 200, seed=0, sampling="brain", device="cpu")
    which = torch.arange(200)
    plain = source.gather(which)
    flipped = source.gather(which, Augmentation(), torch.Generator().manual_seed(1))
    assert not torch.equal(plain, flipped)
    torch.testing.assert_close(plain.flatten(2).sort(2).values, flipped.flatten(2).sort(2).values)
    changes = Augmentation(flips=False, gain=0.1, shift=0.05, noise=0.05, blur=0.5)
    varied = source.gather(which, changes, torch.Generator().manual_seed(1))
    assert 0 < (varied - plain).abs().mean() < 0.3


def test_tissue_sampling_draws_rare_tissue_more_often():
    scan = a_scan("A", 5)
    mostly_white = dataclasses.replace(scan, t1=np.where(scan.t1 > 0.2, 1.0, scan.t1).astype(np.float32))
    shares = []
    for sampling in ("brain", "tissue"):
        source = PatchSource([mostly_white], 15, 3000, seed=0, sampling=sampling, device="cpu")
        shares.append((source.gather(torch.arange(3000))[:, 0, 7, 7] < 0.35).float().mean())
    assert shares[1] > 1.3 * shares[0]


def test_the_statistics_are_those_of_all_training_patches():
    source = PatchSource([a_scan("A", 5)], 15, 5000, seed=0, sampling="brain", device="cpu")
    generator = Generator(NetworkSettings(latent_size=16, widths=(8, 16)))
    initialise(generator, 1)
    median, deviation = latent_statistics(generator, source)
    with torch.no_grad():
        encoding = generator(source.gather(torch.arange(5000)))
    difference = (encoding.z - encoding.z_hat).numpy()
    lower = np.sort(difference, 0)[2499]
    np.testing.assert_allclose(median.numpy(), lower, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        deviation.numpy(), np.sort(np.abs(difference - lower), 0)[2499], rtol=1e-3, atol=1e-6
    )


def test_a_published_model_carries_the_run_in_its_card(scan_file, tmp_path):
    trained = train(scan_file, tmp_path, TINY)
    model = make_model("tiny", trained, TINY, ScoringSettings(), "train --seed 0", {"licences": "none"})
    assert model.card["trained on"]["scans"] == ["A0", "A1"]
    assert model.card["trained on"]["held out for training-validation"] == ["B"]
    assert model.card["duration"]["patch-steps"] == 3072
    assert model.card["licences"] == "none"
    assert model.deviation.min() > 0


def test_scans_come_back_from_their_file_to_half_a_step(tmp_path):
    scan = a_scan("A", 0)
    write_scans([scan], tmp_path / "s.npz", PreparationSettings(slice_mm=5.0, scaling="modes"), "note")
    content = read_scans(tmp_path / "s.npz")
    (back,) = content.scans
    assert content.preparation.slice_mm == 5.0
    assert content.notes == "note"
    np.testing.assert_allclose(back.t1[scan.brain], scan.t1[scan.brain], atol=1 / 95)
    np.testing.assert_array_equal(back.normal, scan.normal)


def test_the_same_file_gives_the_papers_scaling(tmp_path):
    scan = a_scan("A", 0)
    write_scans([scan], tmp_path / "s.npz", MODES, "note")
    content = read_scans(tmp_path / "s.npz").scaled("percentiles")
    (back,) = content.scans
    assert content.preparation == PreparationSettings()
    expected = (scan.t1 + 0.2) / 1.1
    np.testing.assert_allclose(back.t1[scan.brain], expected[scan.brain], atol=1 / 95 / 1.1)
    assert (back.t1[~scan.brain] == 0).all()
    with pytest.raises(InputError, match="prepare them anew"):
        content.scaled("modes")


@pytest.mark.parametrize(("group", "lesion_class"), [("old", "wmh"), ("young", "tumour"), ("young", "")])
def test_a_file_says_whose_brain_a_scan_shows_and_what_its_lesions_are(tmp_path, group, lesion_class):
    scan = a_scan("A", 0)
    lesion = np.zeros_like(scan.brain)
    lesion[:, 10:20, 10:20] = True
    scan = dataclasses.replace(scan, lesion=lesion, group=group, lesion_class=lesion_class)
    write_scans([scan], tmp_path / "s.npz", MODES, "note")
    [back] = read_scans(tmp_path / "s.npz").scans
    assert (back.group, back.lesion_class) == (group, lesion_class)
    np.testing.assert_array_equal(back.lesion, lesion)


@pytest.mark.parametrize("content", [b"", b"PK not a zip", b"\x93NUMPY"])
def test_a_file_of_something_else_is_refused(content, tmp_path):
    (tmp_path / "s.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"s\.npz is not a file of prepared scans"):
        read_scans(tmp_path / "s.npz")
