"""The second kind of model: the same file format, other content; and strangers' files are refused in words."""

import dataclasses
import json

import pytest
import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model import model_file
from AnomalyDetectionLib.model.model_file import ContextModel, load_model, load_paper_model, save_model
from AnomalyDetectionLib.model.model_settings import ScoringSettings
from safetensors import safe_open
from safetensors.torch import save_file


@pytest.fixture
def model(a_context_model):
    model = load_model(str(a_context_model))
    assert isinstance(model, ContextModel)
    return model


def parts_of(path):
    with safe_open(path, framework="pt") as content:
        return content.metadata(), {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118


def test_a_context_model_comes_back_as_it_was_saved(model, tmp_path):
    path = tmp_path / "réseau 网络.safetensors"
    save_model(model, path)
    back = load_model(str(path))
    for name, weight in model.second_look.items():
        torch.testing.assert_close(back.second_look[name], weight, rtol=0, atol=0)
    for name in ("name", "settings", "candidate", "preparation", "scoring", "card", "fingerprint", "kind"):
        assert getattr(back, name) == getattr(model, name)
    for name, weight in model.weights.items():
        torch.testing.assert_close(back.weights[name], weight, rtol=0, atol=0)
    inputs = torch.rand(1, model.settings.inputs, 16, 24)
    answers = [one.context_network()(inputs) for one in (model, back)]
    torch.testing.assert_close(*answers, rtol=0, atol=0)
    assert not back.context_network().training


def test_earlier_programs_say_that_a_context_model_is_too_new_for_them(a_context_model, monkeypatch):
    monkeypatch.setattr(model_file, "VERSION", 2)  # theirs: they know no kinds
    with pytest.raises(InputError, match="newer format"):
        load_model(str(a_context_model))


@pytest.mark.parametrize(
    ("entry", "change", "said"),
    [
        ("kind", lambda text: "telepathy", "kind of model 'telepathy' is not known"),
        ("network", lambda text: json.dumps({**json.loads(text), "depth": 3}), "depth"),
        ("network", lambda text: json.dumps({**json.loads(text), "widths": [4, 8]}), "size mismatch|damaged"),
        ("network", lambda text: json.dumps({**json.loads(text), "neighbours": 40}), "neighbours"),
        ("second_look", lambda text: text.replace("1.0", "NaN"), "NaN is not a number"),
        ("network", lambda text: "[1, 2]", "no names with values"),
        ("second_look", lambda text: json.dumps({**json.loads(text), "bias": "abc"}), "setting bias cannot be"),
        ("second_look", lambda text: json.dumps({**json.loads(text), "bias": [0.0, 0.0]}), "each class has a bias"),
        ("second_look", lambda text: json.dumps({**json.loads(text), "temperature": 0.0}), "temperature"),
        ("second_look", None, "second_look"),
        ("scoring", lambda text: json.dumps({**json.loads(text), "stride": 2.0}), "setting stride cannot be 2.0"),
        ("scoring", lambda text: json.dumps({**json.loads(text), "stride": 4}), "single voxels"),
        ("scoring", lambda text: json.dumps({**json.loads(text), "back_projection": "mean"}), "single voxels"),
        ("scoring", lambda text: json.dumps({**json.loads(text), "mood": "good"}), "mood"),
        ("scoring", lambda text: text[:-3], "damaged"),
        ("preparation", None, "preparation"),
        ("card", lambda text: '"words"', "no entries"),
        ("format", lambda text: "a shopping list", "not a model of AnomalyDetection"),
        ("version", lambda text: "three", "damaged"),
    ],
)  # fmt: skip
def test_a_damaged_header_is_refused_in_one_sentence(a_context_model, tmp_path, entry, change, said):
    header, tensors = parts_of(a_context_model)
    if change is None:
        del header[entry]
    else:
        header[entry] = change(header[entry])
    path = tmp_path / "odd.safetensors"
    save_file(tensors, path, header)
    with pytest.raises(InputError, match=said) as refused:
        load_model(str(path))
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_damaged_weights_are_refused(a_context_model, tmp_path):
    header, tensors = parts_of(a_context_model)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    path = tmp_path / "odd.safetensors"
    for spoilt, said in (
        ({key: tensor for key, tensor in tensors.items() if key != name}, "Missing key|damaged"),
        ({**tensors, "network.more": torch.zeros(1)}, "Unexpected key|damaged"),
        ({**tensors, name: tensors[name][:1]}, "damaged"),
        ({**tensors, name: tensors[name] * float("inf")}, "not finite"),
    ):
        save_file({key: tensor.contiguous() for key, tensor in spoilt.items()}, path, header)
        with pytest.raises(InputError, match=said):
            load_model(str(path))


def test_the_fingerprint_is_of_weights_and_settings_and_not_of_the_card(model):
    same = dataclasses.replace(model, name="other", card={}, sha256="0")
    assert same.fingerprint == model.fingerprint
    name = next(name for name in model.weights if name.endswith("weight"))
    others = (
        dataclasses.replace(model, weights={**model.weights, name: model.weights[name] + 1}),
        dataclasses.replace(model, settings=dataclasses.replace(model.settings, mirrored=False)),
        dataclasses.replace(model, scoring=ScoringSettings(stride=1, threshold=0.7, min_patches=1)),
        dataclasses.replace(model, candidate=dataclasses.replace(model.candidate, temperature=2.0)),
    )
    assert len({model.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_what_only_the_papers_kind_can_do_says_so(a_context_model, a_random_model):
    assert load_paper_model(str(a_random_model), "This").name == "random"
    with pytest.raises(InputError, match=r"The library belongs to the paper's kind of model.*surroundings"):
        load_paper_model(str(a_context_model), "The library")
