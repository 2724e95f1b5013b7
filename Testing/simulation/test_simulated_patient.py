"""A simulated patient, and the built-in sample made of the default seed."""

import csv
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.simulation import simulated_brain, simulated_patient
from anomaly_research.simulation.lesions import KINDS, InfarctPlan, make_infarct
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.imaging.brain_search import find_brain
from conftest import SAMPLE
from scipy import ndimage


def array(image):
    return sitk.GetArrayFromImage(image)


@pytest.fixture(scope="module")
def simulated():
    """In a process of its own: it takes 1.4 GB for a moment, which a process does not give back while it lives."""
    pytest.importorskip("nilearn")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(simulated_patient.simulate_patient, 0).result()


@pytest.fixture(scope="module")
def sample():
    names = ("T1", "FLAIR", "truth", "WMH")
    return {name: sitk.ReadImage(str(SAMPLE / f"simulated_{name}.nii.gz")) for name in names}


@pytest.fixture(scope="module")
def sample_lesions():
    with (SAMPLE / "simulated_lesions.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_default_seed_makes_the_built_in_sample_again(simulated, sample):
    # Processors round differently: a voxel may differ by a grey level, or lie on the other side of an edge.
    for name in ("T1", "FLAIR"):
        made, kept = array(getattr(simulated, name.lower())), array(sample[name])
        assert np.mean(abs(made.astype(int) - kept) > 1) < 1e-3
    assert np.sum(array(simulated.truth) != array(sample["truth"])) <= 0.01 * np.sum(
        array(sample["truth"]) > 0
    )


@pytest.mark.slow
def test_a_written_patient_reads_back_the_same_and_twice_gives_the_same_bytes(simulated, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        simulated_patient.write_patient(simulated, tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["flair.nii.gz", "lesions.csv", "t1.nii.gz", "truth.nii.gz", "wmh.nii.gz"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert np.array_equal(array(sitk.ReadImage(str(tmp_path / "a" / "flair.nii.gz"))), array(simulated.flair))


@pytest.mark.slow
def test_the_scan_is_on_the_papers_grid_and_t1_and_flair_lie_on_each_other(simulated):
    assert simulated.flair.GetSpacing() == pytest.approx((0.9, 0.9, 4.0))
    assert simulated.flair.GetSize()[2] == 38
    for image in (simulated.t1, simulated.truth, simulated.wmh, simulated.brain):
        assert image.GetSize() == simulated.flair.GetSize()
        assert image.GetOrigin() == simulated.flair.GetOrigin()
        assert image.GetDirection() == simulated.flair.GetDirection()


@pytest.mark.slow
def test_every_infarct_has_the_volume_asked_for_and_lies_in_the_brain_where_its_record_says(simulated):
    voxel_ml = 0.9 * 0.9 * 4 / 1000
    truth, brain = array(simulated.truth), array(simulated.brain) > 0
    assert not (truth > 0)[~brain].any()
    assert not (array(simulated.wmh)[truth > 0] > 0).any()
    for plan, lesion in zip(simulated_patient.DEFAULT_INFARCTS, simulated.lesions, strict=True):
        assert lesion.kind == plan.kind
        assert lesion.volume_ml == pytest.approx(plan.volume_ml, rel=0.05)
        if plan.volume_ml > 20 * voxel_ml:
            # Half-filled voxels round up and down: small shapes lose or gain a little more.
            assert lesion.voxel_volume_ml == pytest.approx(plan.volume_ml, rel=0.05, abs=8 * voxel_ml)
        assert (truth == lesion.number).sum() * voxel_ml == pytest.approx(lesion.voxel_volume_ml)
        z, y, x = np.argwhere(truth == lesion.number).mean(0)
        left, posterior, superior = simulated.truth.TransformContinuousIndexToPhysicalPoint((x, y, z))
        assert (-left, -posterior, superior) == pytest.approx(lesion.centroid_ras, abs=2.0)
        assert lesion.side == ("left" if left > 0 else "right")
        if lesion.kind == "infratentorial":
            assert lesion.region in ("cerebellum", "brain stem")


@pytest.mark.slow
def test_the_sample_shows_the_contrast_of_a_brain(simulated):
    t1, flair, brain = (array(i) for i in (simulated.t1, simulated.flair, simulated.brain))
    lesions = ndimage.binary_dilation((array(simulated.truth) > 0) | (array(simulated.wmh) > 0), iterations=3)
    usable = (brain > 0) & ~lesions
    usable[:12] = usable[30:] = False
    # White matter is the mode of T1; fluid is dark on both.
    white = usable & (t1 > np.percentile(t1[usable], 75))
    fluid = usable & (t1 < np.percentile(t1[usable], 4))
    cortex = ndimage.binary_erosion(brain > 0, np.ones((1, 3, 3)), 5) & usable & ~white & ~fluid
    cortex &= (t1 > 0.70 * t1[white].mean()) & (t1 < 0.85 * t1[white].mean())
    assert np.median(flair[cortex]) > np.median(flair[white]) > 3 * np.median(flair[fluid])
    assert t1.max() < 4000
    assert np.median(flair[white]) > 200


@pytest.mark.slow
def test_a_cavitated_infarct_is_dark_inside_a_bright_rim(simulated):
    flair, t1, truth = (array(i) for i in (simulated.flair, simulated.t1, simulated.truth))
    brain = array(simulated.brain) > 0
    typical = np.median(flair[brain])
    for lesion in simulated.lesions:
        inside = truth == lesion.number
        assert flair[inside].max() > 1.2 * typical
        if lesion.cavitated and lesion.volume_ml > 1:
            assert flair[inside].min() < 0.6 * typical
            assert t1[inside].min() < 0.6 * np.median(t1[brain])


def test_the_sample_holds_all_kinds_and_fits_in_six_megabytes(sample_lesions):
    assert {row["kind"] for row in sample_lesions} == set(KINDS)
    volumes = [float(row["volume_ml"]) for row in sample_lesions]
    assert min(volumes) < 0.1
    assert max(volumes) > 10
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) <= 6e6


@pytest.mark.slow
def test_brain_extraction_works_on_the_sample(simulated):
    found = find_brain(sitk.Cast(simulated.flair, sitk.sitkFloat32), "cpu")
    brain = array(simulated.brain) > 0
    assert 2 * (found & brain).sum() / (found.sum() + brain.sum()) >= 0.95
    truth = array(simulated.truth)
    for number in range(1, truth.max() + 1):
        assert found[truth == number].mean() > 0.7


def test_an_infarct_that_cannot_fit_is_refused():
    pytest.importorskip("nilearn")
    grid = simulated_brain.grid_along_lps((-20, -20, -20), (40, 40, 40), (1.0, 1.0, 1.0))
    brain = simulated_brain.individual_brain(grid, np.random.default_rng(0))
    taken = np.zeros(brain.mask.shape, bool)
    with pytest.raises(ValueError, match="fit in one piece"):
        make_infarct(brain, InfarctPlan("lacunar", 60.0), taken, np.random.default_rng(0))
    with pytest.raises(ValueError, match="subdural"):
        make_infarct(brain, InfarctPlan("subdural", 1.0), taken, np.random.default_rng(0))


def test_without_nilearn_the_extra_is_named(monkeypatch):
    # Another test may have read the maps already.
    simulated_brain._template.cache_clear()
    monkeypatch.setitem(sys.modules, "nilearn.datasets", None)
    with pytest.raises(InputError, match=r"\[research\]"):
        simulated_brain._template()
