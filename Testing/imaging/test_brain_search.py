"""The search for the brain: an empty answer of the networks is no brain, and any other failure is called what it is."""

import sys
from importlib import metadata

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging import brain_network, brain_search
from AnomalyDetectionLib.imaging.brain_mask import extract_brain
from AnomalyDetectionLib.imaging.volume import Volume
from AnomalyDetectionLib.model.model_file import resources
from synthetic_head import axial_grid


def nothing(image):
    """The answer of a network that was given an image (1, 1, i, j, k)."""
    return torch.zeros(image.shape[2:], dtype=torch.bool)


def a_speck(image):
    found = nothing(image)
    found[5, 5, 5] = True
    return found


def a_block(image):
    found = nothing(image)
    found[30:90, 30:90, 30:90] = True
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
    """Sets what the first network, which looks for the place, and the second one answer."""

    def choose(place, outline=nothing):
        networks = {"place": place, "outline": outline}
        monkeypatch.setattr(brain_search, "load_network", lambda task, device: networks[task])

    return choose


@pytest.mark.parametrize(("place", "outline"), [(nothing, a_block), (a_speck, a_block), (a_block, nothing)])
def test_a_mask_that_is_empty_is_no_brain(flair, answers, place, outline):
    answers(place, outline)
    with pytest.raises(InputError, match=r"No brain was recognised .*0 ml") as caught:
        extract_brain(flair)
    assert caught.value.see == ("brain_mask",)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(ValueError, "cannot reshape array"), (AssertionError, "wrong shape"), (RuntimeError, "no kernel")],
)
@pytest.mark.parametrize("in_second", [False, True])
def test_another_failure_is_not_called_a_missing_brain(flair, answers, kind, text, in_second):
    error = kind(text)
    answers(a_block, fail(error)) if in_second else answers(fail(error))
    with pytest.raises(InputError) as caught:
        extract_brain(flair)
    assert f"{type(error).__name__}: {error}" in str(caught.value)
    assert "No brain" not in str(caught.value)
    assert caught.value.see == ("brain_mask",)
    assert caught.value.__cause__ is error


def test_too_little_memory_stays_what_it_is(flair, answers):
    answers(fail(MemoryError()))
    with pytest.raises(MemoryError):
        extract_brain(flair)


@pytest.fixture(scope="module")
def sample():
    """The sample's FLAIR."""
    return sitk.ReadImage(str(resources() / "SampleData" / "simulated_FLAIR.nii.gz"), sitk.sitkFloat32)


@pytest.fixture(scope="module")
def found(sample):
    """The brain in it, bool (slices, rows, columns)."""
    return brain_search.find_brain(sample, "cpu")


def test_the_mask_is_deepbets_own(sample, found, tmp_path):
    bet = pytest.importorskip("deepbet.bet", reason="the packages that deepbet imports are not installed")
    path = tmp_path / "flair.nii.gz"
    sitk.WriteImage(sample, str(path))
    _, mask, _ = bet.BrainExtraction(no_gpu=True).run(str(path))
    its = np.asanyarray(mask.dataobj).T > 0
    assert 2 * (found & its).sum() / (found.sum() + its.sum()) >= 0.9999


def test_nothing_of_deepbet_or_of_what_it_imports_is_needed(sample, found, monkeypatch):
    for name in ("deepbet", "cc3d", "fill_voids", "pandas", "nibabel"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(torch.jit, "load", fail(AssertionError("TorchScript is on its way out")))
    assert (brain_search.find_brain(sample, "cpu") == found).all()


def test_the_axes_of_the_scan_do_not_matter(sample, found):
    turned = sitk.Flip(sitk.PermuteAxes(sample, (2, 0, 1)), (True, False, True))
    mask = sitk.GetImageFromArray(brain_search.find_brain(turned, "cpu").astype(np.uint8))
    mask.CopyInformation(turned)
    back = sitk.Resample(mask, sample, sitk.Transform(), sitk.sitkNearestNeighbor)
    assert (sitk.GetArrayFromImage(back) == found).all()


def test_holes_are_filled_and_small_pieces_left_out(flair, answers):
    def a_shell_and_a_speck(image):
        shell = a_block(image)
        shell[50:60, 50:60, 50:60] = False
        shell[10, 10, 10] = True
        return shell

    answers(a_block, a_block)
    full = brain_search.find_brain(flair.image, "cpu")
    answers(a_block, a_shell_and_a_speck)
    assert 0 < full.sum() < full.size
    assert (brain_search.find_brain(flair.image, "cpu") == full).all()


@pytest.mark.parametrize("content", [None, b"other weights"])
def test_weights_that_are_missing_or_others_are_asked_for(flair, monkeypatch, tmp_path, content):
    class Wheel:
        def locate_file(self, name):
            return tmp_path / "model.pt"

    def distribution(name):
        if content is None:
            raise metadata.PackageNotFoundError(name)
        return Wheel()

    (tmp_path / "model.pt").write_bytes(content or b"")
    monkeypatch.setattr(brain_network.metadata, "distribution", distribution)
    with pytest.raises(InputError, match=r"weights .*install the Python package deepbet 1\.0\.2") as caught:
        extract_brain(flair)
    assert caught.value.see == ("brain_mask",)
