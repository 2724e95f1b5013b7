"""How far a lesion stands out of its scan, in cases that can be counted by hand."""

import numpy as np
import pytest
from AnomalyDetectionLib.detection.lattice import paint_cells
from AnomalyDetectionLib.evaluation.peaks import on_lattice, peak_percentiles

NOWHERE = np.nan


def test_the_highest_of_ten_scores_is_at_the_100th_percentile():
    scores = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10.0]).reshape(1, 2, 5)
    lesions = np.zeros(scores.shape, int)
    lesions[0, 0, 0] = lesions[0, 1, 4] = 1  # scores 1 and 10: the peak counts
    lesions[0, 0, 3] = lesions[0, 0, 2] = 2  # scores 4 and 3
    lesions[0, 0, 1] = 5  # score 2
    assert peak_percentiles(scores, lesions) == {1: 100.0, 2: 40.0, 5: 20.0}


def test_equal_scores_share_the_higher_place():
    scores = np.array([[[1.0, 3.0, 3.0, 4.0]]])
    assert peak_percentiles(scores, np.array([[[0, 1, 0, 0]]])) == {1: 75.0}


def test_patches_that_were_not_scored_do_not_count():
    scores = np.array([[[NOWHERE, 1.0, 2.0, NOWHERE, 3.0, 4.0]]])
    lesions = np.array([[[1, 1, 0, 1, 0, 0]]])
    assert peak_percentiles(scores, lesions) == {1: 25.0}


def test_a_lesion_that_no_patch_touches_is_at_zero():
    scores = np.array([[[NOWHERE, 1.0]]])
    assert peak_percentiles(scores, np.array([[[1, 0]]])) == {1: 0.0}


def test_without_lesions_there_is_no_peak():
    assert peak_percentiles(np.ones((1, 2, 2)), np.zeros((1, 2, 2), int)) == {}


def test_a_cell_has_the_lesion_that_touches_it():
    truth = np.zeros((2, 8, 12), np.uint16)
    truth[0, 3, 3] = 1  # the last voxel of the first cell of 4 x 4
    truth[0, 3:5, 7:9] = 2  # where four cells meet
    truth[1, 7, 11] = 3  # the last voxel of all
    got = on_lattice(truth, (2, 2), 4, (2, 2, 3))
    expected = [[[1, 2, 2], [0, 2, 2]], [[0, 0, 0], [0, 0, 3]]]
    np.testing.assert_array_equal(got, expected)


def test_of_two_lesions_in_a_cell_the_higher_number_has_it():
    truth = np.zeros((1, 4, 4), np.uint16)
    truth[0, 0, 0], truth[0, 3, 3], truth[0, 1, 1] = 4, 9, 2
    assert on_lattice(truth, (2, 2), 4, (1, 1, 1)).item() == 9


@pytest.mark.parametrize(("stride", "first"), [(4, 2), (3, 1), (1, 0), (5, 2)])
def test_the_cells_are_those_on_which_scores_are_painted(stride, first):
    shape = 3, 21, 18
    lattice = tuple([3] + [len(range(first, n, stride)) for n in shape[1:]])
    for cell in np.ndindex(*lattice):
        alone = np.zeros(lattice)
        alone[cell] = 1
        truth = paint_cells(alone, (first, first), stride, shape).astype(np.uint8)
        np.testing.assert_array_equal(on_lattice(truth, (first, first), stride, lattice), alone)
