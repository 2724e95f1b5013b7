"""`report.html`: a result as a single, self-contained file that prints well.

In the order in which a radiologist reads: patient, summary, doubts about the result, each finding with pictures, how
it was made, limits. The layout and most of the text are in templates/report.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..detection.findings import Findings
from ..detection.reviewed_findings import ReviewedFinding
from ..detection.score_map import ScoreMap
from ..dicom.patient import PatientHeader
from ..model.false_positive_curve import in_words
from . import report_text as words
from .anonymous import anonymous_record
from .html_page import TEMPLATES, page
from .notice import LIMITS, NOTICE
from .report_pictures import MOST_SLICES, KeyPictures, overview

NAME = "report.html"
TITLE = "Suspected anomalies of the brain"
MOST_PICTURES = 24
"""Findings with pictures at most; more would make the page too long to read and too large to send."""


def report_html(
    *,
    scores: ScoreMap,
    findings: Findings,
    reviewed: Sequence[ReviewedFinding],
    record: Mapping[str, Any],
    patient: PatientHeader | None = None,
    anonymous: bool = False,
    remarks: Sequence[str] = (),
    selection: str = "",
    made: datetime | None = None,
) -> str:
    """The report as text that UTF-8 can encode.

    Args:
        findings: whose outlines are drawn; those that are not in `reviewed` are drawn faintly.
        reviewed: the findings to report, with the reader's judgement if there is one. Those that are not in
            `findings` have no pictures.
        record: as returned by `provenance.provenance`; parts may be missing.
        patient: None if the images do not identify the patient.
        anonymous: leave out patient, dates, names of files, and notes, which are free text.
        remarks: about the run, for the reader: sentences, with or without full stops.
        selection: a sentence that says which findings are reported, if not all.
        made: when the report was made, if later than the run; left out of an anonymous report.
    """
    if anonymous:
        record, patient, made = anonymous_record(record), None, None
    reviewed = sorted(reviewed, key=lambda finding: finding.number)
    pictures = KeyPictures(scores, findings)
    brain_ml = float(scores.study.flair_brain.sum()) * scores.study.flair_grid.voxel_ml
    curve, stride = scores.false_positive_curve, scores.settings.stride
    found = words.result_in_words(reviewed, findings, curve, brain_ml, stride)
    limits = record.get("limits")
    made_rows = [] if made is None else [("Report made", made.isoformat(" ", "minutes"))]
    text = page(
        TEMPLATES / "report.html",
        rules=f":root {{ --whole: {pictures.aspect:.3f}fr; }}\n",
        title=f"{TITLE}: {patient.name}" if patient is not None and patient.name else TITLE,
        running=_running(patient, anonymous),
        notice=NOTICE,
        anonymous=anonymous,
        dicom=patient is not None,
        patient=words.patient_rows(patient),
        images=words.image_rows(record),
        remarks=[_sentence(remark) for remark in remarks],
        results=[text for text in (found, words.review_in_words(reviewed, brain_ml), selection) if text],
        reviewed=reviewed,
        rated=any(finding.per_normal_scan is not None for finding in reviewed),
        read=any(finding.decision or finding.category or finding.note for finding in reviewed),
        drawn={finding.number for finding in findings.items},
        pictured=with_pictures(reviewed, findings),
        tiles=pictures.of,
        overview=overview(scores, findings),
        most_slices=MOST_SLICES,
        threshold=findings.threshold,
        limits=[*map(str, limits if isinstance(limits, (list, tuple)) else LIMITS)],
        provenance=words.provenance_rows(record, findings) + made_rows,
        about=words.about,
        centre=words.centre,
        place=words.place,
        in_words=in_words,
        capital=_capital,
    )
    # A file name need not be valid text: characters that cannot be encoded become character references.
    return text.encode("utf-8", "xmlcharrefreplace").decode("utf-8")


def with_pictures(reviewed: Sequence[ReviewedFinding], findings: Findings) -> set[int]:
    """The numbers of the findings that get pictures: at most `MOST_PICTURES`, accepted first, rejected last, by peak score."""
    order = ("accepted", "", "rejected")
    drawn = {finding.number for finding in findings.items}
    shown = [(order.index(f.decision), -f.peak_score, f.number) for f in reviewed if f.number in drawn]
    return {number for *_, number in sorted(shown)[:MOST_PICTURES]}


def _running(patient: PatientHeader | None, anonymous: bool) -> list[str]:
    """The parts of the footer of every printed page."""
    shown = ("Patient", "Patient ID", "Study date")
    parts = [value for name, value in words.patient_rows(patient) if name in shown]
    return [*(["Anonymous"] if anonymous else parts), NOTICE]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
