"""A study on its way to the network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.bias_field import correct_bias
from AnomalyDetectionLib.imaging.brain_mask import extract_brain, given_brain
from AnomalyDetectionLib.imaging.contrast import ContrastOrder
from AnomalyDetectionLib.imaging.flair_grid import to_flair_grid
from AnomalyDetectionLib.imaging.intensity import intensity_scale
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.volume import Study, Volume
from conftest import shared_data
from synthetic_head import SyntheticHead, axial_grid

COARSE = PreparationSettings(in_plane_mm=1.8)


@pytest.fixture(scope="module")
def synthetic_study():
    grid = axial_grid((1.8, 1.8, 4.0), (104, 124, 40))
    return SyntheticHead().study(grid, grid)


@pytest.fixture(scope="module")
def prepared(synthetic_study):
    return prepare(synthetic_study, COARSE)


def test_the_percentiles_of_the_brain_become_zero_and_one(prepared):
    for array in (prepared.t1, prepared.flair):
        assert array.dtype == np.float32
        assert np.percentile(array[prepared.brain], (5, 95)) == pytest.approx((0, 1), abs=1e-4)


def test_every_stage_is_timed_and_told_in_order(synthetic_study):
    told: list[tuple[str, float]] = []
    result = prepare(
        synthetic_study,
        replace(COARSE, bias_correction=False),
        progress=lambda name, fraction: told.append((name, fraction)),
    )
    names = [name for name, _ in told]
    assert set(names) == {"alignment", "brain mask", "resampling", "bias field", "scaling"}
    assert names == list(result.seconds)
    assert [f for _, f in told] == sorted(f for _, f in told)


def test_the_same_study_twice_gives_the_same_voxels(synthetic_study, prepared):
    again = prepare(synthetic_study, COARSE)
    assert np.array_equal(again.t1, prepared.t1)
    assert np.array_equal(again.flair, prepared.flair)
    assert np.array_equal(again.brain, prepared.brain)


def without_top(study, slices):
    """The study with a T1 that ends so many slices earlier."""
    return replace(study, t1=Volume(study.t1.image[:, :, :-slices], description="slab.nii"))


def test_what_the_t1_does_not_show_of_the_brain_is_left_out(synthetic_study, prepared):
    slab = prepare(without_top(synthetic_study, 10), COARSE)
    assert prepared.fraction_outside_t1 == 0
    lost = prepared.flair_brain.copy()
    lost[-10:] = False
    assert np.array_equal(slab.flair_brain, lost)
    assert slab.fraction_outside_t1 == pytest.approx(1 - lost.sum() / prepared.flair_brain.sum())
    assert 0.02 < slab.fraction_outside_t1 < 0.25
    # The rest looks as it does with the whole T1, and none of it is nothing.
    common = slab.grid.shape[0]
    assert not slab.brain[common:].any()
    assert np.array_equal(slab.brain, prepared.brain[:common, : slab.grid.shape[1], : slab.grid.shape[2]])
    assert slab.t1[slab.brain].min() > -0.2
    assert slab.t1_scale.low == pytest.approx(prepared.t1_scale.low, rel=0.1)
    assert not sitk.GetArrayFromImage(to_flair_grid(np.ones(slab.grid.shape, bool), slab))[-10:].any()


def test_a_t1_of_a_part_of_the_brain_is_refused(synthetic_study):
    with pytest.raises(InputError, match=r"slab\.nii does not show \d\d % of the brain"):
        prepare(without_top(synthetic_study, 18), replace(COARSE, register="off"))


def test_a_negative_mask_value_is_brain_too(synthetic_study):
    assert synthetic_study.brain_mask is not None
    negative = Volume(synthetic_study.brain_mask.image * -1.0)
    expected = given_brain(synthetic_study.brain_mask, synthetic_study.flair)
    assert np.array_equal(given_brain(negative, synthetic_study.flair), expected)


def test_swapped_images_are_no_reason_to_refuse(synthetic_study, prepared):
    """What heuristics suspect is said by the checks of quality."""
    swapped = prepare(Study(synthetic_study.flair, synthetic_study.t1, synthetic_study.brain_mask), COARSE)
    right, wrong = (
        ContrastOrder.of(study.t1, study.flair, study.brain, study.grid.spacing[1::-1])
        for study in (prepared, swapped)
    )
    assert right.score > 0.1
    assert wrong.score == pytest.approx(-right.score, abs=0.05)


def test_the_same_image_twice_is_recognised(synthetic_study):
    twice = Study(synthetic_study.flair, synthetic_study.flair, synthetic_study.brain_mask)
    with pytest.raises(InputError, match="same image"):
        prepare(twice, COARSE)


def test_a_smooth_bias_field_is_taken_out():
    grid = axial_grid((1.8, 1.8, 4.0), (104, 124, 40))
    tissues = SyntheticHead().tissues(grid)
    brain = tissues >= 3
    clean = np.array([3, 900, 40, 130, 400, 520, 380], np.float32)[tissues]
    clean *= np.random.default_rng(0).normal(1, 0.02, grid.shape).astype(np.float32)
    z, y, x = (np.linspace(-1, 1, n) for n in grid.shape)
    field = np.exp(0.3 * x[None, None, :] - 0.25 * y[None, :, None] ** 2 + 0.1 * z[:, None, None])
    white = tissues == 5

    def unevenness(array):
        return float(array[white].std() / array[white].mean())

    corrected = correct_bias((clean * field).astype(np.float32), brain, grid)
    assert unevenness(corrected) < 0.35 * unevenness(clean * field)


def test_an_image_that_is_flat_inside_the_brain_is_refused():
    with pytest.raises(InputError, match=r"my\.nii has no contrast inside the brain"):
        intensity_scale(np.full((5, 5, 5), 7.0), np.ones((5, 5, 5), bool), 5, 95, name="my.nii")


def test_a_mask_on_another_grid_is_brought_to_the_flair(synthetic_study):
    grid = axial_grid((1.0, 2.5, 3.0), (190, 92, 54))
    mask = Volume(grid.image((SyntheticHead().tissues(grid) >= 3).astype(np.float32)))
    brain = given_brain(mask, synthetic_study.flair)
    truth = SyntheticHead().tissues(Grid.of(synthetic_study.flair.image)) >= 3
    assert 2 * (brain & truth).sum() / (brain.sum() + truth.sum()) > 0.97


@pytest.mark.parametrize(
    ("change", "message"),
    [("empty", "is empty"), ("elsewhere", "does not lie on the head"), ("tiny", "covers .* ml")],
)
def test_a_mask_that_cannot_be_right_is_refused(synthetic_study, change, message):
    grid = Grid.of(synthetic_study.flair.image)
    inside = SyntheticHead().tissues(grid) >= 3
    if change == "empty":
        inside[:] = False
    if change == "tiny":
        inside[:, :, : grid.size[0] // 2 + 25] = False
    if change == "elsewhere":
        grid = replace(grid, origin=(grid.origin[0] + 150.0, *grid.origin[1:]))
    mask = Volume(grid.image(inside.astype(np.float32)))
    with pytest.raises(InputError, match=message):
        given_brain(mask, synthetic_study.flair)


def test_a_scan_without_a_brain_is_refused():
    grid = axial_grid((4.0, 4.0, 4.0), (40, 40, 30))
    distance = np.linalg.norm(grid.points(np.argwhere(np.ones(grid.shape, bool))[:, ::-1]), axis=1)
    ball = np.where(distance.reshape(grid.shape) < 30, 500.0, 0.0)  # a phantom of 113 ml
    noisy = np.abs(ball + np.random.default_rng(0).normal(0, 5, grid.shape)).astype(np.float32)
    with pytest.raises(InputError, match="No brain was recognised") as caught:
        extract_brain(Volume(grid.image(noisy)))
    assert caught.value.see == ("brain_mask",)


@pytest.mark.slow
def test_a_real_study_is_prepared_with_the_brain_that_deepbet_finds():
    folder = shared_data("openms_long", "patient20", "study2")
    t1, flair = (
        Volume(sitk.ReadImage(str(folder / f"{name}.nii.gz"), sitk.sitkFloat32)) for name in ("T1", "FLAIR")
    )
    result = prepare(Study(t1, flair), PreparationSettings())
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "brainmask_FLAIR_deepbet.nii.gz"))) > 0
    found = result.flair_brain
    assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.99
    assert not result.alignment.registered
    assert result.grid.spacing == pytest.approx((0.9, 0.9, 3.0), abs=2e-3)
    assert result.brain.shape == result.t1.shape == result.flair.shape == result.grid.shape
