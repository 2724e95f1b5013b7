"""Read DICOM headers: patient, study, series, sequence, and the geometry of each frame."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError
from ..files.links import ARCHIVE, POINTERS, files_below, leads_nowhere
from ..files.text import is_utf8
from .identity import Identity
from .sequence import MrSequence, component_of, part_of
from .values import first_number_of, item_of, numbers_of, text_of, written

#: Objects that hold one image per file, and objects that may hold a whole volume (PS3.4, B.5).
CLASSIC_MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
LEGACY_ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.4"
MR_CLASSES = (CLASSIC_MR, ENHANCED_MR, LEGACY_ENHANCED_MR)
_START = 132  # bytes that tell whether a file is DICOM
_DIRECTORY = "1.2.840.10008.1.3.10"

_TAGS = (
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID"),
    *("SeriesNumber", "SeriesDescription", "StudyDescription", "AccessionNumber", *Identity.TAGS),
    *("InstanceNumber", "TemporalPositionIdentifier", "EchoNumbers", "NumberOfFrames"),
    *("ImagesInAcquisition", "NumberOfTemporalPositions", "Rows", "Columns", "SamplesPerPixel"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"),
    *("ModalityLUTSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("RealWorldValueMappingSequence", "SpacingBetweenSlices"),
    *MrSequence.TAGS,
)


@dataclass(frozen=True)
class Frame:
    """One slice as its header describes it.

    Attributes:
        file, index: the file and the number of the frame in it, from 0.
        instance: SOPInstanceUID.
        rows, columns: size in pixels; 0 if not in the header.
        position: LPS mm of the centre of the first pixel; None if not in the header.
        axes: direction cosines of a row, then of a column; None if not in the header.
        spacing: mm between rows, then between columns; None if not in the header.
        slope, intercept: as in the header; None if not in it (see `scale`).
        echo_time, temporal_position, image_type: as text; they distinguish images at the same position.
        part: "phase", "real part", "localiser", ... if it is not an ordinary magnitude image; else "".
        broken: attributes that are present but unreadable, and why: "RescaleSlope is 'x'".
    """

    file: Path
    index: int
    instance: str
    rows: int
    columns: int
    position: tuple[float, ...] | None
    axes: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    slope: float | None
    intercept: float | None
    echo_time: str
    temporal_position: str
    image_type: str
    part: str = ""
    broken: tuple[str, ...] = ()

    @property
    def scale(self) -> tuple[float, float]:
        """Slope and intercept: value = stored value * slope + intercept; 1 and 0 if not in the header."""
        return 1.0 if self.slope is None else self.slope, self.intercept or 0.0


@dataclass(frozen=True)
class Instance:
    """The header of one file.

    Attributes:
        file: its path.
        sop_class: SOPClassUID.
        modality: such as "MR".
        identity: patient and study.
        study_description, accession: StudyDescription and AccessionNumber of the study.
        series, number, description: the series' UID ("" if missing), number and description.
        instance_number: InstanceNumber; 0 if missing.
        images_in_acquisition: ImagesInAcquisition; 0 if missing.
        temporal_positions, echo_number: NumberOfTemporalPositions and EchoNumbers; 1 if missing.
        sequence: its acquisition parameters.
        frames: its slices; empty if it is not an image.
        slice_spacing: SpacingBetweenSlices (mm); None if missing.
    """

    file: Path
    sop_class: str
    modality: str
    identity: Identity
    study_description: str
    accession: str
    series: str
    number: str
    description: str
    instance_number: int
    images_in_acquisition: int
    temporal_positions: int
    echo_number: int
    sequence: MrSequence
    frames: tuple[Frame, ...]
    slice_spacing: float | None = None


@dataclass(frozen=True)
class Folder:
    """All DICOM instances of a folder, its unreadable files (damaged DICOM files and broken links) and sub-folders.

    Attributes:
        empty: files without content among the images: empty, only zeros, or pointers to content that was not fetched.
        closed: sub-folders that cannot be read.
        packed: archives.
    """

    instances: tuple[Instance, ...]
    unreadable: tuple[Path, ...]
    empty: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()
    packed: tuple[Path, ...] = ()


def is_dicom(path: Path) -> bool:
    """Whether a file is a DICOM file (PS3.10: "DICM" after a preamble of 128 bytes, which some writers leave out)."""
    with path.open("rb") as stream:
        return _begins_dicom(stream.read(_START))


def of_directory(path: Path) -> Path:
    """The folder that the directory of a disc (DICOMDIR) stands for; any other path as it is."""
    return path.parent if path.name.upper() == "DICOMDIR" and path.is_file() else path


def read_folder(folder: Path, *, below: bool = True) -> Folder:
    """The headers of all DICOM files of a folder and, unless `below` is False, of its sub-folders; OSError if it cannot be read.

    Other files, DICOMDIR and folders whose name is not UTF-8 are skipped.
    """
    instances, unreadable, packed, empty, closed = [], [], [], list[Path](), list[Path]()
    os.scandir(folder).close()  # raises the reason if it cannot be read
    for file in files_below(folder, closed) if below else sorted(folder.iterdir()):
        if file.name.upper() == "DICOMDIR" or not is_utf8(file.relative_to(folder).parent):
            continue
        try:
            if not (file.is_file() or leads_nowhere(file)):
                continue
            with file.open("rb") as stream:
                start = stream.read(_START)
                if not start.strip(b"\0") or any(mark in start for mark in POINTERS):
                    empty.append(file)
                    continue
                if not _begins_dicom(start):
                    packed += [file] if ARCHIVE.search(file.name) else []
                    continue
                instance = _header_in(stream, file)
        except OSError:
            instance = None
        if instance is None:
            unreadable.append(file)
        elif instance.sop_class != _DIRECTORY:
            instances.append(instance)
    images = {_suffix(instance.file) for instance in instances}
    if instances:  # other broken links are unrelated to the images
        unreadable = [file for file in unreadable if not leads_nowhere(file) or _suffix(file) in images]
    images |= {".dcm", ".ima"}
    empty = [file for file in empty if _suffix(file) in images and file.name[0] != "."]
    return Folder(tuple(instances), *map(tuple, (unreadable, empty, closed, packed)))


def read_header(file: Path) -> Instance | None:
    """The header of a DICOM file; None if it cannot be read."""
    try:
        with file.open("rb") as stream:
            return _header_in(stream, file)
    except OSError:
        return None


def _header_in(stream: BinaryIO, file: Path) -> Instance | None:
    """The header in an open file; None if it cannot be read."""
    import pydicom

    try:
        stream.seek(0)
        header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=_tags(), force=True)
        return _instance(file, header)
    except Exception:
        # For a malformed file, pydicom raises whatever its parts raise: ValueError, KeyError, struct.error, ...
        return None


def header_of(file: Path) -> Any:
    """A DICOM image without its pixels; InputError if the file does not exist, or cannot be read."""
    import pydicom

    try:
        return pydicom.dcmread(file, stop_before_pixels=True)
    except FileNotFoundError as error:
        raise InputError(f"The DICOM image {file} is not there any more: load the series again.") from error
    except Exception as error:  # pydicom raises whatever its parts raise for broken content
        raise InputError(f"The DICOM image {file} cannot be read: export it again.") from error


def frames_of(file: Path, header: Any) -> tuple[Frame, ...]:
    """The slices that a file's header describes; empty if it is not an image. ValueError: some frames are not described."""
    return _frames(file, header, *_groups(header))


@cache
def _tags() -> list[Any]:
    from pydicom.tag import Tag

    return [Tag(each) for each in _TAGS]


def _suffix(file: Path) -> str:
    """The suffix of a file's name, in small letters; the last number of a UID is not a suffix."""
    return "" if file.suffix[1:].isdigit() else file.suffix.lower()


def _begins_dicom(start: bytes) -> bool:
    if start[128:] == b"DICM":
        return True
    # Little-endian data sets without a preamble begin with an attribute of group 0008.
    if len(start) < _START or start[:2] != b"\x08\x00" or start[3] != 0:
        return False
    # What follows the tag is its value representation, or its length.
    return start[4:6].isupper() or int.from_bytes(start[4:8], "little") < 256


def _instance(file: Path, header: Any) -> Instance | None:
    # A DICOMDIR has its class only in the file meta information.
    sop_class = text_of(header, "SOPClassUID") or text_of(header.file_meta, "MediaStorageSOPClassUID")
    series = text_of(header, "SeriesInstanceUID")
    if not sop_class or (sop_class in MR_CLASSES and not series and "Rows" not in header):
        return None  # truncated before the series UID
    shared, groups = _groups(header)
    frames = _frames(file, header, shared, groups)
    # If frames show several parts of the complex image, the magnitude frames describe the acquisition best.
    first = next((frame.index for frame in frames if not frame.part), 0)
    sequence = MrSequence.of(header, [*groups[first : first + 1], shared])
    if groups and any(not frame.part for frame in frames):
        sequence = sequence.of_magnitude
    return Instance(
        file=file,
        sop_class=sop_class,
        modality=text_of(header, "Modality"),
        identity=Identity.of(header),
        study_description=text_of(header, "StudyDescription"),
        accession=text_of(header, "AccessionNumber"),
        series=series,
        number=text_of(header, "SeriesNumber"),
        description=text_of(header, "SeriesDescription"),
        instance_number=_count(header, "InstanceNumber", 0),
        images_in_acquisition=_count(header, "ImagesInAcquisition", 0),
        temporal_positions=_count(header, "NumberOfTemporalPositions", 1),
        echo_number=_count(header, "EchoNumbers", 1),
        sequence=sequence,
        frames=frames,
        slice_spacing=first_number_of(header, "SpacingBetweenSlices"),
    )


def _count(header: Any, keyword: str, otherwise: int) -> int:
    number = first_number_of(header, keyword)
    return otherwise if number is None else int(number)


def _groups(header: Any) -> tuple[Any, list[Any]]:
    """The shared functional groups, and those of each frame; empty ones for a classic image."""
    from pydicom.dataset import Dataset

    shared = header.get("SharedFunctionalGroupsSequence") or [Dataset()]
    return shared[0], list(header.get("PerFrameFunctionalGroupsSequence") or [])


#: Functional group of an enhanced object, attribute, and number of values (PS3.3, C.7.6.16).
_PLACED = {
    "position": ("PlanePositionSequence", "ImagePositionPatient", 3),
    "axes": ("PlaneOrientationSequence", "ImageOrientationPatient", 6),
    "spacing": ("PixelMeasuresSequence", "PixelSpacing", 2),
    "slope": ("PixelValueTransformationSequence", "RescaleSlope", 1),
    "intercept": ("PixelValueTransformationSequence", "RescaleIntercept", 1),
}
#: The scale of images that tell none but that of their real values (PS3.3, C.7.6.16.2.11).
_SCALE = {"slope": "RealWorldValueSlope", "intercept": "RealWorldValueIntercept"}

#: Image types that may be mixed into a series without belonging to its volume.
_ASIDE = {
    **{"LOCALIZER": "localiser", "PROJECTION IMAGE": "projection", "MIP": "projection"},
    **{"SCREEN SAVE": "captured screen", "CSA REPORT": "report"},
}


def _frames(file: Path, header: Any, shared: Any, groups: list[Any]) -> tuple[Frame, ...]:
    from pydicom.dataset import Dataset

    rows, columns = _count(header, "Rows", 0), _count(header, "Columns", 0)
    if "Rows" not in header and "Columns" not in header and text_of(header, "SOPClassUID") not in MR_CLASSES:
        return ()  # a report, a presentation state, ...
    count = max(_count(header, "NumberOfFrames", 1), 1)
    counted = not written(header, "NumberOfFrames") or first_number_of(header, "NumberOfFrames") is not None
    if not counted or (groups and len(groups) != count):
        raise ValueError("the frames are not all described")
    instance = text_of(header, "SOPInstanceUID")

    def frame(place: int, sources: tuple[Any, ...]) -> Frame:
        def text(group: str, keyword: str, classic: str) -> str:
            found = next((t for s in sources if (t := text_of(item_of(s, group), keyword))), "")
            return found if groups else text_of(header, classic)

        placed: dict[str, tuple[float, ...] | None] = {}
        broken = ["ModalityLUTSequence is there"] if header.get("ModalityLUTSequence") else []
        for name, (group, keyword, size) in _PLACED.items():
            # Some writers leave values shared by all frames at the top level, as in a classic image.
            items = [item_of(s, group) for s in sources]
            items += [header] if count == 1 or name != "position" else []
            # An empty scale is there: it must not be taken for 1, nor for that of the other frames.
            told = [i for i in items if written(i, keyword) or (name in _SCALE and keyword in i)][:1]
            if not told and name in _SCALE:
                items = [item_of(s, "RealWorldValueMappingSequence") for s in (*sources, header)]
                keyword = _SCALE[name]
                told = [i for i in items if keyword in i][:1]
            placed[name] = _numbers(told[0], keyword, size) if told else None
            if told and placed[name] is None:
                value = written(told[0], keyword)
                broken.append(f"{keyword} is {value!r}" if value else f"{keyword} has no value")
        image_type = text("MRImageFrameTypeSequence", "FrameType", "ImageType")
        types = tuple(word.strip().upper() for word in image_type.split("\\"))
        # The frame's own value takes precedence over the object's, which may be MIXED.
        component = component_of(Dataset(), sources) or component_of(header)
        return Frame(
            file=file,
            index=place,
            instance=instance,
            rows=rows,
            columns=columns,
            position=placed["position"],
            axes=placed["axes"],
            spacing=placed["spacing"],
            slope=(placed["slope"] or (None,))[0],
            intercept=(placed["intercept"] or (None,))[0],
            echo_time=text("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
            temporal_position=text(
                "FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier"
            ),
            image_type=image_type,
            part=part_of(types, component) or next((_ASIDE[each] for each in types if each in _ASIDE), ""),
            broken=tuple(broken),
        )

    if groups:
        return tuple(frame(place, (group, shared)) for place, group in enumerate(groups))
    # Without functional groups the frames have no positions; two frames are enough to report that.
    return tuple(frame(place, ()) for place in range(min(count, 2)))


def _numbers(item: Any, keyword: str, size: int) -> tuple[float, ...] | None:
    """The numbers of an attribute of `_PLACED`; None if they are not valid for it."""
    found = numbers_of(item, keyword, size)
    if found is None and keyword == "PixelSpacing" and (single := numbers_of(item, keyword, 1)):
        found = (*single, *single)  # square pixels
    return None if keyword in ("RescaleSlope", _SCALE["slope"]) and found == (0.0,) else found
