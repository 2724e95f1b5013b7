"""The scores of the context detector, from a network with random weights."""

import numpy as np
import pytest
import torch
from AnomalyDetectionLib.detection.context import ContextFeatures, context_features, fused
from AnomalyDetectionLib.detection.patches import PatchLattice
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.context_network import (
    Answer,
    ContextNetwork,
    ContextSettings,
    context_inputs,
    mahalanobis_squared,
)

SETTINGS = ContextSettings(widths=(8, 8, 8), fusion=(0.0, 1.0, 0.5))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return ContextNetwork(SETTINGS).eval()


def scan(shape=(5, 61, 47), seed=0):
    rng = np.random.default_rng(seed)
    brain = np.zeros(shape, bool)
    brain[1:, 5:-7, 4:-6] = True
    t1, flair = (rng.uniform(0, 1, shape).astype(np.float32) for _ in range(2))
    return t1, flair, brain


def scores(network, t1, flair, brain):
    return fused(context_features(t1, flair, brain, network), network.settings)


@pytest.mark.parametrize("shape", [(5, 61, 47), (3, 64, 48), (1, 33, 30)])
def test_every_cell_of_the_brain_has_a_score(network, shape):
    t1, flair, brain = scan(shape)
    brain[0, 10:20, 10:20] = True

    values = scores(network, t1, flair, brain)

    assert values.shape == (PatchLattice.over(brain, 2).inside.sum(),)
    assert np.isfinite(values).all()
    assert (values > 0).all()


def test_a_mirrored_head_has_mirrored_scores(network):
    t1, flair, brain = scan((5, 64, 48))
    brain[:, :, :4], brain[:, :, 4:-4], brain[:, :, -4:] = False, brain[:, :, 20:21], False
    mirrored = [np.ascontiguousarray(array[:, :, ::-1]) for array in (t1, flair, brain)]

    here, there = (
        PatchLattice.over(study[2], 2).spread(scores(network, *study))
        for study in ((t1, flair, brain), mirrored)
    )

    assert np.allclose(here, there[:, :, ::-1], atol=1e-4, equal_nan=True)


def test_what_lies_beyond_the_brain_does_not_matter(network):
    t1, flair, brain = scan()
    other = np.where(brain, t1, 7.0).astype(np.float32)

    assert np.array_equal(scores(network, t1, flair, brain), scores(network, other, flair, brain))


def test_a_brain_moved_by_whole_cells_has_the_same_scores(network):
    t1, flair, brain = scan()
    moved = [np.pad(array, ((0, 0), (6, 0), (4, 0))) for array in (t1, flair, brain)]

    assert np.allclose(scores(network, t1, flair, brain), scores(network, *moved), atol=1e-5)


def test_no_brain_is_an_error_in_words(network):
    t1, flair, brain = scan()

    with pytest.raises(InputError, match="brain mask"):
        context_features(t1, flair, np.zeros_like(brain), network)


def test_the_score_rises_with_either_head():
    features = ContextFeatures(
        *(np.array(v, np.float32) for v in ([0, 0, 0], [0.1, 0.5, 0.5], [1.0, 1.0, 9.0]))
    )

    first, second, third = fused(features, SETTINGS)

    assert first < second < third


def test_what_is_hyperintense_counts_as_much_as_is_set():
    features = ContextFeatures(*(np.array([v], np.float32) for v in (0.6, 0.1, 0.0)))
    alone = fused(features, ContextSettings(hyperintense=0.0))

    assert alone < fused(features, ContextSettings(hyperintense=0.5)) < fused(features, ContextSettings())
    assert fused(features, ContextSettings())[0] == pytest.approx(-np.log(0.3), rel=1e-4)


def test_the_distance_is_that_of_mahalanobis():
    covariance = np.array([[1.5, -0.4], [-0.4, 0.8]])
    z = np.random.default_rng(0).normal(size=(2, 6))
    zero = torch.zeros(1, 2, 1, 6)
    expected = np.einsum("in,ij,jn->n", z, np.linalg.inv(covariance), z)

    found = mahalanobis_squared(
        torch.from_numpy(z)[None, :, None].float(), Answer(zero, zero, zero), (1.5, -0.4, 0.8)
    )

    assert found[0, 0].numpy() == pytest.approx(expected, rel=1e-4)


def test_an_image_that_is_hidden_is_not_seen():
    images = torch.rand(2, 3, 2, 8, 8)
    arguments = torch.ones(2, 8, 8), torch.zeros(2, 3, 8, 8), images[:, 1]
    changed = images.clone()
    changed[:, :, 1] += 1

    hidden = context_inputs(images, *arguments, (True, False))

    assert hidden.shape == (2, SETTINGS.inputs, 8, 8)
    assert torch.equal(hidden, context_inputs(changed, *arguments, (True, False)))
    assert not torch.equal(hidden, context_inputs(images, *arguments, (True, True)))
