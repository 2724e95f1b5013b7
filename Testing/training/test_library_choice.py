"""Choosing the library: only from people trained on, representative, the same each time, no image in pieces."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from anomaly_research.training.library import GAP, build_library
from anomaly_research.training.loop import train
from anomaly_research.training.publish import make_model, with_library
from AnomalyDetectionLib.calibration.patch_source import PatchSource
from AnomalyDetectionLib.calibration.scan_file import read_scans, write_scans
from AnomalyDetectionLib.detection.nearest_normal import NormalTissue
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model.model_file import load_model, save_model
from AnomalyDetectionLib.model.model_settings import NetworkSettings, ScoringSettings
from AnomalyDetectionLib.model.networks import Generator, initialise
from conftest import run_command
from made_training import TINY, a_scan

LEVELS = {"A": 0.0, "B": 10.0, "C": 20.0}  # whose patches are whose can be read off the intensities


def a_marked_scan(patient, seed):
    scan = a_scan(patient, seed)
    return dataclasses.replace(scan, t1=scan.t1 * 0.1 + LEVELS[patient])


@pytest.fixture(scope="module")
def scan_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("scans") / "scans.npz"
    scans = [a_marked_scan(patient, seed) for seed, patient in enumerate(LEVELS)]
    write_scans(scans, path, PreparationSettings(), "made for a test")
    return path


@pytest.fixture(scope="module")
def model(scan_file, tmp_path_factory):
    settings = dataclasses.replace(TINY, max_epochs=1, left_out=("C",))
    trained = train(scan_file, tmp_path_factory.mktemp("run"), settings)
    return make_model("tiny", trained, settings, ScoringSettings(), "train", {})


def a_generator():
    generator = Generator(NetworkSettings(latent_size=16, widths=(8, 16)))
    initialise(generator, 0)
    return generator.eval()


def sources(count=2000):
    scans = [a_scan("A", 0), a_scan("A", 1), a_scan("A", 2)]
    return [
        PatchSource(part, 15, count, seed=seed, sampling="brain", device="cpu")
        for seed, part in enumerate((scans[:2], scans[2:]))
    ]


def test_every_trained_model_has_a_library_of_the_people_trained_on_alone(model):
    t1 = model.library.intensities()[:, 0]
    assert len(model.library) >= 8
    assert t1.max() < 5, "a patch of B, who was held out, or of C, who was left out"
    note = model.card["library"]
    assert note["bytes"] == model.library.patches.nbytes + model.library.latents.nbytes
    assert "without position" in note["privacy"]
    json.dumps(model.card)


def test_its_latent_vectors_are_those_of_the_models_encoder(model):
    with torch.inference_mode():
        z = model.generator().encoder(torch.from_numpy(model.library.intensities())).numpy()
    np.testing.assert_allclose(model.library.latents, z, rtol=2e-3, atol=1e-3)
    assert NormalTissue.of(model).nearest(model.library.intensities()[3]).which[0] == 3


def test_patches_of_a_slice_lie_apart():
    """In a scan whose voxels all differ, so that every voxel of the library tells where it comes from."""
    scan = a_scan("A", 0)
    order = np.random.default_rng(0).permutation(scan.t1.size)
    numbers = order.astype(np.float32).reshape(scan.t1.shape)
    values = numbers % 200 / 200, numbers // 200 / 200  # bytes hold them exactly enough
    scan = dataclasses.replace(scan, t1=values[0], flair=values[1], normal=np.ones_like(scan.normal))
    scan.normal[:, :7] = scan.normal[:, -7:] = scan.normal[:, :, :7] = scan.normal[:, :, -7:] = False
    source = PatchSource([scan], 15, 3000, seed=0, sampling="brain", device="cpu")
    library = build_library(a_generator(), source, source).library
    t1, flair = np.moveaxis(library.intensities(), 1, 0)
    found = np.rint(t1 * 200) + 200 * np.rint(flair * 200)
    corners = np.argsort(order)[found[:, 0, 0].astype(int)]
    z, y, x = np.unravel_index(corners, scan.t1.shape)
    assert len(library) > 8
    near = (abs(y[:, None] - y) < 15 + GAP) & (abs(x[:, None] - x) < 15 + GAP) & (z[:, None] == z)
    assert near.sum() == len(library), "each is near to itself alone"


def test_same_seed_same_library_and_another_seed_another():
    a, b, c = (build_library(a_generator(), *sources(), seed=seed).library for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.patches, b.patches)
    np.testing.assert_array_equal(a.latents, b.latents)
    assert a.patches.shape != c.patches.shape or (a.patches != c.patches).any()


def test_it_covers_normal_tissue_better_than_chance():
    built = build_library(a_generator(), *sources(), most=40)
    assert len(built.library) <= 40
    assert built.distance < built.at_random
    assert 0 < built.library.usual[0] <= built.library.usual[1]


def test_a_library_can_be_chosen_anew_for_a_model_from_its_scans(model, scan_file):
    bare = dataclasses.replace(model, library=None)
    made = with_library(bare, read_scans(scan_file))
    assert made.library.intensities()[:, 0].max() < 5
    assert made.card["library"]["what"].startswith(f"{len(made.library)} training patches")
    assert made.card["trained on"] == model.card["trained on"]


@pytest.mark.parametrize("gone", ["A", "B"])
def test_scans_that_are_not_those_of_the_model_are_refused(model, scan_file, gone):
    content = read_scans(scan_file)
    fewer = tuple(scan for scan in content.scans if scan.patient != gone)
    with pytest.raises(InputError, match=f"missing: {gone}"):
        with_library(model, dataclasses.replace(content, scans=fewer))


def test_scans_prepared_otherwise_are_refused(model, scan_file):
    other = dataclasses.replace(read_scans(scan_file), preparation=PreparationSettings(in_plane_mm=1.5))
    with pytest.raises(InputError, match="prepared otherwise"):
        with_library(model, other)


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ({}, "does not say which scans"),
        ({"trained on": {"scans": ["A0"], "held out for training-validation": []}}, "nobody held out"),
    ],
)
def test_a_model_needs_a_card_that_says_who_was_trained_on_and_who_held_out(model, scan_file, card, sentence):
    with pytest.raises(InputError, match=sentence):
        with_library(dataclasses.replace(model, card=card), read_scans(scan_file))


@pytest.mark.slow
def test_the_command_puts_a_library_into_a_model_file(model, scan_file, tmp_path):
    bare, full = tmp_path / "bare.safetensors", tmp_path / "full.safetensors"
    save_model(dataclasses.replace(model, library=None), bare)
    command = ["models", "add-library", bare, "--scans", scan_file]
    elsewhere = run_command(*command, "--output", full, output=full)
    assert elsewhere.code == 0, elsewhere.stderr
    assert load_model(str(bare)).library is None
    in_place = run_command(*command, output=bare)
    assert "normal patches" in in_place.stdout
    back = load_model(str(bare))
    assert len(back.library) >= 8
    np.testing.assert_array_equal(back.library.patches, load_model(str(full)).library.patches)
    assert torch.equal(back.weights["encoder.0.weight"], model.weights["encoder.0.weight"])
    missing = run_command("models", "add-library", bare, "--scans", tmp_path / "no.npz", output=bare)
    assert missing.code == 2
    assert "no file of prepared scans" in missing.stderr
