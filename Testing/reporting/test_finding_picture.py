"""The picture of one finding: what a person would look for in it."""

from dataclasses import replace

import numpy as np
import pytest
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.reporting.finding_picture import BOX_COLOUR, GAP, TILE_WIDTH, TOP, draw_finding
from synthetic_study import empty_lattice, prepared_study, scored

ACROSS = TILE_WIDTH + GAP


@pytest.fixture(scope="module")
def scores():
    """A finding on the patient's left in front, and a smaller one on the right behind; grey tissue."""
    study = prepared_study()
    t1, flair = study.t1.copy(), study.flair.copy()
    t1[study.brain] = study.t1_scale.apply(np.array(150.0))
    flair[study.brain] = study.flair_scale.apply(np.array(120.0))
    t1[:2], flair[:2] = 1.0, 1.0  # what white is
    study = replace(study, t1=t1, flair=flair)
    lattice = empty_lattice(study)
    lattice[3:6, 7:9, 13:15] = 4.0
    lattice[5, 7:11, 13:15] = 6.0
    lattice[6, 15:17, 6:8] = 3.5
    return scored(study, lattice)


@pytest.fixture(scope="module")
def findings(scores):
    return derive_findings(scores, threshold=3.0, min_patches=2)


@pytest.fixture(scope="module")
def picture(scores, findings):
    return np.asarray(draw_finding(scores, findings, 1)).astype(int)


def columns(picture):
    """T1, FLAIR, and FLAIR with the score: whole slice over closer look."""
    return [picture[TOP:, GAP + k * ACROSS : GAP + k * ACROSS + TILE_WIDTH] for k in range(3)]


def red(tile):
    return (tile[..., 0] > 130) & (tile[..., 0] > tile[..., 1] + 50) & (tile[..., 0] > tile[..., 2] + 50)


def whole(tile):
    return tile[: len(tile) - TILE_WIDTH - 2 * GAP]


def test_only_the_third_picture_has_the_score_and_the_other_two_are_bare(picture):
    t1, flair, score = columns(picture)
    assert not red(t1).any()
    assert not red(flair).any()
    assert red(score).sum() > 500
    outlined, bare = ((tile == 255).all(axis=-1).sum() for tile in (score, flair))
    assert outlined > bare + 200, "it is outlined in white"


def test_the_patients_left_is_on_the_right_and_front_is_on_top(picture):
    tile = whole(columns(picture)[2])
    rows, places = np.nonzero(red(tile))
    assert places.mean() > TILE_WIDTH * 0.55
    assert rows.mean() < len(tile) * 0.5


def test_a_box_in_the_whole_slice_shows_where_the_closer_look_is(picture):
    for column in columns(picture):
        rows, places = np.nonzero((column == BOX_COLOUR).all(axis=-1))
        assert len(rows) > 100
        top, bottom, left, right = rows.min(), rows.max(), places.min(), places.max()
        suspected = np.argwhere(red(whole(columns(picture)[2])))
        # The finding lies within, with room round it.
        assert top + 5 < suspected[:, 0].min() < suspected[:, 0].max() < bottom - 5
        assert left + 5 < suspected[:, 1].min() < suspected[:, 1].max() < right - 5


def test_the_closer_look_is_closer(picture):
    score = columns(picture)[2]
    assert red(score[-TILE_WIDTH:]).sum() > 1.2 * red(whole(score)).sum()


def test_the_slice_with_most_of_the_finding_is_shown(scores, findings):
    """Slice 5 holds the most of it; T1 of that slice alone is made bright."""
    t1 = scores.study.t1.copy()
    t1[5][scores.study.brain[5]] = 0.9
    marked = replace(scores, study=replace(scores.study, t1=t1))
    bright, usual = (np.asarray(draw_finding(each, findings, 1)) for each in (marked, scores))
    assert columns(bright)[0].mean() > columns(usual)[0].mean() + 20


def test_other_findings_in_the_slice_are_not_outlined_in_white(scores, findings):
    lattice = scores.lattice.copy()
    lattice[5, 15:17, 6:8] = 3.5
    two = replace(scored(scores.study, lattice))
    both = derive_findings(two, threshold=3.0, min_patches=2)
    tile = whole(columns(np.asarray(draw_finding(two, both, 1)).astype(int))[2])
    grey = (tile == 150).all(axis=-1)
    assert grey.sum() > 50
    assert np.nonzero(grey)[1].mean() < TILE_WIDTH * 0.45, "on the patient's right"


def test_every_finding_has_a_picture_even_one_at_the_border_of_the_image(scores, findings):
    size = {draw_finding(scores, findings, finding.number).size for finding in findings.items}
    assert len(size) == 1
    study = scores.study
    brain = np.ones_like(study.brain)
    study = replace(study, brain=brain, flair_brain=np.ones_like(study.flair_brain))
    lattice = np.ones_like(scores.lattice)
    lattice[0, :2, :2] = 5.0
    lattice[-1, :, -1] = 4.0
    edge = scored(study, lattice)
    found = derive_findings(edge, threshold=3.0, min_patches=2)
    assert len(found.items) == 2
    for finding in found.items:
        assert draw_finding(edge, found, finding.number).width > 3 * TILE_WIDTH


def test_a_number_that_is_not_there_is_refused(scores, findings):
    with pytest.raises(KeyError):
        draw_finding(scores, findings, 99)
