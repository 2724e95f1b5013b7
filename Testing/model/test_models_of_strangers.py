"""A model file from a stranger runs no code, reads no file, fills no memory, and draws nothing on a terminal."""

import dataclasses
import hashlib
import json
import os
import pickle

import pytest
import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.files.text import escape_controls
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model import bundled, tensor_file
from AnomalyDetectionLib.model.bundled import model_info
from AnomalyDetectionLib.model.context_network import ContextSettings
from AnomalyDetectionLib.model.model_file import load_model, save_model
from AnomalyDetectionLib.model.model_settings import NetworkSettings, ScoringSettings
from AnomalyDetectionLib.model.networks import Generator
from AnomalyDetectionLib.reporting.model_list import model_card
from conftest import REPOSITORY


def changed(path, target, **header):
    """A copy of a model with other entries in its header."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    table = json.loads(content[8 : 8 + length])
    table["__metadata__"] |= header
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8)
    target.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    return target


def claiming(path, size):
    """A file of some bytes whose header speaks of a tensor of `size`."""
    header = {
        "__metadata__": {"format": "anomaly-detection model", "version": "1"},
        "median": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]},
    }
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(600))
    return path


def test_a_kilobyte_that_says_it_is_a_hundred_gigabytes_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_model(str(claiming(tmp_path / "a.safetensors", 10**11)))


def test_a_file_with_a_hole_of_a_hundred_gigabytes_is_refused(tmp_path):
    path = claiming(tmp_path / "a.safetensors", 10**11)
    try:
        with path.open("r+b") as file:
            file.truncate(10**11 + 1000)
    except OSError:
        pytest.skip("the disk has no files with holes")
    with pytest.raises(InputError, match="cannot be read"):
        load_model(str(path))
    path.unlink()


def test_a_file_larger_than_any_model_is_refused_before_it_is_read(tmp_path, a_random_model, monkeypatch):
    path = tmp_path / "a.safetensors"
    path.write_bytes(a_random_model.read_bytes())
    monkeypatch.setattr(tensor_file, "MOST_BYTES", path.stat().st_size)
    assert load_model(str(path)).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="cannot be read"):
        load_model(str(path))
    assert bundled.MOST_BYTES == 256 << 20


def test_a_pickle_is_not_opened(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"a": torch.zeros(3), "b": Payload()}, tmp_path / "model.safetensors")
    (tmp_path / "other.safetensors").write_bytes(pickle.dumps(Payload()))
    for name in ("model", "other"):
        with pytest.raises(InputError, match="cannot be read"):
            load_model(str(tmp_path / f"{name}.safetensors"))
    assert not (tmp_path / "ran").exists()


def test_nothing_in_the_library_runs_what_it_reads():
    ways = (
        "eval(",
        "exec(",
        "compile(",
        "pickle",
        "torch.load",
        "marshal",
        "yaml.load(",
        "shell=True",
        "os.system",
        "joblib",
    )
    fine = (
        ".eval()",
        "re.compile(",
        "_eval(",
        "no pickle",
        "pickled objects",
        "allow_pickle=False",
        "without pickle",
    )
    guilty = []
    for path in (REPOSITORY / "AnomalyDetection" / "AnomalyDetectionLib").rglob("*.py"):
        text = path.read_text("utf-8")
        for word in fine:
            text = text.replace(word, "")
        guilty += [f"{path.name}: {way}" for way in ways if way in text]
    assert not guilty


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        (NetworkSettings, {"output_activation": "sigmoid"}),
        (NetworkSettings, {"features": "last"}),
        (NetworkSettings, {"patch_size": 31}),
        (ScoringSettings, {"back_projection": "cells"}),
        (ScoringSettings, {"neighbourhood": "6"}),
        (PreparationSettings, {"outside_brain": "maybe"}),
        (PreparationSettings, {"in_plane_mm": 0}),
        (NetworkSettings, {"latent_size": 10**9}),
        (NetworkSettings, {"latent_size": -1}),
        (NetworkSettings, {"widths": (10**9, 2)}),
        (NetworkSettings, {"patch_size": 10**6}),
        (ContextSettings, {"widths": (10**6, 10**6)}),
        (ContextSettings, {"widths": (8,) * 40}),
        (ContextSettings, {"neighbours": 10**6}),
        (ScoringSettings, {"stride": 0}),
        (ScoringSettings, {"stride": 10**6}),
        (ScoringSettings, {"threshold": 1e300}),
        (ScoringSettings, {"z_factor": float("inf")}),
        (ScoringSettings, {"min_patches": 10**400}),
        (ScoringSettings, {"threshold": float("nan")}),
        (PreparationSettings, {"in_plane_mm": 1e-6}),
        (PreparationSettings, {"slice_mm": float("inf")}),
        (PreparationSettings, {"slice_mm": -4.0}),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_or_would_fill_the_memory_are_refused(settings, values):
    with pytest.raises(ValueError, match=r"."):
        settings(**values)


def test_weights_are_compared_with_the_settings_before_a_network_is_made(
    a_random_model, tmp_path, monkeypatch
):
    def made(*_arguments):
        raise AssertionError("a network was made")

    monkeypatch.setattr(Generator, "__init__", made)
    network = json.dumps({"latent_size": 4096, "widths": [4096, 4096]})  # 3 GB, were it made
    path = changed(a_random_model, tmp_path / "large.safetensors", network=network)
    with pytest.raises(InputError, match="damaged or incomplete"):
        load_model(str(path))


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "a\\b", "C:x", "", ".", "..", "x\x1b[2J", "two\nlines", "x" * 5000]
)
def test_a_name_leads_nowhere(a_random_model, tmp_path, name):
    path = changed(a_random_model, tmp_path / "named.safetensors", name=name)
    with pytest.raises(InputError, match="its name is no name"):
        load_model(str(path))


def test_a_card_does_nothing_to_a_terminal_and_cannot_be_endless(a_random_model, tmp_path):
    card = {
        "title": "\x1b]0;owned\x07 \x1b[31mred",
        "notes": "one\nsha256: 0000\r\x9b2K\u202eback",
        "k\x1b[1m": 1,
    }
    path = changed(a_random_model, tmp_path / "card.safetensors", card=json.dumps(card))
    shown = model_card(str(path))
    assert not [c for c in shown if c != "\n" and not c.isprintable()]
    assert "\n    sha256: 0000" in shown  # as a part of the note, which it is
    for hostile in (json.dumps({"a": "x" * 2_000_000}), '{"a":' * 500 + "1" + "}" * 500, "[" * 100_000):
        path = changed(a_random_model, tmp_path / "long.safetensors", card=hostile)
        with pytest.raises(InputError, match="damaged or incomplete"):
            load_model(str(path))


def test_what_a_list_says_of_a_model_holds_no_markup(a_random_model, tmp_path):
    card = {"title": "<img src='file:///etc/passwd'>", "summary": "x" * 10_000_0 + "\x1b[2J"}
    path = changed(a_random_model, tmp_path / "tip.safetensors", card=json.dumps(card))
    info = model_info(path)
    assert "<" not in info.title
    assert len(info.summary) <= 1000


def test_answers_that_are_no_numbers_are_refused(a_random_model, tmp_path):
    from AnomalyDetectionLib.detection.detector import score
    from synthetic_study import prepared_study

    model = load_model(str(a_random_model))
    huge = {
        name: torch.full_like(t, 1e38) if t.is_floating_point() else t for name, t in model.weights.items()
    }
    path = tmp_path / "huge.safetensors"
    save_model(dataclasses.replace(model, weights=huge), path)
    with pytest.raises(InputError, match="no numbers"):
        score(prepared_study(), load_model(str(path)))


def test_text_for_a_terminal_keeps_what_can_be_seen():
    assert escape_controls("Größe 头\nna\u200cme") == "Größe 头\nna\u200cme"
    assert escape_controls("\x1b[2J\x7f\u202e\udcff\t") == r"\x1b[2J\x7f\u202e\udcff\t"
