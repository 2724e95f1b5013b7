"""What scores mean: findings a normal scan."""

from itertools import pairwise

import numpy as np
import pytest
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.false_positive_curve import FalsePositiveCurve, from_plain, in_words, plain
from AnomalyDetectionLib.model.model_file import load_model, save_model

FOUR_SCANS = FalsePositiveCurve(np.array([1.0, 2.0, 3.0, 5.0]), np.array([20.0, 8.0, 8.0, 1.0]), 4, 2, 0.5)


def test_the_rate_never_rises_and_goes_on_falling_beyond_what_was_counted():
    rates = [FOUR_SCANS.rate(score) for score in np.linspace(0, 5.9, 60)]
    assert all(later <= earlier for earlier, later in pairwise(rates))
    assert rates[0] == pytest.approx(FOUR_SCANS.most) == 20
    slope = np.log(8) / 2
    assert FOUR_SCANS.rate(6) == pytest.approx(np.exp(-slope))


def test_what_few_scans_cannot_tell_is_not_told():
    assert FOUR_SCANS.rate(1000) == FOUR_SCANS.least == 0.1 / 4


@pytest.mark.parametrize("false_positives", [20.0, 11.0, 8.0, 2.0, 1.0, 0.1])
def test_the_threshold_for_false_positives_per_scan_keeps_to_them_and_no_lower_one_does(false_positives):
    threshold = FOUR_SCANS.threshold_for(false_positives)
    assert FOUR_SCANS.rate(threshold) <= false_positives * (1 + 1e-9)
    if threshold > 1:
        assert FOUR_SCANS.rate(threshold - 1e-6) > false_positives * (1 - 1e-9)
        assert FOUR_SCANS.rate(threshold - 0.01) > false_positives


@pytest.mark.parametrize("false_positives", [21.0, 0.01])
def test_so_few_false_positives_as_the_scans_do_not_reach_are_refused_in_words(false_positives):
    with pytest.raises(InputError, match=r"from 4 normal scans.*0\.025 to 20"):
        FOUR_SCANS.threshold_for(false_positives)


def test_the_interval_holds_the_rate_and_narrows_with_more_scans():
    low, high = FOUR_SCANS.interval(4)
    assert low < FOUR_SCANS.rate(4) < high
    many = FalsePositiveCurve(FOUR_SCANS.scores, FOUR_SCANS.per_scan, 100, 2, 0.5)
    assert many.interval(4)[1] < high


def test_a_curve_goes_through_json_and_through_a_model_file_and_is_not_what_identifies_scores(
    a_random_model, a_context_model, tmp_path
):
    from dataclasses import replace

    again = from_plain(plain(FOUR_SCANS))
    assert again.scores.tolist() == FOUR_SCANS.scores.tolist()
    assert from_plain(None) is None
    for path in (a_random_model, a_context_model):
        model = load_model(str(path))
        assert model.false_positive_curve is None
        save_model(replace(model, false_positive_curve=FOUR_SCANS), tmp_path / "m.safetensors")
        loaded = load_model(str(tmp_path / "m.safetensors"))
        assert loaded.false_positive_curve.per_scan.tolist() == FOUR_SCANS.per_scan.tolist()
        assert (
            loaded.false_positive_curve.scans,
            loaded.false_positive_curve.min_patches,
            loaded.false_positive_curve.variation,
        ) == (4, 2, 0.5)
        assert loaded.fingerprint == model.fingerprint


@pytest.mark.parametrize(
    ("scores", "rates"),
    [
        ([1, 1], [2, 1]),
        ([1, 2], [1, 2]),
        ([1, 2], [1, 0]),
        ([1], [1]),
        ([1, 2], [1, 1]),
        ([1, np.nan], [2, 1]),
    ],
)
def test_a_curve_that_makes_no_sense_is_refused(scores, rates):
    with pytest.raises(ValueError, match="rate"):
        FalsePositiveCurve(np.array(scores, float), np.array(rates, float), 4, 2, 0.5)


def test_rates_are_said_with_two_figures():
    assert [in_words(rate) for rate in (12.34, 9.96, 2.345, 0.314, 0.02)] == [
        "12",
        "10",
        "2.3",
        "0.31",
        "0.02",
    ]
