"""Random shapes and fields."""

import numpy as np
import pytest
from anomaly_research.simulation.shapes import pick, random_blob, smooth_noise
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage


@settings(max_examples=25, deadline=None)
@example(seed=2604, volume=4.0, elongation=1.625, slice_mm=0.8)  # two pieces, of 90 and of 10 %
@given(
    seed=st.integers(0, 10_000),
    volume=st.floats(0.05, 5.0),
    elongation=st.floats(1.0, 3.0),
    slice_mm=st.sampled_from([0.8, 1.0, 2.0]),
)
def test_a_shape_has_the_volume_asked_for_and_is_not_cut_off(seed, volume, elongation, slice_mm):
    spacing = (slice_mm, 0.9, 0.9)
    blob = random_blob(np.random.default_rng(seed), volume, spacing, elongation)
    voxel = np.prod(spacing) / 1000
    assert abs(blob.sum() * voxel - volume) <= 0.51 * voxel
    for axis in range(3):
        ends = np.take(blob, [0, -1], axis)
        assert not ends.any()
    assert largest_piece(blob) > 0.8  # of 8,000 shapes 0.85 and more


def test_nearly_every_shape_is_in_one_piece_but_for_a_tenth():
    shapes = [random_blob(np.random.default_rng(seed), 1.0, (1.0, 0.9, 0.9), 2.0) for seed in range(100)]
    assert np.mean([largest_piece(shape) > 0.9 for shape in shapes]) >= 0.98


def largest_piece(shape):
    """The share of a shape that is its largest piece."""
    labels, _ = ndimage.label(shape, np.ones((3, 3, 3)))
    return np.bincount(labels.ravel())[1:].max() / shape.sum()


def test_a_long_shape_is_longer_than_a_round_one():
    def longest_over_shortest(elongation):
        ratios = []
        for seed in range(10):
            blob = random_blob(np.random.default_rng(seed), 2.0, (1.0, 1.0, 1.0), elongation)
            spread = np.linalg.eigvalsh(np.cov(np.argwhere(blob).T))
            ratios.append(np.sqrt(spread[-1] / spread[0]))
        return np.mean(ratios)

    assert longest_over_shortest(3.0) > 1.5 * longest_over_shortest(1.0)


def test_the_same_seed_makes_the_same_shape_and_another_seed_another():
    first, again, other = (
        random_blob(np.random.default_rng(seed), 1.0, (1.0, 0.9, 0.9), 1.5) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_smooth_noise_has_unit_variance_and_the_same_scale_in_mm_on_every_grid():
    rng = np.random.default_rng(0)
    field = smooth_noise(rng, (60, 120, 120), (4.0, 1.0, 1.0), 8.0)
    assert field.mean() == pytest.approx(0, abs=0.1)
    assert field.std() == pytest.approx(1, abs=0.1)
    # Neighbours 4 mm apart are as alike along the thick axis as along a thin one.
    along_slices = np.mean(field[1:] * field[:-1])
    along_rows = np.mean(field[:, 4:] * field[:, :-4])
    assert along_slices == pytest.approx(along_rows, abs=0.08)
    assert along_rows > 0.5


def test_a_site_more_or_less_does_not_move_the_choice():
    sites = np.random.default_rng(0).random((20, 20, 20)) < 0.1
    chosen = pick(np.random.default_rng(5), sites)
    assert sites[chosen]
    fewer = sites.copy()
    other = next(tuple(i) for i in np.argwhere(sites) if tuple(i) != chosen)
    fewer[other] = False
    assert pick(np.random.default_rng(5), fewer) == chosen
    assert pick(np.random.default_rng(5), np.zeros((2, 2), bool)) is None
