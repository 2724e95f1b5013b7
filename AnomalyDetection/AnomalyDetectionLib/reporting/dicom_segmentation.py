"""Findings as a DICOM Segmentation object: one segment a finding, on exactly the FLAIR's slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from highdicom import UID, AlgorithmIdentificationSequence, seg
from highdicom.color import CIELabColor
from highdicom.sr.coding import CodedConcept

from ..detection.reviewed_findings import ReviewedFinding
from ..dicom.cleaning import UTF_8
from ..dicom.source import DicomSource
from .colours import finding_colour
from .dicom_algorithm import MAKER, NAME, Algorithm, tracking_id
from .dicom_codes import ARTIFICIAL_INTELLIGENCE, BRAIN, region_modifiers, segmented_property

SERIES_NUMBER, DESCRIPTION = 9001, "Suspected anomalies (research use only)"

_MOST = 1024  # characters of a segment's description (VR ST)


def segmentation_of(
    source: DicomSource, voxels: np.ndarray, findings: Sequence[ReviewedFinding], algorithm: Algorithm
) -> seg.Segmentation:
    """A Segmentation object (binary) of findings, derived from the FLAIR's instances.

    Segments are numbered 1, 2, 3 ... as the standard wants it; a finding's own number is in its label. Frames without
    a voxel of a finding are left out. `voxels`: uint16 (slices, rows, columns) on the source's grid; a voxel's value
    is its finding's number. `findings`: at least one, each with a voxel.
    """
    segment_of = np.zeros(int(voxels.max()) + 1, np.uint16)
    for segment, finding in enumerate(findings, start=1):
        segment_of[finding.number] = segment
    made = seg.Segmentation(
        source_images=source.images,
        pixel_array=source.in_frames(segment_of[voxels]),
        segmentation_type=seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _description(segment, finding, source, algorithm)
            for segment, finding in enumerate(findings, start=1)
        ],
        series_instance_uid=UID(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=NAME,
        software_versions=algorithm.version,
        device_serial_number=algorithm.fingerprint[:64],
        content_label="SUSPECTED",
        content_description=DESCRIPTION,
        series_description=DESCRIPTION,
        content_qualification="RESEARCH",
    )
    made.SpecificCharacterSet = UTF_8
    return made


def _description(
    segment: int, finding: ReviewedFinding, source: DicomSource, algorithm: Algorithm
) -> seg.SegmentDescription:
    kinds = seg.SegmentAlgorithmTypeValues
    category, property_type = segmented_property(finding)
    made = seg.SegmentDescription(
        segment_number=segment,
        segment_label=tracking_id(finding.number),
        segmented_property_category=category,
        segmented_property_type=property_type,
        algorithm_type=kinds.SEMIAUTOMATIC if finding.by_hand else kinds.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name=NAME,
            family=ARTIFICIAL_INTELLIGENCE,
            version=algorithm.version,
            source=MAKER,
            parameters=algorithm.all_parameters,
        ),
        tracking_uid=algorithm.tracking_uid(source.series_uid, finding.number),
        tracking_id=tracking_id(finding.number),
        anatomic_regions=[BRAIN],
        display_color=CIELabColor.from_rgb(*(255 * part for part in finding_colour(finding.number))),
    )
    made.SegmentDescription = _in_words(finding)[:_MOST]
    modifiers = [CodedConcept.from_code(code) for code in region_modifiers(finding)]
    if modifiers:
        made.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = modifiers
    return made


def _in_words(finding: ReviewedFinding) -> str:
    """The description of a segment."""
    parts = [
        "Research use only" if finding.judged else "Suspected, research use only",
        f"{finding.side}, {finding.region}".strip(", "),
        f"hint: {finding.hint}",
        f"score {finding.peak_score:.2f}",
    ]
    if finding.by_hand:
        parts.append("added by the reader" if finding.added else "outline corrected by hand")
    if finding.category:
        parts.append(f"reader: {finding.category_name}")
    if finding.decision:
        parts.append(f"{finding.decision} by the reader")
    return "; ".join(part for part in parts if part)
