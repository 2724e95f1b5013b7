"""Experiment 1 on counts small enough to follow by hand: two latent sizes, two percentiles, two scans."""

import numpy as np
import pytest
from anomaly_research.experiments.latent_sweep import (
    SweepCounts,
    at_false_positives,
    at_threshold,
    joint_optimum,
)

# Of each setting, at thresholds 1, 3 and 9: infarcts found in scan a (2 infarcts, 4 ml), in scan b (2, 6 ml), and
# false positives in each. At the threshold 3, (100, 50) finds most; at 2 false positives a scan (50, 30) does.
COUNTED = {
    (50, 30): {"a": [2, 1, 0], "b": [2, 1, 0], "false a": [2, 0, 0], "false b": [2, 0, 0]},
    (50, 50): {"a": [2, 2, 0], "b": [2, 1, 0], "false a": [9, 5, 0], "false b": [9, 3, 0]},
    (100, 30): {"a": [2, 1, 0], "b": [1, 0, 0], "false a": [3, 1, 0], "false b": [1, 0, 0]},
    (100, 50): {"a": [2, 2, 1], "b": [2, 2, 1], "false a": [1, 8, 2], "false b": [1, 8, 2]},
}
SIZES, PERCENTILES = (50, 100), (30.0, 50.0)


@pytest.fixture
def counts():
    def over_scans(of_a, of_b):
        both = [[[COUNTED[s, p][k] for p in PERCENTILES] for s in SIZES] for k in (of_a, of_b)]
        return np.array(both, float)

    found, false = over_scans("a", "b"), over_scans("false a", "false b")
    ml = np.array([2.0, 3.0])[:, None, None, None]  # of every infarct in a, in b
    return SweepCounts(
        latent_sizes=SIZES,
        percentiles=PERCENTILES,
        thresholds=np.broadcast_to([1.0, 3.0, 9.0], (2, 2, 3)),
        patients=("a", "b"),
        lesions=np.array([2, 2]),
        volume_ml=np.array([4.0, 6.0]),
        most_flagged_ml=np.array([100.0, 100.0]),
        found=found,
        found_ml=found * ml,
        findings=found + false,
        false_positives=false,
        false_positives_no_wmh=np.maximum(false - 1, 0),
        flagged_ml=found + false,
    )


def setting(performances, size, percentile):
    return next(p for p in performances if (p.latent_size, p.percentile) == (size, percentile))


def test_at_one_threshold_a_higher_percentile_finds_more_and_raises_more(counts):
    """What the paper's figure 4 shows, and why N alone says little there."""
    at_3 = at_threshold(counts)
    assert [p.sensitivity for p in at_3] == [0.5, 0.75, 0.25, 1.0]
    assert [p.findings for p in at_3] == [1.0, 5.5, 1.0, 10.0]
    assert setting(at_3, 50, 50).volume_share == pytest.approx((2 * 2 + 1 * 3) / 10)


def test_at_equal_false_positives_the_order_is_another(counts):
    at_2 = at_false_positives(counts, 2.0)
    assert setting(at_2, 50, 30).sensitivity == 1.0
    assert setting(at_2, 50, 30).threshold == 1.0
    # 4 a scan at the threshold 3 is too much, so that only the silence at 9 is left.
    assert (setting(at_2, 50, 50).sensitivity, setting(at_2, 50, 50).threshold) == (0.0, 9.0)
    # False positives fall again at 1, where all has merged into one: that is not quieter, and does not count.
    assert (setting(at_2, 100, 50).sensitivity, setting(at_2, 100, 50).threshold) == (0.5, 9.0)


def test_hyperintensities_can_be_left_out_of_the_false_positives(counts):
    """One finding of every scan is a hyperintensity here, so 1 a scan allows what 2 a scan does with them."""
    ignored, counted = at_false_positives(counts, 1.0, ignore_wmh=True), at_false_positives(counts, 2.0)
    assert [p.threshold for p in ignored] == [p.threshold for p in counted]
    assert setting(ignored, 50, 30).false_positives == 1.0


def test_a_setting_that_is_too_loud_everywhere_finds_nothing(counts):
    at_1 = setting(at_false_positives(counts, 1.0), 100, 50)
    assert at_1.sensitivity == 0.0
    assert at_1.threshold == np.inf


def test_the_joint_optimum_is_the_known_one(counts):
    optimum = joint_optimum(counts, 2.0, resamples=200)
    assert (optimum.best.latent_size, optimum.best.percentile, optimum.best.threshold) == (50, 30, 1.0)
    assert optimum.paper.sensitivity == 0.5
    assert optimum.gain == 0.5
    # It finds everything in both patients, so however they are drawn it is the best.
    assert optimum.interval == (1.0, 1.0)
    assert optimum.chosen_again == 1.0
    assert optimum.gain_interval == (0.5, 0.5)
    assert optimum.out_of_bag == 0.5


def test_the_same_seed_gives_the_same_intervals(counts):
    assert joint_optimum(counts, 8.0, resamples=50) == joint_optimum(counts, 8.0, resamples=50)


def test_a_single_patient_has_no_interval_however_many_the_scans(counts):
    one = SweepCounts(**{**vars(counts), "patients": ("a", "a")})
    optimum = joint_optimum(one, 4.0, resamples=50)
    assert optimum.best.sensitivity > 0
    figures = (*optimum.interval, *optimum.gain_interval, optimum.chosen_again, optimum.out_of_bag)
    assert np.isnan(figures).all()
