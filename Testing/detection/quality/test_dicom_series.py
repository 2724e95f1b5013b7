"""What the DICOM headers say against a T1 or a FLAIR reaches the reader, and only then."""

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.quality import dicom_series
from AnomalyDetectionLib.grid import Grid
from AnomalyDetectionLib.imaging.reading import read_study
from made_dicom import MadeStudy, classic_series, drop

GRID = Grid((9, 8, 14), (16.0, 16.0, 10.0), (-80.0, -70.0, -60.0), tuple(np.eye(3).ravel()))
JANE = MadeStudy()


def image(seed):
    return GRID.image(np.random.default_rng(seed).integers(0, 900, GRID.shape).astype(np.int16))


def said(folder, t1, flair):
    classic_series(folder / "t1", image(1), **{"kind": "T1", "study": JANE, "number": 2, **t1})
    classic_series(folder / "flair", image(2), **{"study": JANE, **flair})
    return dicom_series.check(read_study(folder / "t1", folder / "flair"))


def test_nothing_is_said_of_a_good_pair(tmp_path):
    assert said(tmp_path, {}, {}) == ()


def test_nothing_is_said_of_images_that_are_not_from_dicom(tmp_path):
    for seed, name in enumerate(("t1", "flair")):
        sitk.WriteImage(image(seed), str(tmp_path / f"{name}.nii.gz"))
    assert dicom_series.check(read_study(tmp_path / "t1.nii.gz", tmp_path / "flair.nii.gz")) == ()


def test_studies_of_different_days_are_told_without_their_dates(tmp_path):
    (warning,) = said(tmp_path, {"study": MadeStudy(date="20240130")}, {})
    assert warning.name == "different studies"
    assert "of different studies, 1 day apart" in warning.sentence
    assert "2024" not in repr(warning)
    assert warning.measured == {"days": 1}


def test_an_enhanced_t1_is_told_and_a_flair_after_it(tmp_path):
    t1, flair = said(tmp_path, {"ContrastBolusAgent": "Gadovist"}, {"AcquisitionTime": "120000", "number": 5})
    assert t1.sentence.startswith(
        "The T1 was taken after contrast medium by its header (contrast medium: Gadovist)"
    )
    assert "(taken after series 2, which had Gadovist)" in flair.sentence
    assert [w.name for w in (t1, flair)] == ["contrast medium"] * 2


def test_a_reformat_is_told(tmp_path):
    (warning,) = said(tmp_path, {}, {"ImageType": ["DERIVED", "SECONDARY", "MPR"]})
    assert warning.sentence.startswith("The FLAIR was computed from other images (DERIVED\\SECONDARY\\MPR)")


def test_a_series_of_another_kind_is_told(tmp_path):
    (warning,) = said(tmp_path, {}, {"kind": "T1 spin echo"})
    assert warning.sentence.startswith(
        "The series given as FLAIR looks like T1 by its header (TE 8.9 ms, TR 500 ms)"
    )
    assert warning.measured == {"image": "FLAIR", "kind": "T1"}


@pytest.mark.parametrize("silent", [
    {"SeriesDescription": "head", "ProtocolName": "", "EchoTime": None, "ScanningSequence": ""},
    # A FLAIR whose header tells no inversion has the times of a T2: its pixels tell them apart.
    {"SeriesDescription": "head", "ProtocolName": "", "ScanningSequence": "SE", "InversionTime": None},
])  # fmt: skip
def test_headers_that_do_not_know_it_say_nothing(tmp_path, silent):
    assert said(tmp_path, {}, silent) == ()


def test_a_description_does_not_get_into_a_warning(tmp_path):
    (warning,) = said(tmp_path, {"SeriesDescription": "FLAIR of Jane Doe"}, {})
    assert "Jane" not in repr(warning)
    assert "The series given as T1 contradicts itself" in warning.sentence


@pytest.mark.parametrize("attributes", [{"ImagesInAcquisition": 14}, {}])
def test_images_that_are_missing_at_an_end_are_told_where_the_headers_know(tmp_path, attributes):
    files = classic_series(tmp_path / "flair", image(2), study=JANE, **attributes)
    for k in (0, 1, 2):
        drop(files, k)
    classic_series(tmp_path / "t1", image(1), kind="T1", study=JANE, number=2)
    (warning,) = dicom_series.check(read_study(tmp_path / "t1", tmp_path / "flair"))
    assert "The FLAIR series may be incomplete: 11 of 14 images" in warning.sentence


@pytest.mark.parametrize("attributes", [
    {"InstanceNumber": lambda k: 1 + (2 * k if k < 7 else 2 * (k - 7) + 1)},  # interleaved
    {"InstanceNumber": lambda k: 2 * k + 2},  # every second one: two echoes taking turns
    {"InstanceNumber": lambda k: k + 15},  # the second of two volumes
    {"InstanceNumber": lambda k: k + 101},
    {"InstanceNumber": lambda k: k},
    {"InstanceNumber": None},
    {"ImagesInAcquisition": 28, "EchoNumbers": 2},
    {"ImagesInAcquisition": 28, "NumberOfTemporalPositions": 2},
    {"ImagesInAcquisition": 7},
    {"ImagesInAcquisition": 60, "ImageType": ["DERIVED", "SECONDARY", "MPR"]},
])  # fmt: skip
def test_usual_ways_of_numbering_are_no_missing_images(tmp_path, attributes):
    assert "incomplete series" not in [warning.name for warning in said(tmp_path, {}, attributes)]
