"""`anomaly-detection models`: the list, and the card of one."""

import hashlib

import pytest
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.reporting import model_list
from conftest import run_command


def test_the_list_has_a_line_for_every_bundled_model():
    from AnomalyDetectionLib.model.model_file import bundled_models

    done = run_command("models", "list", output=None)
    assert done.code == 0
    assert run_command("models", output=None).stdout == done.stdout
    paths = bundled_models()
    for path in paths:
        assert hashlib.sha256(path.read_bytes()).hexdigest()[:16] in done.stdout
    assert len(done.stdout.strip().splitlines()) == max(len(paths), 1)


def test_a_model_that_does_not_load_is_in_the_list_with_the_reason(monkeypatch, tmp_path, a_random_model):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"broken")
    monkeypatch.setattr(model_list, "bundled_models", lambda: [a_random_model, broken])
    good, bad = model_list.model_list().splitlines()
    assert good.startswith("random  kind paper  sha256 ")
    assert good.endswith("random weights")
    assert bad.startswith("broken.safetensors: does not load")


def test_the_list_says_of_each_model_what_kind_it_is_and_which_is_the_default(monkeypatch, a_context_model):
    monkeypatch.setattr(model_list, "bundled_models", lambda: [a_context_model])
    monkeypatch.setattr(model_list, "DEFAULT_MODEL", a_context_model.stem)
    (line,) = model_list.model_list().splitlines()
    assert line.startswith("surroundings  kind context, the default  Surroundings (random)  sha256 ")
    assert line.endswith("random weights that see whole slices")


def test_the_card_of_a_context_model_shows_its_settings(a_context_model):
    page = model_list.model_card(str(a_context_model))
    settings = ("kind: context", "neighbours: 1", "widths: 4, 6", "stride: 1", "width: 4")
    for fact in (*settings, "title: Surroundings (random)"):
        assert fact in page


def test_the_card_shows_what_is_known_and_every_setting(a_random_model):
    page = model_list.model_card(str(a_random_model))
    settings = ("latent_size: 8", "threshold: 3.0", "slice_mm: 4.0")
    for fact in ("model: random", "summary: random weights", *settings):
        assert fact in page
    assert hashlib.sha256(a_random_model.read_bytes()).hexdigest() in page


def test_nested_cards_are_written_so_that_a_person_can_read_them():
    card = {"data": [{"name": "a", "licence": "b"}, {"name": "c"}], "limits": ["x", "y"], "widths": (64, 128)}
    assert model_list._lines(card) == [
        "data:",
        "  - name: a",
        "    licence: b",
        "  - name: c",
        "limits:",
        "  - x",
        "  - y",
        "widths: 64, 128",
    ]


def test_an_unknown_model_is_an_input_error():
    with pytest.raises(InputError, match="nosuch"):
        model_list.model_card("nosuch")
