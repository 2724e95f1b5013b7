"""The networks, their losses and the folded twin used for scoring."""

import pytest
import torch
from anomaly_research.training.settings import LossWeights
from anomaly_research.training.trainer import discriminator_loss, generator_losses, soft_labels
from AnomalyDetectionLib.model.fuse_batchnorm import LatentDifference
from AnomalyDetectionLib.model.model_settings import NetworkSettings
from AnomalyDetectionLib.model.networks import Discriminator, Encoding, Generator, initialise


def trained_a_little(settings):
    """A generator whose batch-norm statistics and weights are not those of a new one."""
    generator = Generator(settings)
    initialise(generator, 3)
    for _ in range(5):
        generator(torch.rand(64, 2, 15, 15))
    return generator.eval()


def test_the_networks_have_the_parameters_of_the_paper():
    for network, count in ((Generator, 970_496), (Discriminator, 209_408)):
        assert sum(weights.numel() for weights in network(NetworkSettings()).parameters()) == count


def test_a_patch_becomes_a_latent_vector_and_a_patch_again():
    encoding = trained_a_little(NetworkSettings())(torch.rand(7, 2, 15, 15))
    assert encoding.z.shape == encoding.z_hat.shape == (7, 100)
    assert encoding.reconstruction.shape == (7, 2, 15, 15)


@pytest.mark.parametrize("size", [50, 400])
def test_the_latent_size_is_a_setting(size):
    assert trained_a_little(NetworkSettings(latent_size=size))(torch.rand(2, 2, 15, 15)).z.shape == (2, size)


def test_tanh_cannot_follow_intensities_above_one_and_no_activation_can():
    bright = torch.full((4, 2, 15, 15), 5.0)
    assert trained_a_little(NetworkSettings(output_activation="tanh"))(bright).reconstruction.max() <= 1
    generator = trained_a_little(NetworkSettings(output_activation="none"))
    generator.decoder[-1].weight.data *= 1000
    assert generator(bright).reconstruction.abs().max() > 1


def test_the_penultimate_features_are_128_by_3_by_3():
    patches = torch.rand(2, 2, 15, 15)
    (late,) = Discriminator(NetworkSettings()).features(patches)
    assert late.shape == (2, 128, 3, 3)
    early, late = Discriminator(NetworkSettings(features="all")).features(patches)
    assert early.shape == (2, 64, 7, 7)
    assert late.shape == (2, 128, 3, 3)


@pytest.mark.parametrize("activation", ["tanh", "none"])
def test_the_folded_network_gives_the_same_differences(activation):
    generator = trained_a_little(NetworkSettings(output_activation=activation))
    patches = torch.rand(50, 2, 15, 15)
    with torch.inference_mode():
        encoding = generator(patches)
        expected = encoding.z - encoding.z_hat
        torch.testing.assert_close(LatentDifference(generator)(patches), expected, rtol=1e-4, atol=1e-6)


def test_the_generator_loss_weighs_its_parts_by_70_10_and_1():
    patches = torch.zeros(2, 2, 15, 15)
    encoding = Encoding(torch.zeros(2, 100), torch.full_like(patches, 0.5), torch.full((2, 100), 0.2))
    real, made = (torch.zeros(2, 128, 3, 3),), (torch.full((2, 128, 3, 3), 3.0),)
    losses = generator_losses(patches, encoding, real, made, LossWeights())
    assert losses.reconstruction.item() == pytest.approx(0.5)
    assert losses.encoding.item() == pytest.approx(0.04)
    assert losses.adversarial.item() == pytest.approx(9.0)
    assert losses.total.item() == pytest.approx(70 * 0.5 + 10 * 0.04 + 9.0)


def test_soft_labels_lie_in_the_papers_ranges():
    like = torch.zeros(1)
    real, made = soft_labels(1000, True, like), soft_labels(1000, False, like)
    assert real.min() >= 0.8
    assert real.max() <= 1
    assert real.std() > 0.04
    assert made.min() >= 0
    assert made.max() <= 0.2


def test_the_discriminator_loss_is_lowest_when_it_tells_them_apart():
    labels = torch.full((4,), 0.9), torch.full((4,), 0.1)
    right = discriminator_loss(torch.full((4,), 3.0), torch.full((4,), -3.0), *labels)
    wrong = discriminator_loss(torch.full((4,), -3.0), torch.full((4,), 3.0), *labels)
    assert right < wrong
