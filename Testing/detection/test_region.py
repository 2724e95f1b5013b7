"""Where in the brain a finding is said to lie."""

from dataclasses import replace

import numpy as np
import pytest
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.detection.midline import Midline
from AnomalyDetectionLib.detection.region import BrainRegions
from synthetic_study import AXES_MM, MODEL_GRID, empty_lattice, prepared_study, rotated, scored


def regions_of(study):
    return BrainRegions.of(study, Midline.of(study))


@pytest.fixture(scope="module")
def regions():
    """Of an ellipsoid with semi-axes of 32, 40 and 21 mm round the world's origin."""
    return regions_of(prepared_study())


@pytest.mark.parametrize(
    ("lps", "name"),
    [
        ((0, 0, 0), "central, deep"),
        ((3, -22, 0), "anterior, deep"),
        ((3, 22, 0), "posterior, deep"),
        ((0, 0, 12), "superior, superficial"),
        ((0, 0, -14), "inferior, superficial"),
        ((0, -20, 9.5), "anterior superior, superficial"),
        ((0, 20, -9.5), "posterior inferior, superficial"),
        ((27, 0, 0), "central, superficial"),
        ((-27, 0, 0), "central, superficial"),
        ((0, -80, 0), "anterior, superficial"),
    ],
)
def test_a_point_is_named_by_its_thirds_and_its_depth(lps, name, regions):
    assert regions.name(np.array(lps, float)) == name


def test_superficial_ends_ten_millimetres_below_the_surface(regions):
    # At the rim in the middle slice the nearest surface is straight out to the side.
    assert regions.name(np.array([AXES_MM[0] - 7.0, 0, 0])).endswith("superficial")
    assert regions.name(np.array([AXES_MM[0] - 13.0, 0, 0])).endswith("deep")


def test_a_turned_head_has_its_own_front():
    grid = rotated(MODEL_GRID, 0)
    turned = regions_of(prepared_study(model_grid=grid, degrees=25))
    angle = np.deg2rad(25)
    front = np.array([0, -1.0, 0])
    along = (
        np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]) @ front
    )
    # 14 mm along its own front is beyond the middle third (13.3 mm); along the scanner's it is not.
    assert turned.name(15.0 * along).startswith("anterior")
    assert turned.name(13.4 * front).startswith("central")


def test_a_cut_of_the_scan_is_no_surface():
    """The FLAIR ends in the middle of the brain: what lies at the cut is as deep as it was."""
    study = prepared_study()
    low = replace(MODEL_GRID, size=(*MODEL_GRID.size[:2], 5))
    half = replace(study, t1=study.t1[:5], flair=study.flair[:5], brain=study.brain[:5], grid=low)
    at_cut = low.points(np.array([[39.5, 47.5, 4.0]]))[0]
    assert regions_of(half).name(at_cut).endswith("superficial"), "the FLAIR's own grid goes on above"
    cut = replace(half, flair_grid=low, flair_brain=half.brain)
    assert regions_of(cut).name(at_cut).endswith("deep")


def test_a_hole_in_the_mask_is_no_surface():
    study = prepared_study()
    brain = study.brain.copy()
    brain[4:6, 44:52, 36:44] = False
    assert regions_of(replace(study, brain=brain)).name(np.zeros(3)) == "central, deep"


def test_every_finding_has_a_region():
    study = prepared_study()
    lattice = empty_lattice(study)
    lattice[4:6, 3:5, 9:11] = 5.0
    lattice[4:6, 11:13, 9:11] = 4.0
    front, middle = derive_findings(scored(study, lattice), threshold=3.0, min_patches=2).items
    assert front.region.startswith("anterior")
    assert middle.region == "central, deep"
