"""Findings beside normal tissue: what a person would look for in the picture."""

from dataclasses import replace

import numpy as np
import pytest
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.detection.nearest_normal import NearestNormals, NormalTissue
from AnomalyDetectionLib.reporting.finding_picture import draw_finding
from AnomalyDetectionLib.reporting.nearest_picture import (
    BETWEEN,
    FINDING_COLOUR,
    FOOT,
    GAP,
    LABEL,
    MOST,
    NORMAL_COLOUR,
    as_png,
    draw_comparison,
    draw_nearest,
    size_of,
)
from normal_tissue import a_model_with_library
from PIL import ImageDraw
from synthetic_study import empty_lattice, prepared_study, scored

TILE = 60


def a_comparison(finding=1.0, normal=(0.2, 0.4, 0.6)):
    patch, *patches = (np.full((2, 15, 15), value, np.float32) for value in (finding, *normal))
    number = np.arange(len(normal))
    return NearestNormals(patch, np.stack(patches), number + 1.0, number, (1.5, 2.5))


def tile(picture, place, channel):
    x = LABEL + place * (TILE + GAP) + (BETWEEN if place else 0)
    y = channel * (TILE + GAP)
    return np.asarray(picture).astype(int)[y : y + TILE, x : x + TILE]


@pytest.fixture(scope="module")
def scores():
    study = prepared_study()
    lattice = empty_lattice(study)
    lattice[5, 7:9, 13:15] = 6.0
    lattice[6, 15:17, 6:8] = 3.5
    return scored(study, lattice)


@pytest.fixture(scope="module")
def tissue():
    return NormalTissue.of(a_model_with_library())


def test_the_finding_is_framed_in_red_and_normal_tissue_in_green():
    picture = draw_comparison(a_comparison(), tile=TILE)
    for channel in range(2):
        assert tuple(tile(picture, 0, channel)[0, 0]) == FINDING_COLOUR
        for place in (1, 2, 3):
            assert tuple(tile(picture, place, channel)[0, 0]) == NORMAL_COLOUR
    assert picture.size == size_of(4, TILE)


def test_brightness_can_be_compared_across_the_patches():
    picture = draw_comparison(a_comparison(), tile=TILE)
    middles = [tile(picture, place, 1)[TILE // 2, TILE // 2, 0] for place in (1, 2, 3, 0)]
    assert middles == sorted(middles)
    assert len(set(middles)) == 4


def test_t1_is_over_flair():
    comparison = a_comparison()
    comparison.patch[0] = 0.1
    picture = draw_comparison(comparison, tile=TILE)
    assert tile(picture, 0, 0)[TILE // 2, TILE // 2, 0] < tile(picture, 0, 1)[TILE // 2, TILE // 2, 0]


def test_a_very_bright_patch_is_not_cut_off():
    comparison = a_comparison(finding=1.9)
    comparison.patch[1, :, :7] = 2.6
    shown = tile(draw_comparison(comparison, tile=TILE), 0, 1)
    assert shown[TILE // 2, 8, 0] > shown[TILE // 2, -8, 0] + 20


def test_distances_stand_below():
    foot = np.asarray(draw_comparison(a_comparison(), tile=TILE))[-FOOT:]
    assert (foot == NORMAL_COLOUR).all(axis=-1).any()


def test_each_finding_has_its_row(scores, tissue):
    findings = derive_findings(scores, threshold=3.0, min_patches=2)
    one = derive_findings(scores, threshold=5.0, min_patches=2)
    assert (len(findings.items), len(one.items)) == (2, 1)
    picture, smaller = (draw_nearest(scores, each, tissue, ["T1"]) for each in (findings, one))
    assert picture.height > smaller.height + 100
    reds = (np.asarray(picture) == FINDING_COLOUR).all(axis=-1)
    columns = np.flatnonzero(reds.sum(0) > 200)
    assert len(columns) == 2, "left and right edge of the findings' patches, above each other"


def test_the_numbers_of_a_finding_are_not_cut_off(scores, tissue, monkeypatch):
    (finding,) = derive_findings(scores, threshold=5.0, min_patches=2).items
    long = replace(finding, volume_ml=294.28, region="posterior superior, periventricular white matter")
    findings = replace(derive_findings(scores, threshold=5.0, min_patches=2), items=(long,))
    written = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda _pen, _at, text, **_style: written.append(text))
    draw_nearest(scores, findings, tissue, [])
    (title,) = (text for text in written if text.startswith("1 "))
    assert title.endswith("…")
    assert f"294.28 ml, score {finding.peak_score:.2f}; " in title


def test_of_many_findings_only_those_with_the_highest_peaks_are_drawn(tissue):
    study = prepared_study()
    lattice = empty_lattice(study)
    lattice[2:8:2, ::2, ::2] += 4
    many = scored(study, lattice)
    findings = derive_findings(many, threshold=3.0, min_patches=1)
    fewer = replace(findings, items=findings.items[:MOST])
    assert len(findings.items) > MOST
    assert draw_nearest(many, findings, tissue, []).size == draw_nearest(many, fewer, tissue, []).size


def test_without_a_finding_there_is_no_picture(scores, tissue):
    assert draw_nearest(scores, derive_findings(scores, threshold=9.0, min_patches=2), tissue, []) is None


def test_the_picture_of_a_finding_can_have_it_below(scores, tissue):
    findings = derive_findings(scores, threshold=3.0, min_patches=2)
    bare = draw_finding(scores, findings, 1)
    comparison = tissue.of_patch(scores, findings.items[0].peak_patch)
    full = draw_finding(scores, findings, 1, comparison)
    assert full.height > bare.height + 150
    np.testing.assert_array_equal(np.asarray(full)[: bare.height], np.asarray(bare))


def test_it_can_be_shown_without_a_file():
    assert as_png(draw_comparison(a_comparison())).startswith(b"\x89PNG")
