"""Slice profile, noise and unevenness."""

import numpy as np
import pytest
from anomaly_research.simulation import scanner


def test_an_even_signal_stays_what_it_is_through_the_slice_profile():
    slices = scanner.slice_profile(np.full((5 * 6, 3, 4), 7.0, np.float32), 5)
    assert slices.shape == (4, 3, 4)
    assert slices == pytest.approx(7.0, rel=1e-5)


def test_a_thin_layer_is_seen_mostly_in_its_own_slice_and_a_little_in_the_next():
    signal = np.zeros((5 * 5, 1, 1), np.float32)
    signal[5 + 5 + 2] = 1.0  # The middle layer of the second slice.
    own = scanner.slice_profile(signal, 5)[:, 0, 0]
    assert own.argmax() == 1
    assert own[0] == pytest.approx(own[2])
    assert 0 < own[0] < 0.15 * own[1]


def test_occupancy_is_the_share_of_a_voxel_that_is_filled():
    mask = np.zeros((5 * 4, 1, 1), bool)
    mask[5:8] = True
    assert scanner.occupancy(mask, 5)[:, 0, 0] == pytest.approx([0.6, 0.0])


def test_noise_in_air_is_rayleigh_and_in_tissue_gaussian():
    rng = np.random.default_rng(0)
    ones = np.ones((4, 100, 100), np.float32)
    air = scanner.noisy(0 * ones, 0.1, rng)
    assert air.mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.02)
    tissue = scanner.noisy(ones, 0.03, rng)
    assert tissue.std() == pytest.approx(0.03, rel=0.03)


def test_the_fields_are_smooth_and_moderate():
    rng = np.random.default_rng(0)
    shape, spacing = (38, 60, 50), (4.0, 3.6, 3.6)
    for field in (scanner.coil(rng, shape, spacing), scanner.transmit(rng, shape)):
        assert 0.6 < field.min() < field.max() < 1.6
        assert max(abs(np.diff(field, axis=a)).max() for a in range(3)) < 0.05
