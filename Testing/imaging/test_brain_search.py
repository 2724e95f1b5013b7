"""The search for the brain: an empty answer of the networks is no brain, and any other failure is called what it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.brain_mask import extract_brain
from AnomalyDetectionLib.imaging.volume import Volume
from synthetic_head import axial_grid


class Networks(torch.nn.Module):
    """In the place of deepbet's two: what each of them answers, given an image (1, 1, i, j, k)."""

    def __init__(self, answer):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.answer = answer

    def forward(self, image):
        return self.answer(image)


def nothing(image):
    return torch.zeros((1, 2, *image.shape[2:]))


def a_speck(image):
    found = nothing(image)
    found[0, 1, 5, 5, 5] = 1
    return found


def a_block(image):
    found = nothing(image)
    found[0, 1, 30:90, 30:90, 30:90] = 1
    return found


def fail(error):
    def answer(_image):
        raise error

    return answer


@pytest.fixture
def flair():
    """Noise of 60 x 64 x 40 voxels, 40 of a head."""
    grid = axial_grid((3.0, 3.0, 4.0), (60, 64, 40))
    return Volume(grid.image(np.random.default_rng(0).normal(50, 9, grid.shape).astype(np.float32)))


@pytest.fixture
def answers(monkeypatch):
    """Sets what deepbet's first network, which looks for the place, and its second one answer."""
    bet = pytest.importorskip("deepbet.bet", reason="deepbet is not installed")

    def choose(place, brain=nothing):
        monkeypatch.setattr(
            bet, "load_model", lambda path, no_gpu: Networks(place if "bbox" in str(path) else brain)
        )

    return choose


@pytest.mark.parametrize(("place", "brain"), [(nothing, a_block), (a_speck, a_block), (a_block, nothing)])
def test_a_mask_that_is_empty_is_no_brain(flair, answers, place, brain):
    answers(place, brain)
    with pytest.raises(InputError, match=r"No brain was recognised .*0 ml.*--brain-mask"):
        extract_brain(flair)


@pytest.mark.parametrize(
    "error", [ValueError("cannot reshape array"), AssertionError("wrong shape"), RuntimeError("no kernel")]
)
@pytest.mark.parametrize("in_second", [False, True])
def test_another_failure_is_not_called_a_missing_brain(flair, answers, error, in_second):
    answers(a_block, fail(error)) if in_second else answers(fail(error))
    with pytest.raises(InputError) as caught:
        extract_brain(flair)
    assert f"{type(error).__name__}: {error}" in str(caught.value)
    assert "No brain" not in str(caught.value)
    assert "--brain-mask" in str(caught.value)
    assert caught.value.__cause__ is error


def test_too_little_memory_stays_what_it_is(flair, answers):
    answers(fail(MemoryError()))
    with pytest.raises(MemoryError):
        extract_brain(flair)
