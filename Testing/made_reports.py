"""Reports of a made-up scan, and what a browser would make of them without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from AnomalyDetectionLib.detection.findings import Findings, derive_findings
from AnomalyDetectionLib.detection.reviewed_findings import ReviewedFinding
from AnomalyDetectionLib.detection.score_map import ScoreMap
from AnomalyDetectionLib.dicom.patient import PatientHeader
from synthetic_study import many_patches as many_patches
from synthetic_study import scores_at

JANE = PatientHeader("Doe, Jane", "MRN-417", "1948-02-11", "F", "2025-11-03", "Head, follow-up", "ACC-77")

RECORD = {
    "model": {"name": "paper", "file": "/somebody/private/paper.safetensors", "sha256": "ab" * 32},
    "settings": {
        "preparation": {"in_plane_mm": 0.9, "slice_mm": 4.0, "bias_correction": True},
        "scoring": {"stride": 4, "percentile": 50.0, "statistics": "training"},
        "brain_mask": "deepbet",
    },
    "inputs": {
        "t1": {"path": "/clinic/Doe_Jane/T1.nii.gz", "description": "Doe T1", "sha256": "11" * 32}
        | {"grid": {"size": [200, 244, 38], "spacing_mm": [0.9, 0.9, 4.0]}},
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
    scores = scores_at(patches)
    return scores, derive_findings(scores, threshold=3.0, min_patches=1)


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
        self.open = [self.page]

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in ("meta", "img", "input", "br"):
            self.open.append(self.open[-1].inside[-1])

    def handle_startendtag(self, tag, attrs):
        self.open[-1].inside.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open[-1].name == tag, f"</{tag}> ends <{self.open[-1].name}>"
        self.open.pop()

    def handle_data(self, data):
        around = self.open[-1:] if self.open[-1].name == "style" else self.open
        for element in around:
            element.words.append(data.replace("\N{NO-BREAK SPACE}", " "))


def parsed(text: str) -> Element:
    """A page as a tree; every element that is opened must be closed in its place."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert len(parser.open) == 1, f"<{parser.open[-1].name}> is not closed"
    return parser.page
