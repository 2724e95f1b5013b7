"""overlay.png: what a person would look for in it."""

from dataclasses import replace

import numpy as np
import pytest
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.reporting.colours import score_colours
from AnomalyDetectionLib.reporting.overlay_picture import draw_overlay, slices_to_show
from synthetic_study import empty_lattice, prepared_study, scored


@pytest.fixture
def scores():
    study = prepared_study()
    flair = study.flair.copy()
    flair[study.brain] = study.flair_scale.apply(np.array(120.0))
    study = replace(study, flair=flair)
    lattice = empty_lattice(study)
    lattice[4:6, 8:11, 14:16] = 4.0  # on the patient's left
    return scored(study, lattice)


def red(picture):
    """Bool array: clearly red pixels of the montage, without the lines above and the legend at its right."""
    rgb = np.asarray(picture.convert("RGB")).astype(int)[80:, :-130]
    return (rgb[..., 0] > 130) & (rgb[..., 0] > rgb[..., 1] + 50) & (rgb[..., 0] > rgb[..., 2] + 50)


def test_suspected_tissue_is_red_and_nothing_else_is(scores):
    picture = draw_overlay(scores, derive_findings(scores, threshold=3.0, min_patches=2), ["Head"])
    assert red(picture).sum() > 250
    quiet = replace(scores, image=scores.image * 0.5)
    assert not red(draw_overlay(quiet, derive_findings(scores, threshold=99, min_patches=2), ["Head"])).any()


def test_the_patients_left_is_on_the_right_of_the_picture(scores):
    one_slice = np.arange(scores.study.grid.shape[0])[:, None, None] == 4
    study = replace(scores.study, brain=scores.study.brain & one_slice)
    lattice = np.where(one_slice, scores.lattice, np.float32(np.nan))
    scores = scored(study, lattice)
    picture = draw_overlay(scores, derive_findings(scores, threshold=3.0, min_patches=1), ["Head"])
    head = np.asarray(picture.convert("L"))[80:, :-130] > 60
    assert np.nonzero(red(picture))[1].mean() > np.nonzero(head)[1].mean() + 10


def test_findings_are_outlined_in_white(scores):
    findings = derive_findings(scores, threshold=3.0, min_patches=2)
    without = replace(findings, items=(), labels=findings.labels * 0)
    with_outline, bare = (np.asarray(draw_overlay(scores, f, ["Head"])) for f in (findings, without))
    outline = (with_outline != bare).any(axis=2)
    assert (with_outline[outline] == 255).all(axis=1).sum() > 50


def test_slices_with_findings_are_always_shown():
    brain = np.zeros((200, 4, 4), bool)
    brain[10:190] = True
    labels = np.zeros(brain.shape, int)
    labels[33, 1, 1] = 1
    labels[101:104, 2, 2] = 2
    shown = slices_to_show(brain, labels)
    assert {33, 101, 102, 103, 10, 189} <= set(shown)
    assert shown == sorted(set(shown))
    assert 20 <= len(shown) <= 24


def test_of_very_many_findings_each_shows_its_largest_slice_first():
    brain = np.ones((300, 4, 4), bool)
    labels = np.zeros(brain.shape, int)
    labels[0::2, 1, 1] = 1
    labels[150, :2, :2] = 1
    labels[77, 3, 3] = 2
    shown = slices_to_show(brain, labels)
    assert len(shown) == 42
    assert {150, 77} <= set(shown)


def test_the_colours_are_the_papers():
    clear, green, yellow, threshold, red_ = score_colours(np.array([0.0, 1.8, 2.99, 3.0, 3.01]), 3.0)
    assert clear[3] == 0
    assert green[1] > green[0] > 0
    assert green[3] > 0
    assert min(yellow[:2]) > 0.85
    assert yellow[3] > green[3]
    assert threshold[1] > 0.85, "a score of exactly 3 is not above 3"
    assert red_[0] > 3 * red_[1]
    assert red_[3] > yellow[3]


def test_long_names_and_difficult_characters_are_drawn(scores):
    header = ["1 suspected anomaly", "T1: " + "très_long_" * 60 + ".nii.gz"]
    findings = derive_findings(scores, threshold=3.0, min_patches=2)
    assert draw_overlay(scores, findings, header).width > 700
