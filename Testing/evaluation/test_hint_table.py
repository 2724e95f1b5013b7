"""Truth against hint."""

import csv
from dataclasses import replace

import numpy as np
from AnomalyDetectionLib.detection.hints import CAVITY, EDGE, UNKNOWN, WMH
from AnomalyDetectionLib.detection.patches import PatchLattice
from AnomalyDetectionLib.evaluation import hint_table
from AnomalyDetectionLib.evaluation.hint_table import (
    CAVITATED,
    GLIOTIC,
    HintedFinding,
    confusion,
    hinted_findings,
    in_words,
    write_hints,
)
from AnomalyDetectionLib.evaluation.store import LatticeScores
from AnomalyDetectionLib.evaluation.truth import Lesion, ScanTruth
from AnomalyDetectionLib.model.settings import ScoringSettings
from synthetic_study import STRIDE, prepared_study


def finding(truth, hint, infarct_ml=0.0):
    return HintedFinding("sub-1", "someone", 1, 1.0, truth, infarct_ml, hint, "why")


FINDINGS = [
    finding(CAVITATED, CAVITY, 2.0),
    finding(CAVITATED, WMH, 0.3),
    finding(GLIOTIC, UNKNOWN, 0.3),
    finding("white matter hyperintensity", WMH),
    finding("normal tissue", EDGE),
]


def test_hints_are_counted_by_truth_and_large_cavities_apart():
    heading, *rows = confusion(FINDINGS)
    assert heading == ["truth", CAVITY, WMH, EDGE, UNKNOWN, "findings"]
    assert rows == [
        [CAVITATED, 1, 1, 0, 0, 2],
        ["of these under 1 ml", 0, 1, 0, 0, 1],
        ["of these 1 ml or more", 1, 0, 0, 0, 1],
        [GLIOTIC, 0, 0, 0, 1, 1],
        ["white matter hyperintensity", 0, 1, 0, 0, 1],
        ["normal tissue", 0, 0, 1, 0, 1],
    ]


def test_it_is_said_what_hiding_would_take_away():
    assert "hides 1 of 1 findings on white matter hyperintensities, 1 of 3 on infarcts" in in_words(FINDINGS)


def test_the_tables_are_written(tmp_path):
    write_hints(FINDINGS, 2, tmp_path, "What was simulated.")
    with (tmp_path / "hints.csv").open(encoding="utf-8", newline="") as file:
        assert [row["hint"] for row in csv.DictReader(file)] == [each.hint for each in FINDINGS]
    page = (tmp_path / "hints.md").read_text("utf-8")
    assert "| infarct, cavitated | 1 | 1 | 0 | 0 | 2 |" in page
    assert "| someone | 0 | 1 | 0 | 0 |" in page


class OneScan:
    """Stands for the store of an evaluation of one scan with two findings: one on an infarct, one on nothing."""

    def __init__(self):
        self.study = prepared_study()
        self.lattice = PatchLattice.over(self.study.brain, STRIDE)
        centres = self.lattice.centres()
        self.scores = np.ones(len(centres), np.float32)
        self.voxel = {}
        for name, (row, column) in {"infarct": (44, 30), "nothing": (60, 50)}.items():
            near = np.abs(centres - [4, row, column]).sum(axis=1).argsort()[:2]
            self.scores[near] = 9.0 if name == "infarct" else 5.0
            self.voxel[name] = int(np.ravel_multi_index(tuple(centres[near[0]]), self.study.brain.shape))

    def subjects(self):
        return ("sub-1",)

    def read_truth(self, subject):
        return ScanTruth(
            subject=subject,
            patient="someone",
            lesions=(Lesion(1, "lacunar", "", "", "no", 0.5), Lesion(2, "cortical", "", "", "yes", 3.0)),
            lesion_voxels=np.array([1, 9]),
            infarcts=np.array([[self.voxel["infarct"]] * 2, [0, 1], [1, 9]], np.int32),
            confounders=np.zeros((3, 0), np.int32),
            voxel_ml=0.003,
            voxels=self.study.brain.astype(np.uint16),
            brain=self.study.brain,
            flair=self.study.flair[self.study.brain].astype(np.float16),
            model_voxel_ml=0.003,
        )

    def read_scores(self, method, subject):
        settings = replace(ScoringSettings(stride=STRIDE), min_patches=1)
        return LatticeScores(np.array([50.0]), self.scores[None], settings, "", 15, self.study.brain)


def test_a_finding_is_the_infarct_that_it_shares_most_with(monkeypatch):
    scan = OneScan()
    monkeypatch.setattr(hint_table, "segment_anatomy", lambda study, device: None)
    found = hinted_findings(scan, "paper", lambda subject: scan.study)
    assert [(each.number, each.truth, each.infarct_ml) for each in found] == [
        (1, CAVITATED, 3.0),
        (2, "normal tissue", 0.0),
    ]
    assert all(each.volume_ml > 0 and each.evidence for each in found)


def test_another_threshold_gives_other_findings(monkeypatch):
    scan = OneScan()
    monkeypatch.setattr(hint_table, "segment_anatomy", lambda study, device: None)
    (only,) = hinted_findings(scan, "paper", lambda subject: scan.study, threshold=6.0)
    assert only.truth == CAVITATED
