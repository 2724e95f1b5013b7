"""Valid DICOM series of any volume, classic MR and Enhanced MR, and ways to damage them.

study = MadeStudy()                                            # one patient, one study, one frame of reference
classic_series(folder / "t1", t1, kind="T1", study=study)
enhanced_series(folder / "flair", flair, kind="FLAIR", study=study, InversionTime=2200, SeriesDescription="dark fluid")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

#: What scanners write for each kind of series: attributes of a classic MR image.
KINDS: dict[str, dict[str, Any]] = {
    "FLAIR": {
        **{"SeriesDescription": "t2_tirm_tra_dark-fluid", "ProtocolName": "t2_tirm_tra_dark-fluid"},
        **{"ScanningSequence": ["SE", "IR"], "SequenceVariant": ["SK", "SP", "OSP"], "SequenceName": "*tir2d1_16"},
        **{"EchoTime": 93.0, "RepetitionTime": 9000.0, "InversionTime": 2500.0, "EchoTrainLength": 16},
        **{"FlipAngle": 150.0, "MRAcquisitionType": "2D"},
    },
    "T1": {
        **{"SeriesDescription": "t1_mprage_sag_p2_iso", "ProtocolName": "t1_mprage_sag_p2_iso"},
        **{"ScanningSequence": ["GR", "IR"], "SequenceVariant": ["SK", "SP", "MP"], "SequenceName": "*tfl3d1_16ns"},
        **{"EchoTime": 2.3, "RepetitionTime": 2300.0, "InversionTime": 900.0, "EchoTrainLength": 1},
        **{"FlipAngle": 8.0, "MRAcquisitionType": "3D"},
    },
    "T1 spin echo": {
        **{"SeriesDescription": "t1_se_tra", "ProtocolName": "t1_se_tra", "SequenceName": "*se2d1"},
        **{"ScanningSequence": ["SE"], "SequenceVariant": ["SP", "OSP"]},
        **{"EchoTime": 8.9, "RepetitionTime": 500.0, "EchoTrainLength": 1, "FlipAngle": 90.0, "MRAcquisitionType": "2D"},
    },
    "T2": {
        **{"SeriesDescription": "t2_tse_tra", "ProtocolName": "t2_tse_tra", "SequenceName": "*tse2d1_18"},
        **{"ScanningSequence": ["SE"], "SequenceVariant": ["SK", "SP", "OSP"]},
        **{"EchoTime": 100.0, "RepetitionTime": 5000.0, "EchoTrainLength": 18, "FlipAngle": 150.0},
        **{"MRAcquisitionType": "2D"},
    },
    "PD": {
        **{"SeriesDescription": "pd_tse_tra", "ProtocolName": "pd_tse_tra", "SequenceName": "*tse2d1_5"},
        **{"ScanningSequence": ["SE"], "SequenceVariant": ["SK", "SP"]},
        **{"EchoTime": 14.0, "RepetitionTime": 3000.0, "EchoTrainLength": 5, "FlipAngle": 150.0},
        **{"MRAcquisitionType": "2D"},
    },
    "DWI": {
        **{"SeriesDescription": "ep2d_diff_3scan_trace", "ProtocolName": "ep2d_diff", "SequenceName": "*ep_b1000t"},
        **{"ScanningSequence": ["EP"], "SequenceVariant": ["SK", "SP"], "ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION MAP"]},
        **{"EchoTime": 89.0, "RepetitionTime": 6000.0, "EchoTrainLength": 1, "FlipAngle": 90.0, "MRAcquisitionType": "2D"},
    },
    "SWI": {
        **{"SeriesDescription": "SWI_Images", "ProtocolName": "t2_swi_tra", "SequenceName": "*swi3d1r"},
        **{"ScanningSequence": ["GR"], "SequenceVariant": ["SP"]},
        **{"EchoTime": 20.0, "RepetitionTime": 28.0, "EchoTrainLength": 1, "FlipAngle": 15.0, "MRAcquisitionType": "3D"},
    },
    "localiser": {
        **{"SeriesDescription": "localizer", "ProtocolName": "localizer", "SequenceName": "*fl2d1"},
        **{"ScanningSequence": ["GR"], "SequenceVariant": ["SP"]},
        **{"EchoTime": 4.0, "RepetitionTime": 8.6, "EchoTrainLength": 1, "FlipAngle": 20.0, "MRAcquisitionType": "2D"},
    },
}  # fmt: skip


@dataclass(frozen=True)
class MadeStudy:
    """What the series of one study share. All of it is made up."""

    patient_name: str = "Doe^Jane"
    patient_id: str = "ANON-1"
    birth_date: str = "19500102"
    sex: str = "F"
    description: str = "Head"
    accession: str = "A-17"
    date: str = "20240131"
    time: str = "101500"
    uid: str = field(default_factory=generate_uid)
    frame_of_reference: str = field(default_factory=generate_uid)


def classic_series(
    folder: Path,
    image: sitk.Image,
    *,
    kind: str = "FLAIR",
    study: MadeStudy | None = None,
    number: int = 3,
    characters: str | Sequence[str] = "ISO_IR 192",
    series_uid: str | None = None,
    slopes: Sequence[tuple[float, float]] | None = None,
    **attributes: Any,
) -> list[Path]:
    """A series of MR images, a file for each slice (k of the image is file k), named so that names tell no order.

    Args:
        folder: made where it is not there.
        image: scalar, any orientation; whole numbers that fit 16 bits are stored as they are, others are rescaled.
        kind: a key of `KINDS`, for the attributes of the sequence.
        study: patient, study, frame of reference; None: one of its own.
        number: SeriesNumber.
        slopes: RescaleSlope and RescaleIntercept for each slice; the stored values follow, rounded.
        attributes: any attribute by its DICOM keyword, over those of the kind; None removes it. The value may be a
            function of the slice's number.
    """
    study, series_uid = study or MadeStudy(), series_uid or generate_uid()
    folder.mkdir(parents=True, exist_ok=True)
    voxels = sitk.GetArrayFromImage(image)
    direction = np.asarray(image.GetDirection()).reshape(3, 3)
    spacing = image.GetSpacing()
    common = slopes or [_rescale(voxels)] * len(voxels)
    order = np.random.default_rng(len(voxels)).permutation(len(voxels))
    files = []
    for k, array in enumerate(voxels):
        made = _start(study, MRImageStorage, number, series_uid, characters)
        made.ImageType, made.ScanOptions = ["ORIGINAL", "PRIMARY", "OTHER"], ""
        _set(made, KINDS[kind], k)
        made.InstanceNumber, made.AcquisitionNumber = k + 1, 1
        made.AcquisitionDate, made.AcquisitionTime = study.date, study.time
        made.PositionReferenceIndicator = ""
        position = image.TransformIndexToPhysicalPoint((0, 0, k))
        made.ImagePositionPatient = [_decimal(v) for v in position]
        made.ImageOrientationPatient = [_decimal(v) for v in (*direction[:, 0], *direction[:, 1])]
        made.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[0])]
        made.SliceThickness, made.SpacingBetweenSlices = _decimal(spacing[2]), _decimal(spacing[2])
        slope, intercept = common[k]
        if (slope, intercept) != (1.0, 0.0):
            made.RescaleSlope, made.RescaleIntercept = _decimal(slope), _decimal(intercept)
            made.RescaleType = "US"
        _pixels(made, np.rint((array.astype(float) - intercept) / slope).astype(np.int16))
        _set(made, attributes, k)
        files.append(_write(made, folder / f"MR{number:03d}{order[k]:04d}.dcm"))
    return files


def enhanced_series(
    folder: Path,
    image: sitk.Image,
    *,
    kind: str = "FLAIR",
    study: MadeStudy | None = None,
    number: int = 3,
    characters: str | Sequence[str] = "ISO_IR 192",
    series_uid: str | None = None,
    slopes: Sequence[tuple[float, float]] | None = None,
    frame_order: Sequence[int] | None = None,
    stacks: Sequence[str] | None = None,
    echo_times: Sequence[float] | None = None,
    temporal_positions: Sequence[int] | None = None,
    shared_orientation: bool = True,
    **attributes: Any,
) -> Path:
    """One Enhanced MR object (PS3.3, A.36) of a volume.

    Args:
        frame_order: the slice that each frame shows, in the order of the frames; None: a shuffled one. A slice may
            be missing or come twice.
        stacks, echo_times, temporal_positions: one for each frame, where they differ.
        shared_orientation: False: orientation and spacing are told for each frame and not once for all.
        attributes: as for `classic_series`; those of the sequence are put where an enhanced object has them.
    """
    study, series_uid = study or MadeStudy(), series_uid or generate_uid()
    folder.mkdir(parents=True, exist_ok=True)
    voxels = sitk.GetArrayFromImage(image)
    common = slopes or [_rescale(voxels)] * len(voxels)
    if frame_order is None:
        frame_order = np.random.default_rng(len(voxels)).permutation(len(voxels)).tolist()
    flat = {name: value for name, value in {**KINDS[kind], **attributes}.items() if value is not None}
    made = _start(study, EnhancedMRImageStorage, number, series_uid, characters)
    made.InstanceNumber, made.PositionReferenceIndicator = 1, ""
    made.ImageType = [*flat.get("ImageType", ["ORIGINAL", "PRIMARY"])[:2], "VOLUME", "NONE"]
    _enhanced_module(made, flat, kind)
    shared = Dataset()
    _sequence_groups(shared, flat, kind)
    frames = []
    for place, k in enumerate(frame_order):
        frame = Dataset()
        content = Dataset()
        content.FrameReferenceDateTime = content.FrameAcquisitionDateTime = study.date + study.time
        content.FrameAcquisitionDuration, content.FrameAcquisitionNumber = 1000.0, 1
        content.StackID = stacks[place] if stacks else "1"
        content.InStackPositionNumber = k + 1
        content.TemporalPositionIndex = temporal_positions[place] if temporal_positions else 1
        content.DimensionIndexValues = [
            sorted(set(stacks or ["1"])).index(content.StackID) + 1,
            k + 1,
            content.TemporalPositionIndex,
        ]
        frame.FrameContentSequence = Items([content])
        plane = Dataset()
        plane.ImagePositionPatient = [
            _decimal(v) for v in image.TransformIndexToPhysicalPoint((0, 0, int(k)))
        ]
        frame.PlanePositionSequence = Items([plane])
        echo = Dataset()
        echo.EffectiveEchoTime = float(echo_times[place] if echo_times else flat.get("EchoTime", 90.0))
        frame.MREchoSequence = Items([echo])
        kind_of_frame = Dataset()
        kind_of_frame.FrameType = made.ImageType
        _how_it_was_made(kind_of_frame, kind)
        frame.MRImageFrameTypeSequence = Items([kind_of_frame])
        value = Dataset()
        value.RescaleIntercept, value.RescaleSlope = _decimal(common[k][1]), _decimal(common[k][0])
        value.RescaleType = "US"
        frame.PixelValueTransformationSequence = Items([value])
        if not shared_orientation:
            _place_groups(frame, image)
        frames.append(frame)
    if shared_orientation:
        _place_groups(shared, image)
    made.SharedFunctionalGroupsSequence = Items([shared])
    made.PerFrameFunctionalGroupsSequence = Items(frames)
    made.NumberOfFrames = len(frames)
    stored = [np.rint((voxels[k].astype(float) - common[k][1]) / common[k][0]) for k in frame_order]
    _pixels(made, np.asarray(stored).astype(np.int16))
    for name, value in attributes.items():
        if value is None and name in made:
            del made[name]
    return _write(made, folder / f"MR{number:03d}.dcm")


def drop(files: list[Path], k: int) -> None:
    """Take a slice away."""
    files[k].unlink()


def duplicate(files: list[Path], k: int, *, same_instance: bool = False) -> Path:
    """Put a second image of a slice beside the first; `same_instance`: the very same one under another name."""
    image = pydicom.dcmread(files[k])
    if not same_instance:
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return _write(image, files[k].with_name(f"copy_{files[k].name}"))


def turn(files: list[Path], k: int, degrees: float = 30.0) -> None:
    """Turn one slice about its first voxel, as in a localiser or a mixture of orientations."""
    image = pydicom.dcmread(files[k])
    rotation = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, np.deg2rad(degrees), 0.0).GetMatrix()
    axes = (
        np.asarray(image.ImageOrientationPatient, float).reshape(2, 3) @ np.asarray(rotation).reshape(3, 3).T
    )
    image.ImageOrientationPatient = [_decimal(v) for v in axes.ravel()]
    _write(image, files[k])


def change(file: Path, **attributes: Any) -> None:
    """Set attributes of one file by their DICOM keywords; None removes one."""
    image = pydicom.dcmread(file)
    _set(image, attributes)
    _write(image, file)


def mix(into: list[Path], other: list[Path]) -> None:
    """Make the images of another series say that they belong to the first one."""
    uid = pydicom.dcmread(into[0], stop_before_pixels=True).SeriesInstanceUID
    for file in other:
        change(file, SeriesInstanceUID=uid)


def truncate(file: Path, *, keep: float = 0.6) -> None:
    """Cut off the end of a file."""
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])


def _start(
    study: MadeStudy, sop_class: UID, number: int, series_uid: str, characters: str | Sequence[str]
) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = sop_class
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.SpecificCharacterSet = characters if isinstance(characters, str) else list(characters)
    made.PatientName, made.PatientID = study.patient_name, study.patient_id
    made.PatientBirthDate, made.PatientSex = study.birth_date, study.sex
    made.StudyInstanceUID, made.StudyID, made.StudyDescription = study.uid, "1", study.description
    made.StudyDate = made.SeriesDate = made.ContentDate = study.date
    made.StudyTime = made.SeriesTime = made.ContentTime = study.time
    made.AccessionNumber, made.ReferringPhysicianName = study.accession, ""
    made.SeriesInstanceUID, made.SeriesNumber, made.Modality = series_uid, number, "MR"
    made.FrameOfReferenceUID = study.frame_of_reference
    made.Manufacturer, made.ManufacturerModelName = "Maker", "Model"
    made.DeviceSerialNumber, made.SoftwareVersions = "1", "1"
    made.MagneticFieldStrength, made.PatientPosition, made.BodyPartExamined = 3.0, "HFS", "HEAD"
    return made


def _set(made: Dataset, attributes: dict[str, Any], k: int = 0) -> None:
    for name, value in attributes.items():
        value = value(k) if callable(value) else value
        if value is not None:
            setattr(made, name, value)
        elif name in made:
            del made[name]


def _rescale(voxels: np.ndarray) -> tuple[float, float]:
    """Slope and intercept that let the values be stored in 16 bits; none where they fit as they are."""
    low, high = float(voxels.min()), float(voxels.max())
    if low >= -32768 and high <= 32767 and np.array_equal(voxels, np.rint(voxels)):
        return 1.0, 0.0
    return float(_decimal(max(high - low, 1e-6) / 30000)), float(_decimal(low))


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters (VR DS)."""
    for digits in range(15, 0, -1):
        text = f"{float(value):.{digits}g}"
        if len(text) <= 16:
            return text
    raise ValueError(value)


def _pixels(made: Dataset, stored: np.ndarray) -> None:
    made.Rows, made.Columns = stored.shape[-2:]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
    made.PixelRepresentation = 1
    made.PixelData = np.ascontiguousarray(stored, "<i2").tobytes()


def _write(made: Dataset, path: Path) -> Path:
    pydicom.dcmwrite(path, made, enforce_file_format=True)
    return path


def _place_groups(groups: Dataset, image: sitk.Image) -> None:
    direction, spacing = np.asarray(image.GetDirection()).reshape(3, 3), image.GetSpacing()
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = [_decimal(v) for v in (*direction[:, 0], *direction[:, 1])]
    measures.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[0])]
    measures.SliceThickness = measures.SpacingBetweenSlices = _decimal(spacing[2])
    groups.PlaneOrientationSequence, groups.PixelMeasuresSequence = Items([orientation]), Items([measures])


_CONTRASTS = {"FLAIR": "FLUID_ATTENUATED", "PD": "PROTON_DENSITY", "DWI": "DIFFUSION", "localiser": "T1"}


def _how_it_was_made(made: Dataset, kind: str) -> None:
    """What both the object and each frame say."""
    contrast = _CONTRASTS.get(kind, "T1" if kind.startswith("T1") else "T2" if kind == "T2" else "T2_STAR")
    made.PixelPresentation, made.VolumetricProperties = "MONOCHROME", "VOLUME"
    made.VolumeBasedCalculationTechnique = "NONE"
    made.ComplexImageComponent, made.AcquisitionContrast = "MAGNITUDE", contrast


def _enhanced_module(made: Dataset, flat: dict[str, Any], kind: str) -> None:
    _how_it_was_made(made, kind)
    sequences = flat.get("ScanningSequence", ["SE"])
    made.SeriesDescription = flat.get("SeriesDescription", "")
    made.ProtocolName = flat.get("ProtocolName", "")
    made.AcquisitionNumber, made.AcquisitionDateTime = 1, made.StudyDate + made.StudyTime
    made.AcquisitionDuration, made.ContentQualification, made.ResonantNucleus = 180.0, "RESEARCH", "1H"
    made.KSpaceFiltering, made.ApplicableSafetyStandardAgency = "NONE", "IEC"
    made.PulseSequenceName = flat.get("SequenceName", "sequence")
    made.MRAcquisitionType = flat.get("MRAcquisitionType", "2D")
    made.EchoPulseSequence = "GRADIENT" if "GR" in sequences else "SPIN"
    if made.EchoPulseSequence == "SPIN":
        made.MultipleSpinEcho = "NO"
    made.MultiPlanarExcitation, made.PhaseContrast, made.TimeOfFlightContrast = "NO", "NO", "NO"
    made.SteadyStatePulseSequence, made.EchoPlanarPulseSequence = "NONE", "NO"
    made.SaturationRecovery, made.SpectrallySelectedSuppression = "NO", "NONE"
    made.OversamplingPhase, made.GeometryOfKSpaceTraversal = "NONE", "RECTILINEAR"
    made.RectilinearPhaseEncodeReordering, made.SegmentedKSpaceTraversal = "LINEAR", "SINGLE"
    made.NumberOfKSpaceTrajectories = 1
    if made.MRAcquisitionType == "3D":
        made.CoverageOfKSpace = "FULL"
    made.BurnedInAnnotation, made.LossyImageCompression, made.PresentationLUTShape = "NO", "00", "IDENTITY"
    made.AcquisitionContextSequence = Items([])
    if agent := flat.get("ContrastBolusAgent"):
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "385420005", "SCT", str(agent)
        used, route = Dataset(), Dataset()
        route.CodeValue, route.CodingSchemeDesignator, route.CodeMeaning = (
            "47625008",
            "SCT",
            "Intravenous route",
        )
        used.update(code)
        used.ContrastBolusAgentNumber, used.ContrastBolusVolume = 1, 10.0
        used.ContrastBolusIngredientConcentration = None
        used.ContrastBolusIngredientCodeSequence = Items([])
        used.ContrastBolusAdministrationRouteSequence = Items([route])
        made.ContrastBolusAgentSequence = Items([used])
    organization, stack, position, time = Dataset(), Dataset(), Dataset(), Dataset()
    organization.DimensionOrganizationUID = generate_uid()
    made.DimensionOrganizationSequence = Items([organization])
    for item, pointer in ((stack, 0x00209056), (position, 0x00209057), (time, 0x00209128)):
        item.DimensionOrganizationUID = organization.DimensionOrganizationUID
        item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, 0x00209111
    made.DimensionIndexSequence = Items([stack, position, time])


def _sequence_groups(shared: Dataset, flat: dict[str, Any], kind: str) -> None:
    """The functional groups that say how the sequence was set."""
    timing, modifier, imaging = Dataset(), Dataset(), Dataset()
    timing.RepetitionTime, timing.FlipAngle = flat.get("RepetitionTime", 9000.0), flat.get("FlipAngle", 90.0)
    timing.EchoTrainLength = timing.RFEchoTrainLength = flat.get("EchoTrainLength", 1)
    timing.GradientEchoTrainLength = 0
    power = Dataset()
    timing.SpecificAbsorptionRateSequence, timing.OperatingModeSequence = Items([power]), Items([Dataset()])
    power.SpecificAbsorptionRateDefinition, power.SpecificAbsorptionRateValue = "IEC_HEAD", 1.0
    timing.OperatingModeSequence[0].OperatingModeType = "RF"
    timing.OperatingModeSequence[0].OperatingMode = "IEC_NORMAL"
    timing.GradientOutputType, timing.GradientOutput = "DB_DT", 10.0
    inversion = flat.get("InversionTime")
    modifier.InversionRecovery = "YES" if inversion else "NO"
    if inversion:
        modifier.InversionTimes = [float(inversion)]
    modifier.FlowCompensation, modifier.Spoiling, modifier.T2Preparation = "NONE", "RF", "NO"
    modifier.SpectrallySelectedExcitation, modifier.SpatialPresaturation = "NONE", "NONE"
    modifier.PartialFourier, modifier.ParallelAcquisition = "NO", "NO"
    imaging.MagnetizationTransfer, imaging.BloodSignalNulling, imaging.Tagging = "NONE", "NO", "NONE"
    imaging.TransmitterFrequency, imaging.PixelBandwidth = 123.2, 200.0
    shared.MRTimingAndRelatedParametersSequence = Items([timing])
    shared.MRModifierSequence, shared.MRImagingModifierSequence = Items([modifier]), Items([imaging])
    field_of_view = Dataset()
    field_of_view.InPlanePhaseEncodingDirection, field_of_view.MRAcquisitionFrequencyEncodingSteps = (
        "ROW",
        256,
    )
    field_of_view.MRAcquisitionPhaseEncodingStepsInPlane = 256
    if flat.get("MRAcquisitionType") == "3D":
        field_of_view.MRAcquisitionPhaseEncodingStepsOutOfPlane = 160
    field_of_view.PercentSampling, field_of_view.PercentPhaseFieldOfView = 100.0, 100.0
    shared.MRFOVGeometrySequence = Items([field_of_view])
    receive, transmit, averages = Dataset(), Dataset(), Dataset()
    receive.ReceiveCoilName, receive.ReceiveCoilManufacturerName = "HEAD", ""
    receive.ReceiveCoilType, receive.QuadratureReceiveCoil = "VOLUME", "YES"
    transmit.TransmitCoilName, transmit.TransmitCoilManufacturerName = "BODY", ""
    transmit.TransmitCoilType = "BODY"
    averages.NumberOfAverages = 1.0
    shared.MRReceiveCoilSequence, shared.MRTransmitCoilSequence = Items([receive]), Items([transmit])
    shared.MRAveragesSequence = Items([averages])
    if kind == "DWI":
        diffusion = Dataset()
        diffusion.DiffusionBValue, diffusion.DiffusionDirectionality = 1000.0, "ISOTROPIC"
        shared.MRDiffusionSequence = Items([diffusion])
    if flat.get("ContrastBolusAgent"):
        usage = Dataset()
        usage.ContrastBolusAgentNumber, usage.ContrastBolusAgentAdministered = 1, "YES"
        usage.ContrastBolusAgentDetected, usage.ContrastBolusAgentPhase = "YES", "POST_CONTRAST"
        shared.ContrastBolusUsageSequence = Items([usage])
    anatomy, region = Dataset(), Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "12738006", "SCT", "Brain"
    anatomy.FrameLaterality, anatomy.AnatomicRegionSequence = "U", Items([region])
    shared.FrameAnatomySequence = Items([anatomy])
    window = Dataset()
    window.WindowCenter, window.WindowWidth = 500.0, 1000.0
    shared.FrameVOILUTSequence = Items([window])
