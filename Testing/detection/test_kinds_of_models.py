"""A scan scored by either kind of model; what follows the scores is the same."""

import dataclasses

import numpy as np
import pytest
from AnomalyDetectionLib.detection.detector import lattice_scores, score, scoring_settings
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.detection.nearest_normal import NormalTissue
from AnomalyDetectionLib.detection.patches import PatchLattice
from AnomalyDetectionLib.detection.second_look import judge_candidates
from AnomalyDetectionLib.detection.stored_scores import restore, store
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.model_file import load_model
from synthetic_study import prepared_study


@pytest.fixture(scope="module")
def study():
    made = prepared_study()
    noise = np.random.default_rng(3).normal(0, 0.2, (2, *made.brain.shape)).astype(np.float32)
    return dataclasses.replace(made, t1=made.t1 + noise[0], flair=made.flair + noise[1])


@pytest.fixture(scope="module")
def model(a_context_model):
    return load_model(str(a_context_model))


def test_every_voxel_of_the_brain_has_the_detectors_score(study, model):
    lattice, values = lattice_scores(study, model, (50.0,))
    expected = PatchLattice.over(study.brain, 1)
    assert lattice.shape == expected.shape
    assert values.shape == (1, int(expected.inside.sum()))
    np.testing.assert_array_equal(values[0], judge_candidates(study, model)[0][study.brain])
    scores = score(study, model)
    np.testing.assert_array_equal(scores.lattice[expected.inside], values[0])
    assert np.isnan(scores.lattice[~expected.inside]).all()


def test_findings_come_back_from_stored_scores(study, model):
    scores = score(study, model)
    findings = derive_findings(scores, threshold=0.1, min_patches=1)
    again = derive_findings(restore(store(scores)), threshold=0.1, min_patches=1)
    assert findings.items
    assert all("%" in finding.hint_evidence for finding in findings.items)
    assert repr(again.items) == repr(findings.items)  # some may be NaN


@pytest.mark.parametrize(("option", "value"), [("percentile", 40.0), ("stride", 4)])
def test_settings_of_the_papers_model_are_refused_in_words(model, option, value):
    with pytest.raises(InputError, match=rf"The setting '{option}' belongs to the paper's kind of model"):
        scoring_settings(model, **{option: value})
    assert scoring_settings(model, **{option: getattr(model.scoring, option)}) == model.scoring


def test_it_holds_no_normal_tissue(model, a_context_model):
    assert NormalTissue.of(model) is None
    assert NormalTissue.read(a_context_model) is None


def test_the_papers_model_is_not_touched_by_the_other(study, a_random_model):
    paper = load_model(str(a_random_model))
    scores = score(study, paper, percentile=40.0)
    assert scores.settings == dataclasses.replace(paper.scoring, percentile=40.0)
