"""Chronic infarcts put into an existing scan."""

import numpy as np
import pytest
from AnomalyDetectionLib.simulation import insertion
from AnomalyDetectionLib.simulation.insertion import (
    KINDS,
    insert_infarcts,
    random_volume_ml,
    tissue_levels,
)
from scipy import ndimage

SPACING = 0.9, 0.9, 4.0  # x, y, z
VOXEL_ML = 0.9 * 0.9 * 4.0 / 1000
LEVELS = {"csf": (0.05, 0.0), "grey": (0.6, 0.75), "white": (0.95, 0.6)}  # T1, FLAIR
NOISE = 0.02
RANGES_ML = {
    "cortical": (0.036, 80.0),
    "lacunar": (0.036, 1.77),
    "large subcortical": (1.77, 20.0),
    "infratentorial": (0.036, 80.0),
}


@pytest.fixture(scope="module")
def scan():
    """T1, FLAIR and brain: shells of CSF and grey matter round white matter, with ventricles."""
    shape = 30, 190, 160
    s, r, c = np.indices(shape)
    depth = np.sqrt(((s - 15) * 4 / 56) ** 2 + ((r - 95) * 0.9 / 82) ** 2 + ((c - 80) * 0.9 / 66) ** 2)
    brain = depth < 1
    ventricles = (abs(s - 16) < 4) & (((r - 95) / 30) ** 2 + ((c - 80) / 14) ** 2 < 1)
    tissue = np.select([~brain, (depth > 0.96) | ventricles, depth > 0.86], [0, 1, 2], 3)
    rng = np.random.default_rng(0)
    images = []
    for channel in range(2):
        values = np.array([0.0, *(LEVELS[name][channel] for name in ("csf", "grey", "white"))])
        images.append((values[tissue] + rng.normal(0, NOISE, shape)).astype(np.float32))
    return images[0], images[1], brain


def inserted(scan, seed=1, count=8, **options):
    t1, flair, brain = scan
    rng = np.random.default_rng(seed)
    return insert_infarcts(t1, flair, brain, SPACING, count=count, rng=rng, **options)


def changed(scan, result):
    return (result.t1 != scan[0]) | (result.flair != scan[1])


@pytest.fixture(scope="module")
def many(scan):
    """Infarcts of several draws."""
    return [inserted(scan, seed, count=8) for seed in range(4)]


def test_the_levels_of_the_tissues_are_read_off_the_scan(scan):
    levels = tissue_levels(*scan)
    for name, expected in LEVELS.items():
        assert getattr(levels, name) == pytest.approx(expected, abs=0.03)
    assert levels.noise == pytest.approx((NOISE, NOISE), rel=0.1)


def test_volumes_are_spread_as_in_the_paper():
    rng = np.random.default_rng(2)
    volumes = np.array([random_volume_ml(rng) for _ in range(4000)])
    assert np.median(volumes) == pytest.approx(0.44, rel=0.1)
    assert volumes.min() == 0.036
    assert 20 < volumes.max() <= 156


def test_as_many_infarcts_as_asked_for_are_inserted(many):
    assert [len(result.infarcts) for result in many] == [8] * len(many)


def test_the_table_tells_what_the_label_map_holds(many):
    for result in many:
        assert result.truth.dtype == np.uint16
        sizes = np.bincount(result.truth.ravel(), minlength=9)[1:]
        assert [infarct.number for infarct in result.infarcts] == list(range(1, 9))
        assert [infarct.volume_ml for infarct in result.infarcts] == pytest.approx(list(sizes * VOXEL_ML))
        assert {infarct.kind for infarct in result.infarcts} <= set(KINDS)


def test_volumes_lie_within_the_range_of_their_kind(many):
    for infarct in (infarct for result in many for infarct in result.infarcts):
        low, high = RANGES_ML[infarct.kind]
        # The brain's border cuts some; voxels that are half filled come and go.
        assert 0 < infarct.volume_ml <= 1.25 * high
        if infarct.kind == "large subcortical":
            assert infarct.volume_ml >= 0.5 * low


def test_an_infarct_within_the_brain_has_the_volume_that_was_drawn(scan, monkeypatch):
    monkeypatch.setattr(insertion, "random_volume_ml", lambda rng: 1.0)
    result = inserted(scan, count=12)
    deep = ndimage.binary_erosion(scan[2], np.ones((1, 5, 5)))
    whole = [
        infarct.volume_ml
        for infarct in result.infarcts
        if infarct.kind != "large subcortical" and deep[result.truth == infarct.number].all()
    ]
    assert len(whole) >= 4
    assert whole == pytest.approx([1.0] * len(whole), rel=0.2)


def test_infarcts_lie_inside_the_brain(scan, many):
    for result in many:
        assert not result.truth[~scan[2]].any()
        assert not changed(scan, result)[~scan[2]].any()


def test_nothing_changes_away_from_the_infarcts(scan, many):
    reach = np.ones((3, 13, 13))  # the next slice, and 6 voxels of blur
    for result in many:
        near = ndimage.binary_dilation(result.truth > 0, reach)
        assert not changed(scan, result)[~near].any()
        assert changed(scan, result)[result.truth > 0].all()


def test_the_scan_that_was_given_stays_as_it_is(scan):
    before = [array.copy() for array in scan]
    inserted(scan)
    for array, copy in zip(scan, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_the_same_seed_gives_the_same_infarcts(scan):
    one, other = inserted(scan, seed=9), inserted(scan, seed=9)
    for name in ("t1", "flair", "truth"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
    assert one.infarcts == other.infarcts
    assert (inserted(scan, seed=10).truth != one.truth).any()


def half(scan):
    avoid = np.zeros(scan[2].shape, bool)
    avoid[:, :, :80] = True
    return avoid


def test_no_infarct_is_put_onto_a_known_lesion(scan):
    for seed in range(3):
        result = inserted(scan, seed, avoid=half(scan))
        assert result.infarcts
        assert not result.truth[half(scan)].any()


def test_known_lesions_stay_as_they_are(scan):
    for seed in range(3):
        result = inserted(scan, seed, count=12, avoid=half(scan))
        assert not changed(scan, result)[half(scan)].any()


def test_two_infarcts_never_merge(many):
    for result in many:
        for infarct in result.infarcts:
            own = result.truth == infarct.number
            around = ndimage.binary_dilation(own, np.ones((1, 3, 3))) & ~own
            assert not result.truth[around].any()


def test_a_brain_without_room_gets_fewer(scan):
    result = inserted(scan, avoid=np.ones_like(scan[2]))
    assert result.infarcts == ()
    assert not result.truth.any()
    assert not changed(scan, result).any()


@pytest.fixture(scope="module")
def of_2_ml(scan):
    """Infarcts of one size, large enough to have a middle."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(insertion, "random_volume_ml", lambda rng: 2.0)
        return [inserted(scan, seed, count=6) for seed in range(4)]


def middles(results, cavitated):
    """Mean T1 and FLAIR, each (n,), in the middle of the infarcts that are 5 mm deep or more."""
    means = []
    for result in results:
        for infarct in result.infarcts:
            depth = ndimage.distance_transform_edt(result.truth == infarct.number, sampling=SPACING[::-1])
            if infarct.cavitated == cavitated and depth.max() > 5:
                middle = depth > 0.9 * depth.max()
                means.append([result.t1[middle].mean(), result.flair[middle].mean()])
    assert len(means) >= 3
    return np.array(means).T


def test_gliosis_is_brighter_than_white_matter_on_flair_and_darker_on_t1(of_2_ml):
    t1, flair = middles(of_2_ml, cavitated=False)
    white_t1, white_flair = LEVELS["white"]
    assert (flair > white_flair + 5 * NOISE).all()
    assert (t1 < white_t1 - 5 * NOISE).all()
    assert (t1 > LEVELS["csf"][0] + 5 * NOISE).all()


def test_a_cavity_is_dark_on_both(of_2_ml):
    t1, flair = middles(of_2_ml, cavitated=True)
    assert (t1 < LEVELS["grey"][0]).all()
    assert (flair < LEVELS["white"][1]).all()
    assert np.median(t1) < 0.3
    assert np.median(flair) < 0.3


def test_a_cavity_has_a_gliotic_rim(of_2_ml):
    brightest = [
        np.percentile(result.flair[result.truth == infarct.number], 90)
        for result in of_2_ml
        for infarct in result.infarcts
        if infarct.cavitated
    ]
    assert np.median(brightest) > LEVELS["white"][1] + 5 * NOISE


def test_infarcts_have_the_noise_of_the_scan(of_2_ml):
    """Not the smoothness of a drawing, by which a network could tell them."""
    deviations = []
    for result in of_2_ml:
        for infarct in result.infarcts:
            middle = ndimage.binary_erosion(result.truth == infarct.number, np.ones((1, 5, 5)))
            if not infarct.cavitated and middle.sum() > 40:
                deviations.append(result.t1[middle].std())
    assert len(deviations) >= 3
    assert np.median(deviations) == pytest.approx(NOISE, rel=0.5)
