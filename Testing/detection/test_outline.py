"""Outlines of lesions: paper mode's cells refined to what differs, and smooth borders on the FLAIR's own grid."""

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.detection.outline import lesion_voxels, smooth_labels
from synthetic_study import FLAIR_GRID, empty_lattice, prepared_study, scored


def a_study(lesion, t1_change, flair_change):
    """Uniform tissue with noise and a lesion."""
    study = prepared_study()
    rng = np.random.default_rng(0)
    images = [
        image + rng.normal(0, 0.05, image.shape).astype(np.float32) for image in (study.t1, study.flair)
    ]
    images[0][lesion] += t1_change
    images[1][lesion] += flair_change
    return dataclasses.replace(study, t1=images[0], flair=images[1])


def disc(radius=5.0, row=47.0, column=33.0, slices=slice(4, 6)):
    _, i, j = np.indices((10, 96, 80))
    found = np.hypot(i - row, j - column) <= radius
    found[: slices.start], found[slices.stop :] = False, False
    return found


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def cells_over(lesion, margin=3):
    """Cells of 4 x 4 voxels, as paper mode's, over a lesion and a little more."""
    s, i, j = np.nonzero(lesion)
    cells = np.zeros(lesion.shape, np.uint16)
    cells[
        s.min() : s.max() + 1,
        (i.min() - margin) // 4 * 4 : -(-(i.max() + margin) // 4) * 4,
        (j.min() - margin) // 4 * 4 : -(-(j.max() + margin) // 4) * 4,
    ] = 1
    return cells


def test_cells_become_the_lesion_itself_bright_or_dark():
    lesion = disc()
    for t1_change, flair_change in ((0.0, 0.6), (-0.7, -0.8), (-0.4, 0.5)):
        study = a_study(lesion, t1_change, flair_change)
        cells = cells_over(lesion)
        found = lesion_voxels(cells, 1, study, cells > 0) == 1
        assert dice(found, lesion) > 0.9
        assert dice(found, lesion) > dice(cells > 0, lesion) + 0.2


def test_a_lesion_that_reaches_out_of_its_cells_is_followed():
    lesion = disc(radius=7)
    cells = cells_over(disc(radius=3), margin=0)
    found = lesion_voxels(cells, 1, a_study(lesion, 0.0, 0.6), cells > 0) == 1
    assert dice(found, lesion) > 0.85


def test_cells_in_which_nothing_differs_stay():
    lesion = disc()
    cells = cells_over(lesion)
    found = lesion_voxels(cells, 1, a_study(lesion, 0.0, 0.0), cells > 0)
    assert (found > 0).sum() > 0


def test_two_findings_side_by_side_keep_their_own_voxels():
    one, other = disc(column=24), disc(column=46)
    study = a_study(one | other, 0.0, 0.6)
    cells = cells_over(one)
    cells[cells_over(other) > 0] = 2
    found = lesion_voxels(cells, 2, study, cells > 0)
    assert dice(found == 1, one) > 0.85
    assert dice(found == 2, other) > 0.85


def test_borders_on_the_flair_are_smooth_and_lie_where_the_lesion_lies():
    study = prepared_study()
    labels = np.where(disc(), 1, 0).astype(np.uint16)
    found = smooth_labels(labels, study)
    volume_ml = labels.sum() * study.grid.voxel_ml
    assert abs((found == 1).sum() * study.flair_grid.voxel_ml / volume_ml - 1) < 0.08
    here, there = (
        grid.points(np.argwhere(array > 0)[:, ::-1]).mean(axis=0)
        for grid, array in ((study.grid, labels), (study.flair_grid, found))
    )
    np.testing.assert_allclose(here, there, atol=0.5)
    assert (found[~study.flair_brain] == 0).all()


@pytest.mark.parametrize("in_plane", [0.45, 0.7, 0.9, 1.0, 1.2])
def test_small_findings_keep_their_volume_and_place_whatever_the_flairs_voxels(in_plane):
    size = (round(80 / in_plane), round(93.5 / in_plane), 12)
    flair_grid = dataclasses.replace(FLAIR_GRID, size=size, spacing=(in_plane, in_plane, 4.0))
    study = prepared_study(flair_grid=flair_grid)
    rng = np.random.default_rng(1)
    for radius in (0.5, 1.0, 1.6, 2.5, 4.4):
        row, column = rng.uniform(35, 55), rng.uniform(30, 45)
        one, other = disc(radius, row, column), disc(2.0, row, column + 12)
        found = smooth_labels((one + 2 * other).astype(np.uint16), study)
        for number, mine in ((1, one), (2, other)):
            expected = mine.sum() * study.grid.voxel_ml / flair_grid.voxel_ml
            assert abs((found == number).sum() - expected) <= max(3, 0.1 * expected)
            here, there = (
                grid.points(np.argwhere(array)[:, ::-1]).mean(axis=0)
                for grid, array in ((study.grid, mine), (flair_grid, found == number))
            )
            np.testing.assert_array_less(np.abs(here - there), [0.7, 0.7, 2.1])  # half a slice


def test_findings_have_the_outline_of_the_lesion_or_the_cells_of_the_paper():
    lesion = disc()
    study = a_study(lesion, 0.0, 0.6)
    lattice = empty_lattice(study)
    lattice[4:6, 10:14, 6:10] = 9.0
    scores = scored(study, lattice)
    outlined, cells = (
        derive_findings(scores, threshold=3.0, min_patches=2, outline=outline)
        for outline in ("lesion", "cells")
    )
    assert len(outlined.items) == len(cells.items) == 1
    assert outlined.items[0].volume_ml < 0.7 * cells.items[0].volume_ml
    count = np.count_nonzero(sitk.GetArrayFromImage(outlined.labels))
    assert outlined.items[0].volume_ml == count * study.flair_grid.voxel_ml
