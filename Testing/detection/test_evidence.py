"""Intensity relative to the tissue round a finding."""

from dataclasses import replace

import numpy as np
import pytest
from AnomalyDetectionLib.detection.evidence import relative_intensities
from AnomalyDetectionLib.detection.findings import derive_findings
from synthetic_study import empty_lattice, prepared_study, scored


def with_lesion(t1_inside, flair_inside):
    study = prepared_study()
    cells = np.zeros(study.grid.shape, np.uint16)
    cells[4:6, 40:48, 40:48] = 1
    t1, flair = study.t1.copy(), study.flair.copy()
    t1[cells == 1] = study.t1_scale.apply(np.array(t1_inside))
    flair[cells == 1] = study.flair_scale.apply(np.array(flair_inside))
    return replace(study, t1=t1, flair=flair), cells


def nothing_else(study, cells):
    pass


def another_finding_and_the_skull(study, cells):
    cells[4:6, 48:52, 40:48] = 2
    study.t1[(cells == 2) | ~study.brain] = 99.0


def tissue_out_of_reach(study, cells):
    study.t1[3] = 99.0
    study.t1[:, :, 60:] = 99.0  # more than 10 mm beside the finding


def fluid_round_it(study, cells):
    study.t1[4:6, 40:48, 48:54], study.flair[4:6, 40:48, 48:54] = 0.1, 0.0


@pytest.mark.parametrize(
    "change", [nothing_else, another_finding_and_the_skull, tissue_out_of_reach, fluid_round_it]
)
def test_intensities_are_relative_to_the_tissue_round_the_finding_in_scanner_units(change):
    study, cells = with_lesion(150.0, 300.0)
    change(study, cells)
    t1, flair = relative_intensities(cells, int(cells.max()), study)[0]
    assert t1 == pytest.approx(150 / 300, rel=1e-5)
    assert flair == pytest.approx(300 / 200, rel=1e-5)


@pytest.mark.parametrize("channel", ["t1", "flair"])
def test_tissue_that_is_dark_on_one_image_alone_is_compared_with(channel):
    study, cells = with_lesion(150.0, 300.0)
    getattr(study, channel)[4:6, 40:48, 48:54] = 0.1
    ratio = relative_intensities(cells, 1, study)[0][("t1", "flair").index(channel)]
    assert ratio > {"t1": 150 / 300, "flair": 300 / 200}[channel] * 1.03


def test_a_suspected_patch_too_small_for_a_finding_is_not_compared_with():
    study = prepared_study()
    lattice = empty_lattice(study)
    lattice[5, 11:13, 10:12] = 9.0
    lattice[5, 11, 13] = 5.0  # alone, one patch beside it
    rows, columns = slice(44, 48), slice(52, 56)
    study.t1[5, rows, columns] = study.flair[5, rows, columns] = 50.0
    findings = derive_findings(scored(study, lattice), threshold=3.0, min_patches=2)
    assert len(findings.items) == 1
    assert findings.items[0].t1_relative == pytest.approx(1.0, rel=1e-5)
    assert findings.items[0].flair_relative == pytest.approx(1.0, rel=1e-5)


def test_with_nothing_to_compare_the_ratio_does_not_exist():
    study = prepared_study()
    cells = np.ones(study.grid.shape, np.uint16)
    assert np.isnan(relative_intensities(cells, 1, study)).all()
