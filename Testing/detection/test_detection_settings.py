"""The one record of a detection's settings, and the doors that are made of it."""

import json
from dataclasses import fields

import pytest
from AnomalyDetectionLib.cohort.cohort_settings import CohortSettings
from AnomalyDetectionLib.commands.bids import bids
from AnomalyDetectionLib.commands.detect import detect
from AnomalyDetectionLib.detection.detection_settings import DetectionSettings, setting_of
from AnomalyDetectionLib.errors import InputError

NAMES = {one.name for one in fields(DetectionSettings)}
OTHERS = {
    "model": "paper", "device": "cpu", "threshold": 2.5, "percentile": 60.0, "min_patches": 3, "stride": 2,
    "statistics": "scan", "distance": "mahalanobis", "register": False, "bias_correction": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"threshold": 0}, "The threshold must be more than 0, not 0."),
        ({"threshold": float("nan")}, "The threshold is a number, not nan."),
        ({"false_positives": -1.0}, "The false positives must be more than 0, not -1."),
        ({"percentile": 101}, "The percentile must be at most 100, not 101."),
        ({"min_patches": 0}, "The min patches must be at least 1, not 0."),
        ({"stride": 16}, "The stride must be at most 15, not 16."),
        ({"stride": 2.5}, "The stride is a whole number, not 2.5."),
        ({"stride": True}, "The stride is a whole number, not True."),
        ({"device": "tpu"}, "The device must be one of auto, cpu, cuda, mps, not 'tpu'."),
        ({"statistics": "none"}, "The statistics must be one of training, scan, tissue, not 'none'."),
        ({"register": "no"}, "The register is on or off, not 'no'."),
        ({"model": None}, "The model is a word, not None."),
    ],
)
def test_a_value_that_cannot_be_used_is_said_before_any_work(given, sentence):
    with pytest.raises(InputError) as caught:
        DetectionSettings(**given)
    assert str(caught.value) == sentence


def test_detect_and_bids_offer_all_settings_with_their_defaults():
    of_detect = detect.make_context("detect", ["--output", "out"]).params
    of_bids = bids.make_context("bids", ["data", "out", "participant"]).params
    for params in (of_detect, of_bids):
        assert DetectionSettings(**{name: params[name] for name in NAMES}) == DetectionSettings()
    options = {one.name: one.opts for one in detect.params}
    assert options["register"] == ["--no-registration"]
    assert options["min_patches"] == ["--min-patches"]


def test_options_become_the_settings():
    arguments = ["--no-registration", "--no-bias-correction"]
    for name in sorted(OTHERS.keys() - {"register", "bias_correction"}):
        arguments += [f"--{name}".replace("_", "-"), str(OTHERS[name])]
    params = bids.make_context("bids", ["data", "out", "participant", *arguments]).params
    assert {name: params[name] for name in OTHERS} == OTHERS


def test_every_setting_has_help_and_numbers_have_a_unit():
    for name in NAMES:
        setting = setting_of(name)
        assert setting.help.endswith(".")
        assert setting.unit or setting.kind not in (int, float)


def test_a_cohort_keeps_its_settings_side_by_side():
    settings = CohortSettings(DetectionSettings(**OTHERS), hide=("WMH-like",), keep_scores=True)
    plain = json.loads(json.dumps(settings.plain()))
    assert plain.keys() >= {*NAMES, "hide", "version"}
    assert CohortSettings.from_plain({**plain, "unknown": 1}) == settings
    assert CohortSettings.from_plain({}) == CohortSettings()
