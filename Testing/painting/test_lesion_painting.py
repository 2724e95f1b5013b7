"""Lesions, normal tissue and distractors painted for training the context detector."""

import dataclasses

import numpy as np
import pytest
from anomaly_research.painting.distractors import (
    bright_edge,
    disturb,
    inflow,
    local_ghost,
    perivascular_spaces,
    widen_sulci,
)
from anomaly_research.painting.lesion_contents import KINDS, draw_contents
from anomaly_research.painting.lesion_painting import Block, paint_lesion
from anomaly_research.painting.lesion_shapes import (
    draw_shape,
    flattened,
    melted_ellipsoids,
    noise_shape,
    outline_shape,
    radius_mm,
    read_outlines,
)
from anomaly_research.training.candidate_examples import classes_of, painted
from anomaly_research.training.context_sampling import ContextSamples, FalseAlarm
from anomaly_research.training.lesion_scan import LesionScan, known_target, noise_of
from AnomalyDetectionLib.calibration.near_tumour import near_tumour
from AnomalyDetectionLib.calibration.scan_file import TrainingScan
from AnomalyDetectionLib.detection.candidates import Candidates
from AnomalyDetectionLib.model.classes import ANOMALIES, ARTEFACT, IGNORED, INFARCT, NORMAL, OTHER, WMH

ROWS, COLUMNS = 120, 100


def head(seed=0):
    """A round brain of white matter with a fluid ventricle and a rim of cortex, scaled by tissue modes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:ROWS, :COLUMNS]
    radius = np.hypot((y - 60) / 50, (x - 50) / 42)
    brain = np.repeat((radius < 1)[None], 9, axis=0)
    t1, flair = np.full((ROWS, COLUMNS), 1.0), np.full((ROWS, COLUMNS), 1.0)
    t1[radius > 0.85], flair[radius > 0.85] = 0.7, 1.2
    t1[radius < 0.2], flair[radius < 0.2] = 0.0, 0.0
    images = [
        (np.repeat(image[None], 9, axis=0) + rng.normal(0, 0.03, brain.shape)) * brain
        for image in (t1, flair)
    ]
    return images[0].astype(np.float32), images[1].astype(np.float32), brain


def block(seed=0):
    t1, flair, brain = head(seed)
    images = np.stack([t1, flair], axis=1)[3:6].copy()
    target = np.full(brain[3:6].shape, NORMAL, np.uint8)
    weight = np.ones(target.shape, np.float32)
    return Block(images, brain[3:6].copy(), target, weight, 4.0, (0.03, 0.03))


def scan(name="a", lesion=None, **changes):
    t1, flair, brain = head()
    lesion = np.zeros(brain.shape, bool) if lesion is None else lesion
    return TrainingScan(name, name, t1, flair, brain, brain, lesion, 4.0, **changes)


def changed_by(change, seed, **options):
    """A block before and after a change, and what the change returned."""
    before, after = block(), block()
    return before, after, change(after, np.random.default_rng(seed), **options)


def test_what_is_marked_has_changed_and_what_has_not_changed_is_not_marked():
    sizes, weights = [], []
    for seed in range(80):
        before, after, lesion = changed_by(paint_lesion, seed)
        change = np.abs(after.images - before.images).max(axis=1)
        found = np.isin(after.target, ANOMALIES)
        if lesion is None:
            assert not found.any()
            continue
        if found[1].any():
            sizes.append(found[1].sum())
            weights.append(after.weight[1][found[1]].mean())
        assert found[lesion.voxels].all()
        assert (after.target[lesion.voxels] == lesion.label).all()
        assert (change[found] > 0).all()
        assert after.brain[found].all()
        assert (after.target[change == 0] == NORMAL).all()
        assert (after.weight[found] >= 1.5).all()
    assert len(sizes) > 46
    assert np.corrcoef(np.log(sizes), weights)[0, 1] < -0.8, "small lesions weigh more per voxel"


def test_every_kind_is_drawn_as_often_as_it_should_be_and_its_shape_says_nothing_of_it():
    rng = np.random.default_rng(0)
    drawn = [draw_contents(rng, foreign=True) for _ in range(4000)]
    for kind, (label, share) in KINDS.items():
        of_kind = [contents for contents in drawn if contents.kind == kind]
        assert len(of_kind) / 4000 == pytest.approx(share, abs=0.02)
        assert {contents.label for contents in of_kind} == {label}
    assert not any(draw_contents(rng, foreign=False).kind == "foreign tissue" for _ in range(300))
    wanted = {"gliosis", "itself"}
    assert {draw_contents(rng, foreign=True, kinds=wanted).kind for _ in range(50)} == wanted


def test_normal_tissue_painted_with_itself_changes_a_little_and_is_called_normal():
    changed = 0
    for seed in range(10):
        before, after, lesion = changed_by(paint_lesion, seed, kinds=["itself"])
        assert lesion is None
        change = np.abs(after.images - before.images)
        changed += change.max() > 0.01
        assert change.mean() < 0.05
        assert (after.target == NORMAL).all()
    assert changed > 5


@pytest.mark.parametrize("family", [noise_shape, melted_ellipsoids])
@pytest.mark.parametrize("volume_ml", [0.1, 5.0])
def test_a_shape_has_about_the_volume_that_was_asked_for(family, volume_ml):
    grid = np.mgrid[-30:31, -30:31, -30:31].astype(np.float32)
    scale = radius_mm(volume_ml) / 10
    ratios = []
    for seed in range(12):
        depth = family(radius_mm(volume_ml), np.random.default_rng(seed))(*(grid * np.float32(scale)))
        ratios.append((depth > 0).sum() * scale**3 / 1000 / volume_ml)
    assert 0.5 < np.median(ratios) < 2


def test_a_real_outline_lends_its_shape_at_another_volume_and_can_be_flattened():
    mask = np.zeros((30, 30, 30), bool)
    mask[5:25, 12:18, 12:18] = True
    (outline,) = read_outlines([mask])
    assert (outline > 0).sum() == mask.sum()

    grid = np.mgrid[-40:41, -40:41, -40:41].astype(np.float32)
    shape = outline_shape(outline, 3.0, np.random.default_rng(0))
    volume = (shape(*grid) > 0).sum() / 1000
    assert volume == pytest.approx(3.0, rel=0.15)
    assert (flattened(shape, 4.0)(*grid) > 0).sum() / 1000 == pytest.approx(volume / 4, rel=0.3)
    assert draw_shape(1.0, np.random.default_rng(0), [outline])(*grid).shape == grid[0].shape


@pytest.mark.parametrize("change", [widen_sulci, perivascular_spaces, disturb])
def test_what_looks_odd_and_is_normal_changes_the_images_and_marks_nothing(change):
    for seed in range(5):
        before, after, _ = changed_by(change, seed)
        assert not np.array_equal(before.images, after.images)
        assert (after.target == NORMAL).all()
        assert np.isfinite(after.images).all()


@pytest.mark.parametrize("change", [inflow, bright_edge, local_ghost])
def test_an_artefact_that_is_plainly_seen_is_called_one_and_never_a_lesion(change):
    values, changed = set(), 0
    for seed in range(12):
        before, after, _ = changed_by(change, seed)
        assert change is not inflow or np.array_equal(before.images[:, 0], after.images[:, 0]), (
            "T1 stays fluid"
        )
        difference = np.abs(before.images - after.images).max(axis=1)
        changed += difference.max() > 0
        values |= set(np.unique(after.target))
        assert (difference[after.target == ARTEFACT] > 0).all()
    assert changed >= 11
    assert ARTEFACT in values
    assert values <= {NORMAL, ARTEFACT, IGNORED}


def test_bright_clusters_are_lesions_in_white_matter_and_none_at_the_edge_or_in_the_midline():
    masked, white = np.s_[4, 40:44, 70:74], np.s_[4, 70:73, 25:28]
    edge, middle = np.s_[4, 107:109, 48:52], np.s_[4, 30:33, 49:52]
    lesion = np.zeros((9, ROWS, COLUMNS), bool)
    lesion[masked] = True
    made = scan(lesion=lesion)
    for box in (masked, white, edge, middle):
        made.flair[box] = 2.5

    target = known_target(made)
    assert (target[masked] == WMH).all()
    assert (target[white] == WMH).all()
    assert (target[edge] == NORMAL).all()
    assert (target[middle] == NORMAL).all()

    tumour = known_target(dataclasses.replace(made, lesion_class="tumour"))
    assert (tumour[masked] == OTHER).all()
    assert (tumour[white] == IGNORED).all()  # a mask of tumours says nothing of white matter hyperintensities
    nothing_marked = dataclasses.replace(made, lesion=np.zeros_like(lesion))
    assert (known_target(nothing_marked)[white] == WMH).all()  # a real scan, not a simulated head
    head_alone = dataclasses.replace(nothing_marked, lesion_class="")
    assert (known_target(head_alone) == NORMAL).all()


def test_nothing_is_known_within_a_centimetre_and_a_slice_of_a_tumour():
    lesion = np.zeros((9, ROWS, COLUMNS), bool)
    lesion[4, 60, 50] = True
    near = near_tumour(lesion)

    assert near[3:6].any(axis=(1, 2)).all()
    assert not near[[0, 1, 2, 6, 7, 8]].any()
    assert near[4, 60, 61]
    assert not near[4, 60, 62]


def test_the_noise_of_a_scan_is_measured():
    t1, _, brain = head()
    assert noise_of(t1, brain) == pytest.approx(0.03, rel=0.3)  # the edges of tissues add a little


def test_a_sample_depends_on_its_seed_and_number_alone():
    scans = [LesionScan.of(scan("a")), LesionScan.of(scan("b"))]
    samples, again = ContextSamples(scans, [], 10, seed=3), ContextSamples(scans, [], 10, seed=3)
    for number in (7, 2):
        first, second = samples[number], again[number]
        assert all((getattr(first, name) == getattr(second, name)).all() for name in vars(first))
    assert not (samples[1].images == samples[2].images).all()


def test_samples_hold_every_class_and_nothing_is_asked_outside_the_brain():
    drawn = [ContextSamples([LesionScan.of(scan())], [], 60, seed=1)[k] for k in range(40)]
    values = {int(v) for sample in drawn for v in sample.target.unique()}

    assert values == {NORMAL, WMH, INFARCT, OTHER, ARTEFACT, IGNORED}
    for sample in drawn:
        assert (sample.target[sample.brain == 0] == IGNORED).all()


def test_old_and_young_brains_are_drawn_alike_and_so_is_every_person():
    scans = [LesionScan.of(scan(f"old {k}", group="old")) for k in range(1)]
    scans += [LesionScan.of(scan(f"young {k}", group="young")) for k in range(3)]
    scans += [dataclasses.replace(scans[1], name="young 0, again")]
    samples = ContextSamples(scans, [], 1, seed=0)
    rng = np.random.default_rng(0)
    drawn = np.bincount([samples._draw(rng) for _ in range(3000)], minlength=5) / 3000

    assert drawn == pytest.approx([1 / 2, 1 / 12, 1 / 6, 1 / 6, 1 / 12], abs=0.03)


def test_a_false_alarm_is_shown_again_in_a_quarter_of_the_samples():
    scans = [LesionScan.of(scan(f"somebody {number}")) for number in range(8)]
    scans[0].target[:] = IGNORED  # so that it is told from the others
    samples = ContextSamples(scans, [], 48, seed=5, false_alarms=[FalseAlarm(0, 4, 60, 30)])
    shown = sum(bool((samples[k].target == IGNORED).all()) for k in range(48))
    assert 10 <= shown <= 25  # a quarter, and an eighth of the others: 16.5; an eighth alone: 6


def test_a_candidate_is_the_lesion_that_fills_a_quarter_of_it():
    target = np.full((1, 4, 20), NORMAL, np.uint8)
    labels = np.zeros((1, 4, 20), np.int32)
    for number, (value, columns) in enumerate(
        [(INFARCT, 2), (WMH, 4), (ARTEFACT, 4), (NORMAL, 4), (IGNORED, 4)], start=1
    ):
        labels[0, :, 4 * (number - 1) : 4 * number] = number
        target[0, :, 4 * (number - 1) : 4 * (number - 1) + columns] = value

    found = classes_of(Candidates(labels, 5), target)
    assert found.tolist() == [INFARCT, WMH, ARTEFACT, NORMAL, IGNORED]


def test_a_whole_scan_is_painted_or_left_as_it_is():
    made = LesionScan.of(scan())
    kinds = [np.isin(painted(made, [], np.random.default_rng(k)).target, ANOMALIES).any() for k in range(12)]
    assert 2 < sum(kinds) < 12
    assert (made.target == NORMAL).all()  # it is not itself painted on
