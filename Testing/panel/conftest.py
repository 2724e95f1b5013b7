"""What the panel's tests share: a Slicer to open the panel in."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.candidate_probabilities import CandidateProbabilities
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.detection.stored_scores import FOLDER, read_stored, restore, write_stored
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.model.classes import INFARCT, NORMAL, OTHER, WMH
from AnomalyDetectionLib.panel import slicer_python, standby
from AnomalyDetectionLib.reporting.tables import write_json
from conftest import REPOSITORY

from panel.at_the_panel import detect
from panel.stand_ins.slicer_application import SlicerApplication

MODULE = REPOSITORY / "AnomalyDetection" / "AnomalyDetection.py"
FAKE_ENGINE = Path(__file__).parent / "fake_engine.py"


@pytest.fixture
def a_slicer_application(tmp_path):
    """A `SlicerApplication` with an empty scene, new for each test."""
    application = SlicerApplication(tmp_path)
    yield application
    application.stop()
    # What is raised in a slot or an observer does not reach the test otherwise.
    assert not application.errors, "\n".join(application.errors)


@pytest.fixture
def slicer_app(a_slicer_application, monkeypatch):
    """A Slicer whose Python is this one."""
    monkeypatch.setattr(slicer_python, "python_command", lambda: [sys.executable])
    for name in ("AFTER_MS", "AFTER_RESULT_MS"):  # no engine but those that a test asks for
        monkeypatch.setattr(standby, name, 3_600_000)
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
    """Which engine runs: `engine("replay")` gives the results that the real one left of the sample, and
    `engine("replay", "run_with_hints")` those of that fixture."""

    def choose(what: str, run: str = "sample_run") -> None:
        folder = request.getfixturevalue(run).output if what == "replay" else tmp_path
        command = [sys.executable, str(FAKE_ENGINE), what, str(folder)]
        monkeypatch.setattr(slicer_python, "python_command", lambda: command)

    return choose


@pytest.fixture
def detected(sample, engine, slicer_app):
    """The panel with a result of the sample."""
    engine("replay")
    detect(sample, slicer_app)
    return sample


@pytest.fixture(scope="session")
def run_with_hints(sample_run, made_once):
    """`sample_run` as the context detector would leave it: scores are probabilities, and findings have all five hints."""
    threshold, min_patches = 0.787, 2

    def probability(score):
        # That of 3 is the threshold
        return (score / (score + 3.0 * (1 - threshold) / threshold)).astype(np.float32)

    def make(folder: Path) -> None:
        shutil.copytree(sample_run.output, folder, dirs_exist_ok=True)
        scores = restore(read_stored(folder / FOLDER))
        image = Grid.of(scores.image).image(probability(np.maximum(sitk.GetArrayFromImage(scores.image), 0)))
        scores = replace(scores, lattice=probability(scores.lattice), image=image, false_positive_curve=None)
        found = derive_findings(scores, threshold=threshold, min_patches=min_patches)
        assert len(found.items) == 8
        labels, answers = np.zeros(scores.study.grid.shape, np.int32), np.full((8, 5), 0.05, np.float32)
        for k, item in enumerate(found.items):
            s, i, j = item.peak_patch
            stride = scores.settings.stride
            labels[s, scores.first[0] + stride * i, scores.first[1] + stride * j] = k + 1
            likeliest = (INFARCT, WMH, OTHER, NORMAL, None)[k % 5]
            answers[k, slice(None) if likeliest is None else likeliest] = 0.2 if likeliest is None else 0.8
        scores = replace(scores, candidates=CandidateProbabilities(labels, answers))
        write_stored(scores, folder / FOLDER)
        record = folder / "findings.json"
        found = derive_findings(scores, threshold=threshold, min_patches=min_patches)
        content = json.loads(record.read_text("utf-8"))
        content["settings"]["scoring"] |= {"threshold": threshold, "min_patches": min_patches}
        write_json(found, content, record)

    return replace(sample_run, output=made_once("run_with_hints", make))


@pytest.fixture
def detected_with_hints(sample, engine, slicer_app):
    """The panel with a result of the sample whose findings have different hints."""
    engine("replay", "run_with_hints")
    detect(sample, slicer_app)
    return sample
