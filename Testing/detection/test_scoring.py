"""From a prepared study to scores, beside the plain reference."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from AnomalyDetectionLib.detection import detector
from AnomalyDetectionLib.detection.detector import lattice_scores, score, scoring_settings
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.model import anatomy_network
from AnomalyDetectionLib.model.model_file import Model, load_model
from AnomalyDetectionLib.model.model_settings import NetworkSettings, ScoringSettings
from AnomalyDetectionLib.model.networks import Generator, initialise
from AnomalyDetectionLib.model.tissue_statistics import CLASSES, TissueStatistics
from plain_reference import cut, images_of, latent_difference, scores_one_by_one
from scipy import ndimage
from synthetic_study import FLAIR_GRID, MODEL_GRID, prepared_study

RELATIVE = 1e-4


@pytest.fixture(scope="module")
def study():
    """A small brain of irregular tissue that reaches the left and right border of the image."""
    rng = np.random.default_rng(5)
    made = prepared_study(flair_grid=MODEL_GRID)
    t1, flair = (
        ndimage.gaussian_filter(rng.normal(0.5, 2.0, made.brain.shape), (0, 1.5, 1.5)).astype(np.float32)
        for _ in range(2)
    )
    return replace(made, t1=t1, flair=flair, brain=np.roll(made.brain, 12, axis=2))


@pytest.fixture
def one_slice(study):
    """The study with brain in slice 5 alone."""
    return replace(study, brain=study.brain & (np.arange(len(study.brain)) == 5)[:, None, None])


def a_model(study, output_activation="tanh", outside_brain="zero"):
    """Weights, batch-norm statistics and latent statistics that are as uneven as trained ones."""
    network = NetworkSettings(latent_size=21, widths=(8, 12), output_activation=output_activation)
    generator = Generator(network)
    initialise(generator, 3)
    draw = torch.Generator().manual_seed(4)
    weights = {
        name: value * 5 if value.ndim == 4 else value for name, value in generator.state_dict().items()
    }
    for name, value in weights.items():
        if name.endswith(("running_mean", "bias")):
            weights[name] = 0.2 * torch.randn(value.shape, generator=draw)
        elif name.endswith("running_var"):
            weights[name] = 0.3 + torch.rand(value.shape, generator=draw)
    some = np.argwhere(study.brain)[::200]
    patches = np.stack([cut(*images_of(study, outside_brain), centre) for centre in some])
    difference = latent_difference(torch.from_numpy(patches), weights, output_activation)
    median = difference.median(dim=0).values
    return Model(
        name="uneven",
        weights=weights,
        median=median,
        deviation=(difference - median).abs().median(dim=0).values,
        network=network,
        preparation=PreparationSettings(outside_brain=outside_brain),
        scoring=ScoringSettings(),
        card={},
    )


@pytest.fixture(scope="module")
def model(study):
    return a_model(study)


def plain_lattice(study, model, stride=4, percentile=50.0):
    """The lattice of scores, one patch at a time."""
    first = stride // 2
    inside = study.brain[:, first::stride, first::stride]
    lattice = np.full(inside.shape, np.nan)
    centres = np.argwhere(inside) * (1, stride, stride) + (0, first, first)
    lattice[inside] = scores_one_by_one(study, centres, model, percentile)
    return lattice


@pytest.mark.parametrize(
    ("activation", "outside_brain"), [("tanh", "zero"), ("none", "zero"), ("tanh", "keep")]
)
def test_every_score_is_that_of_the_plain_reference(study, activation, outside_brain):
    model = a_model(study, activation, outside_brain)
    expected = plain_lattice(study, model)
    got = score(study, model)
    assert np.isfinite(expected).sum() > 1024, "more than one batch"
    assert np.nanmax(expected) > 1.5 * np.nanmin(expected), "scores that differ"
    np.testing.assert_allclose(got.lattice, expected, rtol=RELATIVE, atol=0)


def test_the_reference_agrees_with_the_network_as_it_was_trained(study, model):
    patches = torch.from_numpy(np.stack([cut(study.t1, study.flair, (5, 40, c)) for c in (20, 40, 60)]))
    with torch.no_grad():
        encoding = model.generator()(patches)
    torch.testing.assert_close(
        latent_difference(patches, model.weights, "tanh"), encoding.z - encoding.z_hat, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("percentile", [0, 10, 62.5, 75, 100])
def test_any_percentile_is_that_of_numpy(one_slice, model, percentile):
    got = score(one_slice, model, percentile=percentile)
    expected = plain_lattice(one_slice, model, 4, percentile)
    # At N = 0 a score can come as close to 0 as chance has it, where nothing holds relative to it.
    np.testing.assert_allclose(got.lattice, expected, rtol=RELATIVE, atol=1e-5)
    assert got.settings.percentile == percentile


@pytest.mark.parametrize("stride", [1, 3, 15])
def test_any_stride_scores_the_patches_at_it(one_slice, model, stride):
    if stride == 1:
        one_slice.brain[:, 60:] = False
    got = score(one_slice, model, stride=stride)
    assert got.first == (stride // 2, stride // 2)
    assert got.settings.stride == stride
    np.testing.assert_allclose(got.lattice, plain_lattice(one_slice, model, stride), rtol=RELATIVE, atol=0)


def test_what_lies_beyond_the_brain_counts_only_if_the_model_says_so(study):
    outside = np.random.default_rng(6).normal(2.0, 1.0, study.brain.shape).astype(np.float32)
    skull = replace(study, t1=np.where(study.brain, study.t1, outside))
    zero, keep = a_model(study, outside_brain="zero"), a_model(study, outside_brain="keep")
    np.testing.assert_array_equal(score(skull, zero).lattice, score(study, zero).lattice)
    assert np.nanmax(np.abs(score(skull, keep).lattice - score(study, keep).lattice)) > 0.1


def test_the_same_study_scored_twice_gives_the_same_bits(study, model):
    one, other = score(study, model), score(study, model)
    assert one.lattice.tobytes() == other.lattice.tobytes()
    assert sitk.GetArrayFromImage(one.image).tobytes() == sitk.GetArrayFromImage(other.image).tobytes()


def test_patches_score_the_same_in_whatever_company(study, one_slice, model):
    alone, all_of_them = (score(each, model).lattice[5] for each in (one_slice, study))
    np.testing.assert_allclose(alone, all_of_them, rtol=RELATIVE, atol=0)


def test_a_score_is_painted_on_the_cell_round_its_patch(study, model):
    got = score(study, model)
    expected = np.zeros(study.brain.shape, np.float32)
    for s, i, j in np.argwhere(np.isfinite(got.lattice)):
        expected[s, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4] = got.lattice[s, i, j]
    expected[~study.flair_brain] = 0
    np.testing.assert_array_equal(sitk.GetArrayFromImage(got.image), expected)


def test_with_mean_back_projection_a_voxel_gets_the_mean_of_the_patches_that_hold_it(study, model):
    single = score(study, model)
    got = score(study, replace(model, scoring=ScoringSettings(back_projection="mean")))
    total, patches = np.zeros(study.brain.shape), np.zeros(study.brain.shape)
    for s, i, j in np.argwhere(np.isfinite(single.lattice)):
        row, column = 2 + 4 * i, 2 + 4 * j
        window = s, slice(max(0, row - 7), row + 8), slice(max(0, column - 7), column + 8)
        total[window] += single.lattice[s, i, j]
        patches[window] += 1
    expected = np.where(study.flair_brain & (patches > 0), total / np.maximum(patches, 1), 0)
    image = sitk.GetArrayFromImage(got.image)
    np.testing.assert_allclose(image, expected, rtol=1e-5, atol=0)
    assert not np.array_equal(image, sitk.GetArrayFromImage(single.image))
    where = np.isfinite(got.lattice)
    np.testing.assert_array_equal(where, np.isfinite(single.lattice))
    means = (total / np.maximum(patches, 1))[:, 2::4, 2::4]
    np.testing.assert_allclose(got.lattice[where], means[where], rtol=1e-5, atol=0)


def test_statistics_of_the_scan_itself_need_none_of_the_models(study, model):
    own = replace(model, scoring=ScoringSettings(statistics="scan"))
    other = replace(own, median=model.median + 5, deviation=model.deviation * 3)
    got = score(study, own).lattice
    np.testing.assert_array_equal(got, score(study, other).lattice)
    difference = plain_differences(study, model)[1].float()
    median = difference.median(dim=0).values
    measured = replace(model, median=median, deviation=(difference - median).abs().median(dim=0).values)
    np.testing.assert_allclose(got, score(study, measured).lattice, rtol=RELATIVE, atol=0)


def test_several_percentiles_come_from_one_pass(study, model):
    lattice, scores = lattice_scores(study, model, (10, 50, 75))
    for percentile, values in zip((10, 50, 75), scores, strict=True):
        alone = score(study, model, percentile=percentile).lattice
        np.testing.assert_array_equal(lattice.scatter(values), alone)


def test_the_image_of_scores_lies_on_the_flairs_own_grid(model):
    study = prepared_study()
    image = score(study, model).image
    assert image.GetPixelID() == sitk.sitkFloat32
    assert image.GetSize() == FLAIR_GRID.size
    assert image.GetSpacing() == FLAIR_GRID.spacing
    assert image.GetOrigin() == FLAIR_GRID.origin
    assert not sitk.GetArrayFromImage(image)[~study.flair_brain].any()


def test_a_latent_element_that_never_varied_says_nothing(study, model):
    deviation = model.deviation.clone()
    deviation[[0, 7]] = 0
    dead = replace(model, deviation=deviation)
    got = score(study, dead)
    np.testing.assert_allclose(got.lattice, plain_lattice(study, dead), rtol=RELATIVE, atol=0)
    assert (
        got.lattice[np.isfinite(got.lattice)] < score(study, model).lattice[study.brain[:, 2::4, 2::4]] + 1e-6
    ).all()


def test_the_factor_of_the_modified_z_score_scales_all_scores(study, model):
    without = replace(model, scoring=ScoringSettings(z_factor=1.0))
    np.testing.assert_allclose(
        0.6745 * score(study, without).lattice, score(study, model).lattice, rtol=1e-5, atol=0
    )


def test_a_brain_that_holds_no_patch_is_refused_by_either_kind_of_model(study, model, a_context_model):
    empty = np.zeros_like(study.brain)
    between_the_patch_centres = empty.copy()
    between_the_patch_centres[5, 40, 40] = True
    other = load_model(str(a_context_model))
    for brain, kind in ((empty, model), (between_the_patch_centres, model), (empty, other)):
        with pytest.raises(InputError, match="brain mask is too small"):
            score(replace(study, brain=brain), kind)


def test_progress_ends_at_one(study, model):
    told = []
    score(study, model, progress=lambda stage, fraction: told.append((stage, fraction)))
    fractions = [fraction for _, fraction in told]
    assert list(dict.fromkeys(stage for stage, _ in told)) == ["anatomy", "scoring"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def tissue_of(study):
    """Three tissues, side by side, one of which has no statistics of its own."""
    return np.broadcast_to(np.arange(study.brain.shape[2]) // 30 % 3 + 1, study.brain.shape).astype(np.uint8)


def with_statistics(model, seed=9):
    """Statistics that are uneven from tissue to tissue."""
    draw = torch.Generator().manual_seed(seed)
    size = len(model.median)

    def uneven(tensor):
        return torch.stack(
            [tensor * (0.5 + torch.rand(tensor.shape, generator=draw)) for _ in range(CLASSES)]
        )

    whitening = torch.randn(CLASSES, size, size, generator=draw) / size
    statistics = TissueStatistics(uneven(model.median), uneven(model.deviation), whitening.half())
    return replace(model, tissue_statistics=statistics)


def plain_differences(study, model):
    centres = np.argwhere(study.brain[:, 2::4, 2::4]) * (1, 4, 4) + (0, 2, 2)
    patches = torch.from_numpy(np.stack([cut(*images_of(study, "zero"), centre) for centre in centres]))
    return centres, latent_difference(patches, model.weights, "tanh").double()


def test_with_statistics_by_tissue_a_patch_is_compared_with_its_own_tissue(study, model):
    model, tissue = with_statistics(model), tissue_of(study)
    settings = ScoringSettings(statistics="tissue")
    _, (got,) = lattice_scores(study, model, (50,), settings=settings, anatomy=tissue)
    centres, difference = plain_differences(study, model)
    label = tissue[tuple(centres.T)].astype(int)
    statistics = model.tissue_statistics
    z = (0.6745 * (difference - statistics.median[label]) / statistics.deviation[label]).abs().numpy()
    np.testing.assert_allclose(got, np.percentile(z, 50, axis=1), rtol=RELATIVE, atol=1e-5)


@pytest.mark.parametrize("statistics", ["training", "tissue"])
def test_the_mahalanobis_distance_is_the_length_of_the_whitened_deviations(study, model, statistics):
    model, tissue = with_statistics(model), tissue_of(study)
    settings = ScoringSettings(statistics=statistics, distance="mahalanobis")
    _, (got, same) = lattice_scores(study, model, (50, 75), settings=settings, anatomy=tissue)
    np.testing.assert_array_equal(got, same, "it has no percentile")
    centres, difference = plain_differences(study, model)
    label = tissue[tuple(centres.T)].astype(int) if statistics == "tissue" else np.zeros(len(centres), int)
    own = model.tissue_statistics
    median, deviation = (
        (own.median[label], own.deviation[label])
        if statistics == "tissue"
        else (model.median, model.deviation)
    )
    z = 0.6745 * (difference - median) / deviation
    expected = torch.einsum("ni,nij->nj", z, own.whitening.double()[label]).norm(dim=1)
    np.testing.assert_allclose(got, expected, rtol=RELATIVE, atol=1e-5)


def test_the_tissue_is_found_where_nobody_gives_it(study, model, monkeypatch):
    model, tissue = with_statistics(model), tissue_of(study)
    monkeypatch.setattr(detector, "segment_anatomy", lambda study, device: tissue)
    settings = ScoringSettings(statistics="tissue")
    _, given = lattice_scores(study, model, (50,), settings=settings, anatomy=tissue)
    lattice, found = lattice_scores(study, model, (50,), settings=settings)
    np.testing.assert_array_equal(found, given)
    np.testing.assert_array_equal(score(study, model, statistics="tissue").lattice, lattice.scatter(found[0]))


def test_without_the_network_for_the_anatomy_less_is_known_and_the_scores_are_the_same(
    study, model, monkeypatch, tmp_path
):
    with_it = score(study, model)
    monkeypatch.setattr(detector, "anatomy_file", lambda: tmp_path / "missing.safetensors")
    without = score(study, model)
    assert with_it.anatomy is not None
    assert without.anatomy is None
    np.testing.assert_array_equal(without.lattice, with_it.lattice)
    found = derive_findings(without, threshold=float(np.nanmedian(without.lattice)), min_patches=2).items
    assert found
    assert all(finding.region for finding in found)


def test_statistics_by_tissue_need_the_network_for_the_anatomy(study, model, monkeypatch, tmp_path):
    anatomy_network.anatomy_model.cache_clear()
    for place in (detector, anatomy_network):
        monkeypatch.setattr(place, "anatomy_file", lambda: tmp_path / "missing.safetensors")
    with pytest.raises(InputError, match="anatomy network"):
        score(study, with_statistics(model), statistics="tissue")


def test_statistics_by_tissue_leave_the_papers_scores_as_they_are(study, model):
    changed = with_statistics(model)
    assert score(study, changed).lattice.tobytes() == score(study, model).lattice.tobytes()
    assert changed.fingerprint == model.fingerprint


@pytest.mark.parametrize("reading", [{"statistics": "tissue"}, {"distance": "mahalanobis"}])
def test_a_reading_that_the_model_has_no_statistics_for_is_refused_before_the_work(study, model, reading):
    with pytest.raises(InputError, match=r"has no statistics by tissue.*need"):
        scoring_settings(model, **reading)
    with pytest.raises(InputError, match="has no statistics by tissue"):
        score(study, model, **reading)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"distance": "l2"}, "distance is"),
        ({"statistics": "mean"}, "'tissue'"),
        *(({"percentile": value}, "percentile must lie between 0 and 100") for value in (-1, 100.5, np.nan)),
        *(({"stride": value}, "stride must lie between 1 and 15") for value in (0, -4, 16)),
    ],
)
def test_settings_that_make_no_sense_are_refused(model, change, said):
    with pytest.raises(InputError, match=said):
        scoring_settings(model, **change)
