"""Clean the header of one DICOM image: keep only what derived objects need, in standard-conforming form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from . import value_rules as rules
from .header_checks import HeaderChecks
from .headers import ENHANCED_MR, LEGACY_ENHANCED_MR, MR_CLASSES
from .values import item_of, lack_of, text_of, value_of

UTF_8 = "ISO_IR 192"
"""SpecificCharacterSet of everything written."""

MULTI_FRAME = (ENHANCED_MR, LEGACY_ENHANCED_MR)
"""SOPClassUID of images that may hold a whole volume."""

_PARALLEL = 1e-3  # largest difference between frames that share one value: direction cosines, mm

_IDENTIFIERS = {"StudyID": rules.SHORT, "AccessionNumber": rules.SHORT, "IssuerOfPatientID": rules.LONG}
"""Optional identifiers, which must not be truncated, with their maximum length."""

_EMPTY_IF_MISSING: dict[str, Callable[[str], str | None]] = {
    "PatientName": rules.person_name,
    "PatientBirthDate": rules.date,
    "PatientSex": rules.matching("[MFO]"),
    "StudyDate": rules.date,
    "StudyTime": rules.time,
    "StudyID": rules.identifier(_IDENTIFIERS["StudyID"]),
    "AccessionNumber": rules.identifier(_IDENTIFIERS["AccessionNumber"]),
    "ReferringPhysicianName": rules.person_name,
}
"""Type 2 attributes (required, may be empty), with the rule for their value."""

_LEFT_OUT_IF_MISSING: dict[str, Callable[[str], str | None]] = {
    "StudyDescription": rules.text(rules.LONG),
    "SeriesDescription": rules.text(rules.LONG),
    "PatientAge": rules.matching(r"\d{3}[DWMY]"),
    "IssuerOfPatientID": rules.identifier(_IDENTIFIERS["IssuerOfPatientID"]),
    "PatientSize": rules.decimal,
    "PatientWeight": rules.decimal,
    "Manufacturer": rules.text(rules.LONG),
    "ManufacturerModelName": rules.text(rules.LONG),
    "DeviceSerialNumber": rules.text(rules.LONG),
    "StationName": rules.text(rules.SHORT),
    "PositionReferenceIndicator": rules.text(rules.LONG),
    "LossyImageCompression": rules.matching("0[01]"),
    "PatientIdentityRemoved": rules.matching("YES|NO"),
    "DeidentificationMethod": rules.text(rules.LONG),
}
"""Optional attributes, copied if present, with the rule for their value."""


def cleaned(checks: HeaderChecks, place: int) -> Dataset:
    """The attributes of one image that derived objects need, in standard-conforming form.

    `checks`: of the series; missing and cleaned attributes are recorded there. `place`: index of the image in the
    series.
    """
    made = Dataset()
    made.SpecificCharacterSet = UTF_8
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        uid = checks.need(keyword, place, rules.uid)
        if uid is not None:
            setattr(made, keyword, uid)
    kind = checks.need("SOPClassUID", place, lambda value: value if value in MR_CLASSES else None)
    if kind is not None:
        made.SOPClassUID = kind
    header = checks.headers[place]
    made.PatientID = _patient_id(checks, place)
    for keyword in ("Rows", "Columns"):
        setattr(made, keyword, checks.need(keyword, place, rules.count) or 1)
    made.Modality = "MR"
    if kind in MULTI_FRAME:
        _clean_frames(checks, place, header, made)
    else:
        _clean_plane(checks, place, [header], made)
    _clean_others(checks, header, made)
    return made


def complete(image: Dataset, distance: float) -> None:
    """Add the slice thickness to a cleaned image (in place): derived objects need it, and images may lack it.

    `distance`: mm between the slices, used as the thickness if the image has none.
    """
    measures = image
    if "SharedFunctionalGroupsSequence" in image:
        measures = image.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    written = format_number_as_ds(distance)
    if "SliceThickness" not in measures:
        measures.SliceThickness = written
    measures.SpacingBetweenSlices = written  # unchanged, whatever the scanner wrote


def _patient_id(checks: HeaderChecks, place: int) -> str:
    """PatientID; may be empty, as in anonymised images, but is never truncated or dropped."""
    header = checks.headers[place]
    if value_of(header, "PatientID") is None and lack_of(header, "PatientID") != "is broken":
        checks.say(
            f"PatientID {lack_of(header, 'PatientID')} in the FLAIR's DICOM images and was left empty: an archive cannot "
            "assign the DICOM objects to a patient"
        )
        return ""
    return checks.need("PatientID", place, rules.identifier(rules.LONG)) or ""


def _clean_plane(checks: HeaderChecks, place: int, headers: Sequence[Dataset], made: Dataset) -> None:
    """Position and orientation of a slice, from the first dataset that has them."""

    def telling(keyword: str) -> Dataset:
        return next((header for header in headers if value_of(header, keyword) is not None), headers[0])

    for keyword, count, rule in (
        ("ImagePositionPatient", 3, None),
        ("ImageOrientationPatient", 6, rules.at_right_angles),
        ("PixelSpacing", 2, rules.positive),
    ):
        use = partial(rules.decimals, count=count, rule=rule)
        numbers = checks.need(keyword, place, use, telling(keyword))
        if numbers is not None:
            setattr(made, keyword, numbers)
    for keyword in ("SliceThickness", "SpacingBetweenSlices"):
        length = rules.decimals(value_of(telling(keyword), keyword), 1, rules.positive)
        if length is not None:
            setattr(made, keyword, length[0])


def _clean_frames(checks: HeaderChecks, place: int, header: Dataset, made: Dataset) -> None:
    """Position and orientation of each frame of a multi-frame image, from its functional groups."""
    shared = item_of(header, "SharedFunctionalGroupsSequence")
    groups = value_of(header, "PerFrameFunctionalGroupsSequence")
    count = checks.need("NumberOfFrames", place, rules.count)
    if groups is None:
        checks.wrong("PerFrameFunctionalGroupsSequence", "is missing", place)
        return
    if count is not None and count != len(groups):
        checks.wrong("NumberOfFrames", f"is {count} for {len(groups)} frames", place)
    frames = [Dataset() for _ in groups]
    for group, frame in zip(groups, frames, strict=True):
        found = [
            item_of(within, keyword)
            for keyword in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
            for within in (group, shared)
        ]
        _clean_plane(checks, place, found, frame)
    made.NumberOfFrames = len(frames)
    if checks.faults or not frames:
        return
    common = frames[0]
    for frame in frames[1:]:
        for keyword in ("ImageOrientationPatient", "PixelSpacing"):
            if not np.allclose(frame[keyword].value, common[keyword].value, rtol=0, atol=_PARALLEL):
                checks.wrong(keyword, "differs between the frames", place)
                return
    _put_into_groups(frames, made)


def _put_into_groups(frames: Sequence[Dataset], made: Dataset) -> None:
    """Write the frames' geometry; shared values are those of the first frame."""
    common = frames[0]
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = common.ImageOrientationPatient
    measures.PixelSpacing = common.PixelSpacing
    for keyword in ("SliceThickness", "SpacingBetweenSlices"):
        if keyword in common:
            setattr(measures, keyword, common[keyword].value)
    group = Dataset()
    group.PlaneOrientationSequence, group.PixelMeasuresSequence = [orientation], [measures]
    made.SharedFunctionalGroupsSequence = [group]
    made.PerFrameFunctionalGroupsSequence = []
    for frame in frames:
        position, group = Dataset(), Dataset()
        position.ImagePositionPatient = frame.ImagePositionPatient
        group.PlanePositionSequence = [position]
        made.PerFrameFunctionalGroupsSequence.append(group)


def _clean_others(checks: HeaderChecks, header: Dataset, made: Dataset) -> None:
    """Optional attributes: patient, study, series, device."""
    for keyword, use in (_EMPTY_IF_MISSING | _LEFT_OUT_IF_MISSING).items():
        value = text_of(header, keyword) or None
        used = None if value is None else use(value)
        if used is not None:
            setattr(made, keyword, used)
            if used != value:
                checks.clean("not as the standard wants it and changed", keyword)
        elif keyword in _EMPTY_IF_MISSING:
            setattr(made, keyword, "")
            if keyword not in header:
                checks.clean("missing and left empty", keyword)
            elif value is not None:
                _drop(checks, keyword, value, "left empty")
        elif value is not None:
            _drop(checks, keyword, value, "left out")
    if "DeidentificationMethod" not in made and made.get("PatientIdentityRemoved") == "YES":
        del made.PatientIdentityRemoved  # one means nothing without the other (PS3.3, C.7.1.1)


def _drop(checks: HeaderChecks, keyword: str, value: str, how: str) -> None:
    """Record a value that cannot be written."""
    most = _IDENTIFIERS.get(keyword)
    if most is None or len(value) <= most:
        checks.clean(f"not as the standard wants it and {how}", keyword)
        return
    consequence = ": the objects are not linked to the order" if keyword == "AccessionNumber" else ""
    checks.say(
        f"{keyword} of the FLAIR's DICOM images is longer than DICOM allows ({most} characters) and was {how}"
        f"{consequence}"
    )
