"""Lesions and distractors painted for training the context detector."""

import numpy as np
import pytest
from AnomalyDetectionLib.training.context_distractors import (
    bright_edge,
    disturb,
    inflow,
    perivascular_spaces,
    widen_sulci,
)
from AnomalyDetectionLib.training.context_lesions import (
    ANOMALOUS,
    HYPERINTENSE,
    IGNORED,
    NORMAL,
    Block,
    Levels,
    paint_lesion,
    read_outlines,
)
from AnomalyDetectionLib.training.context_sampling import ContextSamples, ContextScan, known_target
from AnomalyDetectionLib.training.scan_file import TrainingScan

ROWS, COLUMNS = 120, 100


def head(seed=0):
    """A round brain of white matter with a fluid ventricle and a rim of cortex."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:ROWS, :COLUMNS]
    radius = np.hypot((y - 60) / 50, (x - 50) / 42)
    brain = np.repeat((radius < 1)[None], 9, axis=0)
    t1, flair = np.full((ROWS, COLUMNS), 0.9), np.full((ROWS, COLUMNS), 0.6)
    t1[radius > 0.85], flair[radius > 0.85] = 0.6, 0.85
    t1[radius < 0.2], flair[radius < 0.2] = 0.0, 0.0
    images = [
        (np.repeat(image[None], 9, axis=0) + rng.normal(0, 0.02, brain.shape)) * brain
        for image in (t1, flair)
    ]
    return images[0].astype(np.float32), images[1].astype(np.float32), brain


def block(seed=0):
    t1, flair, brain = head(seed)
    levels = Levels.of(t1, flair, brain)
    images = np.stack([t1, flair], axis=1)[3:6].copy()
    target = np.full((ROWS, COLUMNS), NORMAL, np.uint8)
    return Block(images, brain[3:6].copy(), target, np.ones((ROWS, COLUMNS), np.float32), 4.0, levels)


def scan(name="a", lesion=None, known=None):
    t1, flair, brain = head()
    nothing = np.zeros(brain.shape, bool)
    lesion = nothing if lesion is None else lesion
    return TrainingScan(name, name, t1, flair, brain, brain, lesion, 4.0, lesion if known is None else known)


def test_the_levels_of_a_scan_are_those_of_its_tissues():
    levels = block().levels

    assert levels.csf == pytest.approx([0, 0], abs=0.02)
    assert levels.white == pytest.approx([0.9, 0.6], abs=0.02)
    assert levels.grey == pytest.approx([0.6, 0.85], abs=0.02)


def test_what_is_marked_has_changed_and_what_has_not_changed_is_not_marked():
    marked = 0
    for seed in range(60):
        before, after = block(), block()
        kind = paint_lesion(after, np.random.default_rng(seed))
        change = np.abs(after.images - before.images).max(axis=(0, 1))
        lesion = np.isin(after.target, (HYPERINTENSE, ANOMALOUS))
        if kind is None:
            assert not lesion.any()
            continue
        marked += lesion.any()
        assert (change[lesion] > 0).all()
        assert after.brain[1][lesion].all()
        far = change == 0
        assert (after.target[far] == NORMAL).mean() > 0.999
        assert (after.weight[lesion] >= 2).all()
    assert marked > 35


def test_small_lesions_weigh_more_per_voxel_than_large_ones():
    sizes, weights = [], []
    for seed in range(80):
        painted = block()
        paint_lesion(painted, np.random.default_rng(seed))
        lesion = np.isin(painted.target, (HYPERINTENSE, ANOMALOUS))
        if lesion.any():
            sizes.append(lesion.sum())
            weights.append(painted.weight[lesion].mean())
    assert np.corrcoef(np.log(sizes), weights)[0, 1] < -0.8


def test_a_real_outline_lends_its_shape():
    mask = np.zeros((30, 30, 30), bool)
    mask[5:25, 12:18, 12:18] = True
    (outline,) = read_outlines([mask])

    assert (outline > 0).sum() == mask.sum()
    kinds = [paint_lesion(block(), np.random.default_rng(seed), [outline]) for seed in range(20)]
    assert sum(kind is not None for kind in kinds) > 10


@pytest.mark.parametrize("change", [widen_sulci, perivascular_spaces, inflow, bright_edge, disturb])
def test_a_distractor_changes_the_images_and_marks_nothing(change):
    changed = 0
    for seed in range(5):
        before, after = block(), block()
        change(after, np.random.default_rng(seed))
        changed += not np.array_equal(before.images, after.images)
        assert (after.target == NORMAL).all()
        assert np.isfinite(after.images).all()
        assert (after.images[:, 0][~after.brain] == 0).all() or change is not disturb
    assert changed == 5


def test_inflow_leaves_the_t1_alone():
    before, after = block(), block()
    inflow(after, np.random.default_rng(1))

    assert np.array_equal(before.images[:, 0], after.images[:, 0])


def test_bright_clusters_are_lesions_in_white_matter_and_none_at_the_edge_or_in_the_midline():
    t1, flair, brain = head()
    lesion = np.zeros(brain.shape, bool)
    masked, white, edge, middle = (
        (4, slice(40, 44), slice(70, 74)),
        (4, slice(70, 73), slice(25, 28)),
        (4, slice(108, 110), slice(48, 52)),
        (4, slice(30, 33), slice(49, 52)),
    )
    for box in (masked, white, edge, middle):
        lesion[box] = True
    known = np.zeros(brain.shape, bool)
    known[masked] = True
    s = scan(lesion=lesion, known=known)

    target = known_target(s, Levels.of(t1, flair, brain))

    assert (target[masked] == HYPERINTENSE).all()
    assert (target[white] == HYPERINTENSE).all()
    assert (target[edge] == NORMAL).all()
    assert (target[middle] == NORMAL).all()


def test_a_sample_depends_on_its_seed_and_number_alone():
    scans = [ContextScan.of(scan("a")), ContextScan.of(scan("b"))]
    samples, again = ContextSamples(scans, [], 10, seed=3), ContextSamples(scans, [], 10, seed=3)
    for number in (7, 2):
        first, second = samples[number], again[number]
        assert all((getattr(first, name) == getattr(second, name)).all() for name in vars(first))
    assert not (samples[1].images == samples[2].images).all()


def test_samples_hold_lesions_of_both_classes_and_hide_one_image_now_and_then():
    samples = ContextSamples([ContextScan.of(scan())], [], 40, seed=1)
    drawn = [samples[k] for k in range(40)]
    values = {int(v) for sample in drawn for v in sample.target.unique()}
    hidden = [int((~sample.seen).sum()) for sample in drawn]

    assert values == {NORMAL, HYPERINTENSE, ANOMALOUS, IGNORED}
    assert set(hidden) == {0, 1}
    for sample in drawn:
        outside = sample.brain.reshape(104, 2, 88, 2).amax(dim=(1, 3)) == 0
        assert (sample.target[outside] == IGNORED).all()


def test_scans_that_do_not_say_where_their_lesions_are_are_refused():
    t1, flair, brain = head()

    with pytest.raises(ValueError, match="does not say"):
        ContextScan.of(TrainingScan("old", "old", t1, flair, brain, brain))
