"""One finding to one lesion, worked out by hand and beside two libraries."""

import json
from pathlib import Path

import numpy as np
import pytest
from anomaly_research.evaluation.matching import one_to_one


def matched(overlap, lesions, findings, **settings):
    return one_to_one(np.array(overlap, float), np.array(lesions), np.array(findings), **settings).tolist()


def test_an_overlap_of_a_tenth_of_the_union_is_enough():
    # 10 shared, union 60 + 50 - 10 = 100: exactly 0.1. With 51: union 101, below.
    assert matched([[10]], [60], [50]) == [0]
    assert matched([[10]], [60], [51]) == [-1]


def test_a_huge_finding_does_not_count_as_one_lesions_own():
    # all 20 voxels of the lesion inside a finding of 500: 20 / 500 = 0.04
    assert matched([[20]], [20], [500]) == [-1]


def test_a_finding_serves_one_lesion_only():
    # both lie in the finding of 50: 20 / 50 and 15 / 50
    assert matched([[20], [15]], [20, 15], [50]) == [0, -1]


def test_as_many_as_possible_comes_before_the_best_overlap():
    # Lesion 0 with finding 0: 30 / (40 + 40 - 30) = 0.6, with finding 1: 10 / (40 + 20 - 10) = 0.2.
    # Lesion 1 with finding 0: 10 / (20 + 40 - 10) = 0.2, with nothing else. The best single pair (0.6) leaves one
    # lesion without; 0.2 + 0.2 serves both.
    assert matched([[30, 10], [10, 0]], [40, 20], [40, 20]) == [1, 0]


def test_of_equally_many_pairs_the_greatest_overlap_is_taken():
    # 0-0: 20/60, 0-1: 10/50, 1-0: 10/50, 1-1: 10/30. Straight 0.33 + 0.33, crossed 0.2 + 0.2.
    assert matched([[20, 10], [10, 10]], [40, 20], [40, 20]) == [0, 1]


def test_nothing_there_or_nothing_found_matches_nothing():
    assert matched(np.zeros((0, 2)), [], [3, 4]) == []
    assert matched(np.zeros((2, 0)), [3, 4], []) == [-1, -1]
    assert matched([[0]], [3], [4]) == [-1]


RECORDED = json.loads(Path(__file__).with_name("other_libraries.json").read_text("utf-8"))


@pytest.mark.parametrize("case", RECORDED["matching"])
def test_as_many_are_matched_as_picai_eval_and_panoptica_match(case):
    """Their answers were recorded by record_other_libraries.py."""
    overlap, lesions, findings = (
        np.array(case[name], float)
        for name in ("shared voxels, a lesion a row", "voxels of the lesions", "voxels of the findings")
    )
    mine = one_to_one(overlap, lesions, findings)
    pairs = [(i, j) for i, j in enumerate(mine) if j >= 0]
    iou = [overlap[i, j] / (lesions[i] + findings[j] - overlap[i, j]) for i, j in pairs]
    assert 0 < len(iou) < 12
    assert sorted(iou) == pytest.approx(case["picai-eval: overlaps of the pairs"])
    assert len(iou) == case["panoptica: pairs"]
