"""Shapes known finely, as the partial volumes of a scan's voxels."""

from __future__ import annotations

import numpy as np
import pytest
from anomaly_research.simulation.rendering import Projection, most_filled
from AnomalyDetectionLib.grid import Grid
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

FINE = Grid((61, 57, 53), (0.5, 0.5, 0.5), (-15.0, -14.0, -13.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def ball(radius: float, centre=(0.0, 0.0, 0.0)) -> np.ndarray:
    s, r, c = np.indices(FINE.shape)
    points = FINE.points(np.stack([c, r, s], -1).reshape(-1, 3))
    return (np.linalg.norm(points - centre, axis=1) < radius).reshape(FINE.shape).astype(np.float32)


def turned(angles) -> np.ndarray:
    return Rotation.from_euler("xyz", angles, degrees=True).as_matrix()


def middle_of(seen, projection, scan):
    """The centre of mass in LPS mm of what is seen in the box of a projection."""
    index = np.indices(seen.shape).reshape(3, -1) + np.array([[b.start] for b in projection.box])
    return scan.points(((index * seen.ravel()).sum(1) / seen.sum())[None, ::-1])[0]


def a_scan(spacing, direction, shift=(0.0, 0.0, 0.0)) -> Grid:
    """A grid of 60 mm round the world's origin, off by a shift."""
    size = tuple(int(np.ceil(60 / s)) for s in spacing)
    origin = -direction @ (np.array(spacing) * (np.array(size) - 1) / 2) + shift
    return Grid(size, tuple(spacing), tuple(map(float, origin)), tuple(map(float, direction.ravel())))


spacings = st.tuples(st.floats(0.6, 2.0), st.floats(0.6, 2.0), st.floats(0.8, 5.0))
angles = st.tuples(*[st.floats(-25, 25)] * 3)
shifts = st.tuples(*[st.floats(-2, 2)] * 3)


@settings(max_examples=30, deadline=None)
@given(spacings, angles, shifts, st.floats(3.0, 8.0))
def test_volume_and_place_are_kept_on_any_grid_and_labelled_voxels_are_worth_the_volume(
    spacing, angle, shift, radius
):
    scan = a_scan(spacing, turned(angle), shift)
    shape = ball(radius)
    projection = Projection(FINE, scan, np.eye(4))
    volume = float(shape.sum()) * FINE.voxel_ml / scan.voxel_ml
    filled = projection.fractions(shape)
    for seen in (filled, projection.seen(shape, 0.6)):
        assert seen.sum() == pytest.approx(volume, rel=0.02)
        # Slices nearly as thick as the ball do not tell its middle more closely (up to 0.21 mm at 5 mm).
        assert np.allclose(middle_of(seen, projection, scan), 0, atol=max(0.15, 0.05 * max(spacing)))
    chosen = most_filled(filled, volume)
    if volume > 20:
        assert chosen.sum() == pytest.approx(volume, rel=0.05)
    assert chosen.any()


def test_a_scan_in_another_space_shows_the_shape_where_the_alignment_puts_it():
    to_scan = np.eye(4)
    to_scan[:3, :3] = turned((4, -7, 11))
    to_scan[:3, 3] = (9.0, -6.0, 5.0)
    scan = a_scan((0.8, 0.9, 3.0), turned((0, 10, 0)), to_scan[:3, 3])
    centre = np.array([3.0, -2.0, 4.0])
    projection = Projection(FINE, scan, to_scan)
    middle = middle_of(projection.fractions(ball(5.0, centre)), projection, scan)
    assert np.allclose(middle, to_scan[:3, :3] @ centre + to_scan[:3, 3], atol=0.15)


def test_a_shape_outside_the_scan_is_refused():
    with pytest.raises(ValueError, match="outside the scan"):
        Projection(FINE, a_scan((1.0, 1.0, 1.0), np.eye(3), (200.0, 0.0, 0.0)), np.eye(4))


def test_voxels_filled_by_half_are_labelled_for_a_shape_much_larger_than_a_voxel():
    scan = a_scan((1.0, 1.0, 1.0), np.eye(3))
    shape = ball(9.0)
    filled = Projection(FINE, scan, np.eye(4)).fractions(shape)
    chosen = most_filled(filled, float(shape.sum()) * FINE.voxel_ml / scan.voxel_ml)
    assert filled[chosen].min() == pytest.approx(0.5, abs=0.07)


def test_a_shape_smaller_than_a_voxel_gets_the_voxel_it_fills_most():
    filled = np.zeros((3, 3, 3), np.float32)
    filled[1, 1, 1], filled[1, 1, 2] = 0.2, 0.1
    chosen = most_filled(filled, 0.3)
    assert chosen.sum() == 1
    assert chosen[1, 1, 1]
    assert not most_filled(np.zeros((2, 2, 2), np.float32), 4.0).any()


def test_a_smooth_field_is_read_at_the_voxels_and_carried_on_beyond_the_grid():
    s, r, c = np.indices(FINE.shape)
    field = FINE.points(np.stack([c, r, s], -1).reshape(-1, 3))[:, 0].reshape(FINE.shape).astype(np.float32)
    scan = a_scan((2.0, 2.0, 4.0), np.eye(3))
    projection = Projection(FINE, scan, np.eye(4))
    values = projection.interpolated(field, projection.box)
    columns = np.arange(projection.box[2].start, projection.box[2].stop)
    there = scan.origin[0] + 2.0 * columns
    assert np.allclose(values[3, 4], np.clip(there, -15, 15), atol=1e-3)
