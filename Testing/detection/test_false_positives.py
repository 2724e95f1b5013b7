"""False positives per normal scan instead of a threshold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from AnomalyDetectionLib.detection.detection_settings import DetectionRequest, DetectionSettings
from AnomalyDetectionLib.detection.pipeline import run_detection
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.false_positive_curve import FalsePositiveCurve
from AnomalyDetectionLib.model.model_file import load_model, save_model
from conftest import SAMPLE

CURVE = FalsePositiveCurve(np.array([0.001, 5.0]), np.array([40.0, 1.0]), 10, 2, 0.5)
NOWHERE = Path("there is no such image.nii.gz")


@pytest.fixture(scope="module")
def a_model_with_a_curve(a_random_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("rates") / "rates.safetensors"
    save_model(replace(load_model(str(a_random_model)), false_positive_curve=CURVE), path)
    return path


def detect_nothing(**settings):
    run_detection(DetectionRequest(NOWHERE, NOWHERE, settings=DetectionSettings(device="cpu", **settings)))


def test_the_threshold_follows_from_the_false_positives_per_scan_and_findings_say_theirs(
    a_model_with_a_curve,
):
    request = DetectionRequest(
        t1=SAMPLE / "simulated_T1.nii.gz",
        flair=SAMPLE / "simulated_FLAIR.nii.gz",
        settings=DetectionSettings(
            model=str(a_model_with_a_curve), device="cpu", false_positives=39.9, bias_correction=False
        ),
    )
    detection = run_detection(request)
    assert detection.findings.threshold == pytest.approx(CURVE.threshold_for(39.9))
    assert detection.findings.items
    assert all(finding.per_normal_scan <= 39.9 + 1e-9 for finding in detection.findings.items)


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        ({"threshold": 3.0}, "leave out one"),
        ({"stride": 2}, "own settings"),
        ({"min_patches": 5}, "own settings"),
        ({"false_positives": 1000.0}, "cannot be promised"),
    ],
)
def test_so_few_false_positives_as_were_never_counted_are_refused_before_any_image_is_read(
    a_model_with_a_curve, options, mentions
):
    asked = {"false_positives": 2.0, **options}
    with pytest.raises(InputError, match=mentions):
        detect_nothing(model=str(a_model_with_a_curve), **asked)


def test_a_model_without_rates_says_how_to_get_them(a_random_model):
    with pytest.raises(InputError, match="calibrate it") as caught:
        detect_nothing(model=str(a_random_model), false_positives=2.0)
    assert caught.value.see == ("calibrate", "threshold")
