"""What is said of the models that come with the program, without torch."""

import pytest
from AnomalyDetectionLib.model import bundled
from AnomalyDetectionLib.model.bundled import DEFAULT_MODEL, bundled_models, model_info
from conftest import run_command

NESTED = (200_000).to_bytes(8, "little") + b"[" * 200_000


def test_the_default_comes_first_and_the_others_by_name(monkeypatch, tmp_path):
    (tmp_path / "Models").mkdir()
    for name in ("zebra", "antelope", DEFAULT_MODEL, "bear"):
        (tmp_path / "Models" / f"{name}.safetensors").touch()
    monkeypatch.setattr(bundled, "resources", lambda: tmp_path)
    assert [path.stem for path in bundled_models()] == [DEFAULT_MODEL, "antelope", "bear", "zebra"]


@pytest.mark.parametrize("command", ["detect", "evaluate"])
def test_a_command_says_what_its_default_is(command):
    said = " ".join(run_command(command, "--help", output=None).stdout.split())
    assert f"[default: {DEFAULT_MODEL}]" in said


def test_the_header_of_a_model_says_what_it_is(a_random_model, a_context_model):
    assert model_info(a_context_model) == bundled.ModelInfo(
        "surroundings", "Surroundings (random)", "random weights that see whole slices", "context"
    )
    assert model_info(a_random_model) == bundled.ModelInfo("random", "random", "random weights", "paper")


@pytest.mark.parametrize(
    "content", [b"", b"1234567", b"\xff" * 40, (2).to_bytes(8, "little") + b"[]", NESTED, None]
)
def test_of_a_file_that_is_no_model_there_is_its_name(tmp_path, content):
    path = tmp_path / "odd.safetensors"
    if content is not None:
        path.write_bytes(content)
    assert model_info(path) == bundled.ModelInfo("odd", "odd", "", "paper")
