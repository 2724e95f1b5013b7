"""`detect --dicom`: from DICOM images to DICOM objects; and what it says where that cannot be, before the work."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib import cli
from made_dicom import MadeStudy, change, classic_series, enhanced_series
from made_findings import points, points_of
from synthetic_study import FLAIR_GRID, ellipsoid, rotated

hd = pytest.importorskip("highdicom", reason="highdicom is not installed")

SEGMENTATION, REPORT = "suspected_anomalies.seg.dcm", "suspected_anomalies.sr.dcm"


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """A turned head with two spots, as two DICOM series of one study and as NIfTI files."""
    folder, study = tmp_path_factory.mktemp("scans"), MadeStudy()
    grid = rotated(FLAIR_GRID, 12)
    brain = ellipsoid(grid, 12)
    grid = replace(  # as large as a head
        grid, spacing=tuple(1.7 * mm for mm in grid.spacing), origin=tuple(1.7 * mm for mm in grid.origin)
    )
    rng = np.random.default_rng(3)
    for name, level in (("T1", 300), ("FLAIR", 200)):
        array = np.where(brain, level, 5) + rng.normal(0, 10, brain.shape)
        for spot in (np.s_[6:8, 40:60, 40:60], np.s_[3:5, 70:85, 45:60]):
            array[spot] *= 1.3
        image = grid.image(np.rint(array).astype(np.int16))
        classic_series(folder / name, image, kind=name, study=study)
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
    sitk.WriteImage(grid.image(brain.astype(np.uint8)), str(folder / "brain.nii.gz"))
    classic_series(folder / "shorter", image[:, :, :-1], study=study)
    enhanced_series(folder / "enhanced", sitk.ReadImage(str(folder / "FLAIR.nii.gz")), study=study)
    return folder


@pytest.fixture
def detect(scans, tmp_path, a_random_model, capfd):
    """Runs the command in this process; gives exit code, stdout, stderr."""

    def run(*more, flair="FLAIR"):
        arguments = ["detect", "--t1", scans / "T1", "--flair", scans / flair, "--output", tmp_path / "out"]
        arguments += ["--brain-mask", scans / "brain.nii.gz", "--model", a_random_model, "--device", "cpu"]
        arguments += ["--threshold", "0.07", "--stride", "12", "--min-patches", "1", "--no-bias-correction"]
        arguments += ["--no-registration", "--progress", "none", *more]
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return left.value.code, captured.out, captured.err

    return run


def test_both_objects_stand_beside_the_other_results(detect, scans, tmp_path):
    code, _, err = detect("--dicom")
    assert code == 0, err
    out = tmp_path / "out"
    record = json.loads((out / "findings.json").read_text("utf-8"))
    assert {SEGMENTATION, REPORT} <= set(record["run"]["files"])
    labels = sitk.ReadImage(str(out / "suspected_anomalies.nii.gz"))
    read = hd.seg.segread(out / SEGMENTATION)
    volume = read.get_volume(combine_segments=False)
    assert len(read.SegmentSequence) == len(record["findings"]) > 1
    for place, segment in enumerate(read.SegmentSequence):
        found = points(volume.array[..., place], volume.affine)
        assert np.allclose(found, points_of(labels, int(segment.SegmentLabel.split()[-1])), atol=1e-2)
    groups = hd.sr.srread(out / REPORT).content.get_volumetric_roi_measurement_groups()
    for group, finding in zip(groups, record["findings"], strict=True):
        values = {m.name.meaning: m.value for m in group.get_measurements()}
        assert values["Volume"] == pytest.approx(finding["volume_ml"], rel=1e-3)
        assert values["Peak anomaly score"] == pytest.approx(finding["peak_score"], rel=1e-3)
        (centre,) = [item.value for item in group[0].ContentSequence if item.ValueType == "SCOORD3D"]
        assert np.allclose(centre[0] * [-1, -1, 1], finding["centroid_ras_mm"], atol=0.1)
    source = pydicom.dcmread(next((scans / "FLAIR").iterdir()), stop_before_pixels=True)
    assert read.PatientID == source.PatientID
    assert read.StudyInstanceUID == source.StudyInstanceUID


def test_a_run_without_findings_has_a_report_and_says_so(detect, scans, tmp_path):
    more = ["--dicom-reference", scans / "enhanced", "--threshold", "1e9"]
    code, out, err = detect(*more, flair="FLAIR.nii.gz")
    assert code == 0, err
    assert not (tmp_path / "out" / SEGMENTATION).exists()
    assert "There are no findings, so there is a report but no DICOM segmentation" in out
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "Doe, Jane" in page  # the reference says whose they are
    assert "do not identify the patient" not in page
    document = hd.sr.srread(tmp_path / "out" / REPORT)
    observers = document.content.get_observer_contexts()
    assert [observer.observer_type.meaning for observer in observers] == ["Device"]
    evidence = document.get_evidence()
    source = pydicom.dcmread(scans / "enhanced" / "MR003.dcm", stop_before_pixels=True)
    assert [instance for _, _, instance, _ in evidence] == [source.SOPInstanceUID]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (None, "is not DICOM, so DICOM objects cannot refer to it"),
        ("shorter", "do not have the same voxels (100 x 110 x 12 of"),
    ],
    ids=["no DICOM", "another series"],
)
def test_images_that_objects_cannot_refer_to_are_refused_before_the_work(
    reference, said, detect, scans, tmp_path
):
    more = ["--dicom-reference", scans / reference] if reference else ["--dicom"]
    code, _, err = detect(*more, flair="FLAIR.nii.gz")
    assert code == 2
    assert said in err
    assert not (tmp_path / "out").exists()


def test_missing_attributes_are_said_before_the_work(detect, scans, tmp_path):
    shutil.copytree(scans / "FLAIR", tmp_path / "incomplete")
    for file in (tmp_path / "incomplete").iterdir():
        change(file, SeriesInstanceUID=None, FrameOfReferenceUID=None)
    code, _, err = detect("--dicom", "--flair", tmp_path / "incomplete")
    assert code == 2
    for keyword in ("SeriesInstanceUID", "FrameOfReferenceUID"):
        assert f"{keyword} is missing in {tmp_path / 'incomplete'}" in err
    assert not (tmp_path / "out").exists()
