"""Findings as a DICOM structured report: a Measurement Report (PS3.16, TID 1500), a group of measurements a finding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from highdicom import UID, sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.seg import Segmentation
from pydicom.sr.coding import Code

from ..detection.reviewed_findings import ReviewedFinding
from ..dicom.cleaning import UTF_8
from ..dicom.source import DicomSource
from . import dicom_codes as say
from .dicom_algorithm import MAKER, NAME, Algorithm, tracking_id

SERIES_NUMBER, DESCRIPTION = 9002, "Suspected anomalies, report (research use only)"

_CONTAINS = sr.RelationshipTypeValues.CONTAINS
_ENGLISH = sr.CodedConcept("en-GB", "RFC5646", "English (United Kingdom)")
_DEVICE, _PERSON = sr.CodedConcept("121007", "DCM", "Device"), sr.CodedConcept("121006", "DCM", "Person")
_REPORT = Code("126000", "DCM", "Imaging Measurement Report")
_LIBRARY = Code("111028", "DCM", "Image Library")
_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group")
_MODALITY, _MR = Code("121139", "DCM", "Modality"), Code("MR", "DCM", "Magnetic Resonance")
_FRAME_OF_REFERENCE = Code("112227", "DCM", "Frame of Reference UID")
_SOURCE = Code("260753009", "SCT", "Source")
_PROCEDURE = Code("121058", "DCM", "Procedure reported")


def report_of(
    source: DicomSource,
    segmentation: Segmentation | None,
    voxels: np.ndarray,
    findings: Sequence[ReviewedFinding],
    algorithm: Algorithm,
    *,
    remarks: Sequence[str],
    all_there: bool,
    reader: str | None,
) -> sr.Comprehensive3DSR:
    """A Comprehensive 3D SR document about findings, unverified and preliminary.

    Volume and centroid are measured on the current segment, also if it was drawn by hand. Without findings the
    document has no measurement group and says that nothing was found.

    Args:
        segmentation: of these findings in this order; None where there is no finding.
        voxels: as for `segmentation_of`.
        findings: each with a voxel.
        remarks: for the reader, one sentence each.
        all_there: False if findings were left out. The document is then marked as partial, as it is while any of its
            findings is unreviewed.
        reader: DICOM name of the person whose categories, decisions and notes these are; None where there are none.
    """
    context = sr.ObservationContext(
        observer_person_context=None if reader is None else _person(reader),
        observer_device_context=_device(algorithm),
    )
    language = sr.LanguageOfContentItemAndDescendants(_ENGLISH)
    if segmentation is not None:
        root = sr.MeasurementReport(
            observation_context=context,
            procedure_reported=say.BRAIN_MRI,
            imaging_measurements=[
                _group(place, finding, source, segmentation, voxels, algorithm)
                for place, finding in enumerate(findings, start=1)
            ],
            title=_REPORT,
            language_of_content_item_and_descendants=language,
        )[0]
    else:
        root = _nothing_found(context, language)
    root.ContentSequence.insert(len(root.ContentSequence) - 1, _library(source))
    for sentence in remarks:
        root.ContentSequence.append(_text(say.COMMENT, sentence))
    made = sr.Comprehensive3DSR(
        evidence=[*source.images, *([] if segmentation is None else [segmentation])],
        content=root,
        series_instance_uid=UID(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer=MAKER,
        is_complete=all_there and all(finding.judged for finding in findings),
        is_final=False,
        is_verified=False,
        manufacturer_model_name=NAME,
        software_versions=algorithm.version,
        device_serial_number=algorithm.fingerprint[:64],
        series_description=DESCRIPTION,
        content_qualification="RESEARCH",
        coding_schemes=[
            CodingSchemeIdentificationItem(say.SCHEME, name=say.SCHEME_NAME, responsible_organization=MAKER)
        ],
    )
    made.SpecificCharacterSet = UTF_8
    return made


def _device(algorithm: Algorithm) -> sr.ObserverContext:
    return sr.ObserverContext(
        observer_type=_DEVICE,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=algorithm.device_uid,
            name=f"{NAME} {algorithm.version}",
            manufacturer_name=MAKER,
            model_name=algorithm.model,
            serial_number=algorithm.fingerprint,
        ),
    )


def _person(name: str) -> sr.ObserverContext:
    return sr.ObserverContext(
        observer_type=_PERSON,
        observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(name=name),
    )


def _library(source: DicomSource) -> sr.ContainerContentItem:
    """The library of the images that the report is about (TID 1600); some viewers need it."""
    context = sr.RelationshipTypeValues.HAS_ACQ_CONTEXT
    group = sr.ContainerContentItem(name=_LIBRARY_GROUP, relationship_type=_CONTAINS)
    group.ContentSequence = sr.ContentSequence(
        [
            sr.CodeContentItem(_MODALITY, _MR, relationship_type=context),
            sr.UIDRefContentItem(_FRAME_OF_REFERENCE, source.frame_of_reference, relationship_type=context),
            *(
                sr.ImageContentItem(
                    name=_SOURCE,
                    referenced_sop_class_uid=image.SOPClassUID,
                    referenced_sop_instance_uid=image.SOPInstanceUID,
                    relationship_type=_CONTAINS,
                )
                for image in source.images
            ),
        ]
    )
    library = sr.ContainerContentItem(name=_LIBRARY, relationship_type=_CONTAINS)
    library.ContentSequence = sr.ContentSequence([group])
    return library


def _nothing_found(
    context: sr.ObservationContext, language: sr.LanguageOfContentItemAndDescendants
) -> sr.ContainerContentItem:
    """The same document with one evaluation in place of measurements (TID 1500, row 12)."""
    root = sr.ContainerContentItem(name=_REPORT, template_id="1500")
    root.ContentSequence = sr.ContentSequence()
    root.ContentSequence.extend(language)
    root.ContentSequence.extend(context)
    root.ContentSequence.append(
        sr.CodeContentItem(
            _PROCEDURE, say.BRAIN_MRI, relationship_type=sr.RelationshipTypeValues.HAS_CONCEPT_MOD
        )
    )
    evaluations = sr.ContainerContentItem(name=say.QUALITATIVE, relationship_type=_CONTAINS)
    evaluations.ContentSequence = sr.ContentSequence(
        [sr.CodeContentItem(say.ANY_FINDING, say.NONE, relationship_type=_CONTAINS)]
    )
    root.ContentSequence.append(evaluations)
    return root


def _group(
    place: int,
    finding: ReviewedFinding,
    source: DicomSource,
    segmentation: Segmentation,
    voxels: np.ndarray,
    algorithm: Algorithm,
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    """The measurements of one finding (TID 1411), with its region, the reader's judgement and a note."""
    inside = voxels == finding.number
    category, property_type = say.segmented_property(finding)
    group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=algorithm.tracking_uid(source.series_uid, finding.number),
            identifier=tracking_id(finding.number),
        ),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=place,
            source_series=sr.SourceSeriesForSegmentation(referenced_series_instance_uid=source.series_uid),
        ),
        finding_category=category,
        finding_type=property_type,
        finding_sites=[sr.FindingSite(anatomic_location=say.BRAIN, laterality=say.laterality(finding))],
        algorithm_id=sr.AlgorithmIdentification(
            name=NAME,
            version=algorithm.version,
            parameters=["; ".join(f"{name}={value}" for name, value in algorithm.all_parameters.items())],
        ),
        measurements=_measurements(finding, np.count_nonzero(inside) * source.grid.voxel_ml),
        qualitative_evaluations=_evaluations(finding),
    )
    group[0].ContentSequence.extend(_where_and_why(finding, source, inside))
    return group


def _measurements(finding: ReviewedFinding, volume_ml: float) -> list[sr.Measurement]:
    values: list[tuple[Code | sr.CodedConcept, float | None, Code]] = [
        (say.VOLUME, volume_ml, say.MILLILITRE),
        (say.PEAK_SCORE, finding.peak_score, say.NO_UNITS),
        (say.MEAN_SCORE, finding.mean_score, say.NO_UNITS),
        (say.RATE, finding.per_normal_scan, say.FINDINGS_PER_SCAN),
    ]
    # Four digits are more precise than the measurement, and short enough for a decimal string (VR DS).
    return [
        sr.Measurement(name=name, value=float(f"{value:.4g}"), unit=unit)
        for name, value, unit in values
        if value is not None
    ]


def _evaluations(finding: ReviewedFinding) -> list[sr.QualitativeEvaluation]:
    """Qualitative evaluations: the hint, and the reader's judgement, or "suspected" if there is none yet."""
    pairs: list[tuple[sr.CodedConcept, Code | sr.CodedConcept | None]] = [
        (say.CERTAINTY, None if finding.judged else say.SUSPECTED),
        (say.HINT, say.HINTS.get(finding.hint)),
        (say.CATEGORY, say.reader_category(finding)),
        (say.KNOWN_BEFORE, say.known_before(finding)),
        (say.DECISION, say.DECISIONS[finding.decision]),
    ]
    return [sr.QualitativeEvaluation(name, value) for name, value in pairs if value is not None]


def _where_and_why(finding: ReviewedFinding, source: DicomSource, inside: np.ndarray) -> list[sr.ContentItem]:
    """The centre as a point, and the texts that have no code."""
    made: list[sr.ContentItem] = [
        sr.Scoord3DContentItem(
            name=say.CENTRE,
            graphic_type=sr.GraphicTypeValues3D.POINT,
            graphic_data=np.array([source.centroid(inside)]),
            frame_of_reference_uid=source.frame_of_reference,
            relationship_type=_CONTAINS,
        )
    ]
    texts = (
        (say.REGION, f"{finding.side}, {finding.region}".strip(", ")),
        (say.HINT_EVIDENCE, finding.hint_evidence),
        (say.COMMENT, finding.by_hand),
        (say.COMMENT, finding.note),
    )
    return made + [_text(name, words) for name, words in texts if words.strip()]


def _text(name: Code | sr.CodedConcept, words: str) -> sr.TextContentItem:
    """A text content item (VR UT), without control characters other than line ends."""
    lines = ["".join(c if c.isprintable() else " " for c in line) for line in words.splitlines()]
    return sr.TextContentItem(name=name, value="\r\n".join(lines).strip(), relationship_type=_CONTAINS)
