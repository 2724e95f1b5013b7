"""The network that tells the parts of the brain apart: its file, and what its answers do not depend on."""

import numpy as np
import pytest
import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.anatomy_network import (
    CLASSES,
    AnatomyModel,
    anatomy_inputs,
    anatomy_model,
    anatomy_network,
    class_scores,
    load_anatomy,
    save_anatomy,
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    return AnatomyModel(anatomy_network((4, 8)).state_dict(), (4, 8), {"summary": "random weights"})


def a_scan(shape=(5, 40, 36)):
    random = np.random.default_rng(0)
    brain = np.zeros(shape, bool)
    brain[:, 6:-6, 5:-5] = True
    return random.random(shape, np.float32), random.random(shape, np.float32), brain


def test_a_file_gives_back_the_network(model, tmp_path):
    save_anatomy(model, tmp_path / "anatomy.safetensors")
    again = load_anatomy(tmp_path / "anatomy.safetensors")
    assert (again.widths, again.card) == (model.widths, model.card)
    for name, tensor in model.weights.items():
        torch.testing.assert_close(again.weights[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("damage", ["truncated", "another file", "missing"])
def test_a_file_that_is_no_network_is_refused(damage, model, tmp_path):
    path = tmp_path / "anatomy.safetensors"
    if damage != "missing":
        save_anatomy(model, path)
        path.write_bytes(path.read_bytes()[:-100] if damage == "truncated" else b"something else")
    with pytest.raises(InputError, match="anatomy network"):
        load_anatomy(path)


def test_a_network_of_weights_that_are_no_numbers_is_refused(model, tmp_path):
    path = tmp_path / "anatomy.safetensors"
    weights = {name: tensor * float("nan") for name, tensor in model.weights.items()}
    save_anatomy(AnatomyModel(weights, model.widths, model.card), path)
    with pytest.raises(InputError, match="anatomy network"):
        load_anatomy(path)


def test_what_lies_beyond_the_mask_does_not_count(model):
    t1, flair, brain = a_scan()
    elsewhere = np.where(brain, t1, 7), np.where(brain, flair, -7)
    there = class_scores(model, *elsewhere, brain, 4.0)
    np.testing.assert_array_equal(there, class_scores(model, t1, flair, brain, 4.0))


def test_room_round_the_brain_does_not_count(model):
    scan = a_scan()
    roomy = [np.pad(image, ((2, 1), (5, 9), (3, 0))) for image in scan]
    narrow, wide = class_scores(model, *scan, 4.0), class_scores(model, *roomy, 4.0)
    np.testing.assert_allclose(wide[:, 2:-1, 5:-9, 3:], narrow, atol=1e-5)


def test_every_slice_reads_its_own_neighbours():
    t1, flair, brain = a_scan()
    inputs = anatomy_inputs(t1, flair, brain, np.array([0, 10, 20, 30, 40], np.float32))
    assert inputs.shape == (3, 8, 40, 36)
    np.testing.assert_array_equal(inputs[1, 0][brain[1]], t1[1][brain[1]])
    np.testing.assert_array_equal(inputs[1, 2][brain[3]], t1[3][brain[3]])
    np.testing.assert_array_equal(inputs[1, 4][brain[2]], flair[2][brain[2]])
    assert inputs[1, 7].max() == pytest.approx(0.2)


def test_an_empty_mask_has_no_parts(model):
    t1, flair, brain = a_scan()
    assert not class_scores(model, t1, flair, np.zeros_like(brain), 4.0).any()


def test_the_network_that_ships_tells_what_it_was_made_of():
    model = anatomy_model()
    assert "Apache-2.0" in model.card["summary"]
    assert model.card["command"].startswith("anomaly-detection train-anatomy")
    assert len(model.card["dice_held_out_maps"]) == CLASSES
    assert sum(tensor.numel() for tensor in model.weights.values()) < 500_000
