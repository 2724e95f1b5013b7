"""Where in the brain a voxel lies."""

import numpy as np
from AnomalyDetectionLib.imaging.brain_extent import BrainExtent, mirrored
from hypothesis import given
from hypothesis import strategies as st

sizes = st.tuples(st.integers(4, 12), st.integers(10, 30), st.integers(10, 30))


def brain(size, start):
    mask = np.zeros(tuple(n + 20 for n in size), bool)
    mask[tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))] = True
    return mask


@given(sizes, st.tuples(*[st.integers(0, 20)] * 3))
def test_a_brain_that_lies_elsewhere_has_the_same_places(size, start):
    here = BrainExtent.of(brain(size, (0, 0, 0)))
    there = BrainExtent.of(brain(size, start))
    index = np.arange(4)
    moved = there.coordinates(*(index + s for s in start))
    assert np.allclose(here.coordinates(index, index, index), moved, atol=1e-5)


@given(sizes)
def test_left_and_right_are_alike_and_up_and_front_are_not(size):
    mask = brain(size, (3, 3, 3))
    place = BrainExtent.of(mask)
    s, i, j = np.nonzero(mask)
    here, mirrored = place.coordinates(s, i, j), place.coordinates(s, i, 2 * place.middle[2] - j)
    assert np.allclose(here, mirrored, atol=1e-5)
    assert here[0].min() < -0.5 < 0.5 < here[0].max()
    assert here[1].min() < -0.5 < 0.5 < here[1].max()
    assert (here[2] >= 0).all()


def test_an_empty_mask_has_the_extent_of_its_grid():
    assert BrainExtent.of(np.zeros((5, 7, 9), bool)).middle == (2.0, 3.0, 4.0)


@given(sizes)
def test_the_other_side_of_a_brain_lies_on_this_one(size):
    mask = brain(size, (3, 4, 5))
    opposite = BrainExtent.of(mask).other_side(mask.shape[2])
    assert (mirrored(mask, opposite) == mask).mean() > 0.93
    assert np.array_equal(mirrored(mirrored(mask, opposite), opposite)[..., 5:-5], mask[..., 5:-5])


def test_beyond_the_grid_there_is_no_other_side():
    opposite = BrainExtent((0.0, 0.0, 2.0), (1.0, 1.0, 1.0)).other_side(7)
    assert opposite.tolist() == [4, 3, 2, 1, 0, -1, -1]
    assert mirrored(np.arange(7.0), opposite).tolist() == [4, 3, 2, 1, 0, 0, 0]
