"""The networks on a device whose memory is too small: `cpu:0` is taken for a GPU, which it is not called."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from AnomalyDetectionLib.detection import detector
from AnomalyDetectionLib.detection.anatomy import segment_anatomy
from AnomalyDetectionLib.imaging.out_of_memory import on_fallback
from AnomalyDetectionLib.model.anatomy_network import anatomy_file
from AnomalyDetectionLib.model.context_network import ContextNetwork
from AnomalyDetectionLib.model.fuse_batchnorm import LatentDifference
from AnomalyDetectionLib.model.model_file import load_model
from AnomalyDetectionLib.model.slice_unet import SliceUNet
from synthetic_study import prepared_study

GPU = "cpu:0"


@pytest.fixture
def small_gpu(monkeypatch):
    """Lets networks of a kind fail for batches over a size on the "GPU"; tells what was tried."""

    def shrink(kind, holds):
        forward, to, tried = kind.forward, torch.nn.Module.to, []

        def note_where(self, device=None, **options):
            self.where = device
            return to(self, device, **options)

        def forward_if_it_fits(self, inputs):
            if self.where == GPU:
                tried.append(len(inputs))
                if len(inputs) > holds:
                    raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return forward(self, inputs)

        monkeypatch.setattr(kind, "to", note_where)
        monkeypatch.setattr(kind, "forward", forward_if_it_fits)
        return tried

    return shrink


@pytest.fixture(scope="module")
def study():
    noise = np.random.default_rng(0)
    made = prepared_study()
    return dataclasses.replace(
        made, t1=made.t1 + noise.normal(0, 0.1, made.t1.shape).astype(np.float32) * made.brain
    )


@pytest.mark.parametrize("holds", [100, 0])
@pytest.mark.parametrize("statistics", ["training", "scan"])
def test_the_papers_model_gives_the_same_scores(study, a_random_model, small_gpu, holds, statistics):
    model = load_model(str(a_random_model))
    settings = dataclasses.replace(model.scoring, statistics=statistics)
    _, expected = detector.lattice_scores(study, model, (50.0,), settings=settings)
    tried = small_gpu(LatentDifference, holds)
    said: list[str] = []
    with on_fallback(said.append):
        _, found = detector.lattice_scores(study, model, (50.0,), settings=settings, device=GPU)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert tried
    assert any("smaller batches" in sentence for sentence in said)
    assert any("on the CPU" in sentence for sentence in said) == (holds == 0)


@pytest.mark.parametrize("holds", [3, 0])
def test_the_context_model_gives_the_same_scores(study, a_context_model, small_gpu, holds):
    model = load_model(str(a_context_model))
    _, expected = detector.lattice_scores(study, model, (50.0,))
    tried = small_gpu(ContextNetwork, holds)
    _, found = detector.lattice_scores(study, model, (50.0,), device=GPU)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert max(tried) == 8


@pytest.mark.parametrize("holds", [3, 0])
def test_the_parts_of_the_brain_are_the_same(study, small_gpu, holds):
    if not anatomy_file().is_file():
        pytest.skip("the anatomy network is not here")
    expected = segment_anatomy(study)
    tried = small_gpu(SliceUNet, holds)
    np.testing.assert_array_equal(segment_anatomy(study, GPU), expected)
    assert max(tried) == 8
