"""What the context detector says of every voxel, from a network with random weights."""

import numpy as np
import pytest
import torch
from AnomalyDetectionLib.detection.context import class_probabilities
from AnomalyDetectionLib.model.context_network import ContextNetwork, ContextSettings


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return ContextNetwork(ContextSettings(widths=(8, 8, 8))).eval()


def scan(shape=(5, 61, 47), seed=0):
    rng = np.random.default_rng(seed)
    brain = np.zeros(shape, bool)
    brain[1:, 5:-7, 4:-6] = True
    t1, flair = (rng.uniform(0, 1, shape).astype(np.float32) for _ in range(2))
    return t1, flair, brain


@pytest.mark.parametrize("shape", [(5, 61, 47), (3, 64, 48), (1, 33, 30)])
def test_every_voxel_of_the_brain_has_probabilities_and_all_else_is_normal(network, shape):
    t1, flair, brain = scan(shape)
    brain[0, 10:20, 10:20] = True
    found = class_probabilities(t1, flair, brain, network)
    assert found.shape == (5, *shape)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    assert (found[0][~brain] == 1).all()
    assert (found[:, brain] > 0).all()


def test_a_brain_that_touches_the_border_of_the_image_is_seen_whole(network):
    t1, flair, _ = scan()
    brain = np.ones(t1.shape, bool)
    padded = [np.pad(array, ((0, 0), (16, 16), (16, 16))) for array in (t1, flair, brain)]
    found = class_probabilities(t1, flair, brain, network)
    np.testing.assert_allclose(found, class_probabilities(*padded, network)[:, :, 16:-16, 16:-16], atol=1e-5)


def test_a_mirrored_head_has_mirrored_probabilities(network):
    t1, flair, brain = scan((5, 64, 48))
    brain[:, :, :4], brain[:, :, 4:-4], brain[:, :, -4:] = False, brain[:, :, 20:21], False
    mirrored = [np.ascontiguousarray(array[:, :, ::-1]) for array in (t1, flair, brain)]
    here, there = (class_probabilities(*study, network) for study in ((t1, flair, brain), mirrored))
    np.testing.assert_allclose(here, there[..., ::-1], atol=1e-4)


def test_what_lies_beyond_the_brain_does_not_matter(network):
    t1, flair, brain = scan()
    other = np.where(brain, t1, 7.0).astype(np.float32)
    np.testing.assert_array_equal(
        class_probabilities(t1, flair, brain, network), class_probabilities(other, flair, brain, network)
    )
