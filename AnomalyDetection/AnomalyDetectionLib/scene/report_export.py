"""The report of a result in the scene, with what the reader has made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from ..detection.review import as_corrected
from ..dicom.patient import PatientLine
from ..files.atomic_folder import atomic_folder
from . import export
from .findings_table import rows
from .result import Result, findings_of, provenance_of, score_map_of


def export_report(
    result: Result,
    path: Path,
    *,
    patient: PatientLine | None = None,
    anonymous: bool = False,
    accepted_only: bool = False,
    remarks: Sequence[str] = (),
) -> Path:
    """The findings with their review as one HTML file that needs nothing else; a result without findings has one too.

    Outlines are those of the segments as they are now. Where somebody has corrected them, so are volume, centre and side.

    Args:
        result: of a scene.
        path: ".html" is added where it is missing. A file that is there is replaced.
        patient: whose images they are; None: not known.
        anonymous: leave out patient, dates, names of volumes, and notes.
        accepted_only: leave out what was not accepted.
        remarks: what the reader has to know about the run, a sentence each.

    Returns:
        The file.

    Raises:
        InputError: only accepted findings are wanted and none is, a package that draws is missing, the result's
            volumes have lost their voxels, or the file cannot be written.
    """
    export.need_packages("The report needs", "jinja2")
    from ..reporting.report import write_report

    path = export.with_suffix(path, ".html")
    scores, findings = score_map_of(result), findings_of(result)
    numbers = export.numbers_wanted(result, True) if accepted_only else export.numbers_chosen(result, False)
    voxels, _ = export.numbered_voxels(result, numbers)
    reviewed = [row.as_reviewed() for row in rows(result.table) if row.number in numbers]
    reviewed = as_corrected(reviewed, findings, voxels, scores.midline)
    corrected = [finding.number for finding in reviewed if finding.corrected]
    shown = replace(
        findings,
        items=tuple(finding for finding in findings.items if finding.number in numbers),
        labels=scores.study.flair_grid.image(voxels),
    )
    said = list(remarks)
    if corrected:
        said.append(
            f"The outlines of findings corrected by hand ({_listed(corrected)}): volume, centre and side are those"
            " of the correction, scores, hint and region those of the detection"
        )
    if not np.allclose(export.to_world_now(result), np.eye(4), atol=1e-3):
        said.append("The FLAIR was moved in the scene since: coordinates are those of the detection")
    with atomic_folder(path.parent) as beside:
        write_report(
            beside / path.name,
            scores=scores,
            findings=shown,
            reviewed=reviewed,
            record=provenance_of(result),
            patient=patient,
            anonymous=anonymous,
            remarks=said,
            made=datetime.now(timezone.utc),
            selection=_selection(len(findings.items), numbers, accepted_only),
        )
    return path


def _selection(found: int, numbers: Sequence[int], accepted_only: bool) -> str:
    """Which findings the report is about, if not all."""
    if len(numbers) == found:
        return ""
    if accepted_only:
        return f"This report is about the {len(numbers)} accepted of {found} findings."
    return f"This report is about {len(numbers)} of {found} findings: the others were hidden by their hint."


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
