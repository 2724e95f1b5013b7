"""What the panel's tests share: a Slicer to open the panel in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture
def a_slicer_application(tmp_path):
    """A `SlicerApplication` with an empty scene, new for each test; skipped where slicer-core or PySide6 is not."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    pytest.importorskip("PySide6", reason="PySide6 is not installed")
    from panel.stand_ins.slicer_application import SlicerApplication

    application = SlicerApplication(tmp_path)
    yield application
    application.stop()
    # What is raised in a slot or an observer does not reach the test otherwise.
    assert not application.errors, "\n".join(application.errors)


MODULE = REPOSITORY / "AnomalyDetection" / "AnomalyDetection.py"
FAKE_ENGINE = Path(__file__).parent / "fake_engine.py"


@pytest.fixture
def slicer_app(a_slicer_application, monkeypatch):
    """A Slicer whose Python is this one."""
    from AnomalyDetectionLib.panel import python

    monkeypatch.setattr(python, "python_command", lambda: [sys.executable])
    return a_slicer_application


@pytest.fixture
def panel(slicer_app):
    """The module's panel, open over an empty scene."""
    return slicer_app.open(slicer_app.load_module(MODULE))


@pytest.fixture
def sample(panel):
    """The panel with the sample loaded by its button."""
    panel.ui.loadSampleButton.click()
    return panel


@pytest.fixture
def engine(monkeypatch, request, tmp_path):
    """Which engine runs: `engine("replay")` gives the results that the real one left of the sample."""
    from AnomalyDetectionLib.panel import python

    def choose(what: str) -> None:
        folder = request.getfixturevalue("sample_run").output if what == "replay" else tmp_path
        command = [sys.executable, str(FAKE_ENGINE), what, str(folder)]
        monkeypatch.setattr(python, "python_command", lambda: command)

    return choose


@pytest.fixture
def detected(sample, engine, slicer_app):
    """The panel with a result of the sample."""
    engine("replay")
    from panel.at_the_panel import detect

    detect(sample, slicer_app)
    return sample
