"""The library of normal patches in a model file: it comes back, stays small, and a damaged one is refused."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.library import MOST_BYTES, NormalLibrary, dequantised, most_patches, quantised
from AnomalyDetectionLib.model.model_file import bundled_models, load_model, save_model
from AnomalyDetectionLib.model.model_settings import NetworkSettings
from AnomalyDetectionLib.model.plain_encoder import PlainEncoder
from normal_tissue import a_library, a_model_with_library
from safetensors import safe_open
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def model():
    return a_model_with_library()


@pytest.fixture
def saved(model, tmp_path):
    path = tmp_path / "with library.safetensors"
    save_model(model, path)
    return path


def spoil(path, change):
    """Write the file anew after changing its header and its tensors."""
    with safe_open(path, framework="pt") as content:
        header, tensors = content.metadata(), {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    change(header, tensors)
    save_file(tensors, path, header)


def test_a_library_comes_back_to_the_last_bit(model, saved):
    back = load_model(str(saved)).library
    np.testing.assert_array_equal(back.patches, model.library.patches)
    np.testing.assert_array_equal(back.latents, model.library.latents)
    assert (back.low, back.step, back.usual) == (model.library.low, model.library.step, model.library.usual)


def test_a_model_without_a_library_has_none(model, tmp_path):
    save_model(dataclasses.replace(model, library=None), tmp_path / "bare.safetensors")
    assert load_model(str(tmp_path / "bare.safetensors")).library is None


def test_the_format_stays_that_of_programs_that_know_no_library(saved):
    """They read what they know by name, and look at all tensors only to see that they are finite."""
    with safe_open(saved, framework="pt") as content:
        assert content.metadata()["version"] == "1"
        assert all(torch.isfinite(content.get_tensor(name)).all() for name in content.keys())  # noqa: SIM118


@pytest.mark.parametrize("latent_size", [50, 100, 400])
def test_the_largest_library_adds_at_most_three_megabytes(latent_size, model, tmp_path):
    n = most_patches(latent_size)
    assert n > 2000
    network = NetworkSettings(latent_size=latent_size, widths=(4, 8))
    bare = dataclasses.replace(a_model_with_library(network=network), library=None)
    library = a_library(n, latent_size)
    save_model(bare, tmp_path / "bare.safetensors")
    save_model(dataclasses.replace(bare, library=library), tmp_path / "full.safetensors")
    added = (tmp_path / "full.safetensors").stat().st_size - (tmp_path / "bare.safetensors").stat().st_size
    assert added <= MOST_BYTES == 3_000_000


def test_bundled_libraries_are_as_large_as_allowed_at_most():
    for path in bundled_models():
        library = load_model(str(path)).library
        assert library is None or library.patches.nbytes + library.latents.nbytes <= MOST_BYTES


def test_intensities_are_kept_to_half_a_step():
    patches = np.random.default_rng(1).normal(0.5, 0.4, (50, 2, 15, 15)).astype(np.float32)
    patches[:, 1] *= 2
    values, low, step = quantised(patches)
    back = dequantised(values, low, step)
    assert values.dtype == np.uint8
    for channel in range(2):
        assert np.abs(back - patches)[:, channel].max() <= 0.501 * step[channel]


def test_patches_that_are_all_the_same_are_kept_too():
    patches = np.full((3, 2, 15, 15), 0.25, np.float32)
    np.testing.assert_allclose(dequantised(*quantised(patches)), patches, atol=1e-5)


def missing(name):
    return lambda header, tensors: tensors.pop(name)


def header_with(**values):
    def change(header, tensors):
        header["library"] = json.dumps({**json.loads(header["library"]), **values})

    return change


def replaced(name, make):
    def change(header, tensors):
        tensors[name] = make(tensors[name])

    return change


@pytest.mark.parametrize(
    "change",
    [
        missing("library.patches"),
        missing("library.latents"),
        header_with(low=[0.0]),
        header_with(low="nothing"),
        header_with(step=[0.01, 0.0]),
        header_with(step=[0.01, float("nan")]),
        header_with(usual=[2.0, 1.0]),
        lambda header, tensors: header.update(library="{"),
        lambda header, tensors: header.update(library="[]"),
        replaced("library.patches", lambda t: t.float()),
        replaced("library.patches", lambda t: t[:, :1].contiguous()),
        replaced("library.patches", lambda t: t[:-1].contiguous()),
        replaced("library.patches", lambda t: t[:0].contiguous()),
        replaced("library.patches", lambda t: t.flatten()),
        replaced("library.latents", lambda t: t[:, :-1].contiguous()),
        replaced("library.latents", lambda t: t.float()),
        replaced("library.latents", lambda t: torch.full_like(t, float("nan"))),
        replaced("library.latents", lambda t: t.to(torch.bfloat16)),
        lambda header, tensors: tensors.update(
            {
                "library.patches": torch.zeros(7000, 2, 15, 15, dtype=torch.uint8),
                "library.latents": torch.zeros(7000, 8, dtype=torch.float16),
            }
        ),
    ],
)
def test_a_damaged_library_is_refused_with_a_sentence(saved, change):
    from AnomalyDetectionLib.detection.nearest_normal import NormalTissue

    spoil(saved, change)
    with pytest.raises(InputError, match=r"with library\.safetensors is damaged"):
        load_model(str(saved))
    with pytest.raises(InputError, match=r"normal tissue of the model .* damaged"):
        NormalTissue.read(saved)


def test_an_empty_library_cannot_be_made():
    with pytest.raises(ValueError, match="patches"):
        NormalLibrary(
            np.zeros((0, 2, 15, 15), np.uint8), np.zeros((0, 8), np.float16), (0, 0), (1, 1), (1, 2)
        )


def test_the_encoder_in_numpy_is_that_of_the_network(model):
    patches = np.random.default_rng(2).normal(0.5, 0.3, (40, 2, 15, 15)).astype(np.float32)
    weights = {name: tensor.numpy() for name, tensor in model.weights.items()}
    with torch.inference_mode():
        wanted = model.generator().encoder(torch.from_numpy(patches)).numpy()
    got = PlainEncoder(weights, model.network)(patches)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


def test_weights_of_another_size_are_refused_by_the_encoder_in_numpy(model):
    weights = {name: tensor.numpy() for name, tensor in model.weights.items()}
    with pytest.raises(ValueError, match="shape"):
        PlainEncoder(weights, NetworkSettings(latent_size=9, widths=(4, 8)))
