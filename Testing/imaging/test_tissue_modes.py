"""Scaling by the tissues' modes: the tissues where they belong, whatever else there is in the scan."""

from dataclasses import replace

import numpy as np
import pytest
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.intensity import percentile_scaled
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.reading import read_study
from AnomalyDetectionLib.imaging.tissue_modes import mode_scales
from conftest import SAMPLE
from synthetic_study import prepared_study

CAVITY, RIM = (0.15, 0.1), (0.6, 1.8)  # T1 and FLAIR, fluid at 0 and white matter at 1


@pytest.fixture(scope="module")
def sample():
    """T1 and FLAIR of the sample in scanner-like units, its brain, and mm of slices, rows and columns."""
    study = prepare(
        read_study(SAMPLE / "simulated_T1.nii.gz", SAMPLE / "simulated_FLAIR.nii.gz"),
        PreparationSettings(register="off"),
    )
    return 700 * study.t1 + 90, 400 * study.flair + 30, study.brain, np.array(study.grid.spacing)[::-1]


def ball(brain, spacing, volume_ml, place):
    """bool: a ball of this volume round a place of the brain, given as shares of its extent; inside the brain."""
    index = np.indices(brain.shape).reshape(3, -1)
    extent = np.array([[a.min(), a.max()] for a in np.nonzero(brain)])
    centre = extent[:, 0] + np.array(place) * (extent[:, 1] - extent[:, 0])
    away = np.sqrt((((index - centre[:, None]) * spacing[:, None]) ** 2).sum(axis=0)).reshape(brain.shape)
    return (away < (3000 * volume_ml / (4 * np.pi)) ** (1 / 3)) & brain


def test_fluid_lies_at_0_and_white_matter_at_1(sample):
    t1, flair, brain, _ = sample
    t1_scale, flair_scale = mode_scales(t1, flair, brain)
    t1, flair = t1_scale.apply(t1), flair_scale.apply(flair)
    white = brain & (np.abs(t1 - 1) < 0.1) & (np.abs(flair - 1) < 0.15)
    assert white.sum() > 0.2 * brain.sum()
    fluid = brain & (t1 < 0.3) & (flair < 0.3)
    assert np.median(t1[fluid]) == pytest.approx(0, abs=0.12)
    assert np.median(flair[fluid]) == pytest.approx(0, abs=0.12)
    grey = brain & (t1 > 0.55) & (t1 < 0.8) & (flair > 0.8)
    assert np.median(flair[grey]) == pytest.approx(1.2, abs=0.15)


@pytest.mark.parametrize("place", [(0.5, 0.4, 0.25), (0.6, 0.7, 0.7)])
@pytest.mark.parametrize("volume_ml", [10, 50, 150])
@pytest.mark.parametrize("content", [CAVITY, RIM])
def test_an_infarct_changes_normal_tissue_elsewhere_by_less_than_2_percent(sample, content, volume_ml, place):
    t1, flair, brain, spacing = sample
    before = mode_scales(t1, flair, brain)
    lesion = ball(brain, spacing, volume_ml, place)
    with_it = []
    for image, scale, level in zip((t1, flair), before, content, strict=True):
        changed = image.copy()
        noise = np.random.default_rng(1).normal(0, 0.05, lesion.sum())
        changed[lesion] = scale.invert((level + noise).astype(np.float32))
        with_it.append(changed)
    after = mode_scales(*with_it, brain)
    for image, old, new in zip((t1, flair), before, after, strict=True):
        normal = brain & ~lesion & (old.apply(image) > 0.6)
        change = np.abs(new.apply(image)[normal] - old.apply(image)[normal]).mean()
        assert change < 0.02 * old.apply(image)[normal].mean()


@pytest.mark.parametrize("fluid", ["half of the brain", "large ventricles"])
def test_fluid_in_half_of_the_brain_is_not_taken_for_white_matter(sample, fluid):
    t1, flair, brain, spacing = sample
    before = mode_scales(t1, flair, brain)
    if fluid == "half of the brain":
        where = brain & (np.indices(brain.shape)[2] > np.median(np.nonzero(brain)[2]))
    else:
        where = ball(brain, spacing, 600, (0.5, 0.5, 0.5))
    changed = [image.copy() for image in (t1, flair)]
    for image, scale in zip(changed, before, strict=True):
        noise = np.random.default_rng(1).normal(0, 0.05, where.sum())
        image[where] = scale.invert((0.1 + noise).astype(np.float32))
    for old, new in zip(before, mode_scales(*changed, brain), strict=True):
        assert old.apply(np.array([new.low, new.high])) == pytest.approx([0, 1], abs=0.15)


def test_any_linear_scale_of_the_scanner_gives_the_same_images(sample):
    t1, flair, brain, _ = sample
    first = mode_scales(t1, flair, brain)
    second = mode_scales(0.01 * t1 - 5, 3 * flair + 1000, brain)
    np.testing.assert_allclose(second[0].apply(0.01 * t1 - 5), first[0].apply(t1), atol=0.02)
    np.testing.assert_allclose(second[1].apply(3 * flair + 1000), first[1].apply(flair), atol=0.02)


def test_a_flat_image_is_refused_in_words(sample):
    t1, _, brain, _ = sample
    with pytest.raises(InputError, match="FLAIR has no contrast"):
        mode_scales(t1, np.full_like(t1, 7.0), brain)


def test_an_image_without_contrast_has_no_percentiles_to_be_scaled_to_and_stays_as_it_is():
    study = prepared_study()
    flat = replace(study, t1=np.full_like(study.t1, 0.5), flair=np.full_like(study.flair, 2.0))
    with np.errstate(all="raise"):
        scaled = percentile_scaled(flat)
    np.testing.assert_array_equal(scaled.t1, flat.t1)
    np.testing.assert_array_equal(scaled.flair, flat.flair)
    assert (scaled.t1_scale, scaled.flair_scale) == (flat.t1_scale, flat.flair_scale)
