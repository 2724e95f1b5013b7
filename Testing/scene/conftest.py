"""What the tests of the bridge share: an empty scene of slicer-core with its logics."""

from __future__ import annotations

import pytest


@pytest.fixture
def a_slicer_scene():
    """A `SlicerScene` (scene and logics), new for each test; skipped where slicer-core is not installed."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    from slicer_scene import make_scene

    made = make_scene()
    yield made
    made.scene.Clear(True)
