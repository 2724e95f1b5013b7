"""The baseline: bright FLAIR, thresholded within the brain."""

from dataclasses import replace

import numpy as np
import pytest
from anomaly_research.evaluation.flair_threshold import BRIGHT, baseline_curves, bright_findings, components
from anomaly_research.evaluation.truth import scan_truth
from synthetic_study import FLAIR_GRID, prepared_study
from test_scan_truth import bids_scan


@pytest.fixture
def study():
    """FLAIR 0.5 in the brain with spots in it, and a skull that is brighter than any of them."""
    made = prepared_study()
    flair = np.where(made.brain, 0.5, 3.0).astype(np.float32)
    flair[5, 40:44, 40:44] = 2.0  # 16 voxels
    flair[5, 60, 50:55] = 1.5  # 5 voxels
    flair[4, 30, 30:33] = 1.8  # 3 voxels: too small
    assert made.brain[5, 40:61, 40:55].all()
    assert made.brain[4, 30, 30:33].all()
    return replace(made, flair=flair)


def test_the_highest_threshold_flags_nothing_however_bright_a_rim_is(study, tmp_path):
    study.flair[5, 40:44, 40:44] = 7.0
    infarcts = np.zeros(FLAIR_GRID.shape, np.uint16)
    infarcts[6, 60:62, 50:52] = 1
    bright = baseline_curves(scan_truth(bids_scan(tmp_path, infarcts), study), BRIGHT)[0]
    assert bright.findings[-1] == 0
    assert bright.false_positives[bright.thresholds < 7].max() >= 1


def test_the_bright_spots_are_found_and_the_small_one_goes(study):
    got = bright_findings(study, flagged_voxels=16 + 5 + 3)
    assert got.dtype == np.int32
    assert got.shape == study.brain.shape
    assert (got > 0).sum() == 16 + 5
    assert set(np.unique(got)) == {0, 1, 2}
    assert len(np.unique(got[5, 40:44, 40:44])) == 1
    assert len(np.unique(got[5, 60, 50:55])) == 1


def test_the_brightest_voxels_are_flagged_first(study):
    got = bright_findings(study, flagged_voxels=16)
    np.testing.assert_array_equal(got > 0, (study.flair == 2.0) & study.brain)


def test_nothing_outside_the_brain_is_flagged(study):
    assert not bright_findings(study, 24)[~study.brain].any()


def test_without_voxels_to_flag_there_are_no_findings(study):
    got = bright_findings(study, 0)
    assert not got.any()
    assert got.shape == study.brain.shape


def test_more_voxels_than_the_brain_has_flag_all_of_it(study):
    np.testing.assert_array_equal(bright_findings(study, 10**9) > 0, study.brain)


def test_components_touch_at_corners_and_across_slices():
    mask = np.zeros((3, 4, 6), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 2] = True  # corner to corner through three slices
    mask[0, 0, 5] = mask[0, 1, 5] = True  # apart
    numbered = components(mask)
    assert numbered.dtype == np.int32
    assert numbered[0, 0, 0] == numbered[1, 1, 1] == numbered[2, 2, 2]
    assert numbered[0, 0, 5] == numbered[0, 1, 5] != numbered[0, 0, 0]
    assert set(np.unique(numbered)) == {0, 1, 2}
    np.testing.assert_array_equal(numbered > 0, mask)
