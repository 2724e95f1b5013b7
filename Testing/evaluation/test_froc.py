"""Sensitivity at a number of false positives, worked out by hand and beside a library."""

import json
from pathlib import Path

import numpy as np
import pytest
from anomaly_research.evaluation.bootstrap import interval, patient_weights
from anomaly_research.evaluation.froc import (
    operating_point,
    patient_sums,
    sensitivity_at,
    threshold_at,
    threshold_flagging,
)
from anomaly_research.evaluation.threshold_curves import ANY, ONE_TO_ONE, gather, scan_curves
from anomaly_research.evaluation.truth import ScanFacts, known_voxels
from hand_made_scans import cohort_of, scores_of, truth_of

THRESHOLDS = np.array([0.5, 1.5, 2.5, 3.5, 4.5, 5.5])

# Two scans of one row. Peaks apart from one another, so no finding ever merges.
#   first:  5 on lesion 1, 4 on nothing, 2 on lesion 2, 1 on nothing
#   second: 3 on nothing, 3 on nothing, 2 on lesion 1
# threshold  found            false positives   a scan
#   4.5      1                0                 0
#   3.5      1                1                 0.5
#   2.5      1                3                 1.5
#   1.5      3                3                 1.5
#   0.5      3                4                 2
SCANS = [("a", "5.4.2.1", "1...2.."), ("b", "3.3.2", "....1")]


def at(curves, *rates, **options):
    return sensitivity_at(patient_sums(curves, **options), rates)[0].tolist()


def test_sensitivity_is_the_best_at_no_more_than_so_many_false_positives():
    curves = cohort_of(SCANS, THRESHOLDS)
    assert at(curves, 0, 0.5, 1, 1.5, 2, 8) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1, 1])


def test_thresholds_below_the_first_excess_do_not_count():
    # 33 on nothing, 4 and 1 between and beside: at 2.5 two false positives, at 0.5 all is one finding that touches
    # the lesion. One false positive a scan never allows to go that far.
    curves = cohort_of([("a", "3313312", "......1")], THRESHOLDS)
    assert curves.false_positives[:, 0].tolist() == [0, 2, 2, 0, 0, 0]
    assert at(curves, 1) == [0]
    assert at(curves, 2) == [1]


def test_a_method_that_flags_the_brain_as_one_finding_finds_nothing():
    # 8 elements of 1 ml in a brain of 20 ml, all above every threshold below 5
    truth = truth_of("1.......")
    truth = type(truth)(**{**vars(truth), "brain_ml": 20.0})
    curve = scan_curves(scores_of("55555555"), truth, THRESHOLDS, smallest=(1,))[0]
    curves = gather([(ScanFacts("sub-0", "a", truth.lesions, 20.0), curve)])
    assert curves.found(ANY)[0].all()
    assert not curves.false_positives.any()
    assert at(curves, 8) == [0]


def test_a_tumour_of_a_third_of_the_brain_does_not_end_the_operating_points():
    # 444 on a tumour (5) in a brain of 9 ml; 2 on the infarct, found at one false positive a scan
    truth = truth_of("....1....", "555......")
    truth = type(truth)(**{**vars(truth), "brain_ml": 9.0})
    curve = scan_curves(scores_of("444.2...."), truth, THRESHOLDS, smallest=(1,))[0]
    known_ml = truth.voxel_ml * known_voxels(truth.infarcts, truth.confounders)
    assert known_ml == 4
    curves = gather([(ScanFacts("sub-0", "a", truth.lesions, 9.0, known_ml), curve)])
    assert at(curves, 1) == [1]


def test_the_threshold_for_a_rate_is_the_lowest_that_keeps_to_it():
    curves = cohort_of(SCANS, THRESHOLDS)
    assert [curves.thresholds[threshold_at(curves, rate)] for rate in (0, 0.5, 1.4, 1.5, 5)] == [
        4.5,
        3.5,
        3.5,
        1.5,
        0.5,
    ]
    always = cohort_of([("a", "9", ".")], THRESHOLDS)
    assert threshold_at(always, 0.5) is None
    assert curves.thresholds[threshold_flagging(curves, 1.0)] == 3.5  # 2 elements in 2 scans
    assert threshold_flagging(always, 0.5) is None


def test_lesions_of_one_class_are_counted_among_the_false_positives_of_all():
    curves = cohort_of(SCANS, THRESHOLDS)
    assert at(curves, 0.5, 2, among=np.array([False, True, False])) == [0, 1]
    assert np.isnan(at(curves, 1, among=np.zeros(3, bool))).all()


def test_an_operating_point_has_every_figure():
    # At 1.5, merged: first scan "33.2" has 33 on lesion 1 (one of its 2 voxels) and 2 on nothing.
    # Second scan: nothing above 1.5, lesion of 1 voxel.
    curves = cohort_of([("a", "33.2", "1..."), ("b", "1.11", "1...")], THRESHOLDS)
    point = operating_point(curves, 1.5)
    assert (point.scans, point.patients, point.lesions) == (2, 2, 2)
    assert point.found == {"any overlap": 1, "one-to-one": 1, "10 % covered": 1}
    assert point.values["sensitivity"] == 0.5
    assert point.values["volume_share"] == 0.5  # one of two lesions of 1 ml, counted whole
    assert point.values["voxel_share"] == 0.5
    assert point.values["findings"] == 1.0
    assert point.values["false_positives"] == 0.5
    assert point.values["flagged_ml"] == 1.5
    assert operating_point(curves, 1).values == point.values  # by index
    with pytest.raises(ValueError, match="not among"):
        operating_point(curves, 1.6)


def test_the_share_of_volume_counts_found_lesions_whole_and_voxels_singly():
    # lesion 1: 4 voxels, 1 flagged; lesion 2: 2 voxels, none flagged
    curves = cohort_of([("a", "3....1.", "1111.22")], THRESHOLDS)
    values = operating_point(curves, 2.5).values
    assert values["volume_share"] == pytest.approx(4 / 6)
    assert values["voxel_share"] == pytest.approx(1 / 6)


def test_an_operating_point_of_some_scans_counts_only_these():
    curves = cohort_of([*SCANS, ("c", "4.4.4", ".....")], THRESHOLDS)
    weights = patient_weights(curves.patients, 50)
    free = operating_point(curves, 2.5, weights, scans=curves.lesion_free)
    assert (free.scans, free.patients, free.lesions) == (1, 1, 0)
    assert free.values["false_positives"] == 3.0
    assert np.isnan(free.values["sensitivity"])
    # the third patient was not drawn: no value; else 3
    assert set(free.resampled["false_positives"][weights[:, 2] > 0]) == {3.0}
    assert np.isnan(free.resampled["false_positives"][weights[:, 2] == 0]).all()


def test_resampling_draws_patients_and_not_scans():
    # patient a has two scans of which each has a found lesion, b one with a missed one
    curves = cohort_of([("a", "4", "1"), ("a", "4", "1"), ("b", "0", "1")], THRESHOLDS)
    weights = np.array([[1, 1], [2, 0], [0, 2]])
    got = operating_point(curves, 2.5, weights).resampled["sensitivity"]
    assert got.tolist() == pytest.approx([2 / 3, 1, 0])
    assert sensitivity_at(patient_sums(curves), (1,), weights).ravel().tolist() == pytest.approx(
        [2 / 3, 1, 0]
    )


def test_weights_draw_as_many_patients_as_there_are_and_are_the_same_again():
    weights = patient_weights(["b", "a", "b", "c"], 200, seed=7)
    assert weights.shape == (200, 3)
    assert (weights.sum(axis=1) == 3).all()
    assert len({tuple(row) for row in weights.tolist()}) > 5
    np.testing.assert_array_equal(weights, patient_weights(["c", "a", "b"], 200, seed=7))
    assert (weights != patient_weights(["c", "a", "b"], 200, seed=8)).any()
    assert patient_weights([], 5).shape == (5, 0)


def test_an_interval_holds_95_of_100_resamples():
    low, high = interval(np.arange(1001.0)[:, None])
    assert (low[0], high[0]) == (25, 975)
    low, high = interval(np.array([[np.nan, 1.0], [np.nan, np.nan]]))
    assert np.isnan([low[0], high[0]]).all()
    assert (low[1], high[1]) == (1, 1)


def test_the_interval_of_a_proportion_is_as_wide_as_the_binomial_tells():
    # 100 patients with a lesion each, half of them found: standard error 0.05, interval about +- 0.098
    scans = [(f"p{n}", "4" if n % 2 else "1", "1") for n in range(100)]
    curves = cohort_of(scans, THRESHOLDS)
    weights = patient_weights(curves.patients, 2000)
    low, high = interval(operating_point(curves, 2.5, weights).resampled["sensitivity"])
    assert low == pytest.approx(0.402, abs=0.02)
    assert high == pytest.approx(0.598, abs=0.02)


def test_paired_differences_vary_less_than_each_method_does():
    # the second method finds what the first finds, and one lesion more
    rng = np.random.default_rng(1)
    first = [(f"p{n}", str(rng.integers(1, 5)), "1") for n in range(40)]
    second = [(p, "4" if n == 0 else scores, labels) for n, (p, scores, labels) in enumerate(first)]
    weights = patient_weights([p for p, *_ in first])
    one, other = (
        operating_point(cohort_of(scans, THRESHOLDS), 2.5, weights).resampled["sensitivity"]
        for scans in (first, second)
    )
    low, high = interval(other - one)
    assert 0 < high - low < 0.5 * np.subtract(*interval(one)[::-1])


def test_where_findings_do_not_merge_the_curve_is_picai_evals():
    """Its answers were recorded by record_other_libraries.py."""
    recorded = json.loads(Path(__file__).with_name("other_libraries.json").read_text("utf-8"))["froc"]
    scans = []
    for scan, candidates in enumerate(recorded["scans"]):
        # Peaks of one element, each beside an element that was not scored: a candidate has one confidence.
        scores = "".join(f"{peak}." for peak in candidates["peaks"])
        numbers = np.cumsum(candidates["lesions"])
        labels = "".join(
            f"{number}." if is_lesion else ".."
            for number, is_lesion in zip(numbers, candidates["lesions"], strict=True)
        )
        scans.append((f"p{scan}", scores, labels))
    curves = cohort_of(scans, np.arange(0.5, 9))
    points = recorded["picai-eval: (false positives a scan, share of lesions)"]
    assert len(points) == 8
    for rate, share in points:
        assert at(curves, rate + 1e-6)[0] == pytest.approx(share)  # recorded in single precision
    for rate, share in recorded["picai-eval: share at false positives"].items():
        assert at(curves, float(rate), criterion=ONE_TO_ONE)[0] == pytest.approx(share)
