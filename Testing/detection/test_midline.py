"""The brain's own midline."""

from dataclasses import replace

import numpy as np
import pytest
from AnomalyDetectionLib.detection.midline import Midline
from synthetic_study import MODEL_GRID, ellipsoid, prepared_study, rotated


@pytest.mark.parametrize("degrees", [0, 10, -20])
def test_the_midline_turns_with_the_head(degrees):
    # The head is turned within a grid that is not.
    study = replace(prepared_study(), brain=ellipsoid(MODEL_GRID, degrees))
    midline = Midline.of(study)
    angle = np.deg2rad(degrees)
    left, front = np.array([np.cos(angle), np.sin(angle), 0]), np.array([np.sin(angle), -np.cos(angle), 0])
    for along in (-25, 0, 25):
        assert midline.side(12 * left + along * front) == "left"
        assert midline.side(-12 * left + along * front) == "right"
        assert midline.side(1.0 * left + along * front) == "midline"


def test_a_brain_that_lies_off_the_middle_of_the_image_has_its_own_midline():
    shifted = replace(MODEL_GRID, origin=(MODEL_GRID.origin[0] + 50, *MODEL_GRID.origin[1:]))
    study = replace(prepared_study(), grid=shifted)
    midline = Midline.of(study)
    assert midline.side(np.array([50.0 + 12, 0, 0])) == "left"
    assert midline.side(np.array([50.0 - 12, 0, 0])) == "right"


def test_a_turned_grid_gives_the_same_sides():
    study = prepared_study(model_grid=rotated(MODEL_GRID, 30), flair_grid=rotated(MODEL_GRID, 30), degrees=30)
    normal = Midline.of(study).normal
    assert normal == pytest.approx((np.cos(np.pi / 6), np.sin(np.pi / 6), 0), abs=0.02)
