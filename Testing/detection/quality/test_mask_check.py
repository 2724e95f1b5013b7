"""Whether a wrong brain mask is noticed, on the built-in sample."""

from dataclasses import replace

import numpy as np
import pytest
from AnomalyDetectionLib.detection.anatomy import segment_anatomy
from AnomalyDetectionLib.detection.pipeline import remarks
from AnomalyDetectionLib.detection.quality.checks import check_mask
from AnomalyDetectionLib.detection.quality.mask_check import MaskCheck
from AnomalyDetectionLib.detection.stored_scores import read_stored, restore
from AnomalyDetectionLib.imaging.intensity import intensity_scale
from scipy import ndimage


@pytest.fixture(scope="module")
def scores(sample_run):
    assert sample_run.code == 0, sample_run.stderr
    return restore(read_stored(sample_run.output / "score_map"))


def with_mask(study, brain):
    """The study as it would have been prepared with another mask; what was corrected of the bias stays."""
    scaled = {
        name: intensity_scale(getattr(study, name), brain, 5, 95, name=name).apply(getattr(study, name))
        for name in ("t1", "flair")
    }
    return replace(study, brain=brain, **scaled)


def check(study):
    return MaskCheck.of(study, segment_anatomy(study))


def within(brain, study, mm):
    return ndimage.distance_transform_edt(brain, sampling=study.grid.spacing[::-1]) > mm


def test_nothing_is_said_of_a_right_mask(scores):
    found = MaskCheck.of(scores.study, scores.anatomy)
    assert found.warnings == ()
    assert found.not_brain < 0.02


@pytest.mark.parametrize(("axis", "voxels"), [(2, 22), (1, -22), (0, 5)])
def test_a_mask_that_has_moved_by_twenty_millimetres_is_doubted(axis, voxels, scores):
    moved = np.roll(scores.study.brain, voxels, axis)
    assert check(with_mask(scores.study, moved)).warnings


def test_a_mask_that_holds_half_of_the_brain_is_doubted(scores):
    core = within(scores.study.brain, scores.study, 8.0)
    assert 0.4 < core.sum() / scores.study.brain.sum() < 0.75
    found = check(with_mask(scores.study, core))
    assert any("more brain" in warning.sentence for warning in found.warnings)


def test_a_mask_with_skull_in_it_is_doubted(scores):
    study = scores.study
    wide = ~within(~study.brain, study, 8.0)
    found = check(with_mask(study, wide))
    assert any("skull" in warning.sentence for warning in found.warnings)


def test_the_reader_is_told(scores):
    wide = ~within(~scores.study.brain, scores.study, 8.0)
    study = with_mask(scores.study, wide)
    quality = check_mask(study, segment_anatomy(study))
    assert any("check the mask" in remark for remark in remarks(study, quality))


def test_without_the_anatomy_nothing_is_said(scores):
    assert check_mask(scores.study, None) == ()
