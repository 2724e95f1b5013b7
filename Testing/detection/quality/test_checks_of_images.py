"""Each fault is noticed in a scan made so, and nothing is said of the same scan without it."""

import json
from dataclasses import replace

import degraded_scans as made
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from anomaly_research.simulation.signals import CSF, GREY_MATTER, WHITE_MATTER
from AnomalyDetectionLib.detection.quality import (
    brain_volume,
    contrast_medium,
    contrasts,
    field_of_view,
    intensities,
    motion,
    noise,
    slice_gaps,
    spacing,
)
from AnomalyDetectionLib.detection.quality.acquired import Acquired
from AnomalyDetectionLib.detection.quality.checks import check_image, check_images
from AnomalyDetectionLib.detection.quality.slice_shifts import MOST_USUAL_MM, STEADY_MM, SliceShifts
from AnomalyDetectionLib.detection.quality.warning import QualityWarning
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.intensity import intensity_scale
from AnomalyDetectionLib.imaging.reading import read_volume
from AnomalyDetectionLib.imaging.volume import Volume
from made_dicom import classic_series, enhanced_series
from scipy import ndimage

ROLES = ("T1", "FLAIR")
SPIN_ECHO = {"T2": (4000, 100), "proton density": (3000, 15)}


def names(warnings):
    return [warning.name for warning in warnings]


def test_nothing_is_said_of_a_good_scan(good):
    assert check_images(good.study, good.prepared) == ()


@pytest.mark.parametrize("role", ROLES)
def test_noise_is_measured_and_strong_noise_is_noticed(role, good):
    images = [
        good.acquired(role, made.noisy(good.image(role), good.brain(role), level))
        for level in (0.0, 0.06, 0.12, 0.2)
    ]
    measured = [noise.relative_noise(image) for image in images]
    assert measured == sorted(measured)
    assert measured[0] < 0.05
    (warning,) = noise.check(images[-1])
    assert (warning.name, warning.measured["image"]) == ("noise", role)
    # Less than 0.2: the spread of the brain grows, too.
    assert warning.measured["noise"] == pytest.approx(0.18, abs=0.04)
    assert f"The {role} is noisy" in warning.sentence


@pytest.mark.parametrize(
    ("role", "spoil"),
    [
        *((role, lambda image: made.ghosted(image, 0.3)) for role in ROLES),
        ("FLAIR", lambda image: made.moved(image, 5, 0.5, seed=1)),
        ("FLAIR", lambda image: made.zero_margins(made.ghosted(image, 0.3), 0, 6)),
        ("FLAIR", lambda image: made.zero_margins(made.ghosted(image, 0.3), 1, 6)),
    ],
    ids=["T1", "FLAIR", "a head that moved", "beside rows of zeros", "beside columns of zeros"],
)
def test_ghosts_beside_the_head_are_noticed(role, spoil, good):
    assert names(motion.check(good.acquired(role, spoil(good.image(role))))) == ["motion"]


def test_few_slices_with_air_need_more_to_be_called_ghosts(good):
    """A tight field of view shows air beside the top of the head alone."""
    weak, strong = (
        good.acquired("FLAIR", made.ghosted(good.image("FLAIR"), weaker)) for weaker in (0.12, 0.5)
    )
    few = np.flatnonzero(weak.brain.any(axis=(1, 2)))
    top = slice(int(few[int(0.8 * len(few))]), None)
    for image, said in ((weak, []), (strong, ["motion"])):
        least = replace(image, values=image.values[top], brain=image.brain[top])
        assert 3 <= motion.ghost(least)[1] < motion.ENOUGH_SLICES
        assert names(motion.check(least)) == said
        assert names(motion.check(image)) == ["motion"]


def test_without_air_round_the_head_ghosts_are_not_judged(good):
    image = good.image("FLAIR")
    stripped = made.like(image, np.where(good.brain("FLAIR"), sitk.GetArrayFromImage(image), 0))
    assert motion.ghost(good.acquired("FLAIR", stripped)) is None


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("voxels", [14, 22])
def test_zeros_round_noisy_air_are_no_ghosts(role, axis, voxels, good):
    """Defacing, gradient correction and reslicing leave them; real air has noise in it."""
    noisy = made.noisy(good.image(role), good.brain(role), 0.06)
    assert motion.check(good.acquired(role, made.zero_margins(noisy, axis, voxels))) == ()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("mm", [2, 5])
def test_slices_taken_in_two_places_are_noticed_and_how_far_apart_they_are(mm, role, good):
    (warning,) = SliceShifts.of(good.acquired(role, made.moved_between_slices(good.image(role), mm))).warnings
    assert warning.name == "motion between slices"
    assert warning.measured["alternating_mm"] == pytest.approx(mm, rel=0.3)
    assert f"Every other slice of the {role} lies" in warning.sentence


def test_slices_that_were_each_taken_elsewhere_are_noticed(good):
    moved = good.acquired("FLAIR", made.scattered_slices(good.image("FLAIR"), 2.5))
    (warning,) = SliceShifts.of(moved).warnings
    assert warning.measured["usual_mm"] > MOST_USUAL_MM


def test_a_jump_between_slices_that_lie_unsteadily_is_not_called_a_missing_slice(good):
    brain = np.delete(good.brain("FLAIR"), (20, 21), axis=0)
    fewer = made.without_slices(good.image("FLAIR"), 20, 2)
    for mm, said in ((0.0, ["missing slice"]), (0.95, [])):
        image = good.flair_of(made.moved_between_slices(fewer, mm), brain)
        shifts = SliceShifts.of(image)
        assert (shifts.unsteady, shifts.warnings) == (mm > STEADY_MM, ())
        assert names(check_image(image)) == said


def test_what_changes_steadily_from_slice_to_slice_is_no_motion(good):
    """As in a tilted stack, where each slice lies a little beside the one before it."""
    image = good.acquired("FLAIR")
    middle = len(image.values) / 2

    def tilted(stack):
        return np.stack(
            [ndimage.shift(plane, (0, 1.5 * (k - middle)), order=1) for k, plane in enumerate(stack)]
        )

    brain = tilted(image.brain.astype(np.float32)) > 0.5
    assert SliceShifts.of(replace(image, values=tilted(image.values), brain=brain)).warnings == ()


def test_two_missing_slices_are_noticed_where_they_are(good):
    image, brain = good.image("FLAIR"), good.brain("FLAIR")
    fewer = made.without_slices(image, 20, 2)
    (warning,) = slice_gaps.check(good.flair_of(fewer, np.delete(brain, (20, 21), axis=0)))
    assert warning.name == "missing slice"
    assert warning.measured["after_slice"] == 20
    assert "after slice 20 from below" in warning.sentence


def test_repeated_slices_are_no_missing_ones(good):
    """Resampled to the nearest neighbour, thick slices are there two and three times."""
    image, brain = good.image("FLAIR"), good.brain("FLAIR")
    times = np.tile([2, 3], image.GetSize()[2] // 2)
    repeated = sitk.GetImageFromArray(np.repeat(sitk.GetArrayFromImage(image), times, axis=0))
    repeated.SetSpacing((*image.GetSpacing()[:2], 1.6))
    repeated.SetDirection(image.GetDirection())
    acquired = good.flair_of(repeated, np.repeat(brain, times, axis=0))
    assert slice_gaps.check(acquired) == ()
    assert SliceShifts.of(acquired).warnings == ()
    assert acquired.distinct.spacing[0] == pytest.approx(4.0)


def test_empty_slices_are_counted(good):
    (warning,) = slice_gaps.check(good.acquired("T1", made.emptied(good.image("T1"), 15, 2)))
    assert (warning.name, warning.measured["slices"]) == ("empty slices", 2)


@pytest.mark.parametrize("top", [True, False])
def test_slices_of_the_mask_that_the_image_does_not_reach_are_not_called_empty(good, top):
    last = np.flatnonzero(good.brain("T1").any(axis=(1, 2)))[[0, -1]][int(top)]
    first = int(last) - 1 if top else int(last)
    assert "empty slices" not in {
        w.name for w in slice_gaps.check(good.acquired("T1", made.emptied(good.image("T1"), first, 2)))
    }


@pytest.mark.parametrize(("thickness", "expected"), [(4.0, []), (3.4, []), (3.0, ["slice gaps"])])
def test_a_gap_in_the_sidecar_is_noticed(thickness, expected, good, tmp_path):
    flair = replace(good.acquired("FLAIR").volume, path=tmp_path / "sub_FLAIR.nii.gz")
    (tmp_path / "sub_FLAIR.json").write_text(json.dumps({"SliceThickness": thickness}), encoding="utf-8")
    assert names(slice_gaps.check(replace(good.acquired("FLAIR"), volume=flair))) == expected


@pytest.mark.parametrize(
    "content", ["[1, 2]", "{", '{"SliceThickness": "thin"}', '{"SliceThickness": NaN}', ""]
)
def test_a_strange_sidecar_says_nothing(content, good, tmp_path):
    (tmp_path / "sub_FLAIR.json").write_text(content, encoding="utf-8")
    assert (
        slice_gaps.gap_share(replace(good.acquired("FLAIR").volume, path=tmp_path / "sub_FLAIR.nii")) is None
    )


def thick_slices(degrees=(0, 0, 0)):
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 500, (6, 32, 32)).astype(np.int16))
    image.SetSpacing((1.0, 1.0, 6.0))
    image.SetDirection(sitk.Euler3DTransform((0.0, 0.0, 0.0), *np.deg2rad(degrees).tolist()).GetMatrix())
    return image


@pytest.mark.parametrize("write", [classic_series, enhanced_series])
def test_a_gap_in_dicom_is_noticed(write, tmp_path):
    files = write(tmp_path / "series", thick_slices())
    for file in files if isinstance(files, list) else [files]:
        header = pydicom.dcmread(file)
        for groups in header.get("SharedFunctionalGroupsSequence", [header]):
            groups.get("PixelMeasuresSequence", [groups])[0].SliceThickness = 4.0
        header.save_as(file)
    volume = read_volume(tmp_path / "series", role="FLAIR")
    assert volume.files
    assert slice_gaps.gap_share(volume) == pytest.approx((4.0, 6.0, 1 / 3))


@pytest.mark.parametrize("degrees", [(0, 0, 20), (44, 0, 0), (5, -30, 10)])
@pytest.mark.parametrize("write", [classic_series, enhanced_series])
def test_an_oblique_series_without_gaps_has_none(write, degrees, tmp_path):
    write(tmp_path / "series", thick_slices(degrees))
    thickness, distance, share = slice_gaps.gap_share(read_volume(tmp_path / "series", role="FLAIR"))
    assert (thickness, distance) == pytest.approx((6.0, 6.0), abs=1e-3)
    assert share == pytest.approx(0.0, abs=1e-3)


def cut(good, axis, below, above):
    image, brain = good.image("FLAIR"), good.brain("FLAIR")
    kept = made.cropped(image, axis, below, above)
    mask = made.cropped(Grid.of(image).image(brain.astype(np.uint8)), axis, below, above)
    return good.flair_of(kept, sitk.GetArrayFromImage(mask) > 0)


@pytest.mark.parametrize(
    ("axis", "below", "above", "where"),
    [(2, 0, 9, "top"), (2, 14, 0, "lower end"), (0, 50, 0, "right"), (1, 0, 60, "back")],
)
def test_a_cut_brain_is_noticed_where_it_is_cut_and_how_much_of_it(axis, below, above, where, good):
    image = cut(good, axis, below, above)
    (warning,) = field_of_view.check(image)
    assert list(warning.measured["missing"]) == [where]
    assert f"at the {where} (about " in warning.sentence
    share = 1 - image.brain.sum() / good.brain("FLAIR").sum()
    assert warning.measured["missing"][where] == pytest.approx(share, rel=0.5)


@pytest.mark.parametrize("share", [0.005, 0.015, 0.05, 0.08])
def test_a_cut_at_the_top_is_said_from_three_hundredths_of_the_brain_on(share, good):
    area = good.brain("FLAIR").sum(axis=(1, 2))
    beyond = np.cumsum(area[::-1]) / area.sum()
    slices = int(np.searchsorted(beyond, share))
    said = field_of_view.check(cut(good, 2, 0, slices))
    assert names(said) == (["field of view"] if beyond[slices - 1] > 0.04 else [])


def test_the_end_of_the_brain_stem_may_be_cut(good):
    lowest = int(np.flatnonzero(good.brain("FLAIR").any(axis=(1, 2)))[0])
    assert field_of_view.check(cut(good, 2, lowest + 2, 0)) == ()


def test_empty_outer_slices_are_no_field_of_view(good):
    image, brain = good.image("FLAIR"), good.brain("FLAIR")
    top = int(np.flatnonzero(brain.any(axis=(1, 2)))[-1])
    emptied = made.emptied(image, top - 5, image.GetSize()[2] - top + 5)
    cut_brain = brain.copy()
    cut_brain[top - 5 :] = False
    assert names(field_of_view.check(good.flair_of(emptied, cut_brain))) == ["field of view"]


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 1, 0)])
@pytest.mark.parametrize("flips", [(False, False, True), (True, True, False)])
def test_the_order_of_the_voxels_in_the_file_does_not_matter(order, flips, good):
    image = good.image("FLAIR")
    brain = Grid.of(image).image(good.brain("FLAIR").astype(np.uint8))
    turned, mask = (sitk.Flip(sitk.PermuteAxes(each, order), flips) for each in (image, brain))
    acquired, straight = good.flair_of(turned, sitk.GetArrayFromImage(mask) > 0), good.acquired("FLAIR")
    np.testing.assert_array_equal(acquired.values, straight.values)
    np.testing.assert_array_equal(acquired.brain, straight.brain)
    assert acquired.spacing == pytest.approx(straight.spacing)
    assert acquired.across == straight.across


def with_another(good, role, values):
    study, name = good.prepared, role.lower()
    scale = intensity_scale(values, study.brain, 5, 95, name=role)
    return replace(study, **{name: scale.apply(values), f"{name}_scale": scale})


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("sequence", SPIN_ECHO)
def test_another_sequence_in_the_place_of_one_is_noticed(role, sequence, good):
    signals = tuple(
        made.spin_echo(tissue, *SPIN_ECHO[sequence]) for tissue in (CSF, GREY_MATTER, WHITE_MATTER)
    )
    image = made.of_another_sequence(good.prepared.t1, good.prepared.brain, signals)
    (warning,) = contrasts.Contrasts.of(with_another(good, role, image)).of_each
    assert (warning.name, warning.measured["image"]) == ("contrast", role)
    assert sequence in warning.sentence


def test_two_t1_are_noticed(good):
    """Where noise keeps the preparation from seeing that they are the same."""
    study = good.prepared
    noise_of_its_own = 0.1 * np.random.default_rng(0).standard_normal(study.t1.shape)
    twice = study.t1_scale.invert((study.t1 + noise_of_its_own).astype(np.float32))
    found = contrasts.Contrasts.of(with_another(good, "FLAIR", twice))
    assert found.of_each == ()
    (warning,) = found.of_both
    assert "hardly differ" in warning.sentence


def test_noise_that_hides_the_contrast_is_called_noise(good):
    random = np.random.default_rng(0)
    lost = {
        name: getattr(good.prepared, name) + random.normal(0, 1.5, good.prepared.t1.shape)
        for name in ("t1", "flair")
    }
    prepared = replace(good.prepared, **{name: image.astype(np.float32) for name, image in lost.items()})
    assert contrasts.Contrasts.of(prepared).of_both
    noisy = made.noisy(good.image("FLAIR"), good.brain("FLAIR"), 0.3)
    study = replace(good.study, flair=replace(good.study.flair, image=noisy))
    assert names(check_images(study, prepared)) == ["noise"]


def series_of(folder, role, **attributes):
    """A DICOM series whose header says so; its images do not matter."""
    grid = Grid((8, 8, 6), (20.0, 20.0, 20.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    classic_series(folder, grid.image(np.arange(384, dtype=np.int16).reshape(grid.shape)), **attributes)
    return read_volume(folder, role=role).series


def test_contrast_medium_that_the_header_names_is_told_once(good, tmp_path, monkeypatch):
    seen = QualityWarning("contrast medium", "seen", {"image": "T1"})
    monkeypatch.setattr(contrast_medium, "check", lambda _t1: (seen,))
    assert check_images(good.study, good.prepared) == (seen,)
    series = series_of(tmp_path, "T1", kind="T1", ContrastBolusAgent="Gadovist")
    study = replace(good.study, t1=replace(good.study.t1, series=series))
    (warning,) = check_images(study, good.prepared)
    assert "Gadovist" in warning.sentence


def test_another_sequence_that_the_header_names_is_told_once(good, tmp_path):
    signals = tuple(made.spin_echo(tissue, 3000, 15) for tissue in (CSF, GREY_MATTER, WHITE_MATTER))
    image = made.of_another_sequence(good.prepared.t1, good.prepared.brain, signals)
    prepared = with_another(good, "FLAIR", image)
    assert [w.measured["image"] for w in check_images(good.study, prepared)] == ["FLAIR"]
    study = replace(
        good.study, flair=replace(good.study.flair, series=series_of(tmp_path, "FLAIR", kind="PD"))
    )
    (warning,) = check_images(study, prepared)
    assert warning.sentence.startswith("The series given as FLAIR looks like PD by its header (TE 14 ms")


def test_a_t1_after_contrast_medium_is_noticed(good):
    t1 = good.acquired("T1")
    assert contrast_medium.check(t1) == ()
    painted = made.after_contrast(t1.values, t1.brain, t1.spacing, 1.8)
    (warning,) = contrast_medium.check(replace(t1, values=painted))
    assert warning.measured["bright_mm3"] > contrast_medium.MOST_BRIGHT_MM3


@pytest.mark.parametrize(("mm", "key"), [((3.0, 3.0, 4.0), "in_plane_mm"), ((0.9, 0.9, 8.0), "across_mm")])
def test_coarse_voxels_are_noticed(mm, key, good):
    image = made.coarse(good.image("FLAIR"), mm)
    brain = Grid.of(good.image("FLAIR")).image(good.brain("FLAIR").astype(np.uint8))
    mask = sitk.GetArrayFromImage(Grid.of(image).resampled(brain)) > 0
    (warning,) = spacing.check(good.flair_of(image, mask))
    assert warning.measured[key] == pytest.approx(max(mm) if key == "across_mm" else 3.0)


def test_cut_off_intensities_and_few_levels_are_noticed(good):
    image, brain = good.image("T1"), good.brain("T1")
    assert names(intensities.check(good.acquired("T1", made.clipped(image, brain, 95)))) == [
        "cut off intensities"
    ]
    values = sitk.GetArrayFromImage(image)
    step = np.percentile(values[brain], 95) / 8
    coarse = np.where(values < values[brain].max(), np.round(values / step) * step, values)
    assert names(intensities.check(good.acquired("T1", made.like(image, coarse)))) == ["few grey levels"]


@pytest.mark.parametrize(
    ("size", "said"),
    [("small", "a part of it may lie outside the field of view"), ("large", "check the brain mask")],
)
def test_a_small_or_large_brain_is_noticed_with_what_it_may_mean(good, size, said):
    brain = good.prepared.flair_brain.copy()
    brain[:, :, brain.shape[2] // 2 :] = False
    brain = brain if size == "small" else np.ones_like(brain)
    (warning,) = brain_volume.check(replace(good.prepared, flair_brain=brain))
    assert warning.name == "brain volume"
    assert f"is {size} (" in warning.sentence
    assert said in warning.sentence


def test_sentences_are_one_plain_line_each(good):
    image, brain = good.image("FLAIR"), good.brain("FLAIR")
    bad = made.emptied(made.noisy(made.ghosted(image, 0.5), brain, 0.25), 15)
    study = replace(good.study, flair=replace(good.study.flair, image=bad))
    warnings = check_images(study, good.prepared)
    assert {"noise", "empty slices"} <= set(names(warnings))
    for warning in warnings:
        assert "\n" not in warning.sentence
        assert not warning.sentence.endswith(".")
        assert "--" not in warning.sentence
        assert "`" not in warning.sentence
        json.dumps(warning.plain, allow_nan=False)


@pytest.mark.parametrize("seed", range(40))
def test_no_check_stumbles_over_a_strange_image(seed):
    random = np.random.default_rng(seed)
    shape = tuple(int(n) for n in random.integers(5, 50, 3))
    mm = tuple(float(each) for each in np.exp(random.uniform(np.log(0.3), np.log(12), 3)))
    values = [
        random.normal(0, 1, shape),
        random.integers(0, 3, shape),
        np.abs(random.normal(100, 5, shape)),
        np.where(random.random(shape) < 0.9, 0, -50),
        np.arange(shape[0])[:, None, None] * np.ones(shape),
    ][seed % 5].astype(np.float32)
    brain = random.random(shape) < random.choice([0.05, 0.5, 1.0])
    for role in ROLES:
        image = Acquired(role, Volume(Grid(shape[::-1], (1, 1, 1), (0, 0, 0), tuple(np.eye(3).ravel())).image(values)),
                         values, brain, mm, seed % 3)  # fmt: skip
        for warning in (*check_image(image), *field_of_view.check(image)):
            json.dumps(warning.plain, allow_nan=False)
