"""The odd but everyday inputs that are kept beside the real scans: the header is the fault, the findings are the good pair's."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from AnomalyDetectionLib.detection.detection_settings import DetectionRequest, DetectionSettings
from AnomalyDetectionLib.detection.pipeline import Detection, run_detection
from conftest import SAMPLE

SIZES = r"two sizes of a voxel, \S+ x \S+ x 1 mm \(pixdim\) and \S+ x \S+ x 4 mm \(sform\).* the sform was followed"

#: By kind of input, what is said of it; "" for nothing at all.
SAID = {
    "sform_and_qform_25_mm_apart": r"disagree by up to 25\.0 mm \(sform and qform\): the sform was followed",
    "pixdim_says_1_mm_slices": SIZES,
    "pixdim_negative": "3D Slicer shows the FLAIR up to .* for the signs of its voxel sizes",
    "sform_sheared_beside_a_good_qform": r"disagree by up to [\d.]+ mm \(sform and qform\): the qform was followed",
    "vector_of_one_component": "",
    "nifti2": "",
    "gzip_named_nii": "",
    "gzipped_twice": "",
    "nan_beyond_the_head": "",
    "values_begin_at_minus_1024": "",
    "sequence_of_one_frame": "",
    "nrrd_bzip2": "",
    "dicom_files_copied_twice": "equal copies of images left out: 3",
    "dicom_magnitude_and_phase": r"38 phase \(the magnitude is taken\)",
}


def detected(folder: Path) -> Detection:
    t1, flair = (next(folder.glob(f"*{name}*")) for name in ("T1", "FLAIR"))
    return run_detection(DetectionRequest(t1, flair, settings=DetectionSettings(device="cpu")))


@pytest.mark.slow
def test_all_odd_inputs_are_taken_as_a_careful_reader_does(shared_data: Callable, tmp_path: Path) -> None:
    make = shared_data("..", "odd_inputs", "make.py")
    pair = [SAMPLE / f"simulated_{name}.nii.gz" for name in ("T1", "FLAIR")]
    subprocess.run([sys.executable, make, *pair, tmp_path], check=True, capture_output=True)
    with (tmp_path / "expected.csv").open(newline="") as file:
        expected = {row["kind"]: row["expected"] for row in csv.DictReader(file)}
    assert set(expected) == set(SAID)
    good = detected(SAMPLE)
    assert len(good.findings.items) > 3
    assert not good.remarks
    wrong = []
    for kind, answer in expected.items():
        found = detected(tmp_path / kind)
        said = " ".join(found.remarks)
        if not re.search(SAID[kind], said) or (said and not SAID[kind]):
            wrong.append(f"{kind}: said {said!r}")
        # Where the places disagree the T1 is registered to the FLAIR: the last digits may differ, and the
        # order of findings whose scores are nearly equal.
        within = 0.02 if answer.startswith("as the good pair") else 0.05
        for what in ("volume_ml", "peak_score"):
            ours, theirs = (
                sorted(getattr(item, what) for item in run.findings.items) for run in (found, good)
            )
            if ours != pytest.approx(theirs, rel=within, abs=0.02):
                wrong.append(f"{kind}: {what} is {ours}, of the good pair {theirs}")
    assert not wrong, "\n".join(wrong)
