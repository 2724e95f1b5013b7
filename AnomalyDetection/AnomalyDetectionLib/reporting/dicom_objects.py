"""Findings as DICOM objects that go to an archive: a Segmentation and a structured report that refers to it.

The only module that imports highdicom, which Slicer includes from 5.12 on; an error says so if it is missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from ..detection.reviewed_findings import ReviewedFinding
from ..dicom.headers import is_dicom
from ..dicom.series import Series, choose, read
from ..errors import InputError
from .dicom_algorithm import Algorithm
from .notice import NOTICE

if TYPE_CHECKING:
    from ..dicom.source import DicomSource

SEGMENTATION, REPORT = "suspected_anomalies.seg.dcm", "suspected_anomalies.sr.dcm"

UNKNOWN_READER = "Reader^not identified"
"""DICOM name of a reader whose name is not known, so that a reader's judgement is never attributed to the model."""

LEAST_CORRELATION = 0.9
"""Least correlation of a FLAIR with the DICOM series that it was converted from. On real scans it was at least 0.99 after a bias correction,
and at most 0.88 with the T1 of the same head."""


@dataclass(frozen=True)
class DicomFiles:
    """The DICOM files of a result.

    Attributes:
        files: the segmentation, where there is a finding, and the report.
        remarks: notes about them, one sentence each, without a full stop.
    """

    files: tuple[Path, ...]
    remarks: tuple[str, ...]


def dicom_source(files: Sequence[Path]) -> DicomSource:
    """The DICOM images of a FLAIR, checked; InputError if they cannot be referred to, or a package is missing."""
    _require_packages()
    from ..dicom.source import DicomSource

    return DicomSource.of(files)


def source_of_flair(
    flair: Path,
    *,
    series: str | Series | None = None,
    reference: Path | None = None,
    t1: Path | None = None,
    t1_series: str | Series | None = None,
) -> DicomSource:
    """The DICOM images of a FLAIR, checked before the detection starts.

    Args:
        flair: a DICOM folder or image; or any other image, together with `reference`.
        series: which series, as for `read_volume`; of the reference's folder, where there is one.
        reference: folder of the DICOM series that the FLAIR was made from.
        t1, t1_series: the T1 that goes with it: if that is DICOM, a reference has to be of the same patient.

    Raises:
        InputError: there are none, they cannot be referred to, they are of another patient than the T1, or the FLAIR
            does not lie on their voxels or shows something else.
    """
    _require_packages()
    for path, role in ((flair, "FLAIR"), (reference, "DICOM reference")):
        if path is not None and not path.exists():
            raise InputError(f"The {role} {path} does not exist: check the path.")
    if reference is None and not (flair.is_dir() or is_dicom(flair)):
        raise InputError(
            f"The FLAIR {flair} is not DICOM, so DICOM objects cannot refer to it: name the folder of the DICOM "
            "series it was converted from, or leave DICOM out.",
            see=("dicom_reference", "dicom"),
        )
    if isinstance(series, Series) and reference is None:
        chosen = series
    else:
        name = None if isinstance(series, Series) else series
        chosen = choose(reference or flair, role="FLAIR", series=name)
    source = dicom_source([instance.file for instance in chosen.instances])
    if reference is not None:
        if t1 is not None and (t1.is_dir() or (t1.is_file() and is_dicom(t1))):
            _require_same_patient(chosen, reference, t1, t1_series)
        from ..imaging.reading import read_volume

        image = read_volume(flair, role="FLAIR", series=series).image
        here = source.matched(image, f"The FLAIR {flair}")
        there = source.matched(read(chosen, role="DICOM reference")[0], f"The DICOM reference {reference}")
        alike = _correlation(here, there)
        if alike < LEAST_CORRELATION:
            raise InputError(
                f"The FLAIR {flair} and the DICOM series {chosen.name!r} in {reference} have the same voxels, but "
                f"show different images (correlation {alike:.2f}): name the folder of the FLAIR's own series."
            )
    return source


def _require_same_patient(chosen: Series, reference: Path, t1: Path, t1_series: str | Series | None) -> None:
    other = t1_series if isinstance(t1_series, Series) else choose(t1, role="T1", series=t1_series)
    if different := chosen.identity.contradictions(other.identity):
        raise InputError(
            f"The DICOM reference {reference} and the T1 {t1} are of different patients ({'; '.join(different)}): "
            "name the folder of the FLAIR's own series."
        )


def _correlation(here: np.ndarray, there: np.ndarray) -> float:
    """Correlation of two images where the first is not 0, as it may have been skull-stripped or defaced."""
    inside = here != 0
    if np.ptp(here[inside]) == 0 or np.ptp(there[inside]) == 0:
        return 0.0
    return float(np.corrcoef(here[inside], there[inside])[0, 1])


def write_dicom(
    source: DicomSource,
    labels: sitk.Image,
    findings: Sequence[ReviewedFinding],
    algorithm: Algorithm,
    folder: Path,
    *,
    name: str = "The FLAIR",
    remarks: Sequence[str] = (),
    left_out: int = 0,
    reader: str = "",
) -> DicomFiles:
    """Write `SEGMENTATION` and `REPORT` into a folder that exists. Without a finding there is only a report.

    Args:
        labels: uint16 on the FLAIR's voxels, whichever way its axes run; a voxel's value is its finding's number.
        findings: to write. Rejected findings and those without a voxel are left out, with a remark.
        name: of the volume that the labels belong to, for error messages.
        remarks: for the reader of the report, sentences without full stops.
        left_out: number of other findings of the scan; the report mentions it.
        reader: name of the person whose categories, decisions and notes these are, where there are any; "" where it
            is not known, which the report says.

    Raises:
        InputError: the labels do not lie on the source's voxels, or a package is missing.
        OSError: a file cannot be written.
    """
    _require_packages()
    from .dicom_report import report_of
    from .dicom_segmentation import segmentation_of

    voxels = source.matched(labels, name)
    there = set(np.unique(voxels).tolist())
    kept = [finding for finding in findings if finding.decision != "rejected"]
    chosen = sorted((f for f in kept if f.number in there), key=lambda finding: finding.number)
    rejected, without = len(findings) - len(kept), len(kept) - len(chosen)
    notes = [
        *source.remarks,
        *_count(rejected, "that the reader rejected was left out of the DICOM objects"),
        *_count(without, "without a voxel in the images is not in the DICOM objects"),
    ]
    all_remarks = [*remarks, *notes, *_count(left_out, "of this scan was left out")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is as the images have it, such as a name of one part
        segmentation = segmentation_of(source, voxels, chosen, algorithm) if chosen else None
        report = report_of(
            source,
            segmentation,
            voxels,
            chosen,
            algorithm,
            remarks=[NOTICE, *(f"{sentence}." for sentence in all_remarks)],
            all_there=not (rejected or without or left_out),
            reader=_observer(reader, findings),
        )
        files = []
        for made, file in ((segmentation, SEGMENTATION), (report, REPORT)):
            if made is not None:
                made.save_as(folder / file, enforce_file_format=True)
                files.append(folder / file)
    if segmentation is None:
        notes.append("There are no findings, so there is a report but no DICOM segmentation")
    return DicomFiles(tuple(files), tuple(notes))


def _observer(reader: str, findings: Sequence[ReviewedFinding]) -> str | None:
    """The DICOM name of the reader who reviewed or drew findings; None if nobody did."""
    if not any(finding.judged or finding.note.strip() or finding.by_hand for finding in findings):
        return None
    from ..dicom.value_rules import person_name

    name = person_name(reader)
    if name is None:
        return UNKNOWN_READER
    return name if "^" in name else f"{name[:63]}^"  # one part alone is a retired form of names


def _count(count: int, one: str) -> list[str]:
    """A sentence about so many findings, from the one about a single finding; none where there is none."""
    many = one.replace(" was ", " were ").replace(" is ", " are ")
    return [] if count == 0 else [f"1 finding {one}" if count == 1 else f"{count} findings {many}"]


def _require_packages() -> None:
    try:
        import highdicom  # noqa: F401
        import pydicom  # noqa: F401
    except ImportError as error:
        package = "pydicom" if (error.name or "").startswith("pydicom") else "highdicom"
        raise InputError(
            f"DICOM objects need the Python package {package}, which is not installed: install the packages that the module "
            "asks for at the first run, then try again."
        ) from error
