"""From the lattice back to the grid."""

import numpy as np
import pytest
from AnomalyDetectionLib.detection.lattice import mean_of_patches, paint_cells
from hypothesis import given, settings
from hypothesis import strategies as st

lattices = st.tuples(
    st.integers(1, 2), st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99)
)


def a_lattice(slices, rows, columns, stride, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(slices, rows, columns)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    first = (int(rng.integers(0, 6)), int(rng.integers(0, 6)))
    shape = (slices, first[0] + rows * stride + 2, first[1] + columns * stride + 2)
    return values, first, shape


@settings(deadline=None, max_examples=60)
@given(lattices)
def test_every_patch_paints_the_cell_round_its_centre_and_nothing_else(parameters):
    stride = parameters[3]
    values, first, shape = a_lattice(*parameters)
    expected = np.zeros(shape, np.float32)
    for (s, i, j), value in np.ndenumerate(values):
        row, column = first[0] + i * stride - stride // 2, first[1] + j * stride - stride // 2
        if np.isfinite(value):
            cell = expected[s, max(row, 0) : max(row + stride, 0), max(column, 0) : max(column + stride, 0)]
            assert not cell.any(), "cells overlap"
            cell[:] = value
    painted = paint_cells(values, first, stride, shape)
    assert painted.dtype == values.dtype
    np.testing.assert_array_equal(painted, expected)


@settings(deadline=None, max_examples=60)
@given(lattices, st.sampled_from([1, 3, 7, 15]))
def test_the_mean_is_over_all_patches_that_contain_a_voxel(parameters, patch_size):
    stride, half = parameters[3], patch_size // 2
    values, first, shape = a_lattice(*parameters)
    total, count = np.zeros(shape), np.zeros(shape)
    for (s, i, j), value in np.ndenumerate(values):
        row, column = first[0] + i * stride, first[1] + j * stride
        if np.isfinite(value):
            window = (
                s,
                slice(max(row - half, 0), row + half + 1),
                slice(max(column - half, 0), column + half + 1),
            )
            total[window] += value
            count[window] += 1
    expected = np.divide(total, count, out=np.zeros(shape), where=count > 0)
    mean = mean_of_patches(values, first, stride, shape, patch_size)
    np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-6)


def test_whole_numbers_stay_whole_numbers():
    painted = paint_cells(np.full((1, 2, 2), 65535, np.uint16), (2, 2), 4, (1, 9, 9))
    assert painted.dtype == np.uint16
    assert set(np.unique(painted)) == {0, 65535}


def test_a_lattice_with_other_slices_than_the_grid_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        paint_cells(np.zeros((2, 3, 3)), (0, 0), 4, (3, 20, 20))
