"""In which part of the brain a finding is said to lie."""

import numpy as np
import pytest
from AnomalyDetectionLib.detection.anatomy import AnatomyLabel
from AnomalyDetectionLib.detection.brain_parts import BrainParts
from AnomalyDetectionLib.grid import Grid

GRID = Grid((80, 80, 6), (0.9, 0.9, 4.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


@pytest.fixture(scope="module")
def anatomy():
    """Rings: ventricle in the middle, white matter, cortex, fluid, outside; deep grey and cerebellum in a corner each."""
    rows, columns = np.mgrid[:80, :80] - 39.5
    radius = np.hypot(rows, columns)
    plane = np.select(
        [radius < 6, radius < 28, radius < 33, radius < 36],
        [AnatomyLabel.VENTRICLES, AnatomyLabel.WHITE_MATTER, AnatomyLabel.CORTEX, AnatomyLabel.CSF],
        AnatomyLabel.OUTSIDE,
    ).astype(np.uint8)
    plane[:12, :12] = AnatomyLabel.DEEP_GREY
    plane[:12, -12:] = AnatomyLabel.CEREBELLUM
    return np.repeat(plane[None], 6, axis=0)


def cells(*boxes):
    """Findings 1, 2, ... in boxes of (first row, first column, voxels to a side) in slice 3."""
    array = np.zeros((6, 80, 80), np.uint16)
    for number, (row, column, side) in enumerate(boxes, start=1):
        array[3, row : row + side, column : column + side] = number
    return array


@pytest.mark.parametrize(
    ("box", "name"),
    [
        ((38, 38, 4), "ventricles"),
        ((38, 47, 4), "periventricular white matter"),
        ((38, 54, 4), "deep white matter"),
        ((38, 63, 4), "subcortical white matter"),
        ((38, 69, 4), "cortex"),
        ((2, 2, 8), "deep grey matter"),
        ((2, 70, 8), "cerebellum"),
    ],
)
def test_a_finding_is_named_by_what_most_of_it_is(box, name, anatomy):
    assert BrainParts(anatomy, GRID).names(cells(box), 1) == [name]


def test_what_reaches_into_a_ventricle_belongs_to_the_wall(anatomy):
    assert BrainParts(anatomy, GRID).names(cells((36, 42, 8)), 1) == ["periventricular white matter"]


def test_a_cavity_has_the_name_of_what_surrounds_it(anatomy):
    hollow = anatomy.copy()
    hollow[3, 52:58, 52:58] = AnatomyLabel.CSF
    assert BrainParts(hollow, GRID).names(cells((52, 52, 6)), 1) == ["deep white matter"]


def test_a_finding_in_fluid_alone_lies_in_the_csf(anatomy):
    fluid = np.full_like(anatomy, AnatomyLabel.CSF)
    assert BrainParts(fluid, GRID).names(cells((30, 30, 4)), 1) == ["CSF space"]


def test_a_finding_of_a_single_voxel_has_a_part(anatomy):
    assert BrainParts(anatomy, GRID).names(cells((39, 71, 1), (5, 5, 1)), 2) == ["cortex", "deep grey matter"]


def test_findings_of_a_brain_without_ventricles_are_named(anatomy):
    solid = np.where(anatomy == AnatomyLabel.VENTRICLES, AnatomyLabel.WHITE_MATTER, anatomy).astype(np.uint8)
    assert BrainParts(solid, GRID).names(cells((38, 38, 4)), 1) == ["deep white matter"]
