"""Export the report of a result in the scene, with its review."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from ..detection.reviewed_findings import ReviewedFinding, as_corrected
from ..dicom.patient import PatientHeader
from ..files.atomic_folder import atomic_folder
from . import export
from .findings_table import rows
from .result import Result, findings_of, provenance_of, score_map_of


def export_report(
    result: Result,
    path: Path,
    *,
    patient: PatientHeader | None = None,
    anonymous: bool = False,
    accepted_only: bool = False,
    remarks: Sequence[str] = (),
) -> Path:
    """Export the findings with their review as one self-contained HTML file, also for a result without findings.

    Outlines are those of the current segments; for those drawn by hand volume, centre and side are, too.

    Args:
        path: ".html" is added if missing. An existing file is replaced.
        patient: of the images; None: not known.
        anonymous: leave out patient, dates, volume names and notes.
        remarks: what the reader has to know about the run, a sentence each.

    Raises an InputError if no finding is accepted, but only those are exported; a drawing
    package is missing; volumes of the result have no voxels; or the file cannot be written.
    """
    export.need_packages("The report needs", "jinja2")
    from ..reporting.report import report_html

    path = export.with_suffix(path, ".html")
    scores, findings = score_map_of(result), findings_of(result)
    numbers = export.numbers_wanted(result, accepted_only, empty=True)
    voxels, _ = export.numbered_voxels(result, numbers)
    reviewed = [row.as_reviewed() for row in rows(result.table) if row.number in numbers]
    reviewed = as_corrected(reviewed, findings, voxels, scores.midline)
    shown = replace(
        findings,
        items=tuple(finding for finding in findings.items if finding.number in numbers),
        labels=scores.study.flair_grid.image(voxels),
    )
    all_remarks = [*remarks, *_drawn_by_hand(reviewed)]
    if not np.allclose(export.to_world_now(result), np.eye(4), atol=1e-3):
        all_remarks.append(
            "The FLAIR has been moved in the scene since; coordinates are those of the detection"
        )
    with atomic_folder(path.parent) as beside:
        page = report_html(
            scores=scores,
            findings=shown,
            reviewed=reviewed,
            record=provenance_of(result),
            patient=patient,
            anonymous=anonymous,
            remarks=all_remarks,
            made=datetime.now(timezone.utc),
            selection=_selection(len(findings.items), numbers, accepted_only),
        )
        (beside / path.name).write_text(page, encoding="utf-8")
    return path


def _drawn_by_hand(reviewed: Sequence[ReviewedFinding]) -> Iterator[str]:
    """Sentences that say which outlines are the reader's."""
    corrected = [finding.number for finding in reviewed if finding.corrected]
    if corrected:
        yield (
            f"Outlines were corrected by hand ({_listed(corrected)}): volume, centre and side are those"
            " of the correction; scores, hint and region are those of the detection"
        )
    added = [finding.number for finding in reviewed if finding.added]
    if added:
        yield (
            f"Findings were added by the reader ({_listed(added)}), not by the detection: their outlines are the"
            " reader's, their scores are those that the model gave the voxels"
        )


def _selection(found: int, numbers: Sequence[int], accepted_only: bool) -> str:
    """A sentence that says which findings are reported; "" for all."""
    if len(numbers) == found:
        return ""
    if accepted_only:
        return f"This report covers the {len(numbers)} accepted of {found} findings."
    return f"This report covers {len(numbers)} of {found} findings: the others were hidden by their hint."


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
