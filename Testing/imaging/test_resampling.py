"""Onto the model's grid and back: nothing moves, and what need not change does not."""

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.flair_grid import to_flair_grid
from AnomalyDetectionLib.imaging.geometry import model_grid, to_lps_axes
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.prepared import Alignment, IntensityScale, PreparedStudy
from AnomalyDetectionLib.imaging.resampling import covered_by_t1, flair_to_model_grid, t1_to_model_grid
from synthetic_head import SyntheticHead, axial_grid

HEAD = SyntheticHead()
IDENTITY = sitk.AffineTransform(3)
COARSE = PreparationSettings(in_plane_mm=1.8, slice_mm=4.0)


def turned(grid, *, order, flips, tilt):
    """The grid with its axes permuted and flipped, and tilted round its middle."""
    image = sitk.Flip(sitk.PermuteAxes(grid.empty_image(), order), flips)
    turn = np.asarray(sitk.Euler3DTransform((0.0, 0.0, 0.0), tilt, -tilt, tilt / 2).GetMatrix()).reshape(3, 3)
    direction = turn @ np.asarray(image.GetDirection()).reshape(3, 3)
    origin = turn @ np.asarray(image.GetOrigin())
    return Grid(
        image.GetSize(), image.GetSpacing(), tuple(origin.tolist()), tuple(direction.ravel().tolist())
    )


def on_model_grid(grid, settings=COARSE):
    """The head's tissues on a grid, turned to L, P, S; the model's grid; the brain on the turned grid."""
    image = to_lps_axes(grid.image(HEAD.tissues(grid).astype(np.float32)))
    brain = sitk.GetArrayFromImage(image) >= 3
    return image, model_grid(Grid.of(image), brain, settings), brain


def test_a_scan_on_the_models_spacing_passes_bit_for_bit():
    grid = axial_grid((1.8, 1.8, 4.0), (104, 124, 40))
    image, model, _ = on_model_grid(grid)
    noise = np.random.default_rng(0).normal(size=grid.shape).astype(np.float32)
    noisy = grid.image(noise)
    cut = sitk.GetArrayFromImage(
        sitk.Resample(noisy, model.empty_image(), sitk.Transform(), sitk.sitkNearestNeighbor)
    )
    assert Grid.of(image) == grid
    assert np.array_equal(flair_to_model_grid(noisy, model), cut)
    assert np.array_equal(t1_to_model_grid(noisy, model, IDENTITY), cut)


def test_thin_slices_are_averaged_and_never_interpolated():
    grid = axial_grid((1.8, 1.8, 1.0), (104, 124, 150))
    _, model, brain = on_model_grid(grid)
    noise = np.random.default_rng(0).normal(size=grid.shape).astype(np.float32)
    x, y, z = np.round(grid.indices(np.asarray([model.origin]))[0] - (0, 0, 1.5)).astype(int)
    assert z == np.flatnonzero(brain.any(axis=(1, 2)))[0]
    part = noise[z : z + 4 * model.size[2], y : y + model.size[1], x : x + model.size[0]]
    expected = part.reshape(model.size[2], 4, *part.shape[1:]).mean(axis=1)
    assert np.allclose(flair_to_model_grid(grid.image(noise), model), expected, atol=1e-6)
    assert np.allclose(t1_to_model_grid(grid.image(noise), model, IDENTITY), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("spacing", "size", "order", "flips", "tilt"),
    [
        ((1.1, 1.1, 3.0), (170, 204, 54), (0, 1, 2), (False, False, False), 0.2),
        ((2.0, 2.0, 2.0), (94, 112, 80), (1, 2, 0), (True, False, True), 0.0),
        ((2.0, 2.0, 2.0), (94, 112, 80), (2, 0, 1), (False, True, True), -0.25),
        ((1.6, 1.6, 1.6), (117, 138, 100), (0, 2, 1), (True, True, True), 0.1),
    ],
)
def test_every_structure_lies_where_it_was(spacing, size, order, flips, tilt):
    grid = turned(axial_grid(spacing, size), order=order, flips=flips, tilt=tilt)
    levels = np.array([0, 900, 40, 130, 400, 520, 800], np.float32)
    image, model, _ = on_model_grid(grid)
    image = to_lps_axes(grid.image(levels[HEAD.tissues(grid)]))
    # What the head truly is there: fine samples, averaged over each voxel of the model's grid.
    fine = Grid(
        (model.size[0], model.size[1], model.size[2] * 4),
        (model.spacing[0], model.spacing[1], model.spacing[2] / 4),
        tuple(model.points(np.asarray([[0.0, 0.0, -0.375]]))[0].tolist()),
        model.direction,
    )
    truth = levels[HEAD.tissues(fine)].reshape(model.size[2], 4, *model.shape[1:]).mean(axis=1)
    from_flair = flair_to_model_grid(image, model)
    from_t1 = t1_to_model_grid(grid.image(levels[HEAD.tissues(grid)]), model, IDENTITY)
    shifted = np.roll(truth, 1, axis=2)
    for result in (from_flair, from_t1):
        inside = (slice(1, -1), slice(2, -2), slice(2, -2))
        error = np.abs(result - truth)[inside].mean()
        assert error < 0.6 * np.abs(result - shifted)[inside].mean()
        assert np.corrcoef(result[inside].ravel(), truth[inside].ravel())[0, 1] > 0.93


@pytest.mark.parametrize("spacing", [(0.9, 0.9, 4.0), (1.7, 1.7, 3.0), (2.0, 2.0, 2.0), (0.9, 0.9, 2.1)])
def test_a_region_comes_back_to_the_flair_grid_where_it_was(spacing):
    size = tuple(round(mm / s) for mm, s in zip((185.0, 225.0, 160.0), spacing, strict=True))
    grid = turned(axial_grid(spacing, size), order=(1, 0, 2), flips=(False, True, False), tilt=0.15)
    settings = PreparationSettings()
    image = to_lps_axes(grid.image((HEAD.tissues(grid) >= 3).astype(np.uint8)))
    flair_brain = HEAD.tissues(grid) >= 3
    model = model_grid(Grid.of(image), sitk.GetArrayFromImage(image) > 0, settings)
    brain = flair_to_model_grid(image, model, order=1) >= 0.5
    scale = IntensityScale(0.0, 1.0)
    alignment = Alignment(False, 0.0, 0.0, tuple(np.eye(4).ravel().tolist()))
    flat = np.zeros(model.shape, np.float32)
    prepared = PreparedStudy(flat, flat, brain, model, grid, flair_brain, scale, scale, alignment)
    back = to_flair_grid(brain, prepared)
    assert Grid.of(back) == grid
    values = sitk.GetArrayFromImage(back) > 0
    assert not values[~flair_brain].any()
    assert values.sum() / flair_brain.sum() > 0.985
    numbers = np.arange(model.size[2], dtype=np.uint16)[:, None, None] + np.ones(model.shape, np.uint16)
    labels = sitk.GetArrayFromImage(to_flair_grid(numbers, prepared))
    # Each native slice belongs to one slice of the model only: nothing is mixed across slices.
    assert labels.dtype == np.uint16
    assert all(len(np.unique(plane[plane > 0])) <= 1 for plane in labels)


@pytest.mark.parametrize("spacing", [(1.8, 1.8, 4.0), (1.1, 2.3, 1.0), (5.0, 4.0, 9.0)])
@pytest.mark.parametrize("tilt", [0.0, 0.2])
def test_the_t1_covers_what_it_has_values_for(spacing, tilt):
    size = round(80 / spacing[0]), round(90 / spacing[1]), round(60 / spacing[2])
    t1 = turned(axial_grid(spacing, size), order=(2, 0, 1), flips=(True, False, False), tilt=tilt)
    model = axial_grid((1.8, 1.8, 4.0), (60, 70, 24))
    move = sitk.AffineTransform(3)
    move.SetTranslation((20.3, -10.1, 5.7))
    covered = covered_by_t1(t1, model, move)
    ones = t1_to_model_grid(t1.image(np.ones(t1.shape, np.float32)), model, move)
    assert 0.01 < covered.mean() < 0.99
    assert np.array_equal(covered, ones > 0.999)


def test_a_t1_on_the_flairs_own_grid_covers_all_of_it():
    grid = axial_grid((0.9, 0.9, 4.0), (20, 24, 10))
    assert covered_by_t1(grid, grid, IDENTITY).all()
