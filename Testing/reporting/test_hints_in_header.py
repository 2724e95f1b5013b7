"""The line of the overlay's header that tells hints at a glance."""

from types import SimpleNamespace

import SimpleITK as sitk
from AnomalyDetectionLib.detection.findings import Finding, Findings
from AnomalyDetectionLib.detection.hints import EDGE, INFARCT_LIKE, WMH_LIKE
from AnomalyDetectionLib.model.model_settings import ScoringSettings
from AnomalyDetectionLib.reporting.results import header_of


def detection(*hints):
    items = tuple(
        Finding(n, 1.0, 4, 5.0, 4.0, (0.0, 0.0, 0.0), "left", "deep", 1.0, 1.0, (0, 0, 0), hint=hint)
        for n, hint in enumerate(hints, start=1)
    )
    volume = SimpleNamespace(path=None, files=(), description="")
    return SimpleNamespace(
        findings=Findings(items, sitk.Image(2, 2, 2, sitk.sitkUInt16), 3.0, 2),
        study=SimpleNamespace(t1=volume, flair=volume),
        model=SimpleNamespace(name="paper", sha256="0" * 64),
        scores=SimpleNamespace(false_positive_curve=None, settings=ScoringSettings()),
    )


def test_findings_are_listed_by_hint_and_hidden_ones_said_to_be():
    header = header_of(detection(WMH_LIKE, INFARCT_LIKE, WMH_LIKE, EDGE), hide=[WMH_LIKE])
    assert header[0].startswith("4 suspected anomalies")
    assert header[1].split("    ") == [
        "infarct-like: 2",
        "WMH-like (hidden): 1, 3",
        "normal tissue or artefact: 4",
    ]


def test_without_findings_there_is_no_such_line():
    assert header_of(detection())[1].startswith("T1:")


def test_the_header_says_the_least_size_of_what_the_model_scores():
    of_voxels = detection()
    of_voxels.scores.settings = ScoringSettings(stride=1, min_patches=2)
    assert header_of(of_voxels)[-1].endswith("at least 2 connected voxels")
    assert header_of(detection())[-1].endswith("at least 2 connected patches")
