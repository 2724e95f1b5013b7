"""The truth counted on lattice cells tells exactly what images would: beside `derive_findings` and `match`."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.evaluation.categories import INFARCT, NORMAL, Scored, categorised_findings, lesion_peaks
from anomaly_research.evaluation.flair_threshold import components
from anomaly_research.evaluation.froc import operating_point
from anomaly_research.evaluation.threshold_curves import ANY, ONE_TO_ONE, gather, scan_curves
from anomaly_research.evaluation.truth import scan_truth
from anomaly_research.evaluation.truth_files import CONFOUNDERS, INFARCT_COLUMNS, BidsScan
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.errors import InputError
from hand_made_scans import matched_by_image
from scipy import ndimage
from synthetic_study import FLAIR_GRID, STRIDE, empty_lattice, prepared_study, rotated, scored

THRESHOLDS = np.array([2.6, 2.8, 3.0, 3.5, 4.0])


def blobs(grid, rng, count, radius_mm=9.0, first=1):
    """Numbered balls in the head, on a grid."""
    labels = np.zeros(grid.shape, np.uint16)
    s, r, c = np.indices(grid.shape)
    points = grid.points(np.stack([c, r, s], axis=-1).reshape(-1, 3))
    for number in range(count):
        centre = rng.uniform([-22, -28, -14], [22, 28, 14])
        near = np.linalg.norm(points - centre, axis=1) < rng.uniform(0.2, 1) * radius_mm
        labels[near.reshape(grid.shape)] = first + number
    return labels


def bids_scan(folder, infarcts=None, confounders=None, rows=None, grid=FLAIR_GRID, **participant):
    """A scan with the truth that is given; images that nobody reads."""
    paths = {}
    for name, labels in (("infarcts", infarcts), ("confounders", confounders)):
        if labels is not None:
            paths[name] = folder / f"{name}.nii.gz"
            sitk.WriteImage(grid.image(labels), str(paths[name]))
    if rows is not None:
        paths["infarct_table"] = folder / "infarcts.tsv"
        with paths["infarct_table"].open("w", newline="", encoding="utf-8") as content:
            table = csv.DictWriter(content, INFARCT_COLUMNS, delimiter="\t", restval="")
            table.writeheader()
            table.writerows(rows)
    return BidsScan("sub-01", "somebody", folder / "t1", folder / "flair", participant=participant, **paths)


@pytest.fixture(params=[0.0, 17.0], ids=["straight", "oblique"])
def case(request, tmp_path):
    """A study, its truth, and scores with a few peaks; FLAIR and model grid apart, straight or turned."""
    rng = np.random.default_rng(int(request.param))
    flair_grid = rotated(FLAIR_GRID, request.param)
    study = prepared_study(flair_grid=flair_grid, degrees=0.0)
    infarcts = blobs(flair_grid, rng, 8)
    confounders = blobs(flair_grid, rng, 4).astype(np.uint8)
    scan = bids_scan(tmp_path, infarcts, confounders, grid=flair_grid)
    lattice = empty_lattice(study)
    noise = ndimage.gaussian_filter(rng.normal(0, 1, lattice.shape), (0.4, 0.7, 0.7))
    lattice += (1.2 * noise / noise.std()).astype(np.float32)
    return study, scan_truth(scan, study), lattice, infarcts, confounders


def test_every_threshold_finds_what_the_images_show(case):
    study, truth, lattice, infarcts, confounders = case
    curve = scan_curves(lattice, truth.on_cells(STRIDE), THRESHOLDS, smallest=(2,))[0]
    cohort = gather([(truth.facts, curve)])
    seen = set()
    for t, threshold in enumerate(THRESHOLDS):
        findings = derive_findings(
            scored(study, lattice), threshold=threshold, min_patches=2, outline="cells"
        )
        labels = sitk.GetArrayFromImage(findings.labels)
        by_image = matched_by_image(infarcts, labels, study.flair_grid.voxel_ml)
        point = operating_point(cohort, t)
        assert point.found[ANY] == by_image.found
        assert point.lesions == by_image.lesions
        assert point.values["volume_share"] == pytest.approx(by_image.found_volume_ml / by_image.volume_ml)
        assert point.values["flagged_ml"] == pytest.approx(by_image.flagged_ml, rel=1e-6)
        assert point.values["findings"] == by_image.findings
        assert point.values["false_positives"] == by_image.findings - by_image.true_findings
        on_wmh = np.unique(labels[((infarcts > 0) | (confounders == 1)) & (labels > 0)])
        assert point.values["false_positives_no_wmh"] == by_image.findings - len(on_wmh)
        for k, lesion in enumerate(truth.lesions):
            inside = infarcts == lesion.number
            assert curve.coverage[t, k] == pytest.approx((labels[inside] > 0).mean(), abs=1e-6)
        seen.add((by_image.found, by_image.findings))
    assert len(seen) > 3  # the thresholds differ in what they find


def test_findings_are_numbered_and_measured_as_the_program_does(case):
    study, truth, lattice, infarcts, confounders = case
    got = categorised_findings(Scored(truth.on_cells(STRIDE), lattice, 2), 2.6)
    expected = derive_findings(scored(study, lattice), threshold=2.6, min_patches=2, outline="cells")
    labels = sitk.GetArrayFromImage(expected.labels)
    assert len(got) == len(expected.items) > 5
    for mine, theirs in zip(got, expected.items, strict=True):
        assert mine.number == theirs.number
        assert mine.peak_score == pytest.approx(theirs.peak_score)
        assert mine.volume_ml == pytest.approx(theirs.volume_ml)
        inside = labels == mine.number
        shares = np.bincount(confounders[inside], minlength=5)[1:]
        if (infarcts[inside] > 0).any():
            category = INFARCT
        else:
            category = CONFOUNDERS[int(shares.argmax()) + 1] if shares.any() else NORMAL
        assert mine.category == category
    assert {finding.category for finding in got} >= {INFARCT, NORMAL}


def test_voxels_of_the_models_grid_agree_with_an_image_of_them(case):
    study, truth, _, infarcts, _ = case
    rng = np.random.default_rng(4)
    scores = np.where(study.brain, ndimage.gaussian_filter(rng.normal(0, 5, study.brain.shape), 1.0), np.nan)
    on_voxels = truth.on_voxels()
    curve = scan_curves(scores.astype(np.float32), on_voxels, np.array([0.5, 1.0]), smallest=(3,))[0]
    point = operating_point(gather([(truth.facts, curve)]), 1)
    groups = components(scores > 1.0)
    groups[(np.bincount(groups.ravel()) < 3)[groups]] = 0
    image = study.flair_grid.resampled(study.grid.image(groups.astype(np.int32)))
    labels = np.where(study.flair_brain, sitk.GetArrayFromImage(image), 0)
    by_image = matched_by_image(infarcts, labels, study.flair_grid.voxel_ml)
    assert point.found[ANY] == by_image.found
    assert point.values["flagged_ml"] == pytest.approx(by_image.flagged_ml, rel=1e-6)
    # A component may lie between all voxels of the FLAIR: it is a finding all the same.
    assert point.values["findings"] == len(np.unique(groups)) - 1 >= by_image.findings


def test_the_highest_score_of_a_lesion_is_that_of_a_cell_it_touches(case):
    study, truth, lattice, infarcts, _ = case
    peaks = lesion_peaks(lattice, truth.on_cells(STRIDE))
    painted = sitk.GetArrayFromImage(scored(study, lattice).image)
    for peak, lesion in zip(peaks, truth.lesions, strict=True):
        inside = painted[(infarcts == lesion.number) & study.flair_brain]
        assert peak == pytest.approx(inside[inside != 0].max())


def test_the_truths_table_names_the_lesions(tmp_path):
    study = prepared_study()
    labels = np.zeros(FLAIR_GRID.shape, np.uint16)
    labels[5, 50:54, 50:55] = 3
    names = ("index", "kind", "region", "side", "cavitated", "volume_ml")
    table = [
        (3, "lacunar", "deep grey", "left", "yes", "9"),
        (8, "cortical", "cortex", "right", "no", "0.02"),
    ]
    rows = [dict(zip(names, row, strict=True)) for row in table]
    truth = scan_truth(bids_scan(tmp_path, labels, rows=rows), study)
    assert [(lesion.number, lesion.kind, lesion.cavitated) for lesion in truth.lesions] == [
        (3, "lacunar", "yes"),
        (8, "cortical", "no"),
    ]
    # of its voxels where it has some; of the table where none carries its number
    assert truth.lesions[0].volume_ml == pytest.approx(20 * FLAIR_GRID.voxel_ml)
    assert truth.lesions[1].volume_ml == 0.02
    assert truth.lesion_voxels.tolist() == [20, 0]
    assert truth.patient == "somebody"


def test_a_lesion_outside_the_brain_is_a_lesion(tmp_path):
    study = prepared_study()
    labels = np.zeros(FLAIR_GRID.shape, np.uint16)
    labels[0, :3, :3] = 1
    truth = scan_truth(bids_scan(tmp_path, labels), study)
    assert len(truth.lesions) == 1
    assert truth.infarcts.shape == (3, 0)
    lattice = empty_lattice(study) + 5
    curve = scan_curves(lattice, truth.on_cells(STRIDE), THRESHOLDS, smallest=(1,))[0]
    assert not curve.coverage.any()
    assert np.isnan(lesion_peaks(lattice, truth.on_cells(STRIDE))).all()


def test_truth_on_another_grid_is_brought_to_the_flairs(tmp_path):
    study = prepared_study()
    finer = replace(FLAIR_GRID, size=(200, 220, 12), spacing=(0.4, 0.425, 4.0))
    labels = np.zeros(finer.shape, np.uint16)
    labels[5, 100:120, 100:120] = 2
    truth = scan_truth(bids_scan(tmp_path, labels, grid=finer), study)
    assert truth.lesion_voxels.sum() == pytest.approx(100, abs=1)
    assert truth.lesions[0].volume_ml == pytest.approx(400 * finer.voxel_ml, rel=0.02)


@pytest.mark.parametrize("in_plane", [0.45, 0.9, 2.0])
def test_the_contrast_to_noise_ratio_of_a_lesion_does_not_depend_on_the_flairs_voxels(tmp_path, in_plane):
    grid = replace(
        FLAIR_GRID,
        size=(round(80 / in_plane), round(93.5 / in_plane), 12),
        spacing=(in_plane, in_plane, 4.0),
    )
    study = prepared_study(flair_grid=grid)
    labels = np.zeros(grid.shape, np.uint16)
    columns, rows = (slice(round(n * 0.4), round(n * 0.6)) for n in grid.size[:2])
    labels[6, rows, columns] = 1
    # Each of the FLAIR's voxels, whole.
    shown = sitk.GetArrayFromImage(study.grid.resampled(grid.image(labels)))
    noise = np.random.default_rng(5).normal(0, 1, study.brain.shape)
    study = replace(study, flair=(noise + 5 * shown).astype(np.float32))
    contrast = scan_truth(bids_scan(tmp_path, labels, grid=grid), study).lesions[0].contrast
    assert contrast == pytest.approx(5, abs=0.5)


def test_a_scan_without_truth_is_refused_unless_it_is_free_of_lesions(tmp_path):
    study = prepared_study()
    with pytest.raises(InputError, match="no truth"):
        scan_truth(bids_scan(tmp_path), study)
    truth = scan_truth(bids_scan(tmp_path, lesion_free="yes"), study)
    assert truth.lesions == ()
    # the FLAIR shows a little more brain than the model's grid does
    assert 0.98 < truth.voxels.sum() / study.flair_brain.sum() <= 1


@pytest.mark.parametrize("row", [{"index": "one"}, {"index": 1, "volume_ml": "much"}])
def test_a_table_that_makes_no_sense_is_refused(tmp_path, row):
    labels = np.ones(FLAIR_GRID.shape, np.uint16)
    with pytest.raises(InputError, match="table of infarcts"):
        scan_truth(bids_scan(tmp_path, labels, rows=[row]), prepared_study())


def test_one_finding_for_two_lesions_counts_once_one_to_one(tmp_path):
    study = prepared_study()
    labels = np.zeros(FLAIR_GRID.shape, np.uint16)
    labels[5, 50:60, 40:48] = 1
    labels[5, 50:60, 49:57] = 2
    truth = scan_truth(bids_scan(tmp_path, labels), study)
    cells = truth.on_cells(STRIDE)
    lattice = np.where(np.isfinite(empty_lattice(study)), 0, np.nan).astype(np.float32)
    lattice.ravel()[np.unique(cells.infarcts[0])] = 5
    cohort = gather([(truth.facts, scan_curves(lattice, cells, THRESHOLDS, smallest=(1,))[0])])
    assert cohort.findings[0, 0] == 1
    assert cohort.found(ANY)[0].tolist() == [True, True]
    assert cohort.found(ONE_TO_ONE)[0].sum() == 1
