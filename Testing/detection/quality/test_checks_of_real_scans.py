"""The checks on real scans, where these are: a T1 after contrast medium, and two good pairs."""

import pytest
from AnomalyDetectionLib.detection.quality.checks import check_images
from AnomalyDetectionLib.imaging.preparation import prepare
from AnomalyDetectionLib.imaging.preparation_settings import PreparationSettings
from AnomalyDetectionLib.imaging.reading import read_study


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("openms_long/patient03/study2", ["contrast medium"]),
        ("openms_long/patient04/study1", []),
        ("nichart/Subj9", []),
    ],
)
def test_of_real_scans_only_the_enhanced_one_is_warned_of(folder, expected, shared_data):
    place = shared_data(*folder.split("/"))
    study = read_study(place / "T1.nii.gz", place / "FLAIR.nii.gz")
    warnings = check_images(study, prepare(study, PreparationSettings()))
    assert [warning.name for warning in warnings] == expected
