"""Beside a finding: the most similar normal tissue."""

from __future__ import annotations

import dataclasses
import hashlib
import sys

import numpy as np
import pytest
import qt
from AnomalyDetectionLib.model.model_file import save_model
from AnomalyDetectionLib.scene.result_record import read_record, record_text
from normal_tissue import a_model_with_library

from panel.at_the_panel import numbers, visible


@pytest.fixture
def with_normal_tissue(detected, tmp_path):
    """The panel with a result whose model has a library of normal patches, and that model's file."""
    path = tmp_path / "mine.safetensors"
    save_model(a_model_with_library(), path)
    made_by(detected, path)
    return detected, path


def made_by(widget, path):
    """Let the result say that this model made it."""
    node = widget.panel.result.record
    model = {"name": "mine", "file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    record = dataclasses.replace(read_record(node), provenance={"model": model})
    node.SetText(record_text(record))
    widget.panel.review.refill()


def drawn(widget):
    """The picture in the label, as Qt shows it: an array (rows, columns, 4)."""
    wait_for_it(widget)
    label = widget.ui.nearestLabel
    document = qt.QTextDocument()
    document.setHtml(label.text)
    url = label.text.split('src="')[1].split('"')[0]
    image = document.resource(qt.QTextDocument.ImageResource, qt.QUrl(url)).toImage()
    image = image.convertToFormat(qt.QImage.Format_RGBA8888)
    return np.array(image.constBits()).reshape(image.height(), image.width(), 4)


def wait_for_it(widget):
    """It comes when the finding has been looked at for a moment."""
    for _ in range(400):
        if widget.ui.nearestLabel.text:
            break
        qt.QTest.qWait(25)


def test_a_finding_is_shown_beside_the_most_similar_normal_tissue(with_normal_tissue):
    widget, _path = with_normal_tissue
    label = widget.ui.nearestLabel
    first = drawn(widget)
    assert visible(label)
    assert "Most similar normal tissue" in label.text
    assert 6 * 32 < first.shape[1] < 340, "six patches large enough to see, in a panel of 380 pixels"
    assert first[..., :3].std() > 20
    widget.panel.review.next()
    assert (drawn(widget) != first).any()


def test_it_follows_the_threshold(with_normal_tissue):
    widget, _path = with_normal_tissue
    widget.ui.thresholdSlider.value = 50.0
    widget.panel.display.rederive()
    assert not visible(widget.ui.nearestLabel), "no finding, nothing beside it"
    widget.ui.thresholdSlider.value = 2.0
    widget.panel.display.rederive()
    widget.panel.review.select(numbers(widget)[-1])
    assert drawn(widget).size


def test_without_the_models_file_a_sentence_says_so(with_normal_tissue):
    widget, path = with_normal_tissue
    path.unlink()
    widget.panel.review.next()
    wait_for_it(widget)
    assert "no longer exists" in widget.ui.nearestLabel.text
    assert "<img" not in widget.ui.nearestLabel.text


def test_without_a_package_that_draws_a_sentence_says_so(with_normal_tissue, monkeypatch):
    widget, _path = with_normal_tissue
    for name in [name for name in sys.modules if name == "PIL" or name.startswith("PIL.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    widget.panel.review.next()
    wait_for_it(widget)
    assert "PIL is not installed" in widget.ui.nearestLabel.text


def test_it_is_there_in_a_scene_that_was_saved_and_opened(with_normal_tissue, slicer_app, tmp_path):
    widget, _path = with_normal_tissue
    before = drawn(widget)
    slicer_app.save_scene(tmp_path / "study.mrb")
    slicer_app.open_scene(tmp_path / "study.mrb")
    slicer_app.app.processEvents()
    widget.panel.review.select(widget.panel.review.table.numbers[0])
    assert (drawn(widget) == before).all()
