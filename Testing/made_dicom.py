"""Valid DICOM series of any volume, classic MR and Enhanced MR, and ways to damage them.

study = MadeStudy()                                            # one patient, one study, one frame of reference
classic_series(folder / "t1", t1, kind="T1", study=study)
enhanced_series(folder / "flair", flair, kind="FLAIR", study=study, InversionTime=2200, SeriesDescription="dark fluid")
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid


def _kind(
    description: str, name: str, ways: str, dimensions: str, *numbers: float, **more: Any
) -> dict[str, Any]:
    """Attributes of a classic MR image.

    Args:
        ways: terms of ScanningSequence and SequenceVariant.
        numbers: times of echo and repetition (ms), length of the echo train, flip angle (degrees), time of inversion.
    """
    echo, repetition, train, flip, *inversion = numbers
    return {
        **{"SeriesDescription": description, "ProtocolName": description, "SequenceName": name},
        "ScanningSequence": [way for way in ways.split() if way in ("SE", "IR", "GR", "EP")],
        "SequenceVariant": [way for way in ways.split() if way in ("SK", "SP", "OSP", "MP")],
        **{"EchoTime": float(echo), "RepetitionTime": float(repetition), "EchoTrainLength": train},
        **({"InversionTime": float(inversion[0])} if inversion else {}),
        **{"FlipAngle": float(flip), "MRAcquisitionType": dimensions, **more},
    }


#: What scanners write for each kind of series.
KINDS: dict[str, dict[str, Any]] = {
    "FLAIR": _kind("t2_tirm_tra_dark-fluid", "*tir2d1_16", "SE IR SK SP OSP", "2D", 93, 9000, 16, 150, 2500),
    "T1": _kind("t1_mprage_sag_p2_iso", "*tfl3d1_16ns", "GR IR SK SP MP", "3D", 2.3, 2300, 1, 8, 900),
    "T1 spin echo": _kind("t1_se_tra", "*se2d1", "SE SP OSP", "2D", 8.9, 500, 1, 90),
    "T2": _kind("t2_tse_tra", "*tse2d1_18", "SE SK SP OSP", "2D", 100, 5000, 18, 150),
    "PD": _kind("pd_tse_tra", "*tse2d1_5", "SE SK SP", "2D", 14, 3000, 5, 150),
    "DWI": _kind(
        "ep2d_diff_3scan_trace", "*ep_b1000t", "EP SK SP", "2D", 89, 6000, 1, 90, ProtocolName="ep2d_diff"
    )
    | {"ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION MAP"]},
    "SWI": _kind("SWI_Images", "*swi3d1r", "GR SP", "3D", 20, 28, 1, 15, ProtocolName="t2_swi_tra"),
    "localiser": _kind("localizer", "*fl2d1", "GR SP", "2D", 4, 8.6, 1, 20),
}


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
    study, series_uid = study or MadeStudy(), generate_uid()
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
        made.ImagePositionPatient = _decimals(position)
        made.ImageOrientationPatient = _decimals((*direction[:, 0], *direction[:, 1]))
        made.PixelSpacing = _decimals((spacing[1], spacing[0]))
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
    slopes: Sequence[tuple[float, float]] | None = None,
    frame_order: Sequence[int] | None = None,
    echo_times: Sequence[float] | None = None,
    temporal_positions: Sequence[int] | None = None,
    shared_orientation: bool = True,
    **attributes: Any,
) -> Path:
    """One Enhanced MR object (PS3.3, A.36) of a volume.

    Args:
        frame_order: the slice that each frame shows, in the order of the frames; None: a shuffled one. A slice may
            be missing or come twice.
        echo_times, temporal_positions: one for each frame, where they differ.
        shared_orientation: False: orientation and spacing are told for each frame and not once for all.
        attributes: as for `classic_series`; those of the sequence are put where an enhanced object has them.
    """
    study, series_uid = study or MadeStudy(), generate_uid()
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
    shared = _sequence_groups(flat, kind)
    frames = []
    for place, k in enumerate(frame_order):
        time = temporal_positions[place] if temporal_positions else 1
        position = image.TransformIndexToPhysicalPoint((0, 0, int(k)))
        frame = _item(
            FrameContentSequence=_item(
                FrameReferenceDateTime=study.date + study.time,
                FrameAcquisitionDateTime=study.date + study.time,
                FrameAcquisitionDuration=1000.0,
                FrameAcquisitionNumber=1,
                StackID="1",
                InStackPositionNumber=k + 1,
                TemporalPositionIndex=time,
                DimensionIndexValues=[1, k + 1, time],
            ),
            PlanePositionSequence=_item(ImagePositionPatient=_decimals(position)),
            MREchoSequence=_item(
                EffectiveEchoTime=float(echo_times[place] if echo_times else flat.get("EchoTime", 90.0))
            ),
            MRImageFrameTypeSequence=_item(FrameType=made.ImageType, **_how_it_was_made(kind)),
            PixelValueTransformationSequence=_item(
                RescaleIntercept=_decimal(common[k][1]), RescaleSlope=_decimal(common[k][0]), RescaleType="US"
            ),
        )
        if not shared_orientation:
            _place_groups(frame, image)
        frames.append(frame)
    if shared_orientation:
        _place_groups(shared, image)
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = frames
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
    before = np.asarray(image.ImageOrientationPatient, float).reshape(2, 3)
    axes = before @ np.asarray(rotation).reshape(3, 3).T
    image.ImageOrientationPatient = _decimals(axes.ravel())
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


def _decimals(values: Iterable[float]) -> list[str]:
    return [_decimal(value) for value in values]


def _item(**attributes: Any) -> Dataset:
    """A dataset; one within it becomes a sequence of one item."""
    made = Dataset()
    for name, value in attributes.items():
        setattr(made, name, [value] if isinstance(value, Dataset) else value)
    return made


def _code(value: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator="SCT", CodeMeaning=meaning)


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
    axes, thickness = _decimals((*direction[:, 0], *direction[:, 1])), _decimal(spacing[2])
    groups.PlaneOrientationSequence = [_item(ImageOrientationPatient=axes)]
    groups.PixelMeasuresSequence = [
        _item(
            PixelSpacing=_decimals((spacing[1], spacing[0])),
            SliceThickness=thickness,
            SpacingBetweenSlices=thickness,
        )
    ]


_CONTRASTS = {
    **{"FLAIR": "FLUID_ATTENUATED", "PD": "PROTON_DENSITY", "DWI": "DIFFUSION", "localiser": "T1"},
    **{"T1": "T1", "T1 spin echo": "T1", "T2": "T2", "SWI": "T2_STAR"},
}


def _how_it_was_made(kind: str) -> dict[str, Any]:
    """What both the object and each frame say."""
    return {
        **{"PixelPresentation": "MONOCHROME", "VolumetricProperties": "VOLUME"},
        **{"VolumeBasedCalculationTechnique": "NONE", "ComplexImageComponent": "MAGNITUDE"},
        "AcquisitionContrast": _CONTRASTS[kind],
    }


def _enhanced_module(made: Dataset, flat: dict[str, Any], kind: str) -> None:
    _set(made, _how_it_was_made(kind))
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
    made.AcquisitionContextSequence = []
    if agent := flat.get("ContrastBolusAgent"):
        used = _code("385420005", str(agent))
        used.ContrastBolusAgentNumber, used.ContrastBolusVolume = 1, 10.0
        used.ContrastBolusIngredientConcentration = None
        used.ContrastBolusIngredientCodeSequence = []
        used.ContrastBolusAdministrationRouteSequence = [_code("47625008", "Intravenous route")]
        made.ContrastBolusAgentSequence = [used]
    organization = generate_uid()
    made.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=organization)]
    common = {"DimensionOrganizationUID": organization, "FunctionalGroupPointer": 0x00209111}
    pointers = (0x00209056, 0x00209057, 0x00209128)  # to stack, position and time
    made.DimensionIndexSequence = [_item(DimensionIndexPointer=to, **common) for to in pointers]


def _sequence_groups(flat: dict[str, Any], kind: str) -> Dataset:
    """The functional groups that say how the sequence was set."""
    timing, modifier, imaging = Dataset(), Dataset(), Dataset()
    timing.RepetitionTime, timing.FlipAngle = flat.get("RepetitionTime", 9000.0), flat.get("FlipAngle", 90.0)
    timing.EchoTrainLength = timing.RFEchoTrainLength = flat.get("EchoTrainLength", 1)
    timing.GradientEchoTrainLength = 0
    timing.SpecificAbsorptionRateSequence = [
        _item(SpecificAbsorptionRateDefinition="IEC_HEAD", SpecificAbsorptionRateValue=1.0)
    ]
    timing.OperatingModeSequence = [_item(OperatingModeType="RF", OperatingMode="IEC_NORMAL")]
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
    view, receive, transmit = Dataset(), Dataset(), Dataset()
    view.InPlanePhaseEncodingDirection, view.MRAcquisitionFrequencyEncodingSteps = "ROW", 256
    view.MRAcquisitionPhaseEncodingStepsInPlane = 256
    if flat.get("MRAcquisitionType") == "3D":
        view.MRAcquisitionPhaseEncodingStepsOutOfPlane = 160
    view.PercentSampling, view.PercentPhaseFieldOfView = 100.0, 100.0
    receive.ReceiveCoilName, receive.ReceiveCoilManufacturerName = "HEAD", ""
    receive.ReceiveCoilType, receive.QuadratureReceiveCoil = "VOLUME", "YES"
    transmit.TransmitCoilName, transmit.TransmitCoilManufacturerName = "BODY", ""
    transmit.TransmitCoilType = "BODY"
    shared = _item(
        MRTimingAndRelatedParametersSequence=timing,
        MRModifierSequence=modifier,
        MRImagingModifierSequence=imaging,
        MRFOVGeometrySequence=view,
        MRReceiveCoilSequence=receive,
        MRTransmitCoilSequence=transmit,
        MRAveragesSequence=_item(NumberOfAverages=1.0),
        FrameAnatomySequence=_item(FrameLaterality="U", AnatomicRegionSequence=_code("12738006", "Brain")),
        FrameVOILUTSequence=_item(WindowCenter=500.0, WindowWidth=1000.0),
    )
    if kind == "DWI":
        shared.MRDiffusionSequence = [_item(DiffusionBValue=1000.0, DiffusionDirectionality="ISOTROPIC")]
    if flat.get("ContrastBolusAgent"):
        usage = _item(ContrastBolusAgentNumber=1, ContrastBolusAgentAdministered="YES")
        usage.ContrastBolusAgentDetected, usage.ContrastBolusAgentPhase = "YES", "POST_CONTRAST"
        shared.ContrastBolusUsageSequence = [usage]
    return shared
