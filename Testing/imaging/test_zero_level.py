"""Grey values of every origin begin at 0 when they were read; where there is no number, nothing is looked for."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.quality import files
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.brain_mask import given_brain
from AnomalyDetectionLib.imaging.nifti import nifti_scan
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.reading import read_volume
from AnomalyDetectionLib.imaging.volume import Study
from AnomalyDetectionLib.imaging.zero_level import from_zero
from synthetic_head import SyntheticHead, axial_grid

GRID = axial_grid((3.0, 3.0, 6.0), (62, 74, 27))
SETTINGS = PreparationSettings(in_plane_mm=3.0, slice_mm=6.0, register="off")
AS_IT_IS = replace(SETTINGS, bias_correction=False)


@pytest.fixture(scope="module")
def head():
    """Whole numbers, so that what is added and taken off again leaves no trace."""
    study = SyntheticHead().study(GRID, GRID)
    t1, flair = (replace(v, image=sitk.Round(v.image)) for v in (study.t1, study.flair))
    return replace(study, t1=t1, flair=flair)


@pytest.fixture(scope="module")
def good(head):
    return prepare(head, SETTINGS)


def array(volume):
    return sitk.GetArrayFromImage(volume.image)


def written(study, change, folder):
    """The study with the values of both images changed, through files."""
    volumes = {}
    for role, volume in (("T1", study.t1), ("FLAIR", study.flair)):
        image = Grid.of(volume.image).image(change(array(volume)).astype(np.float32))
        sitk.WriteImage(image, str(folder / f"{role}.nii.gz"))
        volumes[role] = read_volume(folder / f"{role}.nii.gz", role=role)
    return Study(volumes["T1"], volumes["FLAIR"], study.brain_mask)


@pytest.mark.parametrize("offset", [-1024, -32768, 1000, 32768])
def test_values_that_begin_elsewhere_are_those_that_begin_at_zero(head, tmp_path, offset):
    study = written(head, lambda values: values + offset, tmp_path)
    for ours, theirs in ((study.t1, head.t1), (study.flair, head.flair)):
        np.testing.assert_allclose(array(ours), array(theirs) - array(theirs).min(), atol=1e-3)
        assert ours.zero == pytest.approx(offset, abs=3)


def in_brain_z_scores(values):
    brain = SyntheticHead().tissues(GRID) >= 3
    return np.where(brain, (values - values[brain].mean()) / values[brain].std(), 0.0)


def framed(values, value):
    inner = np.pad(np.ones(tuple(n - 6 for n in values.shape[1:]), bool), 3)
    return np.where(inner, values, value)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: (values - values.mean()) / values.std(),
        in_brain_z_scores,
        lambda values: np.where(np.arange(62) < 5, -1024, values),
        lambda values: np.where(np.arange(62) < 5, -2000, values - 1024),
        lambda values: np.where(np.arange(62) < 5, np.nan, values),
        lambda values: np.where(np.arange(62) < 5, -np.inf, values),
        lambda values: framed(values, values.max()),
        lambda values: framed(values - 1024, 65535),
    ],
    ids=[
        *("z-scores", "z-scores of the brain", "padded", "padded and moved", "NaN", "infinite"),
        *("a frame as bright as the brightest tissue", "a frame much brighter, and moved"),
    ],
)
def test_what_lies_beyond_the_brain_does_not_matter(head, good, tmp_path, change):
    study = written(head, change, tmp_path)
    prepared = prepare(study, SETTINGS)
    np.testing.assert_array_equal(prepared.flair_brain, good.flair_brain)
    inside = good.brain
    for ours, theirs in ((prepared.t1, good.t1), (prepared.flair, good.flair)):
        assert np.corrcoef(ours[inside], theirs[inside])[0, 1] > 0.99
    assert prepared.fraction_outside_t1 == 0
    assert not files.check(study)


def test_an_ordinary_scan_passes_as_it_is(head):
    values = array(head.flair)
    undershoot = values - np.where(values < 20, 15, 0)
    for ordinary in (values, undershoot, values * 0.001, np.where(values < 50, 0, values)):
        found = from_zero(ordinary.astype(np.float32))
        np.testing.assert_array_equal(found.values, ordinary.astype(np.float32))
        assert found.zero == 0
        assert found.unknown is None


@pytest.mark.parametrize("role", ["T1", "FLAIR"])
def test_the_part_of_the_brain_without_numbers_is_left_out_and_told(head, good, tmp_path, role):
    volume = head.t1 if role == "T1" else head.flair
    holed = array(volume)
    holed[13:15, 30:42, 25:36] = np.nan
    sitk.WriteImage(GRID.image(holed), str(tmp_path / "holed.nrrd"))
    read = read_volume(tmp_path / "holed.nrrd", role=role)
    study = replace(head, t1=read) if role == "T1" else replace(head, flair=read)
    prepared = prepare(study, AS_IT_IS)
    assert not prepared.flair_brain[13:15, 30:42, 25:36].any()
    lost = good.flair_brain & ~prepared.flair_brain
    assert lost[13:15, 30:42, 25:36].all()
    assert prepared.fraction_outside_t1 == pytest.approx(lost.sum() / good.flair_brain.sum())
    assert 0.002 < prepared.fraction_outside_t1 < 0.02
    assert np.isfinite(prepared.t1).all()
    assert np.isfinite(prepared.flair).all()


def test_a_brain_that_is_mostly_without_numbers_is_refused(head, tmp_path):
    holed = array(head.flair)
    holed[:, :, :36] = np.nan
    sitk.WriteImage(GRID.image(holed), str(tmp_path / "holed.nrrd"))
    flair = read_volume(tmp_path / "holed.nrrd", role="FLAIR")
    with pytest.raises(InputError, match=r"% of the brain has no numbers"):
        prepare(replace(head, flair=flair), AS_IT_IS)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_without_a_number_is_refused(tmp_path, value):
    sitk.WriteImage(GRID.image(np.full(GRID.shape, value, np.float32)), str(tmp_path / "a.nii.gz"))
    with pytest.raises(InputError, match="only voxels that are not numbers"):
        read_volume(tmp_path / "a.nii.gz", role="T1")


def test_a_host_counts_its_values_from_zero_and_keeps_its_stored_voxels(head, tmp_path):
    study = written(head, lambda values: values - 1024, tmp_path)
    scan = nifti_scan(study.flair)
    np.testing.assert_allclose(scan.values, array(study.flair), atol=1e-3)
    where = np.zeros(scan.stored.shape, bool)
    where[3, 4, 5] = True
    changed = scan.with_values(np.full(scan.stored.shape, 30.0, np.float32), where)
    assert changed.stored[3, 4, 5] == pytest.approx(30 + study.flair.zero)
    assert changed.values[3, 4, 5] == pytest.approx(30)


def test_a_map_of_probabilities_is_brain_from_one_half_and_that_is_said(head):
    assert head.brain_mask is not None
    brain = array(head.brain_mask) > 0
    probable = np.where(brain, 0.9, 0.2).astype(np.float32)
    probable[0] = 0.0
    mask = replace(head.brain_mask, image=GRID.image(probable))
    brain[0] = False
    np.testing.assert_array_equal(given_brain(mask, head.flair), brain)
    (warning,) = files.check(replace(head, brain_mask=mask))
    assert "fractions, as a map of probabilities" in warning.sentence
    assert not files.check(head)


@pytest.mark.parametrize(
    ("inside", "outside", "least"),
    [(0.9, 0.2, 0.5), (1.06, -0.04, 0.5), (1.1, 0.1, 0.5), (99.5, 12.5, 50.0), (254.7, 20.4, 127.5)],
    ids=["probabilities", "interpolated", "beyond 1", "percent", "of 255"],
)
def test_a_mask_of_fractions_is_brain_from_the_middle_whatever_it_goes_up_to(head, inside, outside, least):
    assert head.brain_mask is not None
    brain = array(head.brain_mask) > 0
    image = GRID.image(np.where(brain, inside, outside).astype(np.float32))
    mask = replace(head.brain_mask, image=image)
    np.testing.assert_array_equal(given_brain(mask, head.flair), brain)
    (warning,) = files.check(replace(head, brain_mask=mask))
    assert warning.measured["from"] == pytest.approx(least, rel=0.01)


def test_a_brain_with_its_grey_values_is_a_mask_of_all_of_it(head):
    assert head.brain_mask is not None
    brain = array(head.brain_mask) > 0
    grey = np.where(brain, np.maximum(array(head.flair), 1.0) * 1.37, 0).astype(np.float32)
    mask = replace(head.brain_mask, image=GRID.image(grey))
    np.testing.assert_array_equal(given_brain(mask, head.flair), brain)
    assert not files.check(replace(head, brain_mask=mask))


def test_what_is_no_number_in_a_mask_is_not_brain(head, tmp_path):
    assert head.brain_mask is not None
    holed = array(head.brain_mask)
    brain = holed > 0
    holed[~brain] = np.nan
    sitk.WriteImage(GRID.image(holed), str(tmp_path / "mask.nii.gz"))
    mask = read_volume(tmp_path / "mask.nii.gz", role="brain mask", mask=True)
    np.testing.assert_array_equal(given_brain(mask, head.flair), brain)


def test_saturated_tissue_at_the_corner_is_no_frame():
    values = np.random.default_rng(0).gamma(4.0, 100.0, (40, 40, 40)).astype(np.float32)
    values = np.minimum(values, np.percentile(values, 99.5))
    values[0, 0, 0] = values.max()
    assert from_zero(values).values is values
