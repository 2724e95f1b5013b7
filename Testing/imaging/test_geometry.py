"""Voxel axes and the model's grid, on oblique, flipped and anisotropic volumes."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.geometry import lps_axes, model_grid, slices_to_average, to_lps_axes
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from hypothesis import given, settings
from hypothesis import strategies as st

AXES = [np.eye(3)[list(order)] for order in itertools.permutations(range(3))]


@st.composite
def grids(draw):
    """Any orientation: axes permuted and flipped, and tilted by up to 14 degrees about each axis."""
    # In steps of a tenth of a degree: ITK's decomposition fails at angles of 1e-308, which no scanner has.
    angles = [np.radians(draw(st.integers(-143, 143)) / 10) for _ in range(3)]
    tilt = sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles)
    flips = np.diag([draw(st.sampled_from((-1.0, 1.0))) for _ in range(3)])
    direction = np.asarray(tilt.GetMatrix()).reshape(3, 3) @ draw(st.sampled_from(AXES)) @ flips
    size = tuple(draw(st.integers(5, 14)) for _ in range(3))
    spacing = tuple(draw(st.floats(0.4, 6.0)) for _ in range(3))
    origin = tuple(draw(st.floats(-200, 200)) for _ in range(3))
    return Grid(size, spacing, origin, tuple(direction.ravel().tolist()))


@given(grids())
@settings(max_examples=60, deadline=None)
def test_a_flipped_oblique_volume_keeps_every_point_in_place(grid):
    values = np.random.default_rng(0).normal(size=grid.shape).astype(np.float32)
    image = grid.image(values)
    turned = to_lps_axes(image)
    for x, y, z in itertools.product(*((0, n // 2, n - 1) for n in grid.size)):
        point = image.TransformIndexToPhysicalPoint((x, y, z))
        index = turned.TransformPhysicalPointToIndex(point)
        assert turned.GetPixel(index) == image.GetPixel((x, y, z))
        assert np.allclose(turned.TransformIndexToPhysicalPoint(index), point, atol=1e-6)


@given(grids())
@settings(max_examples=60, deadline=None)
def test_the_axes_of_a_turned_volume_run_to_left_posterior_and_superior(grid):
    turned = Grid.of(to_lps_axes(grid.image(np.zeros(grid.shape, np.uint8))))
    assert lps_axes(turned) == ((0, 1, 2), (False, False, False))
    assert np.all(np.diag(np.asarray(turned.direction).reshape(3, 3)) > 0.7)


@given(grids(), st.floats(0.5, 2.0), st.floats(1.0, 9.0), st.data())
@settings(max_examples=60, deadline=None)
def test_the_model_grid_covers_the_brain_with_whole_slices(grid, in_plane_mm, slice_mm, data):
    native = Grid.of(to_lps_axes(grid.image(np.zeros(grid.shape, np.uint8))))
    brain = np.zeros(native.shape, bool)
    low = [data.draw(st.integers(0, n - 1)) for n in native.shape]
    high = [data.draw(st.integers(a, n - 1)) for a, n in zip(low, native.shape, strict=True)]
    brain[low[0] : high[0] + 1, low[1] : high[1] + 1, low[2] : high[2] + 1] = True
    model = model_grid(native, brain, PreparationSettings(in_plane_mm=in_plane_mm, slice_mm=slice_mm))
    averaged = model.spacing[2] / native.spacing[2]
    assert averaged == pytest.approx(round(averaged))
    start = native.indices(np.asarray([model.origin]))[0]
    first = start[2] - (round(averaged) - 1) / 2
    assert first == pytest.approx(round(first), abs=1e-6)
    assert round(first) >= 0
    assert round(first) + model.size[2] * round(averaged) <= native.size[2]
    # All of the brain is inside within the slice; across, all but what makes no whole slice.
    end = round(first) + model.size[2] * round(averaged)
    lost = max(0, round(first) - low[0]) + max(0, high[0] + 1 - end)
    assert lost < round(averaged)
    for axis, array_axis in ((0, 2), (1, 1)):
        step = model.spacing[axis] / native.spacing[axis]
        assert start[axis] - step / 2 <= low[array_axis] + 0.5
        assert start[axis] + (model.size[axis] - 0.5) * step >= high[array_axis] - step


@pytest.mark.parametrize(
    ("spacing_mm", "expected"),
    [(4.0, 1), (3.0, 1), (2.0, 2), (1.0, 4), (0.47, 9), (5.0, 1), (7.0, 1), (2.6, 2), (1.2, 3)],
)
def test_as_many_slices_are_averaged_as_come_closest_to_four_mm(spacing_mm, expected):
    assert slices_to_average(spacing_mm, 4.0) == expected
