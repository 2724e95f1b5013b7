"""What the panel's tests share: a Slicer to open the panel in."""

from __future__ import annotations

import os

import pytest

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
    assert not application.errors, application.errors
