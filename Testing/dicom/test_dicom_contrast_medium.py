"""Whatever was taken after contrast medium in a study is known to be, though only one series names the agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from AnomalyDetectionLib.dicom.headers import read_header
from AnomalyDetectionLib.dicom.study import choose_pair, row, the_study
from AnomalyDetectionLib.grid import Grid
from made_dicom import MadeStudy, change, classic_series, enhanced_series

GRID = Grid((9, 8, 14), (16.0, 16.0, 10.0), (-80.0, -70.0, -60.0), tuple(np.eye(3).ravel()))
IMAGE = GRID.image(np.random.default_rng(0).integers(0, 900, GRID.shape).astype(np.int16))
FINE = Grid((9, 8, 23), (16.0, 16.0, 6.0), GRID.origin, GRID.direction)
FINE_IMAGE = FINE.image(np.random.default_rng(1).integers(0, 900, FINE.shape).astype(np.int16))


def made(folder: Path, rows: list[tuple[int, str, str, Any, dict]], make=classic_series) -> dict:
    """A study of series: number, kind, time, image, attributes; its series by number."""
    study = MadeStudy()
    for number, kind, time, image, attributes in rows:
        # That of an enhanced object stands in an attribute of its own.
        timed = {"AcquisitionTime": time} if make is classic_series else {}
        out = make(folder / str(number), image, kind=kind, study=study, number=number, **timed, **attributes)
        if make is enhanced_series:
            change(out, AcquisitionDateTime=f"20240131{time}+0100")
    return {series.number: series for series in the_study(folder).series}


@pytest.mark.parametrize("make", [classic_series, enhanced_series])
def test_an_unlabelled_series_after_an_enhanced_one_is_not_taken_for_native(tmp_path, make):
    found = made(
        tmp_path,
        [
            (2, "T1 spin echo", "100000", IMAGE, {}),
            (3, "FLAIR", "101000", IMAGE, {}),
            (4, "T1 spin echo", "102000", IMAGE, {"ContrastBolusAgent": "Gadovist"}),
            (5, "T1", "103000", FINE_IMAGE, {}),
            (6, "FLAIR", "104000", FINE_IMAGE, {}),
        ],
        make,
    )
    labels = {number: series.classification.label for number, series in found.items()}
    after = {"4": "post-contrast T1", "5": "post-contrast T1", "6": "post-contrast FLAIR"}
    assert labels == {"2": "T1", "3": "FLAIR", **after}
    assert row(found["5"])[-1].endswith("taken after series 4, which had Gadovist")
    pair = choose_pair(the_study(tmp_path))
    assert (pair.t1.number, pair.flair.number) == ("2", "3")
    assert "no contrast medium named" in pair.t1.chosen


def test_the_time_counts_and_not_the_number(tmp_path):
    found = made(
        tmp_path,
        [
            (2, "T1", "104000", IMAGE, {}),
            (9, "T1 spin echo", "103000", IMAGE, {"SeriesDescription": "t1_se_tra_KM"}),
            (10, "FLAIR", "102000", IMAGE, {}),
        ],
    )
    assert found["2"].classification.why.endswith(
        "taken after series 9, which had contrast medium by its name"
    )
    assert not found["10"].classification.after_contrast


def test_when_a_reformat_was_computed_does_not_count(tmp_path):
    found = made(
        tmp_path,
        [
            (2, "T1", "", IMAGE, {"ImageType": ["DERIVED", "SECONDARY", "MPR"], "ContentTime": "120000"}),
            (3, "T1 spin echo", "103000", IMAGE, {"ContrastBolusAgent": "Gadovist"}),
        ],
    )
    assert not found["2"].classification.after_contrast


@pytest.mark.parametrize("attributes", [
    {"AcquisitionTime": "", "AcquisitionDate": "", "ContentTime": "110000"},
    {"AcquisitionTime": None, "ContentTime": None, "SeriesTime": "11:00:00.5"},
    {"AcquisitionTime": "990000", "ContentTime": "nonsense", "SeriesTime": "1100"},
    {"AcquisitionTime": "110000.123456"},
])  # fmt: skip
def test_the_time_is_found_wherever_it_stands(tmp_path, attributes):
    file = classic_series(tmp_path, IMAGE)[0]
    change(file, **attributes)
    header = read_header(file)
    assert header is not None
    assert header.sequence.acquired_at is not None
    assert header.sequence.acquired_at.strftime("%Y%m%d %H%M") == "20240131 1100"


@pytest.mark.parametrize(
    "agent", ["NO CONTRAST", "none", "Without", "w/o KM", "ohne", "No", "non-contrast", "-"]
)
def test_a_word_for_nothing_is_no_contrast_medium(tmp_path, agent):
    file = classic_series(tmp_path, IMAGE, ContrastBolusAgent=agent)[0]
    assert read_header(file).sequence.contrast_agent == ""


@pytest.mark.parametrize("agent", ["Gadovist", "Nonionic Gd", "Prohance 10 ml", "PREDOTAREM", "yes"])
def test_other_words_are_one(tmp_path, agent):
    file = classic_series(tmp_path, IMAGE, ContrastBolusAgent=agent)[0]
    assert read_header(file).sequence.contrast_agent == agent
