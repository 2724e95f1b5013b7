"""The score that a finding's rate is read off at."""

from dataclasses import replace

import numpy as np
import pytest
from AnomalyDetectionLib.detection.findings import connected_patches, derive_findings
from AnomalyDetectionLib.detection.stored_scores import restore, store
from AnomalyDetectionLib.detection.vanishing_threshold import vanishing_thresholds
from AnomalyDetectionLib.model.false_positive_curve import FalsePositiveCurve
from AnomalyDetectionLib.model.model_settings import ScoringSettings
from scipy import ndimage
from synthetic_study import empty_lattice, prepared_study, scored

CURVE = FalsePositiveCurve(np.array([1.0, 5.0]), np.array([16.0, 1.0]), 10, 2, 0.5)


@pytest.mark.parametrize(
    "scoring",
    [ScoringSettings(), ScoringSettings(min_patches=4, neighbourhood="8"), ScoringSettings(min_patches=1)],
)
def test_a_group_lasts_as_long_as_trying_ever_higher_thresholds_finds_it(scoring):
    random = np.random.default_rng(0)
    for _ in range(5):
        lattice = (ndimage.gaussian_filter(random.normal(size=(4, 9, 9)), 0.7) * 6 + 2).astype(np.float32)
        rules = scoring.min_patches, scoring.neighbourhood
        groups = connected_patches(lattice, 3.0, *rules)
        lasting = vanishing_thresholds(lattice, groups, int(groups.max()), scoring, 3.0)
        assert len(lasting) == groups.max()
        for number, score in enumerate(lasting, start=1):
            alone = np.where(groups == number, lattice, -np.inf)
            assert connected_patches(alone, score - 1e-4, *rules).max() > 0
            assert connected_patches(alone, score + 1e-4, *rules).max() == 0


def two_pairs():
    study = prepared_study()
    lattice = empty_lattice(study)
    lattice[4, 9, 13:15] = 6.0, 4.0  # at 4 the lower of the two goes, and with it the finding
    lattice[4, 15, 6:8] = 5.0, 4.5
    return scored(study, lattice)


def test_findings_say_how_many_like_them_a_normal_scan_has():
    scores = replace(two_pairs(), false_positive_curve=CURVE)
    first, second = derive_findings(scores, threshold=3.0, min_patches=2).items
    assert first.peak_score > second.peak_score
    assert first.per_normal_scan == pytest.approx(CURVE.rate(4.0))
    assert second.per_normal_scan == pytest.approx(CURVE.rate(4.5))


def test_the_rate_does_not_depend_on_the_sliders():
    scores = replace(two_pairs(), false_positive_curve=CURVE)
    (at_two,) = derive_findings(scores, threshold=4.2, min_patches=2).items
    before = derive_findings(scores, threshold=3.0, min_patches=1).items[1]
    assert before.per_normal_scan == at_two.per_normal_scan


def test_without_a_curve_there_is_no_rate():
    assert {
        finding.per_normal_scan
        for finding in derive_findings(two_pairs(), threshold=3.0, min_patches=2).items
    } == {None}


def test_stored_scores_keep_their_rates():
    scores = replace(two_pairs(), false_positive_curve=CURVE)
    assert restore(store(scores)).false_positive_curve.rate(3.3) == pytest.approx(CURVE.rate(3.3))
    assert restore(store(two_pairs())).false_positive_curve is None
