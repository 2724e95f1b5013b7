"""Intensity relative to the tissue round a finding."""

from dataclasses import replace

import numpy as np
import pytest
from AnomalyDetectionLib.detection.evidence import relative_intensities
from synthetic_study import prepared_study


def with_lesion(t1_inside, flair_inside):
    study = prepared_study()
    cells = np.zeros(study.grid.shape, np.uint16)
    cells[4:6, 40:48, 40:48] = 1
    t1, flair = study.t1.copy(), study.flair.copy()
    t1[cells == 1] = study.t1_scale.apply(np.array(t1_inside))
    flair[cells == 1] = study.flair_scale.apply(np.array(flair_inside))
    return replace(study, t1=t1, flair=flair), cells


def test_intensities_are_relative_to_the_brain_round_the_finding_in_scanner_units():
    study, cells = with_lesion(150.0, 300.0)
    ((t1, flair),) = relative_intensities(cells, 1, study)
    assert t1 == pytest.approx(150 / 300, rel=1e-5)
    assert flair == pytest.approx(300 / 200, rel=1e-5)


def test_other_findings_and_what_is_outside_the_brain_are_not_compared_with():
    study, cells = with_lesion(150.0, 300.0)
    cells[4:6, 48:52, 40:48] = 2
    study.t1[cells == 2] = 99.0
    study.t1[~study.brain] = 99.0
    assert relative_intensities(cells, 2, study)[0][0] == pytest.approx(150 / 300, rel=1e-5)


def test_only_tissue_within_reach_and_in_the_same_slices_is_compared_with():
    study, cells = with_lesion(150.0, 300.0)
    study.t1[3] = 99.0
    study.t1[:, :, 60:] = 99.0  # more than 10 mm beside the finding
    assert relative_intensities(cells, 1, study)[0][0] == pytest.approx(150 / 300, rel=1e-5)


def test_with_nothing_to_compare_the_ratio_does_not_exist():
    study = prepared_study()
    cells = np.ones(study.grid.shape, np.uint16)
    assert np.isnan(relative_intensities(cells, 1, study)).all()
