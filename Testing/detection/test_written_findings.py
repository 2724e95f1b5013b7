"""The findings that a run wrote are read back as they were derived, or not at all."""

import json
from dataclasses import astuple, replace

import numpy as np
import pytest
import SimpleITK as sitk
from AnomalyDetectionLib.detection.findings import derive_findings
from AnomalyDetectionLib.detection.written_findings import read_findings
from AnomalyDetectionLib.reporting.tables import write_json
from synthetic_study import empty_lattice, prepared_study, scored


@pytest.fixture
def scores():
    study = prepared_study()
    lattice = empty_lattice(study)
    for patch, score in {(5, 10, 5): 9.0, (5, 10, 6): 9.0, (5, 10, 7): 4.0, (3, 16, 8): 5.0}.items():
        lattice[patch] = score
    return scored(study, lattice)


@pytest.fixture
def written(scores, tmp_path):
    """The findings, and the two files that hold them."""
    findings = derive_findings(scores, threshold=3.0, min_patches=1)
    write_json(findings, {}, tmp_path / "findings.json")
    sitk.WriteImage(findings.labels, str(tmp_path / "labels.nii.gz"))
    return findings, tmp_path / "findings.json", tmp_path / "labels.nii.gz"


def test_they_are_those_that_were_derived(scores, written):
    findings, *files = written
    read = read_findings(*files, scores)
    assert (read.threshold, read.min_patches) == (3.0, 1)
    assert len(read.items) == len(findings.items) == 2
    for one, other in zip(read.items, findings.items, strict=True):
        assert one.peak_patch == other.peak_patch
        assert (one.number, one.region, one.hint, one.side) == (
            other.number, other.region, other.hint, other.side,
        )  # fmt: skip
        for a, b in zip(astuple(one), astuple(other), strict=True):
            if isinstance(a, float):
                assert a == pytest.approx(b, abs=1e-4, nan_ok=True)
    assert np.array_equal(*map(sitk.GetArrayFromImage, (read.labels, findings.labels)))


def test_no_findings_are_read_as_none_found(scores, tmp_path):
    findings = derive_findings(scores, threshold=30.0, min_patches=1)
    write_json(findings, {}, tmp_path / "findings.json")
    sitk.WriteImage(findings.labels, str(tmp_path / "labels.nii.gz"))
    read = read_findings(tmp_path / "findings.json", tmp_path / "labels.nii.gz", scores)
    assert read is not None
    assert read.items == ()


@pytest.mark.parametrize(
    "what", ["missing", "damaged", "other program", "other scores", "one hidden", "other size"]
)
def test_what_does_not_belong_to_the_scores_is_not_taken(what, scores, written):
    findings, record, labels = written
    if what == "missing":
        labels.unlink()
    elif what == "damaged":
        record.write_text(record.read_text("utf-8")[:-40], "utf-8")
    elif what == "other program":
        content = json.loads(record.read_text("utf-8"))
        record.write_text(json.dumps({**content, "findings": [{"name": "lesion"}] * 2}), "utf-8")
    elif what == "other scores":
        lattice = scores.lattice.copy()
        lattice[5, 10, 8] = 4.0
        scores = replace(scores, lattice=lattice)
    elif what == "one hidden":
        sitk.WriteImage(findings.without([findings.items[0].hint]).labels, str(labels))
    elif what == "other size":
        sitk.WriteImage(findings.labels[1:], str(labels))
    assert read_findings(record, labels, scores) is None
