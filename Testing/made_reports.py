"""Reports of a made-up scan, and what a browser would make of them without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np
from AnomalyDetectionLib.detection.findings import Findings, derive_findings
from AnomalyDetectionLib.detection.reviewed_findings import ReviewedFinding
from AnomalyDetectionLib.detection.score_map import ScoreMap
from AnomalyDetectionLib.dicom.patient import PatientHeader
from synthetic_study import empty_lattice, prepared_study, scored

JANE = PatientHeader("Doe, Jane", "MRN-417", "1948-02-11", "F", "2025-11-03", "Head, follow-up", "ACC-77")

RECORD = {
    "model": {"name": "paper", "file": "/somebody/private/paper.safetensors", "sha256": "ab" * 32},
    "settings": {
        "preparation": {"in_plane_mm": 0.9, "slice_mm": 4.0, "bias_correction": True},
        "scoring": {"stride": 4, "percentile": 50.0, "statistics": "training"},
        "brain_mask": "deepbet",
    },
    "inputs": {
        "t1": {
            "path": "/clinic/Doe_Jane/T1.nii.gz",
            "description": "Doe T1",
            "sha256": "11" * 32,
            "grid": {"size": [200, 244, 38], "spacing_mm": [0.9, 0.9, 4.0]},
        },
        "flair": {"path": "/clinic/Doe_Jane/FLAIR.nii.gz", "description": "Doe FLAIR", "sha256": "22" * 32},
        "brain_mask": None,
    },
    "alignment": {"registered": True, "shift_mm": 5.81, "rotation_deg": 2.2},
    "brain_ml": 112.4,
    "patches_scored": 1234,
    "device": "cpu",
    "versions": {"AnomalyDetection": "0.1.0", "torch": "2.13.0"},
    "run": {"finished_utc": "2026-11-23T14:52:07+00:00", "seconds": {"reading": 0.1, "scoring": 3.4}},
}

OLD_INFARCT = {(5, 10, column): score for column, score in zip(range(5, 9), (9, 8, 7, 6), strict=True)}
SMALL_ONE = {(3, 16, 8): 5.0}


def a_scan(patches: dict[tuple[int, int, int], float]) -> tuple[ScoreMap, Findings]:
    """The synthetic study, scored 1 everywhere but at these patches (slice, row, column), and what is above 3."""
    study = prepared_study()
    lattice = empty_lattice(study)
    for patch, score in patches.items():
        lattice[patch] = score
    scores = scored(study, lattice)
    return scores, derive_findings(scores, threshold=3.0, min_patches=1)


def many_patches(count: int) -> dict[tuple[int, int, int], float]:
    """So many patches in the brain that do not touch."""
    inside = np.isfinite(empty_lattice(prepared_study()))
    apart = [tuple(patch) for patch in np.argwhere(inside).tolist() if all(n % 2 == 0 for n in patch)]
    assert len(apart) >= count
    return {patch: 3.1 + 0.01 * k for k, patch in enumerate(apart[:count])}


def reviewed(findings: Findings) -> list[ReviewedFinding]:
    """The findings before anybody has looked at them."""
    return [ReviewedFinding.of(finding) for finding in findings.items]


@dataclass
class Element:
    """An element of a page, with what is inside it."""

    name: str
    attributes: dict[str, str]
    inside: list[Element] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def all(self, name: str = "", kind: str = "") -> list[Element]:
        """The elements inside of a name or class, in the order of the page."""
        found = []
        for element in self.inside:
            if name in ("", element.name) and kind in ("", *element.attributes.get("class", "").split()):
                found.append(element)
            found += element.all(name, kind)
        return found

    @property
    def text(self) -> str:
        """All words inside; no space is one that does not break."""
        return "".join(self.words)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Element("", {})
        self._open = [self.page]

    def handle_starttag(self, tag, attrs):
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(element)
        if tag not in ("meta", "img", "input", "br"):
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self._open[-1].inside.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        assert self._open[-1].name == tag, f"</{tag}> ends <{self._open[-1].name}>"
        self._open.pop()

    def handle_data(self, data):
        data = data.replace("\N{NO-BREAK SPACE}", " ")
        if self._open[-1].name != "style":
            for element in self._open:
                element.words.append(data)
        else:
            self._open[-1].words.append(data)

    def close(self):
        super().close()
        assert len(self._open) == 1, f"<{self._open[-1].name}> is not closed"


def parsed(text: str) -> Element:
    """A page as a tree; every element that is opened must be closed in its place."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    return parser.page
