"""Candidates, what the second look is shown of each, and what its answers become."""

import dataclasses

import numpy as np
import pytest
from AnomalyDetectionLib.detection.candidates import (
    LEVELS,
    MEANS,
    PEAK,
    T1_CONTRAST,
    find_candidates,
    surroundings_of,
)
from AnomalyDetectionLib.detection.hints import EDGE, INFARCT_LIKE, UNKNOWN, WMH_LIKE, hint_of
from AnomalyDetectionLib.detection.second_look import BACKGROUND, anomaly_probabilities
from AnomalyDetectionLib.model.candidate_network import CHANNELS, FEATURES, SIZE, CandidateSettings
from AnomalyDetectionLib.model.classes import ANOMALIES, ARTEFACT, INFARCT, NORMAL, OTHER, WMH
from synthetic_study import prepared_study

SHAPE = (10, 96, 80)


def probabilities(*blobs):
    """Normal everywhere but in boxes: (slices, rows, columns, class, probability)."""
    found = np.zeros((5, *SHAPE), np.float32)
    for s, i, j, label, value in blobs:
        found[label, s, i, j] = value
    found[NORMAL] = 1 - found[1:].sum(axis=0)
    return found


A = (slice(4, 6), slice(30, 36), slice(30, 36))
B = (slice(4, 5), slice(60, 63), slice(40, 43))


C = (slice(7, 8), slice(50, 54), slice(60, 64))


def test_every_cluster_is_a_candidate_and_one_that_is_plain_does_not_reach_into_what_is_faint_round_it():
    plain, sure = LEVELS
    found = find_candidates(
        probabilities(
            (A[0], slice(26, 44), slice(26, 40), INFARCT, plain + 0.05),
            (*A, INFARCT, sure + 0.4),
            (*B, WMH, plain + 0.1),
            (*C, INFARCT, plain - 0.05),
        )
    )
    sizes = sorted(np.bincount(found.labels.ravel())[1:].tolist())
    assert sizes == [9, 72]
    assert (found.labels[A] == found.labels[4, 32, 32]).all()


def test_an_artefact_is_no_anomaly_and_no_candidate():
    assert find_candidates(probabilities((*A, ARTEFACT, 0.95))).count == 0
    assert find_candidates(probabilities()).count == 0


def test_the_second_look_sees_the_candidate_in_its_middle_and_the_whole_of_its_surroundings():
    study = prepared_study()
    said = probabilities((*A, INFARCT, 0.9), (*B, OTHER, 0.8))
    candidates = find_candidates(said)
    look = surroundings_of(candidates, study.t1, study.flair, study.brain, said, study.grid.spacing)
    assert look.near.shape == look.wide.shape == (2, CHANNELS, SIZE, SIZE)
    assert look.features.shape == (2, FEATURES)
    assert np.isfinite(look.near).all()
    assert np.isfinite(look.features).all()
    for number in (1, 2):
        size = (candidates.labels == number).sum()
        masks = look.near[number - 1][3:20:4]
        assert masks.sum() == size
        rows, columns = np.nonzero(masks.any(axis=0))
        assert abs(rows.mean() - SIZE / 2) < 2
        assert abs(columns.mean() - SIZE / 2) < 2
        volume_ml = size * study.grid.voxel_ml
        assert 10 ** look.features[number - 1, 0] == pytest.approx(volume_ml, rel=1e-4)


def test_some_of_the_candidates_are_shown_as_they_are_among_all():
    study = prepared_study()
    said = probabilities((*A, INFARCT, 0.9), (*B, OTHER, 0.8))
    candidates = find_candidates(said)
    arguments = study.t1, study.flair, study.brain, said, study.grid.spacing
    whole, second = (
        surroundings_of(candidates, *arguments),
        surroundings_of(candidates, *arguments, np.array([2])),
    )
    for name in ("near", "wide", "features"):
        np.testing.assert_array_equal(getattr(second, name), getattr(whole, name)[1:])


def test_a_candidate_is_scored_by_both_networks_by_its_t1_and_by_how_little_it_is_a_hyperintensity():
    answers = np.array([[0.4, 0.1, 0.3, 0.1, 0.1]] * 3, np.float32)
    features = np.zeros((3, FEATURES), np.float32)
    features[:, PEAK], features[:, MEANS], features[:, T1_CONTRAST] = 0.9, answers, [0.0, -0.5, 0.5]
    plain, dark, bright = anomaly_probabilities(answers, features, (-1.0, 0.5, 0.25, 0.5, 2.0, 0.0))
    assert plain == pytest.approx(1 / (1 + np.exp(1 - 0.25 * np.log(9))), abs=1e-6)
    assert dark == bright == pytest.approx(1 / (1 + np.exp(-0.25 * np.log(9))), abs=1e-6)
    sooner = anomaly_probabilities(answers, features, (0.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    np.testing.assert_allclose(sooner, 0.4 / 0.5, atol=2e-3)  # four times sooner than a hyperintensity
    alone = anomaly_probabilities(answers, features, CandidateSettings().score)
    np.testing.assert_allclose(alone, 0.5, atol=1e-6)


def test_outside_candidates_no_score_comes_near_one_of_them(a_context_model):
    from AnomalyDetectionLib.detection.second_look import judge_candidates
    from AnomalyDetectionLib.model.model_file import load_model

    scores, candidates = judge_candidates(prepared_study(), load_model(str(a_context_model)))
    outside = candidates.labels == 0
    assert 0 < (~outside).sum() < outside.sum()
    assert scores[outside].max() <= BACKGROUND
    inside = candidates.probabilities[:, list(ANOMALIES)].sum(axis=1)
    np.testing.assert_allclose(scores[~outside], inside[candidates.labels[~outside] - 1], atol=1e-4)


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        ({INFARCT: 0.7, WMH: 0.2, NORMAL: 0.1}, INFARCT_LIKE),
        ({WMH: 0.55, INFARCT: 0.45}, WMH_LIKE),
        ({NORMAL: 0.4, ARTEFACT: 0.3, INFARCT: 0.3}, EDGE),
        ({WMH: 0.4, INFARCT: 0.35, OTHER: 0.25}, UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_the_hint_is_what_is_more_likely_than_not(answers, name):
    row = None if answers is None else np.array([answers.get(k, 0.0) for k in range(5)])
    hint = hint_of(row, "T1 0.5 x")
    assert hint.name == name
    assert "T1 0.5 x" in hint.evidence
    assert ("%" in hint.evidence) == (answers is not None)


def test_a_study_without_a_candidate_has_no_score(a_context_model):
    from AnomalyDetectionLib.detection.second_look import judge_candidates
    from AnomalyDetectionLib.model.model_file import load_model

    model = load_model(str(a_context_model))
    weights = {**model.weights, "unet.last.bias": model.weights["unet.last.bias"].clone()}
    weights["unet.last.bias"][:4] += 1000
    scores, candidates = judge_candidates(prepared_study(), dataclasses.replace(model, weights=weights))
    assert scores.max() == 0
    assert candidates.probabilities.shape == (0, 5)
