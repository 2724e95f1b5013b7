"""What the panel says about the devices, whatever else is written to where the engine's answer is read."""

from __future__ import annotations

import sys

import pytest
from AnomalyDetectionLib.panel import devices, slicer_python

GOOD = '{"device": "cuda", "name": "A GPU"}\n{"device": "cpu", "name": "CPU, 2 threads"}\n'


@pytest.fixture
def said_of(a_slicer_application, monkeypatch, tmp_path):
    """What is said when the engine writes this to standard output, and ends with this code."""

    def look(output: str, code: int = 0) -> tuple[str, str]:
        script = tmp_path / "engine.py"
        script.write_text(
            f"import sys; sys.stdout.write({output!r}); print('noise', file=sys.stderr); sys.exit({code})"
        )
        monkeypatch.setattr(slicer_python, "python_command", lambda: [sys.executable, str(script)])
        monkeypatch.setattr(devices, "missing_requirements", lambda: [])
        heard: list[str] = []
        found = devices.Devices(heard.append)
        found.look()
        a_slicer_application.wait(lambda: len(heard) > 1, 60)
        found.stop()
        return heard[-1], found.gpu()

    return look


@pytest.mark.parametrize(
    "noise", ["", "a library's own words\n", "[1]\n", "7\n", '{"half": \n', '{"other": 1}\n']
)
def test_a_foreign_line_among_the_devices_is_passed_over(said_of, noise):
    assert said_of(noise + GOOD + noise) == ("Found: A GPU, CPU, 2 threads.", "cuda")


def test_an_answer_without_any_device_is_said(said_of):
    assert "could not be determined" in said_of("nothing of use\n")[0]


def test_why_the_devices_cannot_be_found_is_the_engines_sentence(said_of):
    error = '{"stage": "error", "message": "The Python package torch is not installed here.", "code": 2}\n'
    assert said_of(error + "a last word\n", 2)[0] == "The Python package torch is not installed here."
