"""Which infarcts a simulated person has."""

from __future__ import annotations

import numpy as np
import pytest
from anomaly_research.simulation.lesions import KINDS
from anomaly_research.simulation.plans import kinds_of, random_plan, random_plans, random_volume_ml


@pytest.fixture(scope="module")
def cohorts():
    """Volumes of 60 cohorts like the paper's test set, 553 infarcts each."""
    rng = np.random.default_rng(0)
    return np.array([[random_volume_ml(rng) for _ in range(553)] for _ in range(60)])


@pytest.fixture(scope="module")
def plans():
    rng = np.random.default_rng(1)
    return [random_plan(rng) for _ in range(4000)]


def test_volumes_are_those_of_the_paper(cohorts):
    assert np.median(cohorts) == pytest.approx(0.44, rel=0.03)
    assert np.median(cohorts.min(axis=1)) == pytest.approx(0.036, rel=0.15)
    assert np.median(cohorts.max(axis=1)) == pytest.approx(156, rel=0.15)
    assert cohorts.min() >= 0.036
    assert cohorts.max() <= 156


def test_the_kind_suits_the_volume(plans):
    for plan in plans:
        diameter_mm = 2 * (plan.volume_ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3)
        if plan.kind == "lacunar":
            assert 3 <= diameter_mm <= 15.05
        if plan.volume_ml > 20:
            assert plan.kind == "cortical"
        if plan.kind == "large subcortical":
            assert 0.4 < plan.volume_ml <= 20
        assert (plan.place != "") == (plan.kind == "infratentorial")


def test_all_kinds_occur_and_some_are_no_cavities(plans):
    shares = {kind: np.mean([plan.kind == kind for plan in plans]) for kind in KINDS}
    assert min(shares.values()) > 0.03
    assert max(shares.values()) < 0.6
    assert 0.5 < np.mean([plan.cavitated for plan in plans]) < 0.9


@pytest.mark.parametrize("volume", [0.036, 0.3, 1.0, 5.0, 15.0, 156.0])
def test_shares_add_up_to_one(volume):
    assert sum(kinds_of(volume).values()) == pytest.approx(1)


def test_as_many_infarcts_a_person_as_in_the_paper():
    rng = np.random.default_rng(2)
    counts = [len(random_plans(rng, 1, 6)) for _ in range(4000)]
    assert np.mean(counts) == pytest.approx(553 / 225, rel=0.03)
    assert (min(counts), max(counts)) == (1, 6)
    assert {len(random_plans(rng, 3, 3)) for _ in range(9)} == {3}
