"""What the tests of the bridge share: an empty scene of slicer-core with its logics."""

from __future__ import annotations

import pytest
from slicer_scene import make_scene


@pytest.fixture
def a_slicer_scene():
    """A `SlicerScene` (scene and logics), new for each test."""
    made = make_scene()
    yield made
    made.scene.Clear(True)
