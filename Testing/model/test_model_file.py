"""Model files: what is written comes back, and what is not a model is refused in one sentence."""

import dataclasses
import json

import pytest
import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model import model_file
from AnomalyDetectionLib.model.model_file import Model, bundled_models, load_model, save_model
from AnomalyDetectionLib.model.model_settings import NetworkSettings, ScoringSettings
from AnomalyDetectionLib.model.networks import Generator, initialise
from AnomalyDetectionLib.model.tissue_statistics import CLASSES, TissueStatistics
from safetensors import safe_open
from safetensors.torch import save_file


@pytest.fixture
def model():
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
    model = load_model("paper")
    assert model.network == NetworkSettings(output_activation=model.network.output_activation)
    assert model.network.latent_size == 100
    for entry in ("trained on", "licences", "command", "seed", "duration", "curves", "results"):
        assert entry in model.card
    assert sum(path.stat().st_size for path in bundled_models()) < 25_000_000
    assert model.fingerprint.startswith("9a3057e418b6"), "the one that was measured"


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


def header_of(path):
    with safe_open(path, framework="pt") as content:
        return content.metadata()


def test_a_model_that_needs_no_later_setting_can_be_read_by_earlier_programs(model, tmp_path):
    save_model(model, tmp_path / "model.safetensors")
    header = header_of(tmp_path / "model.safetensors")
    assert header["version"] == "1"
    assert not {"statistics", "distance"} & {*json.loads(header["scoring"])}


@pytest.mark.parametrize(
    ("setting", "version"), [({"statistics": "scan"}, 2), ({"distance": "mahalanobis"}, 3)]
)
def test_a_model_that_needs_a_later_setting_says_so_to_earlier_programs(
    setting, version, model, tmp_path, monkeypatch
):
    path, scoring = tmp_path / "model.safetensors", dataclasses.replace(model.scoring, **setting)
    save_model(dataclasses.replace(model, scoring=scoring), path)
    assert header_of(path)["version"] == str(version)
    assert load_model(str(path)).scoring == scoring
    monkeypatch.setattr(model_file, "VERSION", version - 1)
    with pytest.raises(InputError, match="newer format"):
        load_model(str(path))


def with_statistics(model):
    statistics = TissueStatistics(
        torch.rand(CLASSES, 50), torch.rand(CLASSES, 50) + 0.1, torch.rand(CLASSES, 50, 50).half()
    )
    return dataclasses.replace(model, tissue_statistics=statistics)


def test_statistics_by_tissue_come_back_and_earlier_programs_read_the_file_without_them(model, tmp_path):
    path, made = tmp_path / "model.safetensors", with_statistics(model)
    save_model(made, path)
    back = load_model(str(path))
    for name, tensor in made.tissue_statistics.tensors().items():
        assert torch.equal(back.tissue_statistics.tensors()[name], tensor)
    assert header_of(path)["version"] == "1"
    assert back.fingerprint == model.fingerprint, "they do not change how the model scores"
    save_model(dataclasses.replace(back, tissue_statistics=None), path)
    assert load_model(str(path)).tissue_statistics is None


def test_a_model_that_scores_with_statistics_by_tissue_has_them_in_its_fingerprint(model):
    scoring = dataclasses.replace(model.scoring, distance="mahalanobis")
    one, other = (dataclasses.replace(with_statistics(model), scoring=scoring) for _ in range(2))
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("median", torch.rand(CLASSES, 20)),
        ("whitening", torch.rand(3, 50, 50).half()),
        ("whitening", torch.rand(CLASSES, 50, 50)),
    ],
)
def test_statistics_by_tissue_that_do_not_fit_are_refused(model, tmp_path, name, wrong):
    path = tmp_path / "model.safetensors"
    save_model(with_statistics(model), path)
    with safe_open(path, framework="pt") as content:
        tensors = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
    save_file({**tensors, f"readings.{name}": wrong}, path, header_of(path))
    with pytest.raises(InputError, match="damaged or incomplete"):
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
