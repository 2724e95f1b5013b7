"""What is read off a scan before lesions are put into it; the built-in sample stands for a real scan."""

from __future__ import annotations

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from anomaly_research.evaluation.truth_files import CONFOUNDERS
from anomaly_research.simulation import heads
from anomaly_research.simulation.heads import RealHeads
from anomaly_research.simulation.host import analyse
from anomaly_research.simulation.lesions import InfarctPlan
from anomaly_research.simulation.simulated_brain import Region
from anomaly_research.simulation.subject import Confounding, make_subject
from AnomalyDetectionLib.calibration.prepare_scans import ScanEntry
from AnomalyDetectionLib.imaging.reading import read_study, read_volume
from AnomalyDetectionLib.imaging.volume import Volume
from conftest import SAMPLE
from made_up_host import made_up_host

SHIFT = (12.0, -8.0, 5.0)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study():
    pytest.importorskip("nilearn")
    return read_study(SAMPLE / "simulated_T1.nii.gz", SAMPLE / "simulated_FLAIR.nii.gz")


@pytest.fixture(scope="module")
def known():
    """The sample's hyperintensities, of the same seed as its infarcts."""
    return read_volume(SAMPLE / "simulated_WMH.nii.gz", role="lesion mask", mask=True)


@pytest.fixture(scope="module")
def host(study, known):
    return analyse(study, known)


@pytest.fixture(scope="module")
def infarcts():
    with (SAMPLE / "simulated_lesions.csv").open(encoding="utf-8") as content:
        return list(csv.DictReader(content))


def at(host, row):
    """The index into the brain's arrays of the middle of an infarct of the sample."""
    right, anterior, superior = (float(row[f"centroid_{axis}_mm"]) for axis in "ras")
    return tuple(
        host.brain.grid.indices(np.array([[-right, -anterior, superior]]))[0][::-1].round().astype(int)
    )


def test_the_tissues_have_the_contrast_of_a_brain(host):
    csf, grey, white = host.levels.csf, host.levels.grey, host.levels.white
    assert csf[0] < 0.4 * white[0] < 0.4 * white[0] + grey[0]
    assert 0.7 < grey[0] / white[0] < 0.9
    assert csf[1] < 0.35 * white[1]
    assert host.t1.noise.sd == pytest.approx(600 / 38, rel=0.35)
    assert host.flair.noise.sd == pytest.approx(420 / 32, rel=0.35)


def test_the_brain_is_found_with_its_regions(host, infarcts):
    volume_ml = {region: (host.brain.regions == region).sum() * host.brain.grid.voxel_ml for region in Region}
    assert 10 < volume_ml[Region.VENTRICLES] < 90
    assert 70 < volume_ml[Region.CEREBELLUM] < 220
    assert 10 < volume_ml[Region.BRAIN_STEM] < 50
    assert 15 < volume_ml[Region.DEEP_GREY] < 90
    for row in infarcts:
        place = at(host, row)
        if row["kind"] == "infratentorial":
            # Its cavity counts as fluid; what is round it tells where it lies.
            near = host.brain.regions[tuple(slice(i - 12, i + 13) for i in place)]
            assert np.isin(near, (Region.CEREBELLUM, Region.BRAIN_STEM)).mean() > 0.4
        assert (host.brain.mni[(0, *place)] < 0) == (row["side"] == "left")


def test_known_and_bright_lesions_are_avoided(host, infarcts):
    points = host.flair.scan.grid.points(np.argwhere(host.known)[:, ::-1])
    index = host.brain.grid.indices(points).round().astype(int)[:, ::-1]
    inside = ((index >= 0) & (index < host.brain.grid.shape)).all(1)
    assert host.avoid[tuple(index[inside].T)].mean() > 0.95
    # An infarct of the sample that is gliotic throughout is a bright cluster that the mask does not name.
    gliotic = [row for row in infarcts if row["cavitated"] == "no" and float(row["volume_ml"]) > 1]
    assert all(host.avoid[at(host, row)] for row in gliotic)
    assert host.avoid.mean() < 0.2


def test_a_t1_whose_header_is_off_gets_its_lesions_at_the_same_tissue(study, known, host):
    moved = sitk.Image(study.t1.image)
    moved.SetOrigin([o + s for o, s in zip(moved.GetOrigin(), SHIFT, strict=True)])
    mask = host.flair.scan.grid.image(host.mask.astype(np.uint8))
    given = replace(
        study, t1=Volume(moved, description="T1"), brain_mask=Volume(sitk.Cast(mask, sitk.sitkFloat32))
    )
    other = analyse(given, known)
    centre = np.array([0.0, 20.0, 20.0, 1.0])
    assert (other.t1.from_flair @ centre)[:3] - centre[:3] == pytest.approx(SHIFT, abs=0.8)
    plans = (InfarctPlan("large subcortical", 6.0),)
    made = make_subject(other, plans, Confounding(), (), np.random.SeedSequence(3))
    # Both are on one voxel grid but for the header: the lesion is at the same voxels.
    t1, flair = (
        np.argwhere(abs(scan.values - image.scan.values) > 60).mean(0) * (4.0, 0.9, 0.9)
        for scan, image in ((made.t1, other.t1), (made.flair, other.flair))
    )
    assert t1 == pytest.approx(flair, abs=1.5)


def test_infarcts_in_a_scan_like_a_real_one_have_their_volumes(host):
    plans = (
        InfarctPlan("cortical", 12.0),
        InfarctPlan("lacunar", 0.3),
        InfarctPlan("infratentorial", 0.15, place="brain stem"),
        InfarctPlan("cortical", 0.4, cavitated=False),
    )
    made = make_subject(host, plans, Confounding(), (), np.random.SeedSequence(1))
    assert made.left_out == ()
    for plan, lesion in zip(plans, made.lesions, strict=True):
        assert lesion.voxel_volume_ml == pytest.approx(plan.volume_ml, rel=0.05)
    assert made.lesions[2].region == "brain stem"


def test_real_scans_take_turns_and_each_is_analysed_once_in_a_row(monkeypatch, tmp_path):
    read = []
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(6, 8, 8)))
    scan = SimpleNamespace(flair=SimpleNamespace(image=noise))

    def read_study(t1, flair, mask):
        read.append(t1.parent.name)
        return scan

    monkeypatch.setattr(heads, "read_study", read_study)
    monkeypatch.setattr(heads, "analyse", lambda study, lesions: made_up_host((4.0, 4.0, 8.0)))
    places = {name: (tmp_path / name / "T1.nii", tmp_path / name / "FLAIR.nii") for name in "ab"}
    entries = [
        ScanEntry(name, f"person {name}", *places[name], None, None, lesion_class=known)
        for name, known in (("a", "tumour"), ("b", "ms"))
    ]
    source = RealHeads(entries)
    seed = np.random.SeedSequence(0)
    got = [source.head(number, f"sub-{number}", seed) for number in (0, 2, 4, 1, 3)]
    assert [head.source for head in got] == ["a", "a", "a", "b", "b"]
    assert {head.patient for head in got} == {"person a", "person b"}
    known = {head.source: CONFOUNDERS[head.host.known_class] for head in got}
    assert known == {"a": "tumour", "b": "white matter hyperintensity"}
    assert read == ["a", "b"]
    assert [source.batch(number) for number in range(4)] == [0, 1, 0, 1]
