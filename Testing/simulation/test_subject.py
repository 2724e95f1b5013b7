"""Infarcts and confounders put into a scan, and the truth about them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from anomaly_research.simulation.lesions import InfarctPlan
from anomaly_research.simulation.subject import Confounding, Subject, make_subject, random_confounding
from made_up_host import BRAIN, LEVELS, NOISE, PAPER, made_up_host
from scipy import ndimage
from scipy.spatial.transform import Rotation

PLANS = (
    InfarctPlan("cortical", 4.0),
    InfarctPlan("cortical", 0.5, cavitated=False),
    InfarctPlan("lacunar", 0.4),
    InfarctPlan("lacunar", 0.05),
    InfarctPlan("large subcortical", 2.0),
    InfarctPlan("infratentorial", 0.6, place="cerebellum"),
)


NOTHING_ELSE = Confounding()


def subject_of(host, plans=PLANS, confounding=NOTHING_ELSE, number=0) -> Subject:
    return make_subject(host, plans, confounding, (), np.random.SeedSequence(number))


@pytest.fixture(scope="module")
def host():
    return made_up_host()


@pytest.fixture(scope="module")
def subject(host):
    return subject_of(host)


def changed(host, subject):
    """Where T1 and FLAIR differ from the host's."""
    return (subject.t1.stored != host.t1.scan.stored, subject.flair.stored != host.flair.scan.stored)


def centre_mm(mask, grid):
    """The middle of a mask (or of weights) in LPS mm."""
    index = np.argwhere(mask)
    weights = mask[mask != 0].astype(float)
    return grid.points(((index * weights[:, None]).sum(0) / weights.sum())[None, ::-1])[0]


@pytest.mark.parametrize("spacing", [PAPER, (1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (0.7, 0.8, 3.0)])
def test_inserted_volumes_are_those_asked_for(spacing):
    made = subject_of(made_up_host(spacing), number=int(10 * spacing[0]))
    assert made.left_out == ()
    voxel_ml = float(np.prod(spacing)) / 1000
    for plan, lesion in zip(PLANS, made.lesions, strict=True):
        assert (lesion.kind, lesion.cavitated) == (plan.kind, plan.cavitated)
        assert lesion.volume_ml == pytest.approx(plan.volume_ml, rel=0.03)
        voxels = (made.infarcts == lesion.number).sum()
        assert voxels * voxel_ml == pytest.approx(lesion.voxel_volume_ml)
        assert voxels >= 1
        if plan.volume_ml > 20 * voxel_ml:
            assert lesion.voxel_volume_ml == pytest.approx(plan.volume_ml, rel=0.05)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_scan_without_lesions_comes_back_unchanged(dtype):
    host = made_up_host(dtype=dtype)
    made = subject_of(host, ())
    assert made.t1.to_bytes() == host.t1.scan.to_bytes()
    assert made.flair.to_bytes() == host.flair.scan.to_bytes()
    assert not made.infarcts.any()
    assert not made.confounders.any()
    assert made.lesions == ()


def test_voxels_away_from_lesions_keep_every_bit(host, subject):
    near = ndimage.binary_dilation(subject.infarcts > 0, np.ones((3, 9, 9)), iterations=1)
    for difference in changed(host, subject):
        assert difference.any()
        assert not (difference & ~near).any()
    assert subject.flair.stored.dtype == host.flair.scan.stored.dtype


def test_infarcts_lie_apart_in_the_brain_where_their_kind_belongs_and_their_record_says(host, subject):
    deep = {"deep grey", "white matter"}
    regions = {"cortical": {"cortex", "white matter"}, "lacunar": deep, "large subcortical": deep}
    regions["infratentorial"] = {"cerebellum", "brain stem"}
    for lesion in subject.lesions:
        own = subject.infarcts == lesion.number
        left, posterior, superior = centre_mm(own, host.flair.scan.grid)
        assert (-left, -posterior, superior) == pytest.approx(lesion.centroid_ras, abs=1.5)
        assert lesion.side == ("left" if left > 0 else "right")
        assert lesion.region in regions[lesion.kind]
        around = ndimage.binary_dilation(own, np.ones((1, 5, 5))) & ~own
        assert not subject.infarcts[around].any()
    assert host.mask[subject.infarcts > 0].mean() > 0.98


def test_a_lesion_is_at_the_same_place_in_an_oblique_t1_in_a_space_of_its_own():
    there = np.eye(4)
    there[:3, :3] = Rotation.from_euler("xyz", (3, -4, 6), degrees=True).as_matrix()
    there[:3, 3] = (14.0, -9.0, 6.0)
    direction = Rotation.from_euler("xyz", (12, 5, -8), degrees=True).as_matrix()
    host = made_up_host(t1_spacing=(1.1, 1.0, 1.6), t1_direction=direction, from_flair=there)
    made = subject_of(host, (InfarctPlan("large subcortical", 4.0, cavitated=False),))
    t1, flair = (
        abs(scan.values - image.scan.values) for scan, image in ((made.t1, host.t1), (made.flair, host.flair))
    )
    in_flair = centre_mm(np.where(flair > 4 * NOISE, flair, 0), host.flair.scan.grid)
    in_t1 = centre_mm(np.where(t1 > 4 * NOISE, t1, 0), host.t1.scan.grid)
    assert np.allclose(there[:3, :3] @ in_flair + there[:3, 3], in_t1, atol=1.0)
    assert np.allclose(centre_mm(made.infarcts, host.flair.scan.grid), in_flair, atol=1.0)


def test_no_infarct_is_put_where_it_must_not_be():
    host = made_up_host(avoid=BRAIN.mni[0] > -5)
    made = subject_of(host)
    assert {lesion.side for lesion in made.lesions} == {"left"}
    columns = np.argwhere(made.infarcts)[:, 2]
    assert (host.flair.scan.grid.origin[0] + 0.9 * columns).min() > 2.5


def test_a_brain_without_room_gets_none_and_says_which_were_left_out():
    host = made_up_host(avoid=np.ones(BRAIN.grid.shape, bool))
    made = subject_of(host)
    assert made.lesions == ()
    assert made.left_out == PLANS
    assert made.flair.to_bytes() == host.flair.scan.to_bytes()


def test_known_lesions_are_labelled_as_what_they_are(host):
    known = np.zeros(host.known.shape, bool)
    known[12, 60:64, 50:55] = True
    for label in (1, 5):
        made = subject_of(dataclasses.replace(host, known=known, known_class=label), ())
        assert np.array_equal(made.confounders == label, known)
        assert made.flair.to_bytes() == host.flair.scan.to_bytes()


def middle_values(cavitated, spacing=PAPER):
    """T1 and FLAIR in the middle of large infarcts."""
    host = made_up_host(spacing)
    values = []
    for number in range(3):
        plan = InfarctPlan("large subcortical", 5.0, cavitated=cavitated)
        made = subject_of(host, (plan,), number=number)
        depth = ndimage.distance_transform_edt(made.infarcts > 0, sampling=spacing[::-1])
        middle = depth > 0.8 * depth.max()
        values.append([np.median(scan.values[middle]) for scan in (made.t1, made.flair)])
    return np.array(values).T


def test_a_cavity_is_nearly_as_dark_as_fluid_on_both():
    t1, flair = middle_values(cavitated=True)
    assert (t1 < LEVELS.grey[0]).all()
    assert np.median(t1) < 1.6 * LEVELS.csf[0]
    assert (flair < 0.6 * LEVELS.white[1]).all()


def test_gliosis_is_brighter_than_the_brain_on_flair_and_darker_on_t1():
    t1, flair = middle_values(cavitated=False)
    assert (flair > LEVELS.grey[1]).all()
    assert (t1 < LEVELS.white[0]).all()
    assert (t1 > LEVELS.csf[0]).all()


def test_a_cavity_has_a_bright_rim(host, subject):
    for lesion in subject.lesions:
        if lesion.cavitated and lesion.volume_ml > 0.9 and lesion.kind != "cortical":
            inside = ndimage.binary_dilation(subject.infarcts == lesion.number, np.ones((1, 3, 3)))
            assert np.percentile(subject.flair.values[inside], 95) > LEVELS.grey[1]


def test_infarcts_have_the_noise_of_the_scan():
    host = made_up_host((1.0, 1.0, 1.0))
    made = subject_of(host, (InfarctPlan("cortical", 12.0),))
    t1 = made.t1.values
    cavity = (made.infarcts > 0) & (ndimage.uniform_filter(t1, 3) < 0.25 * LEVELS.white[0])
    core = ndimage.binary_erosion(cavity, np.ones((1, 3, 3)))
    assert core.sum() > 300
    residual = (t1 - ndimage.uniform_filter(t1, (1, 3, 3)))[core] / np.sqrt(8 / 9)
    assert 1.4826 * np.median(abs(residual)) == pytest.approx(NOISE, rel=0.2)


def test_a_lesion_in_a_dark_corner_is_as_dark_as_the_corner():
    bias = np.broadcast_to(
        np.linspace(0.5, 1.5, BRAIN.grid.shape[2], dtype=np.float32), BRAIN.grid.shape
    ).copy()
    bright, expected = [], []
    for avoid in (BRAIN.mni[0] > -8, BRAIN.mni[0] < 8):
        host = made_up_host(bias=bias, avoid=avoid)
        made = subject_of(host, (InfarctPlan("large subcortical", 4.0, cavitated=False),), number=5)
        depth = ndimage.distance_transform_edt(made.infarcts > 0, sampling=PAPER[::-1])
        bright.append(np.median(made.flair.values[depth > 0.7 * depth.max()]))
        expected.append(1 - 0.5 * made.lesions[0].centroid_ras[0] / (BRAIN.grid.size[0] / 2))
    assert bright[0] / bright[1] == pytest.approx(expected[0] / expected[1], rel=0.12)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(host, subject):
    again = subject_of(host)
    for name in ("t1", "flair"):
        assert getattr(again, name).to_bytes() == getattr(subject, name).to_bytes()
    assert np.array_equal(again.infarcts, subject.infarcts)
    assert again.lesions == subject.lesions
    assert (subject_of(host, number=1).infarcts != subject.infarcts).any()


@pytest.mark.parametrize(
    ("confounding", "label"),
    [(Confounding(wmh_ml=3.0), 1), (Confounding(perivascular=10), 2), (Confounding(sulci=3), 3)],
)
def test_confounders_are_labelled_and_nothing_else_changes(host, confounding, label):
    made = subject_of(host, (), confounding)
    assert set(np.unique(made.confounders)) == {0, label}
    near = ndimage.binary_dilation(made.confounders > 0, np.ones((3, 7, 7)))
    for scan, image in ((made.t1, host.t1), (made.flair, host.flair)):
        change = abs(scan.values - image.scan.values)
        assert change.any()
        # What fills a voxel by less than a fifth is not labelled, and hardly seen.
        assert change[~near].max() < 0.25 * LEVELS.white[image.channel] + 4 * NOISE
        assert (change[~near] > 0).sum() < 0.2 * (change > 0).sum()
    inside = made.confounders == label
    brighter = made.flair.values[inside].mean() - host.flair.scan.values[inside].mean()
    assert (brighter > 3 * NOISE) if label == 1 else (brighter < -3 * NOISE)


@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("kind", ["motion", "ghosting", "ringing"])
def test_an_artefact_is_labelled_where_it_shows_and_spares_the_other_image(host, kind, channel):
    made = subject_of(host, (), Confounding(artefact=kind, artefact_in=channel), number=2)
    difference = changed(host, made)
    spoiled, spared = (difference[1], difference[0]) if channel else difference
    assert spoiled.any()
    assert not spared.any()
    slices = np.flatnonzero((made.confounders == 4).any((1, 2)))
    assert slices.size
    # Slices outside the package keep every bit; the labels lie in it.
    touched = np.flatnonzero(spoiled.any((1, 2)))
    assert touched[-1] - touched[0] < len(spoiled) - 5
    if channel:
        assert set(slices) <= set(touched)
        change = abs(made.flair.values - host.flair.scan.values)
        marked, rest = made.confounders == 4, host.mask & (made.confounders == 0)
        rest &= np.isin(np.arange(len(rest)), touched)[:, None, None]
        assert change[marked].mean() > 2 * change[rest].mean()


def test_infarcts_and_confounders_never_share_a_voxel(host):
    everything = Confounding(wmh_ml=5.0, perivascular=8, sulci=3, artefact="motion")
    made = subject_of(host, PLANS, everything)
    assert {1, 2, 3, 4} <= set(np.unique(made.confounders))
    assert not made.confounders[made.infarcts > 0].any()
    assert [lesion.number for lesion in made.lesions] == list(range(1, len(PLANS) + 1))


def test_confounders_come_as_often_as_asked_for():
    rng = np.random.default_rng(0)
    drawn = [random_confounding(rng, 0.3, 0.4, 0.2, 0.15) for _ in range(2000)]
    shares = np.mean(
        [[d.wmh_ml > 0, d.perivascular > 0, d.sulci > 0, d.artefact != ""] for d in drawn], axis=0
    )
    assert shares == pytest.approx([0.3, 0.4, 0.2, 0.15], abs=0.03)
