"""The most similar normal tissue: what is looked up is what is nearest, and the patch is the one that was scored."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from AnomalyDetectionLib.detection.nearest_normal import NormalTissue
from AnomalyDetectionLib.detection.patches import PatchGatherer
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.model_file import save_model
from normal_tissue import a_model_with_library
from synthetic_study import FIRST, STRIDE, empty_lattice, prepared_study, scored


@pytest.fixture(scope="module")
def model():
    return a_model_with_library()


@pytest.fixture(scope="module")
def tissue(model):
    return NormalTissue.of(model)


@pytest.fixture(scope="module")
def scores():
    """Every voxel has a value of its own, so that no patch is taken for another."""
    study, random = prepared_study(), np.random.default_rng(6)
    t1, flair = (random.normal(0.6, 0.3, study.t1.shape).astype(np.float32) for _ in range(2))
    study = replace(study, t1=t1, flair=flair)
    return scored(study, empty_lattice(study))


def test_the_nearest_of_a_library_patch_is_itself_at_distance_0(model, tissue):
    for number, patch in enumerate(model.library.intensities()):
        found = tissue.nearest(patch)
        assert found.which[0] == number
        assert found.distances[0] < 0.05 * found.distances[1]  # bytes and half precision
        np.testing.assert_array_equal(found.neighbours[0], patch)


def test_the_look_up_is_that_of_brute_force_with_the_network(model, tissue):
    random = np.random.default_rng(7)
    for patch in random.normal(0.5, 0.3, (20, 2, 15, 15)).astype(np.float32):
        with torch.inference_mode():
            z = model.generator().encoder(torch.from_numpy(patch[None]))[0]
        distances = (torch.from_numpy(model.library.latents).float() - z).norm(dim=1)
        wanted = distances.sort()
        found = tissue.nearest(patch, 7)
        np.testing.assert_array_equal(found.which, wanted.indices[:7].numpy())
        np.testing.assert_allclose(found.distances, wanted.values[:7].numpy(), rtol=1e-3)
        np.testing.assert_array_equal(found.neighbours, model.library.intensities(found.which))
        np.testing.assert_array_equal(found.patch, patch)
        assert found.usual == model.library.usual


def test_no_more_neighbours_are_given_than_there_are(model, tissue):
    found = tissue.nearest(model.library.intensities(slice(1))[0], 1000)
    assert sorted(found.which) == list(range(len(tissue)))
    assert (np.diff(found.distances) >= 0).all()


@pytest.mark.parametrize("outside_brain", ["zero", "keep"])
def test_the_patch_that_is_looked_up_is_the_one_that_was_scored(scores, outside_brain):
    tissue = NormalTissue.of(a_model_with_library(outside_brain=outside_brain))
    gather = PatchGatherer(scores.study, 15, outside_brain, "cpu")
    s, i, j = np.indices(scores.lattice.shape)
    # Also outside the brain and at the image's border
    places = np.stack([s, i, j], axis=-1).reshape(-1, 3)[::7]
    centres = places * (1, STRIDE, STRIDE) + (0, *FIRST)
    wanted = gather(torch.from_numpy(centres)).numpy()
    for place, patch in zip(places.tolist(), wanted, strict=True):
        np.testing.assert_array_equal(tissue.patch_at(scores.study, scores.voxel_of(place)), patch)


def test_a_patch_of_a_scored_brain_is_looked_up_as_the_model_wants_it(scores):
    """What lies beyond the brain counts for a model that keeps it, and not for one that does not."""
    index = tuple(np.argwhere(np.isfinite(scores.lattice))[0].tolist())
    zero, keep = (
        NormalTissue.of(a_model_with_library(outside_brain=name)).of_patch(scores, index)
        for name in ("zero", "keep")
    )
    assert (zero.patch == 0).any()
    assert not (keep.patch == 0).any()
    assert zero.distances[0] != keep.distances[0]


def test_the_model_file_and_the_model_give_the_same(model, tissue, tmp_path, scores):
    save_model(model, tmp_path / "model.safetensors")
    read = NormalTissue.read(tmp_path / "model.safetensors")
    for index in ((5, 10, 8), (4, 12, 10)):
        a, b = tissue.of_patch(scores, index), read.of_patch(scores, index)
        np.testing.assert_array_equal(a.which, b.which)
        np.testing.assert_array_equal(a.distances, b.distances)


def test_a_model_without_a_library_has_no_normal_tissue(model, tmp_path):
    bare = replace(model, library=None)
    save_model(bare, tmp_path / "bare.safetensors")
    assert NormalTissue.of(bare) is None
    assert NormalTissue.read(tmp_path / "bare.safetensors") is None


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_a_file_that_is_no_model_is_a_sentence(tmp_path, content):
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="missing or damaged"):
        NormalTissue.read(path)


def test_torch_is_not_needed(model, tmp_path):
    save_model(model, tmp_path / "model.safetensors")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from AnomalyDetectionLib.detection.nearest_normal import NormalTissue\n"
        f"tissue = NormalTissue.read(Path({str(tmp_path / 'model.safetensors')!r}))\n"
        "print(tissue.nearest(np.zeros((2, 15, 15))).which)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
