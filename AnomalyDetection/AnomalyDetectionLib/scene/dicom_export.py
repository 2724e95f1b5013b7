"""The findings of a result in the scene as DICOM objects that refer to the FLAIR's images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ..detection.reviewed_findings import as_corrected
from ..errors import InputError
from ..files.atomic_folder import atomic_folder
from ..reporting.dicom_algorithm import Algorithm
from ..reporting.dicom_objects import REPORT, SEGMENTATION, DicomFiles, dicom_source, write_dicom
from . import export
from .findings_table import rows
from .result import Result, findings_of, provenance_of, score_map_of, settings_of
from .volumes import grid_of, quoted


def export_dicom(
    result: Result,
    files: Sequence[Path],
    folder: Path,
    *,
    accepted_only: bool = False,
    remarks: Sequence[str] = (),
    reader: str = "",
) -> DicomFiles:
    """A DICOM segmentation and a structured report, with the segments as they are now and the reader's word on them.

    Rejected findings are left out; the report says how many.

    They have the position of the FLAIR's DICOM images, whatever transform the FLAIR has in the scene. If a transform was
    hardened on the FLAIR, it no longer matches its DICOM images, and the export is refused.

    Args:
        files: the DICOM instances that the FLAIR was loaded from; empty if it was loaded from another format.
        folder: created if it does not exist. Files of the same names are replaced.
        remarks: about the run, for the reader, one sentence each.

    Raises an InputError if the FLAIR is not from DICOM images, or its images cannot be referred to or have
    another position; no finding is accepted, but only those are exported; volumes of the result have no
    voxels; a package is missing; or the folder cannot be written.
    """
    name = quoted(result.flair)
    if not files:
        raise InputError(
            f"{name} was not loaded from DICOM images, or its DICOM files were moved: load the FLAIR's series "
            "with the DICOM module, then detect anomalies in that."
        )
    source = dicom_source(files)
    there = rows(result.table)
    numbers = export.numbers_wanted(result, accepted_only, empty=True)
    reviewed = [row.as_reviewed() for row in there if row.number in numbers]
    voxels, _ = export.numbered_voxels(result, [one.number for one in reviewed if one.decision != "rejected"])
    reviewed = as_corrected(reviewed, findings_of(result), voxels, score_map_of(result).midline)
    threshold, min_patches = settings_of(result)
    with atomic_folder(Path(folder), [PurePosixPath(SEGMENTATION), PurePosixPath(REPORT)]) as beside:
        written = write_dicom(
            source,
            grid_of(result.score, np.eye(4)).image(voxels),
            reviewed,
            Algorithm.of(provenance_of(result), threshold=threshold, min_patches=min_patches),
            beside,
            name=name,
            remarks=[sentence.rstrip(".") for sentence in remarks],
            left_out=len(there) - len(numbers),
            reader=reader,
        )
    return DicomFiles(tuple(Path(folder) / file.name for file in written.files), written.remarks)
