"""`report.html`: a result for people to read, in one file that needs nothing else and prints well.

In the order a radiologist reads: whose it is, what was found, what speaks against trusting it, finding by finding with
pictures, how it was made, what it cannot tell. How that looks and most of what it says is in templates/report.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..detection.findings import Findings
from ..detection.reviewed_findings import ReviewedFinding
from ..detection.score_map import ScoreMap
from ..dicom.patient import PatientHeader
from ..model.false_positive_curve import in_words
from .anonymous import anonymous_record
from .html_page import TEMPLATES, page
from .notice import LIMITS, NOTICE
from .report_pictures import MOST_SLICES, KeyPictures, overview
from .report_text import (
    about,
    centre,
    image_rows,
    patient_rows,
    place,
    provenance_rows,
    result_in_words,
    review_in_words,
)

NAME = "report.html"
TITLE = "Suspected anomalies of the brain"
MOST_PICTURES = 24
"""Findings with pictures; a page of them is as much as anybody looks at, and a file that can be sent."""


def write_report(
    path: Path,
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
) -> None:
    """Write the report.

    Args:
        path: the file.
        scores: the scored brain.
        findings: whose voxels are drawn; those that are not among `reviewed` are drawn faintly.
        reviewed: what the report is about, with a reader's word where there is one. Those that are not in `findings`
            have no pictures.
        record: where the result comes from, as `provenance.provenance` makes it; parts may be missing.
        patient: None: the images do not say.
        anonymous: leave out patient, dates, names of files, and notes, which are free text.
        remarks: what a reader has to know about the run: sentences, with or without full stops.
        selection: which findings the report is about, if not all; a sentence.
        made: when the report was made, if that is not when the run was; not said in an anonymous one.

    Raises:
        OSError: if the file cannot be written.
    """
    text = report_html(
        scores=scores,
        findings=findings,
        reviewed=reviewed,
        record=record,
        patient=patient,
        anonymous=anonymous,
        remarks=remarks,
        selection=selection,
        made=made,
    )
    # A name need not be text: what cannot be written becomes a sign that stands for that.
    path.write_text(text, encoding="utf-8", errors="xmlcharrefreplace")


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
    """The report as text; see `write_report`."""
    if anonymous:
        record, patient, made = anonymous_record(record), None, None
    reviewed = sorted(reviewed, key=lambda finding: finding.number)
    pictures = KeyPictures(scores, findings)
    brain_ml = float(scores.study.flair_brain.sum()) * scores.study.flair_grid.voxel_ml
    found = result_in_words(reviewed, findings, scores.false_positive_curve, brain_ml, scores.settings.stride)
    limits = record.get("limits")
    made_rows = [] if made is None else [("Report made", made.isoformat(" ", "minutes"))]
    return page(
        TEMPLATES / "report.html",
        rules=f":root {{ --whole: {pictures.aspect:.3f}fr; }}\n",
        title=f"{TITLE}: {patient.name}" if patient is not None and patient.name else TITLE,
        running=_running(patient, anonymous),
        notice=NOTICE,
        anonymous=anonymous,
        dicom=patient is not None,
        patient=patient_rows(patient),
        images=image_rows(record),
        remarks=[_sentence(remark) for remark in remarks],
        results=[said for said in (found, review_in_words(reviewed, brain_ml), selection) if said],
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
        provenance=provenance_rows(record, findings) + made_rows,
        about=about,
        centre=centre,
        place=place,
        in_words=in_words,
        capital=_capital,
    )


def with_pictures(reviewed: Sequence[ReviewedFinding], findings: Findings) -> set[int]:
    """The numbers of those that get pictures: at most `MOST_PICTURES`, accepted first, rejected last, by peak."""
    drawn = {finding.number for finding in findings.items}
    order = {"accepted": 0, "": 1, "rejected": 2}
    ranked = sorted(
        (finding for finding in reviewed if finding.number in drawn),
        key=lambda finding: (order[finding.decision], -finding.peak_score, finding.number),
    )
    return {finding.number for finding in ranked[:MOST_PICTURES]}


def _running(patient: PatientHeader | None, anonymous: bool) -> str:
    """What every printed page says at its foot."""
    who = dict(patient_rows(patient))
    parts = [who[name] for name in ("Patient", "Patient ID", "Study date") if name in who]
    return "   ".join([*(["Anonymous"] if anonymous else parts), NOTICE])


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
