"""Model files: what is written comes back, and what is not a model is refused in one sentence."""

import dataclasses
import json

import pytest
import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.settings import PreparationSettings
from AnomalyDetectionLib.model import model_file
from AnomalyDetectionLib.model.model_file import Model, bundled_models, load_model, save_model
from AnomalyDetectionLib.model.networks import Generator, initialise
from AnomalyDetectionLib.model.settings import NetworkSettings, ScoringSettings
from safetensors import safe_open
from safetensors.torch import save_file


@pytest.fixture
def model() -> Model:
    network = NetworkSettings(latent_size=50, output_activation="none")
    generator = Generator(network)
    initialise(generator, 0)
    return Model(
        name="small",
        weights=generator.state_dict(),
        median=torch.rand(50),
        deviation=torch.rand(50) + 0.1,
        network=network,
        preparation=PreparationSettings(in_plane_mm=1.1),
        scoring=ScoringSettings(percentile=40),
        card={"trained on": "nothing – a test"},
    )


def test_a_model_comes_back_as_it_was_saved(model, tmp_path):
    path = tmp_path / "Modell für 脑.safetensors"
    save_model(model, path)
    back = load_model(str(path))
    for name in ("name", "network", "preparation", "scoring", "card"):
        assert getattr(back, name) == getattr(model, name)
    assert len(back.sha256) == 64
    patches = torch.rand(5, 2, 15, 15)
    torch.testing.assert_close(back.generator()(patches).z_hat, model.generator()(patches).z_hat)
    assert list(tmp_path.iterdir()) == [path]


def test_the_bundled_model_loads_by_its_name_and_says_what_it_is():
    assert bundled_models(), "the extension ships no model"
    model = load_model()
    assert model.network == NetworkSettings(output_activation=model.network.output_activation)
    assert model.network.latent_size == 100
    for entry in ("trained on", "licences", "command", "seed", "duration", "curves", "results"):
        assert entry in model.card
    assert all(path.stat().st_size < 7_000_000 for path in bundled_models())


def test_a_name_that_does_not_exist_lists_those_that_do(tmp_path):
    with pytest.raises(InputError, match="bundled models"):
        load_model(str(tmp_path / "missing.safetensors"))


@pytest.mark.parametrize("keep", [0, 7, 200, 50_000])
def test_a_truncated_model_is_refused(model, tmp_path, keep):
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"model\.safetensors"):
        load_model(str(path))


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not a model of AnomalyDetection"):
        load_model(str(tmp_path / "other.safetensors"))


def header_of(path) -> dict[str, str]:
    with safe_open(path, framework="pt") as content:
        return content.metadata()


def test_a_model_that_needs_no_later_setting_can_be_read_by_earlier_programs(model, tmp_path):
    save_model(model, tmp_path / "model.safetensors")
    header = header_of(tmp_path / "model.safetensors")
    assert header["version"] == "1"
    assert "statistics" not in json.loads(header["scoring"])


def test_a_model_that_needs_a_later_setting_says_so_to_earlier_programs(model, tmp_path, monkeypatch):
    scoring = dataclasses.replace(model.scoring, statistics="scan")
    save_model(dataclasses.replace(model, scoring=scoring), tmp_path / "model.safetensors")
    assert load_model(str(tmp_path / "model.safetensors")).scoring == scoring
    monkeypatch.setattr(model_file, "VERSION", 1)
    with pytest.raises(InputError, match="newer format"):
        load_model(str(tmp_path / "model.safetensors"))


def test_a_newer_model_asks_for_an_update(model, tmp_path, monkeypatch):
    monkeypatch.setattr(model_file, "_version_of", lambda model: 99)
    save_model(model, tmp_path / "newer.safetensors")
    with pytest.raises(InputError, match="newer format"):
        load_model(str(tmp_path / "newer.safetensors"))


def test_weights_that_do_not_fit_the_settings_are_refused(model, tmp_path):
    other = dataclasses.replace(model, network=NetworkSettings(latent_size=75))
    save_model(other, tmp_path / "odd.safetensors")
    with pytest.raises(InputError, match="damaged"):
        load_model(str(tmp_path / "odd.safetensors"))


def test_a_weight_that_is_not_a_number_is_refused(model, tmp_path):
    spoilt = dataclasses.replace(model, median=torch.full((50,), float("nan")))
    save_model(spoilt, tmp_path / "nan.safetensors")
    with pytest.raises(InputError, match="not finite"):
        load_model(str(tmp_path / "nan.safetensors"))


def test_a_pickle_is_refused_without_being_opened(tmp_path):
    path = tmp_path / "evil.safetensors"
    torch.save({"format": json.dumps("model")}, path)
    with pytest.raises(InputError, match="cannot be read"):
        load_model(str(path))


def test_the_fingerprint_is_of_what_scores_depend_on_and_not_of_the_card(a_random_model):
    model = load_model(str(a_random_model))
    same = dataclasses.replace(model, name="other", card={"summary": "words"}, sha256="")
    assert same.fingerprint == model.fingerprint
    name = next(iter(model.weights))
    others = (
        dataclasses.replace(model, weights={**model.weights, name: model.weights[name] + 1}),
        dataclasses.replace(model, deviation=model.deviation * 2),
        dataclasses.replace(model, scoring=dataclasses.replace(model.scoring, percentile=60)),
    )
    assert len({model.fingerprint, *(other.fingerprint for other in others)}) == 4
