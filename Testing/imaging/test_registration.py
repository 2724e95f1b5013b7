"""Whether T1 and FLAIR line up, and bringing them together when they do not."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.registration import align, transform_of
from AnomalyDetectionLib.imaging.volume import Study, Volume
from conftest import shared_data
from synthetic_head import SyntheticHead, axial_grid

SETTINGS = PreparationSettings()

Triple = tuple[float, float, float]


@pytest.fixture(scope="module")
def synthetic_study():
    grid = axial_grid((2.3, 2.3, 4.5), (82, 97, 36))
    return SyntheticHead().study(grid, grid)


def moved(volume, angles, shift_mm):
    """The volume with another header, so that it lies elsewhere; and nothing else is changed."""
    move = sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles, shift_mm)
    grid = Grid.of(volume.image)
    direction = np.asarray(move.GetMatrix()).reshape(3, 3) @ np.asarray(grid.direction).reshape(3, 3)
    origin = move.TransformPoint(grid.origin)
    there = Grid(grid.size, grid.spacing, origin, tuple(direction.ravel().tolist()))
    return Volume(there.image(sitk.GetArrayFromImage(volume.image)), description="moved")


def apart_mm(one, other, points):
    """Mean distance between where two transforms put the points."""
    distances = [np.subtract(one.TransformPoint(p), other.TransformPoint(p)) for p in points.tolist()]
    return float(np.linalg.norm(distances, axis=1).mean())


def brain_of(study):
    assert study.brain_mask is not None
    return sitk.GetArrayFromImage(study.brain_mask.image) > 0


def points_of(study):
    return Grid.of(study.flair.image).points(np.argwhere(brain_of(study))[::2000, ::-1])


def real_study(*parts):
    """A real T1 and FLAIR, with a rough brain mask: good enough to say where to compare."""
    folder = shared_data(*parts)
    t1, flair = (
        Volume(sitk.ReadImage(str(folder / f"{name}.nii.gz"), sitk.sitkFloat32), folder / f"{name}.nii.gz")
        for name in ("T1", "FLAIR")
    )
    masks = [*folder.glob("brainmask_FLAIR_deepbet.nii.gz")]
    if masks:
        return Study(t1, flair, Volume(sitk.ReadImage(str(masks[0]), sitk.sitkFloat32)))
    # The regions are drawn on the T1. Where it lies 10 mm off, so do they; a mask for comparing may.
    regions = sitk.ReadImage(str(folder / "DLMUSE_T1space.nii.gz")) > 0
    closed = sitk.BinaryMorphologicalClosing(regions, (4, 4, 4))
    mask = sitk.Resample(closed, flair.image, sitk.Transform(), sitk.sitkNearestNeighbor)
    return Study(t1, flair, Volume(sitk.Cast(mask, sitk.sitkFloat32)))


def test_a_pair_that_lines_up_is_left_alone(synthetic_study):
    found = align(synthetic_study.t1, synthetic_study.flair, brain_of(synthetic_study), SETTINGS)
    assert not found.registered
    assert found.shift_mm < 0.5
    assert transform_of(found).TransformPoint((1.0, 2.0, 3.0)) == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("angles", "shift_mm"),
    [((0.1, -0.05, 0.12), (8.0, -6.0, 5.0)), ((0.0, 0.0, 0.0), (0.0, 350.0, -400.0))],
    ids=["moved head", "headers far apart"],
)
def test_a_displaced_pair_is_brought_together(synthetic_study, angles, shift_mm):
    t1 = moved(synthetic_study.t1, angles, shift_mm)
    found = align(t1, synthetic_study.flair, brain_of(synthetic_study), SETTINGS)
    assert found.registered
    truth = sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles, shift_mm)
    assert apart_mm(truth, transform_of(found), points_of(synthetic_study)) < 0.5
    true_angle = np.rad2deg(np.linalg.norm(angles))
    assert found.rotation_deg == pytest.approx(true_angle, abs=0.6)


def test_the_same_registration_twice_gives_the_same_numbers(synthetic_study):
    t1 = moved(synthetic_study.t1, (0.05, 0.0, -0.05), (4.0, 5.0, 6.0))
    first, second = (align(t1, synthetic_study.flair, brain_of(synthetic_study), SETTINGS) for _ in range(2))
    assert first == second


def test_registration_can_be_switched_off(synthetic_study):
    t1 = moved(synthetic_study.t1, (0.0, 0.0, 0.0), (9.0, 0.0, 0.0))
    found = align(t1, synthetic_study.flair, brain_of(synthetic_study), PreparationSettings(register="off"))
    assert not found.registered


@pytest.mark.slow  # another head that is refused stays in the quick run
def test_noise_is_not_the_same_head(synthetic_study):
    grid = Grid.of(synthetic_study.t1.image)
    noise = np.random.default_rng(0).normal(100, 20, grid.shape).astype(np.float32)
    with pytest.raises(InputError, match=r"noise and FLAIR do not seem to show the same head"):
        align(
            Volume(grid.image(noise), description="noise"),
            synthetic_study.flair,
            brain_of(synthetic_study),
            SETTINGS,
        )


@pytest.mark.parametrize(
    "axes",
    [
        pytest.param((0,), id="upside down", marks=pytest.mark.slow),
        pytest.param((1,), id="back to front", marks=pytest.mark.slow),
        pytest.param((0, 1), id="both", marks=pytest.mark.slow),
    ],
)
def test_one_image_alone_that_lies_otherwise_than_its_header_says_is_named_as_a_reason(synthetic_study, axes):
    image = synthetic_study.t1.image
    turned = Grid.of(image).image(np.ascontiguousarray(np.flip(sitk.GetArrayFromImage(image), axes)))
    with pytest.raises(InputError, match="neither of them lies upside down or turned"):
        align(Volume(turned, description="T1"), synthetic_study.flair, brain_of(synthetic_study), SETTINGS)


@pytest.mark.slow
def test_a_head_that_is_upside_down_in_both_images_comes_together_whatever_their_fields_of_view():
    """The T1 shows the neck and the FLAIR does not, so turning each about its own middle brings them 50 mm apart."""
    study = real_study("nichart", "Subj13")

    def upside_down(volume):
        grid = Grid.of(volume.image)
        return replace(
            volume, image=grid.image(np.ascontiguousarray(sitk.GetArrayFromImage(volume.image)[::-1]))
        )

    brain = np.ascontiguousarray(brain_of(study)[::-1])
    found = align(upside_down(study.t1), upside_down(study.flair), brain, SETTINGS)
    assert found.registered
    assert found.shift_mm == pytest.approx(52.0, abs=6.0)
    assert found.rotation_deg < 3.0


@pytest.mark.parametrize("subject", ["Subj5", pytest.param("Subj6", marks=pytest.mark.slow)])
def test_the_two_scans_that_lie_ten_millimetres_apart_come_together(subject):
    study = real_study("nichart", subject)
    brain = brain_of(study)
    found = align(study.t1, study.flair, brain, SETTINGS)
    assert found.registered
    assert 8 < found.shift_mm < 18
    # Moved by a known amount on top, the same place is found again.
    angles, shift_mm = (0.06, -0.04, 0.05), (-5.0, 4.0, 6.0)
    again = align(moved(study.t1, angles, shift_mm), study.flair, brain, SETTINGS)
    both = sitk.CompositeTransform(sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles, shift_mm))
    both.AddTransform(transform_of(found))  # the last one added comes first
    assert apart_mm(both, transform_of(again), points_of(study)) < 0.5


def test_a_clinical_pair_agrees_with_the_registration_that_came_with_it():
    study = real_study("openms_long", "patient03", "study2")
    path = shared_data("openms_long", "patient03", "study2", "study2_T1W_intrastudy_to_FLAIR.txt")
    reference = sitk.ReadTransform(str(path))
    result = transform_of(align(study.t1, study.flair, brain_of(study), SETTINGS))
    assert apart_mm(reference, result, points_of(study)) < 1.0


@pytest.mark.slow
def test_the_t1_of_somebody_else_is_refused():
    study, other = real_study("nichart", "Subj1"), real_study("nichart", "Subj6")
    with pytest.raises(InputError, match="same head"):
        align(other.t1, study.flair, brain_of(study), SETTINGS)
