"""What each threshold finds, in rows of elements that can be counted by hand."""

import numpy as np
import pytest
from anomaly_research.evaluation.froc import operating_point
from anomaly_research.evaluation.threshold_curves import (
    ANY,
    COVERED,
    ONE_TO_ONE,
    gather,
    scan_curves,
    threshold_grid,
)
from hand_made_scans import cohort_of, scores_of, truth_of

THRESHOLDS = np.array([0.5, 1.5, 2.5, 3.5, 4.5])


def curve(scores, labels, confounders="", smallest=1, **options):
    truth = truth_of(labels, confounders, **options)
    return scan_curves(scores_of(scores), truth, THRESHOLDS, smallest=(smallest,))[0]


def test_findings_split_and_merge_as_the_threshold_moves():
    # above 0.5: one group of 7; 1.5: 22, 343; 2.5: 343; 3.5: 4 alone; 4.5: nothing
    got = curve("2213431", ".......")
    assert got.findings.tolist() == [1, 2, 1, 1, 0]
    assert got.false_positives.tolist() == [1, 2, 1, 1, 0]
    assert got.flagged_ml.tolist() == [7, 5, 3, 1, 0]


def test_a_finding_that_touches_an_infarct_is_no_false_positive():
    # infarct 1 under the first two elements: above 0.5 everything is one finding, which touches it
    got = curve("2213431", "11.....")
    assert got.false_positives.tolist() == [0, 1, 1, 1, 0]
    assert (got.coverage[:, 0] * 2).tolist() == [2, 2, 0, 0, 0]


def test_findings_on_white_matter_hyperintensity_can_be_ignored():
    # 44 on WMH (1), 33 on a perivascular space (2), 22 on nothing
    got = curve("44.33.22", "........", "1..2....")
    assert got.false_positives.tolist() == [3, 3, 2, 1, 0]
    assert got.false_positives_no_wmh.tolist() == [2, 2, 1, 0, 0]


def test_a_finding_on_a_tumour_is_one_on_a_known_lesion():
    got = curve("44.33.22", "........", "5..4....")
    assert got.false_positives.tolist() == [3, 3, 2, 1, 0]
    assert got.false_positives_no_wmh.tolist() == [2, 2, 1, 0, 0]


def test_small_findings_are_dropped_and_touch_nothing():
    got = curve("4.33.222", "1.......", smallest=2)
    assert got.findings.tolist() == [2, 2, 1, 0, 0]
    assert got.coverage.ravel().tolist() == [0, 0, 0, 0, 0]
    assert got.false_positives.tolist() == [2, 2, 1, 0, 0]
    assert got.flagged_ml.tolist() == [5, 5, 2, 0, 0]


def test_one_sweep_serves_several_smallest_sizes():
    truth = truth_of("1.......")
    curves = scan_curves(scores_of("4.33.222"), truth, THRESHOLDS, smallest=(1, 2, 3))
    assert [c.findings[0] for c in curves] == [3, 2, 1]
    assert [c.coverage[0, 0] for c in curves] == [1, 0, 0]


def test_voxels_of_a_lesion_that_were_not_scored_count_against_its_coverage():
    # one of 20 voxels is in a finding: any overlap, but not a tenth, and 1 / 20 of the union
    got = curve("5...", "1...", unseen={1: 19})
    cohort = cohort_of([("a", "5...", "1...")], THRESHOLDS)
    assert got.coverage[0, 0] == pytest.approx(0.05)
    assert not got.one_to_one.any()
    assert cohort.found(ANY)[0, 0]


def test_dice_is_that_of_a_lesion_with_the_finding_that_covers_most_of_it():
    # 5 voxels; above 0.5 a finding of 4 with 3 of them, from 1.5 on one of 1
    got = curve("1113...", ".11111.")
    assert got.dice[:, 0].tolist() == pytest.approx([2 * 3 / (5 + 4), 2 / (5 + 1), 2 / (5 + 1), 0, 0])
    apart = curve("111.3", ".11.1", unseen={1: 1})
    assert apart.dice[:, 0].tolist() == pytest.approx([2 * 2 / (4 + 3), *[2 / (4 + 1)] * 2, 0, 0])
    point = operating_point(cohort_of([("a", "111.3..", ".11.1.2")], THRESHOLDS), 0)
    assert point.values["dice"] == pytest.approx(2 * 2 / (3 + 3))  # of the one lesion that is found
    assert np.isnan(operating_point(cohort_of([("a", "1..", "..1")], THRESHOLDS), 0).values["dice"])


def test_a_lesion_that_no_element_touches_is_a_lesion_that_is_missed():
    got = curve("5...", "....", unseen={7: 4})
    assert got.coverage.shape == (5, 1)
    assert not got.coverage.any()
    assert got.false_positives[0] == 1


def test_the_three_ways_to_be_found_differ():
    # lesion 1: 12 voxels, 1 found: 0.083 covered. Lesions 2 and 3 share a finding of 3 elements: one has it.
    labels, scores = "1...........2.3", "3...........333"
    truth = truth_of(labels, unseen={1: 11})
    got = scan_curves(scores_of(scores), truth, THRESHOLDS, smallest=(1,))[0]
    assert (got.coverage[0] > 0).tolist() == [True, True, True]
    assert (got.coverage[0] >= 0.1).tolist() == [False, True, True]
    assert got.one_to_one[0].sum() == 1
    assert not got.one_to_one[0, 0]


def test_neighbours_are_those_of_the_model():
    scores = np.full((2, 1, 2), np.nan, np.float32)
    scores[0, 0, 0] = scores[1, 0, 1] = 4  # corner to corner through two slices
    truth = truth_of("....")
    truth = type(truth)(**{**vars(truth), "shape": (2, 1, 2)})
    one = scan_curves(scores, truth, THRESHOLDS, smallest=(1,))[0]
    two = scan_curves(scores, truth, THRESHOLDS, smallest=(1,), neighbourhood="8")[0]
    assert (one.findings[0], two.findings[0]) == (1, 2)


def test_a_score_equal_to_the_threshold_is_not_above_it():
    got = scan_curves(scores_of("3"), truth_of("."), np.array([2.999, 3.0, 3.001]), smallest=(1,))[0]
    assert got.findings.tolist() == [1, 0, 0]


def test_a_tumour_of_a_third_of_the_brain_does_not_end_the_curve():
    # 444 on a tumour (5), 2 on an infarct and 2 on nothing
    truth = truth_of("....1....", "555......")
    truth = type(truth)(**{**vars(truth), "brain_ml": 9.0})
    got = scan_curves(scores_of("444.2.2.."), truth, THRESHOLDS, smallest=(1,))[0]
    assert got.coverage[:, 0].tolist() == [1, 1, 0, 0, 0]
    assert got.findings.tolist() == [3, 3, 1, 1, 0]
    assert got.false_positives_no_wmh.tolist() == [1, 1, 0, 0, 0]


def test_below_a_quarter_of_the_brain_the_last_values_are_kept():
    truth = truth_of("1.......")
    truth = type(truth)(**{**vars(truth), "brain_ml": 8.0})
    got = scan_curves(scores_of("4.3.2222"), truth, THRESHOLDS, smallest=(1,))[0]
    # 4 alone (1 of 8 ml), then 4 and 3 (2 of 8: a quarter, not more), then 6 of 8: the sweep ends there
    assert got.flagged_ml.tolist() == [6, 6, 2, 1, 0]
    assert got.findings.tolist() == [3, 3, 2, 1, 0]


def test_scores_and_truth_must_have_the_same_elements():
    with pytest.raises(ValueError, match="different elements"):
        scan_curves(scores_of("123"), truth_of("...."), THRESHOLDS, smallest=(1,))


def test_a_scan_without_any_score_finds_nothing():
    got = curve("....", "1...")
    assert not got.findings.any()
    assert not got.coverage.any()


def test_scans_are_put_together_in_their_order():
    cohort = cohort_of([("a", "4.", "1."), ("b", "33", ".."), ("a", "5.", "12")], THRESHOLDS)
    assert cohort.patients == ("a", "b", "a")
    assert cohort.lesion_scan.tolist() == [0, 2, 2]
    assert cohort.found(ANY)[3].tolist() == [True, True, False]
    assert cohort.found(ONE_TO_ONE)[3].tolist() == [True, True, False]
    assert cohort.found(COVERED)[4].tolist() == [False, True, False]
    assert cohort.findings[2].tolist() == [1, 1, 1]
    assert cohort.lesion_free.tolist() == [False, True, False]
    assert cohort.lesion_ml.tolist() == [1, 1, 1]


def test_a_cohort_needs_scans_and_one_grid_of_thresholds():
    with pytest.raises(ValueError, match="at least one scan"):
        gather([])
    with pytest.raises(ValueError, match="criterion"):
        cohort_of([("a", "4", "1")], THRESHOLDS).found("nearly")


def test_the_grid_of_thresholds_holds_those_named_and_has_fine_steps():
    grid = threshold_grid(3.0)
    assert 3.0 in grid
    assert (np.diff(grid) > 0).all()
    assert (grid[1:] / grid[:-1]).max() < 1.0201
    assert grid[0] < 0.0021
    assert 0.05 in grid
    assert grid[-1] >= 500
    cohort = cohort_of([("a", "4", "1")], grid)
    assert cohort.thresholds[cohort.at(3.0)] == 3.0
    with pytest.raises(ValueError, match="not among the thresholds"):
        cohort.at(3.001)
