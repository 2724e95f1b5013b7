"""Swapped contrasts, turned heads, fluid on one side alone: what is judged on the prepared images."""

from dataclasses import replace

import degraded_scans as made
import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.quality import (
    contrast_medium,
    contrasts,
    large_fluid,
    orientation,
    spacing,
)
from AnomalyDetectionLib.detection.quality.checks import check_images
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.intensity import intensity_scale
from AnomalyDetectionLib.imaging.volume import Study

UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
TURNS = {
    "upside down": ((0, 1, 2), (-1, 1, 1)),
    "back to front": ((0, 1, 2), (1, -1, 1)),
    "upside down and back to front": ((0, 1, 2), (-1, -1, 1)),
    "coronal for transversal": ((1, 0, 2), (1, 1, 1)),
    "sagittal for transversal": ((2, 1, 0), (1, 1, 1)),
    "turned within the slice": ((0, 2, 1), (1, -1, 1)),
}


def exchanged(prepared):
    return replace(
        prepared,
        t1=prepared.flair,
        flair=prepared.t1,
        t1_scale=prepared.flair_scale,
        flair_scale=prepared.t1_scale,
    )


def with_images(prepared, t1, flair):
    """Other images (scaled units of the prepared ones) in the place of both, scaled anew."""
    changed = {}
    for name, image in (("t1", t1), ("flair", flair)):
        raw = getattr(prepared, f"{name}_scale").invert(image.astype(np.float32))
        scale = intensity_scale(raw, prepared.brain, 5, 95, name=name)
        changed |= {name: scale.apply(raw), f"{name}_scale": scale}
    return replace(prepared, **changed)


def ball(prepared, off_mm, radius_mm):
    """Voxels of the brain round a point so far (to the left, back and top) from its middle."""
    index = np.argwhere(prepared.brain)
    points = prepared.grid.points(index[:, ::-1])
    middle = (points.max(axis=0) + points.min(axis=0)) / 2 + np.array(off_mm)
    inside = np.zeros(prepared.brain.shape, bool)
    inside[tuple(index[np.linalg.norm(points - middle, axis=1) < radius_mm].T)] = True
    return inside


def turned(prepared, order, directions):
    """The same head with the axes of its voxels (slices, rows, columns) in another order or direction, and an upright header."""

    def turn(image):
        steps = tuple(slice(None, None, step) for step in directions)
        return np.ascontiguousarray(image.transpose(order)[steps])

    mm = [prepared.grid.spacing[::-1][axis] for axis in order]
    brain = turn(prepared.brain)
    grid = Grid(brain.shape[::-1], tuple(mm[::-1]), (0.0, 0.0, 0.0), UPRIGHT)
    return replace(prepared, t1=turn(prepared.t1), flair=turn(prepared.flair), brain=brain, grid=grid)


def test_swapped_images_are_noticed_and_nothing_else_is_said_of_their_contrasts(good):
    (warning,) = check_images(Study(good.study.flair, good.study.t1), exchanged(good.prepared))
    assert warning.name == "swapped"
    assert warning.measured["score"] < contrasts.SWAPPED_BELOW
    assert "exchange them and run again" in warning.sentence


@pytest.mark.parametrize("radius_mm", [25, 40])
def test_a_large_lesion_does_not_make_a_right_pair_look_swapped(radius_mm, good):
    """Bright on FLAIR, dark on T1 and deep in the brain, it turns a plain correlation round."""
    study, lesion = good.prepared, ball(good.prepared, (25, 0, 10), radius_mm)
    changed = with_images(study, np.where(lesion, 0.45, study.t1), np.where(lesion, 2.5, study.flair))
    found = contrasts.Contrasts.of(changed)
    assert found.swapped == ()
    assert found.order.score > 0.2
    assert contrasts.Contrasts.of(exchanged(changed)).swapped


@pytest.mark.parametrize("name", TURNS)
def test_a_turned_head_under_an_upright_header_is_noticed(name, good):
    (warning,) = orientation.check(turned(good.prepared, *TURNS[name]))
    assert warning.name == "orientation"
    how = (
        name
        if TURNS[name][0] == (0, 1, 2)
        else "strongly tilted in the slices, or turned by 90 degrees, its axes in another order"
    )
    assert f"lie {how}, other than" in warning.sentence
    assert "left and right" in warning.sentence


@pytest.mark.parametrize("degrees", [30, -50])
def test_slices_oblique_to_the_head_are_said_and_their_header_is_not_doubted(degrees, good):
    study = good.prepared
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    direction = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    middle = study.grid.points((np.array([study.grid.size]) - 1) / 2)[0]
    size, mm = (100, 120, 60), (2.0, 2.0, 4.0)
    origin = middle - direction @ ((np.array(size) - 1) * mm / 2)
    oblique = Grid(size, mm, tuple(origin.tolist()), tuple(direction.ravel().tolist()))
    # The head lies straight in its header, and tilted in the slices.
    images = (study.grid.image(each.astype(np.float32)) for each in (study.t1, study.flair, study.brain))
    t1, flair, brain = (sitk.GetArrayFromImage(oblique.resampled(each)) for each in images)
    (warning,) = orientation.check(replace(study, t1=t1, flair=flair, brain=brain > 0.5, grid=oblique))
    assert (warning.name, warning.measured["degrees"]) == ("oblique slices", pytest.approx(abs(degrees)))
    # It lies tilted in its header, as in the scanner, and straight in the slices.
    assert orientation.check(replace(study, grid=replace(study.grid, direction=oblique.direction))) == ()


def test_a_mirrored_head_cannot_be_told_and_is_not_doubted(good):
    assert orientation.check(turned(good.prepared, (0, 1, 2), (1, 1, -1))) == ()


def test_what_may_make_all_of_it_worthless_is_said_first(good):
    upside_down = turned(good.prepared, *TURNS["upside down"])
    found = check_images(good.study, replace(upside_down, grid=good.prepared.grid))
    assert found[0].name == "orientation"


@pytest.mark.parametrize(("radius_mm", "side"), [(35, 1), (24, -1)])
def test_a_cavity_on_one_side_is_said_with_its_size_and_side(radius_mm, side, good):
    study, cavity = good.prepared, ball(good.prepared, (side * 35, 10, 10), radius_mm)
    ml = cavity.sum() * study.grid.voxel_ml
    fluid = [np.percentile(image[study.brain], 1) for image in (study.t1, study.flair)]
    images = [
        np.where(cavity, level, image) for level, image in zip(fluid, (study.t1, study.flair), strict=True)
    ]
    (warning,) = large_fluid.check(with_images(study, *images))
    assert warning.measured["ml"] == pytest.approx(ml, rel=0.25)
    assert ("on the left" if side > 0 else "on the right") in warning.sentence


def test_ventricles_are_no_cavity_even_if_they_are_large(good):
    """Twice as wide on both sides, and a little more on one."""
    study = good.prepared
    both = [ball(study, (side * 18, 10, 5), radius) for side, radius in ((1, 20), (-1, 16))]
    images = [
        np.where(both[0] | both[1], np.percentile(image[study.brain], 1), image)
        for image in (study.t1, study.flair)
    ]
    assert large_fluid.check(with_images(study, *images)) == ()


@pytest.mark.parametrize(("axis", "direction"), [(1, "coronal"), (2, "sagittal")])
def test_thick_slices_of_another_direction_are_said(axis, direction, good):
    mm = [0.9, 0.9, 0.9]
    mm[2 - axis] = 5.0
    image = made.coarse(good.image("FLAIR"), tuple(mm))
    brain = Grid.of(good.image("FLAIR")).image(good.brain("FLAIR").astype(np.uint8))
    mask = sitk.GetArrayFromImage(Grid.of(image).resampled(brain)) > 0
    (warning,) = spacing.check(good.flair_of(image, mask))
    assert warning.name == "slice direction"
    assert f"{direction} slices 5.0 mm apart" in warning.sentence
    assert "give a transversal or a 3D FLAIR" in warning.sentence


def test_thick_transversal_slices_are_what_the_model_looks_at(good):
    assert spacing.check(good.acquired("FLAIR")) == ()


def test_empty_slices_at_the_ends_repeat_nothing(good):
    image = good.image("FLAIR")
    first = int(np.flatnonzero(good.brain("FLAIR").any(axis=(1, 2)))[0])
    emptied = good.acquired("FLAIR", made.emptied(image, 0, min(first, 4) or 1))
    assert emptied.own.all()
    assert emptied.distinct.spacing == emptied.spacing


def test_a_z_score_is_no_contrast_medium(good):
    image = good.image("T1")
    values = sitk.GetArrayFromImage(image)
    inside = values[good.brain("T1")]
    z = good.acquired("T1", made.like(image, (values - inside.mean()) / inside.std()))
    assert contrast_medium.check(z) == ()
    painted = made.after_contrast(good.acquired("T1").values, z.brain, z.spacing, 1.8)
    enhanced = replace(z, values=(painted - inside.mean()) / inside.std())
    assert [warning.name for warning in contrast_medium.check(enhanced)] == ["contrast medium"]
