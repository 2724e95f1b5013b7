"""The 2.5D U-Net."""

import pytest
import torch
from AnomalyDetectionLib.model.slice_unet import SliceUNet, pad_to


@pytest.mark.parametrize(("full", "size"), [(False, (16, 24)), (True, (32, 48))])
def test_it_answers_at_half_or_at_full_resolution(full, size):
    network = SliceUNet(3, 5, (8, 8, 8), full=full).eval()
    assert network(torch.zeros(2, 3, 32, 48)).shape == (2, 5, *size)


def test_a_cell_sees_its_surroundings_and_not_only_itself():
    network = SliceUNet(1, 1, (8, 8, 8)).eval()
    image = torch.zeros(1, 1, 32, 32)
    far = image.clone()
    far[0, 0, 20, 20] = 5.0
    assert (network(image) - network(far))[0, 0, 6, 6].abs() > 1e-7


@pytest.mark.parametrize(("size", "padded"), [((30, 33), (32, 48)), ((32, 48), (32, 48))])
def test_sides_are_padded_to_what_the_network_takes(size, padded):
    image = torch.ones(1, 1, *size)
    result = pad_to(image, 16)
    assert result.shape[-2:] == padded
    assert result.sum() == image.sum()
    assert (result[..., : size[0], : size[1]] == 1).all()
