"""A budget of findings a normal scan instead of a threshold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from AnomalyDetectionLib.detection.run import run_detection
from AnomalyDetectionLib.detection.settings import DetectionRequest, DetectionSettings
from AnomalyDetectionLib.errors import InputError
from AnomalyDetectionLib.model.model_file import load_model, save_model
from AnomalyDetectionLib.model.rates import RateCurve
from conftest import SAMPLE

CURVE = RateCurve(np.array([0.001, 5.0]), np.array([40.0, 1.0]), 10, 2, 0.5)
NOWHERE = Path("there is no such image.nii.gz")


@pytest.fixture(scope="module")
def a_model_with_rates(a_random_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("rates") / "rates.safetensors"
    save_model(replace(load_model(str(a_random_model)), rates=CURVE), path)
    return path


def detect_nothing(**settings):
    run_detection(DetectionRequest(NOWHERE, NOWHERE, settings=DetectionSettings(device="cpu", **settings)))


def test_the_threshold_follows_from_the_budget_and_findings_have_rates(a_model_with_rates):
    request = DetectionRequest(
        t1=SAMPLE / "simulated_T1.nii.gz",
        flair=SAMPLE / "simulated_FLAIR.nii.gz",
        settings=DetectionSettings(
            model=str(a_model_with_rates), device="cpu", budget=39.9, bias_correction=False
        ),
    )
    detection = run_detection(request)
    assert detection.findings.threshold == pytest.approx(CURVE.threshold_for(39.9))
    assert detection.findings.items
    assert all(finding.rate <= 39.9 + 1e-9 for finding in detection.findings.items)


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        ({"threshold": 3.0}, "leave out one"),
        ({"stride": 2}, "own settings"),
        ({"min_patches": 5}, "own settings"),
        ({"budget": 1000.0}, "cannot be promised"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused_before_any_image_is_read(
    a_model_with_rates, options, mentions
):
    asked = {"budget": 2.0, **options}
    with pytest.raises(InputError, match=mentions):
        detect_nothing(model=str(a_model_with_rates), **asked)


def test_a_model_without_rates_says_how_to_get_them(a_random_model):
    with pytest.raises(InputError, match="calibrate it") as caught:
        detect_nothing(model=str(a_random_model), budget=2.0)
    assert caught.value.see == ("calibrate", "threshold")
