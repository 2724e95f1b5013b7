"""`report.html`: a result for people to read, in one file that needs nothing else and prints well.

In the order a radiologist reads: whose it is, what was found, what speaks against trusting it, finding by finding with
pictures, how it was made, what it cannot tell.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from ..detection.findings import Findings
from ..detection.review import ReviewedFinding
from ..detection.score_map import ScoreMap
from ..dicom.patient import PatientLine
from ..model.rates import in_words
from .anonymous import anonymous_record
from .html_page import heading, page, paragraph
from .notice import LIMITS, NOTICE
from .report_pictures import MOST_SLICES, KeyPictures, Tile, overview
from .report_style import STYLE
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

NOT_NORMAL = "A scan without suspected anomalies is not thereby a normal scan."
UNKNOWN_PATIENT = "The images do not say whose they are{}."
NO_DIAGNOSIS = "A hint is no diagnosis."
SIMPLIFIED = (
    "The pictures show the images as the model saw them, corrected for bias and in its grid, not as acquired."
)


def write_report(
    path: Path,
    *,
    scores: ScoreMap,
    findings: Findings,
    reviewed: Sequence[ReviewedFinding],
    record: Mapping[str, Any],
    patient: PatientLine | None = None,
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
    patient: PatientLine | None = None,
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
    pictured = with_pictures(reviewed, findings)
    brain_ml = float(scores.study.flair_brain.sum()) * scores.study.flair_grid.voxel_ml
    parts = [
        heading(TITLE, 1),
        paragraph(NOTICE, "research"),
        _about(record, patient, anonymous),
        _warnings(remarks),
        paragraph(
            result_in_words(reviewed, findings, scores.rates, brain_ml, scores.settings.stride), "result"
        ),
        *(paragraph(said, "result") for said in (review_in_words(reviewed, brain_ml), selection) if said),
    ]
    if reviewed:
        parts += [heading("Findings"), _table(reviewed, pictured, notes=not anonymous)]
    parts += [heading("Overview"), _overview(scores, findings)]
    if pictured:
        shown = [finding for finding in reviewed if finding.number in pictured]
        parts += [heading("Pictures of the findings"), *_pictures_said(reviewed, findings, pictured)]
        parts += [_finding(finding, pictures, notes=not anonymous) for finding in shown]
    parts += [heading("Limits"), _limits(record), heading("How this was made")]
    rows = provenance_rows(record, findings)
    rows += [] if made is None else [("Report made", made.isoformat(" ", "minutes"))]
    parts.append(_definitions("provenance", rows))
    aspect = f".tiles {{ grid-template-columns: {pictures.aspect:.3f}fr 1fr 1fr; }}"
    # A narrow screen has them one below the other, whatever the shape of the head.
    style = f"{STYLE}@media print, (min-width: 45rem) {{ {aspect} }}\n"
    return page(_title(patient), parts, style=style, running=_running(patient, anonymous))


def with_pictures(reviewed: Sequence[ReviewedFinding], findings: Findings) -> set[int]:
    """The numbers of those that get pictures: at most `MOST_PICTURES`, accepted first, rejected last, by peak."""
    drawn = {finding.number for finding in findings.items}
    order = {"accepted": 0, "": 1, "rejected": 2}
    ranked = sorted(
        (finding for finding in reviewed if finding.number in drawn),
        key=lambda finding: (order[finding.decision], -finding.peak_score, finding.number),
    )
    return {finding.number for finding in ranked[:MOST_PICTURES]}


def _title(patient: PatientLine | None) -> str:
    return TITLE if patient is None or not patient.name else f"{TITLE}: {patient.name}"


def _running(patient: PatientLine | None, anonymous: bool) -> str:
    """What every printed page says at its foot: loose sheets are mixed up."""
    who = dict(patient_rows(patient))
    parts = [who[name] for name in ("Patient", "Patient ID", "Study date") if name in who]
    return "   ".join([*(["Anonymous"] if anonymous else parts), NOTICE])


def _about(record: Mapping[str, Any], patient: PatientLine | None, anonymous: bool) -> str:
    if anonymous:
        said = (
            "Anonymous: names, identifiers, dates, names of files and notes are left out. The pictures are of the "
            "patient's head all the same."
        )
        return f'<p class="about">{said}</p>'
    cells = "".join(
        f'<div><dt>{escape(name)}</dt><dd class="text">{escape(value)}</dd></div>'
        for name, value in patient_rows(patient)
    )
    nobody = UNKNOWN_PATIENT.format(" (no DICOM)" if patient is None else "")
    who = f'<dl class="about">{cells}</dl>' if cells else f'<p class="about">{nobody}</p>'
    images = "; ".join(f"{name}: {value}" for name, value in image_rows(record))
    last = f'<p class="images">{escape(images)}</p>' if images else ""
    return who + last


def _warnings(remarks: Sequence[str]) -> str:
    if not remarks:
        return ""
    items = "".join(f"<li>{escape(_sentence(remark))}</li>" for remark in remarks)
    return f'<section class="warnings"><h2>Before trusting this</h2><ul>{items}</ul></section>'


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _table(reviewed: Sequence[ReviewedFinding], pictured: set[int], *, notes: bool) -> str:
    """All findings, a group of rows each, so that a note stays with its finding on paper."""
    rated = any(finding.rate is not None for finding in reviewed)
    read = any(finding.decision or finding.category or finding.note for finding in reviewed)
    heads = [("No.", "number"), ("Volume, ml", "number"), ("Peak score", "number")]
    heads += [("Per normal scan", "number")] if rated else []
    heads += [("Side", ""), ("Region", ""), ("Centre, mm", ""), ("Hint", "")]
    heads += [("Reader", "")] if read else []
    head = "".join(f'<th scope="col"{_class(kind)}>{escape(name)}</th>' for name, kind in heads)
    groups = []
    for finding in reviewed:
        number = str(finding.number)
        link = f'<a href="#finding-{number}">{number}</a>' if finding.number in pictured else number
        cells = [
            ("number", link),
            ("number", f"{finding.volume_ml:.2f}"),
            ("number", f"{finding.peak_score:.2f}"),
        ]
        cells += [("number", "" if finding.rate is None else in_words(finding.rate))] if rated else []
        cells += [
            ("", escape(finding.side)),
            ("", escape(finding.region)),
            ("centre", centre(finding)),
            ("", escape(finding.hint)),
        ]
        cells += [("", _reader(finding))] if read else []
        row = "".join(f"<td{_class(kind)}>{content}</td>" for kind, content in cells)
        below = ""
        if notes and finding.note:
            below = (
                f'<tr class="remark"><td></td><td colspan="{len(heads) - 1}" class="text">'
                f"{escape(finding.note)}</td></tr>"
            )
        groups.append(f"<tbody{_class(finding.decision)}><tr>{row}</tr>{below}</tbody>")
    if len(reviewed) > 1:
        total = sum(finding.volume_ml for finding in reviewed)
        rest = f'<td colspan="{len(heads) - 2}">all {len(reviewed)}</td>'
        groups.append(
            f'<tbody class="total"><tr><td></td><td class="number">{total:.2f}</td>{rest}</tr></tbody>'
        )
    caption = (
        "Centre: to the right (R) or left (L), front (A) or back (P), up (S) or down (I) from the scanner's zero. "
        + ("Per normal scan: findings like it, or more unusual, that a normal scan has. " if rated else "")
        + NO_DIAGNOSIS
        + ("" if read else " No reader has reviewed the findings.")
    )
    return (
        f'<div class="wide"><table class="findings"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead>{''.join(groups)}</table></div>"
    )


def _reader(finding: ReviewedFinding) -> str:
    words = [finding.decision, finding.category_name if finding.category else ""]
    return escape(": ".join(word for word in words if word)) or "&ndash;"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _overview(scores: ScoreMap, findings: Findings) -> str:
    jpeg, width, height = overview(scores, findings)
    which, outlined = "evenly chosen slices", ""
    if findings.items:
        which = f"at most {MOST_SLICES} slices with findings and some between"
        outlined = " White: the outlines of the findings and their numbers."
    caption = (
        f"FLAIR, {which}, from below upwards. Red: a score above {findings.threshold:g}; yellow to green: down to half of"
        f" that.{outlined} The patient's left is on the right; S: millimetres upwards."
    )
    image = _img(jpeg, width, height, "Slices of the FLAIR with scores and findings")
    return f'<figure class="overview">{image}</figure><p class="fine">{escape(caption)}</p>'


def _pictures_said(
    reviewed: Sequence[ReviewedFinding], findings: Findings, pictured: set[int]
) -> Iterator[str]:
    """How to look at the pictures, and whose are missing."""
    left = [finding for finding in reviewed if finding.number not in pictured]
    drawn = {finding.number for finding in findings.items}
    too_many = [finding for finding in left if finding.number in drawn]
    if too_many:
        yield paragraph(
            f"The {len(pictured)} findings with the highest peak score have pictures, what a reader accepted first; the"
            f" other {len(too_many)} are in the table.",
            "fine lead",
        )
    if len(left) > len(too_many):
        numbers = ", ".join(str(finding.number) for finding in left if finding.number not in drawn)
        yield paragraph(f"Left out of the pictures, as was asked for: {numbers}.", "fine lead")
    yield (
        '<p class="switch"><label><input type="checkbox" id="bare">Without outlines</label>'
        " (or hold the pointer over a picture)</p>"
    )


def _finding(finding: ReviewedFinding, pictures: KeyPictures, *, notes: bool) -> str:
    facts = [
        f"{finding.volume_ml:.2f} ml",
        f"score: peak {finding.peak_score:.2f}, mean {finding.mean_score:.2f}",
    ]
    facts += [] if finding.rate is None else [f"findings like it in a normal scan: {about(finding.rate)}"]
    facts.append(f"centre {centre(finding)} mm")
    lines = [f"<p>{escape(' · '.join(facts))}</p>"]
    evidence = f": {finding.hint_evidence}" if finding.hint_evidence else ""
    lines.append(
        f'<p class="why"><span class="key">{escape(finding.hint[:1].upper() + finding.hint[1:])}</span>'
        f"{escape(evidence)}</p>"
    )
    if finding.decision or finding.category:
        lines.append(f'<p>Reader: <span class="key">{_reader(finding)}</span></p>')
    if notes and finding.note:
        lines.append(f'<p class="text">{escape(finding.note)}</p>')
    tiles = "".join(_tile(tile) for tile in pictures.of(finding.number))
    return (
        f'<article class="finding" id="finding-{finding.number}">'
        f"<h3><span>{finding.number}</span> {escape(_capital(place(finding)))}</h3>"
        f'{"".join(lines)}<div class="tiles">{tiles}</div></article>'
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tile(tile: Tile) -> str:
    return (
        f'<figure class="tile">{_img(tile.jpeg, tile.width, tile.height, tile.alternative)}'
        f'<svg viewBox="0 0 {tile.width} {tile.height}" aria-hidden="true">{tile.marks}</svg></figure>'
    )


def _img(jpeg: bytes, width: int, height: int, alternative: str) -> str:
    data = base64.b64encode(jpeg).decode("ascii")
    return (
        f'<img width="{width}" height="{height}" alt="{escape(alternative)}" '
        f'src="data:image/jpeg;base64,{data}">'
    )


def _limits(record: Mapping[str, Any]) -> str:
    limits = record.get("limits")
    said = [str(limit) for limit in limits] if isinstance(limits, (list, tuple)) else list(LIMITS)
    items = "".join(f"<li>{escape(limit)}</li>" for limit in [NOTICE, NOT_NORMAL, *said, SIMPLIFIED])
    return f'<ul class="limits">{items}</ul>'


def _definitions(kind: str, rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<dl class="{kind}">{cells}</dl>'
