"""The parts of the brain as the bundled network sees them in the built-in sample."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.anatomy import AnatomyLabel, segment_anatomy
from AnomalyDetectionLib.detection.brain_parts import BrainParts
from AnomalyDetectionLib.detection.stored_scores import read_stored, restore
from conftest import SAMPLE
from scipy import ndimage


@pytest.fixture(scope="module")
def scores(sample_run):
    assert sample_run.code == 0, sample_run.stderr
    return restore(read_stored(sample_run.output / "score_map"))


def place_of(label, scores):
    """LPS mm from the middle of the brain."""
    points = [
        scores.study.grid.points(np.argwhere(m)[:, ::-1]).mean(axis=0)
        for m in (scores.anatomy == label, scores.study.brain)
    ]
    return points[0] - points[1]


def volume_ml(label, scores):
    return (scores.anatomy == label).sum() * scores.study.grid.voxel_ml


def test_a_run_stores_the_anatomy_that_it_saw(scores):
    np.testing.assert_array_equal(scores.anatomy, segment_anatomy(scores.study))
    assert scores.anatomy.dtype == np.uint8
    assert not scores.anatomy[~scores.study.brain].any()
    assert scores.seconds["anatomy"] > 0


def test_there_are_no_crumbs_of_what_is_large_in_every_brain(scores):
    for label in (AnatomyLabel.VENTRICLES, AnatomyLabel.CEREBELLUM):
        pieces, count = ndimage.label(scores.anatomy == label, np.ones((3, 3, 3)))
        assert 1 <= count <= 6
        assert np.bincount(pieces.ravel())[1:].min() * scores.study.grid.voxel_ml > 0.2


@pytest.mark.parametrize(
    ("label", "low_ml", "high_ml"),
    [
        (AnatomyLabel.VENTRICLES, 8, 80),
        (AnatomyLabel.CORTEX, 300, 800),
        (AnatomyLabel.WHITE_MATTER, 300, 700),
        (AnatomyLabel.DEEP_GREY, 15, 70),
        (AnatomyLabel.CEREBELLUM, 80, 200),
        (AnatomyLabel.BRAIN_STEM, 12, 55),
    ],
)
def test_every_part_has_a_human_volume(label, low_ml, high_ml, scores):
    assert low_ml < volume_ml(label, scores) < high_ml


def test_the_parts_lie_where_they_belong(scores):
    left, back, up = 0, 1, 2
    for label in (AnatomyLabel.VENTRICLES, AnatomyLabel.CEREBELLUM, AnatomyLabel.BRAIN_STEM):
        assert abs(place_of(label, scores)[left]) < 6, "they are on both sides alike"
    assert np.linalg.norm(place_of(AnatomyLabel.VENTRICLES, scores)) < 25
    assert (
        place_of(AnatomyLabel.CEREBELLUM, scores)[back] > place_of(AnatomyLabel.BRAIN_STEM, scores)[back] + 15
    )
    for label in (AnatomyLabel.CEREBELLUM, AnatomyLabel.BRAIN_STEM):
        assert place_of(label, scores)[up] < -20
    assert place_of(AnatomyLabel.DEEP_GREY, scores)[back] < 10


def test_a_mirrored_head_has_mirrored_parts(scores):
    study = scores.study
    mirrored = replace(
        study, t1=study.t1[:, :, ::-1].copy(), flair=study.flair[:, :, ::-1].copy(), brain=study.brain[:, :, ::-1].copy()
    )  # fmt: skip
    there = segment_anatomy(mirrored)[:, :, ::-1]
    assert (there == scores.anatomy)[study.brain].mean() > 0.94


def test_the_infarcts_lie_in_the_parts_that_they_were_put_in(scores):
    """The regions of the truth are the simulation's own; those without a name of ours are left out."""
    words = {
        "deep grey": {"deep grey matter"}, "cerebellum": {"cerebellum"}, "brain stem": {"brain stem"},
        "cortex": {"cortex", "subcortical white matter"},
        "white matter": {"deep white matter", "periventricular white matter", "subcortical white matter"},
    }  # fmt: skip
    truth = sitk.ReadImage(str(SAMPLE / "simulated_truth.nii.gz"))
    cells = sitk.GetArrayFromImage(scores.study.grid.resampled(truth))
    with (SAMPLE / "simulated_lesions.csv").open(newline="", encoding="utf-8") as content:
        rows = [row for row in csv.DictReader(content) if row["region"] in words]
    names = BrainParts(scores.anatomy, scores.study.grid).names(cells, int(cells.max()))
    right = [names[int(row["number"]) - 1] in words[row["region"]] for row in rows]
    assert len(right) >= 8
    assert sum(right) >= len(right) - 2, [(row["region"], names[int(row["number"]) - 1]) for row in rows]
