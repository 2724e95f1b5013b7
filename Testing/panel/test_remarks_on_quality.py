"""The panel says what the checks of the images say."""

import pytest
from AnomalyDetectionLib.panel import remarks

SENTENCE = "The FLAIR is noisy (noise is 20 % of the brain's range of intensities)"


@pytest.fixture
def said(a_slicer_application, monkeypatch):
    def of(**provenance):
        monkeypatch.setattr(remarks, "provenance_of", lambda result: provenance)
        monkeypatch.setattr(remarks, "t1_moved_mm", lambda result: 0.0)
        return remarks.remarks(None)

    return of


def test_warnings_are_sentences_of_the_panel(said):
    quality = [{"name": "noise", "sentence": SENTENCE, "measured": {}}]
    assert said(quality=quality) == [f"{SENTENCE}."]


def test_nothing_is_said_of_a_good_scan(said):
    assert said(quality=[]) == []


def test_a_scene_of_an_earlier_version_still_says_what_it_knew(said):
    assert said(brain_mask_doubts=["Check the mask"]) == ["Check the mask."]


def test_what_did_not_fit_into_the_memory_is_said(said):
    assert said(device_fallbacks=["The brain extraction went to the CPU"]) == [
        "The brain extraction went to the CPU."
    ]


def test_what_is_missing_of_a_result_is_said(said):
    missing = {"what": "The report", "files": ["report.html"], "reason": "the disk is full"}
    assert said(missing=[missing]) == ["The report is missing (report.html): the disk is full."]
