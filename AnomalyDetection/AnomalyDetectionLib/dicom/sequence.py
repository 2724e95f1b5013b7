"""MR acquisition parameters from classic and enhanced objects (PS3.3, C.8.3 and C.8.13)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from .values import first_number_of, item_of, private_items, private_words, text_of

#: Values of ContrastBolusAgent that mean that none was given.
_NO_AGENT = {
    *("", "NO", "NONE", "N", "0", "NA", "N/A", "NIL", "KEINE", "KEIN", "AUCUN", "NESSUNO", "NINGUNO"),
    *("FALSE", "-", "--", "NOT GIVEN", "NOT APPLICABLE"),
}
#: Beginnings of such values: "NO CONTRAST", "none given", "without", "w/o KM".
_NOTHING_GIVEN = re.compile(
    r"^(?:no|none|nil|without|w/?o|ohne|sans|sin|senza|keine?[nrs]?|nativ|native|pre|unenhanced"
    r"|(?:non|pre|un)[\W_]*(?:contrast|enhanced|ce|gd|km))(?=$|[\W_])",
    re.IGNORECASE,
)

#: Private attributes (PS3.5, 7.8: group, creator, element). Siemens: the ImageType ("M\\NORM\\DIS2D"), for which an
#: enhanced object has no room, the functional group that holds it there, and the same as text ("p2 M/NORM/DIS2D");
#: GE: the part of the complex image.
_SIEMENS_TYPE = (0x0021, "SIEMENS MR SDI 02", 0x75)
_SIEMENS_GROUPS = (0x0021, "SIEMENS MR SDI 02", 0xFE)
_SIEMENS_TEXT = (0x0051, "SIEMENS MR HEADER", 0x16)
_GE_PART = (0x0043, "GEMS_PARM_01", 0x2F)

_PARTS = {
    **{"P": "phase", "PHASE": "phase", "PHASE MAP": "phase", "PHASE_MAP": "phase", "1": "phase"},
    **{"R": "real part", "REAL": "real part", "2": "real part"},
    **{"I": "imaginary part", "IMAGINARY": "imaginary part", "3": "imaginary part"},
    **{"VELOCITY MAP": "velocity", "VELOCITY": "velocity"},
}
COMPLEX_PARTS = frozenset(_PARTS.values())


def part_of(image_type: Sequence[str], component: str = "") -> str:
    """The part of the complex image that is shown: one of `COMPLEX_PARTS`; "" for the magnitude.

    `image_type`: ImageType or FrameType, in capitals; Philips also writes "P_FFE". `component`:
    ComplexImageComponent, in capitals; or GE's number for it.
    """
    words = [
        *(each for value in image_type[2:] if not value.isdigit() for each in (value, _letter(value))),
        component,
    ]
    return next((_PARTS[each] for each in words if each in _PARTS), "")


def _letter(value: str) -> str:
    return value[0] if value[1:2] == "_" else ""


@dataclass(frozen=True)
class MrSequence:
    """The attributes that distinguish contrasts; empty or None if not in the header.

    Attributes:
        description, protocol, name: SeriesDescription, ProtocolName, SequenceName or PulseSequenceName.
        image_type: ImageType, in capitals.
        scanning: ScanningSequence: "SE", "GR", "IR", "EP", "RM".
        variant: SequenceVariant, such as "MP" (magnetisation prepared).
        echo_time, repetition_time, inversion_time: ms; the first value if there are several.
        contrast: AcquisitionContrast of an enhanced object, such as "FLUID_ATTENUATED".
        private_image_type: image type in the vendor's private attributes and the frame type, such as "NORM".
        component: ComplexImageComponent or its equivalent.
        contrast_agent: the contrast medium that was given; "" if none.
        b_value: s/mm^2.
        time_of_flight: whether it is a time-of-flight angiography.
        body_part: BodyPartExamined.
        acquired_at: acquisition time by the scanner's clock; a missing date is 1 January of year 1.
    """

    description: str = ""
    protocol: str = ""
    name: str = ""
    image_type: tuple[str, ...] = ()
    scanning: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    echo_time: float | None = None
    repetition_time: float | None = None
    inversion_time: float | None = None
    contrast: str = ""
    component: str = ""
    private_image_type: tuple[str, ...] = ()
    contrast_agent: str = ""
    b_value: float | None = None
    time_of_flight: bool = False
    body_part: str = ""
    acquired_at: datetime | None = None

    #: The attributes that `of` looks at, by keyword, or by number together with the creators of the private blocks.
    TAGS: ClassVar[tuple[str | int, ...]] = (
        *("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName", "ImageType"),
        *("ScanningSequence", "SequenceVariant", "EchoPulseSequence", "EchoPlanarPulseSequence"),
        *("EchoTime", "RepetitionTime", "InversionTime", "AcquisitionContrast", "ComplexImageComponent"),
        *("ContrastBolusAgent", "ContrastBolusAgentSequence", "DiffusionBValue", "AngioFlag"),
        *(
            "TimeOfFlightContrast",
            "BodyPartExamined",
            "SharedFunctionalGroupsSequence",
            "AcquisitionDateTime",
        ),
        *("AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime", "SeriesDate", "SeriesTime"),
        "StudyDate",
        *(
            tag
            for group, _, element in (_SIEMENS_TYPE, _SIEMENS_TEXT, _GE_PART)
            for block in range(0x10, 0x20)
            for tag in (group << 16 | block, group << 16 | block << 8 | element)
        ),
    )

    @classmethod
    def of(cls, header: Any, groups: Sequence[Any]) -> MrSequence:
        """The sequence of a data set; `groups`: functional groups of an enhanced object, the frame's, then the shared ones."""

        def number(keyword: str, group: str, inside: str) -> float | None:
            sources = [(header, keyword), *((item_of(each, group), inside) for each in groups)]
            numbers = (first_number_of(source, name) for source, name in sources)
            return next((n for n in numbers if n is not None), None)

        modifiers = [item_of(each, "MRModifierSequence") for each in groups]
        inverted = any(text_of(each, "InversionRecovery") == "YES" for each in modifiers)
        return cls(
            description=text_of(header, "SeriesDescription"),
            protocol=text_of(header, "ProtocolName"),
            name=text_of(header, "SequenceName") or text_of(header, "PulseSequenceName"),
            image_type=_words(header, "ImageType"),
            scanning=_words(header, "ScanningSequence") or _scanning(header, inverted),
            variant=_words(header, "SequenceVariant"),
            echo_time=number("EchoTime", "MREchoSequence", "EffectiveEchoTime"),
            repetition_time=number(
                "RepetitionTime", "MRTimingAndRelatedParametersSequence", "RepetitionTime"
            ),
            inversion_time=number("InversionTime", "MRModifierSequence", "InversionTimes") or None,
            contrast=text_of(header, "AcquisitionContrast").upper(),
            component=component_of(header, groups),
            private_image_type=private_image_type(header, groups),
            contrast_agent=_agent(header, groups),
            b_value=number("DiffusionBValue", "MRDiffusionSequence", "DiffusionBValue"),
            time_of_flight=text_of(header, "TimeOfFlightContrast") == "YES"
            or text_of(header, "AngioFlag") == "Y",
            body_part=text_of(header, "BodyPartExamined").upper(),
            acquired_at=_acquired_at(header, groups),
        )

    @property
    def of_magnitude(self) -> MrSequence:
        """The sequence without the terms for other parts of the complex image, which may apply to only some frames."""
        kept = tuple(each for each in self.image_type[2:] if not part_of(("", "", each)))
        component = "" if part_of((), self.component) else self.component
        return replace(self, image_type=(*self.image_type[:2], *kept), component=component)

    @property
    def inverted(self) -> bool:
        """Whether the magnetisation was inverted first."""
        return bool(self.inversion_time) or "IR" in self.scanning


def _words(header: Any, keyword: str) -> tuple[str, ...]:
    return tuple(word.strip().upper() for word in text_of(header, keyword).split("\\") if word.strip())


def component_of(header: Any, groups: Sequence[Any] = ()) -> str:
    """ComplexImageComponent of a data set or its functional groups, in capitals, or GE's number for it; "" for none."""
    types = [item_of(each, "MRImageFrameTypeSequence") for each in groups]
    components = (text_of(each, "ComplexImageComponent").upper() for each in (header, *types))
    return next(filter(None, components), "") or "".join(private_words(header, *_GE_PART))


def private_image_type(header: Any, groups: Sequence[Any]) -> tuple[str, ...]:
    found: list[str] = []
    for each in (header, *groups):
        for inside in (each, *private_items(each, *_SIEMENS_GROUPS)):
            found += private_words(inside, *_SIEMENS_TYPE)
        found += re.split(r"[/ ]", " ".join(private_words(each, *_SIEMENS_TEXT)))
        found += _words(item_of(each, "MRImageFrameTypeSequence"), "FrameType")
    return tuple(dict.fromkeys(filter(None, found)))


def _scanning(header: Any, inverted: bool) -> tuple[str, ...]:
    """The scanning sequence of an enhanced object, in the terms of classic objects."""
    pulses = text_of(header, "EchoPulseSequence").upper()
    names = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}.get(pulses, ())
    planar = ("EP",) if text_of(header, "EchoPlanarPulseSequence").upper() == "YES" else ()
    return (*names, *planar, *(("IR",) if inverted else ()))


def _agent(header: Any, groups: Sequence[Any]) -> str:
    agent = text_of(header, "ContrastBolusAgent")
    if agent.strip().upper() not in _NO_AGENT and not _NOTHING_GIVEN.match(agent.strip()):
        return agent
    usages = (item_of(group, "ContrastBolusUsageSequence") for group in groups)
    given = [text_of(usage, "ContrastBolusAgentAdministered") for usage in usages]
    listed = header.get("ContrastBolusAgentSequence")
    if not listed or "NO" in given:  # listed in the object, but the volume was acquired before it was given
        return ""
    return text_of(listed[0], "CodeMeaning") or "contrast medium"


def _acquired_at(header: Any, groups: Sequence[Any]) -> datetime | None:
    moments = [text_of(header, "AcquisitionDateTime")]
    moments += [text_of(item_of(each, "FrameContentSequence"), "FrameAcquisitionDateTime") for each in groups]
    for moment in moments:
        digits = re.split(r"[+-]", moment, maxsplit=1)[0]  # without the time zone
        if (found := _moment(digits[:8], digits[8:])) is not None:
            return found
    # For a derived image the other times are those of the computation.
    computed = "DERIVED" in _words(header, "ImageType")
    for what in ("Acquisition",) if computed else ("Acquisition", "Content", "Series"):
        day = text_of(header, f"{what}Date") or text_of(header, "StudyDate")
        if (found := _moment(day, text_of(header, f"{what}Time"))) is not None:
            return found
    return None


def _moment(day: str, time: str) -> datetime | None:
    """The moment of a DICOM date and time (YYYYMMDD and HHMMSS.FFFFFF, formerly with dots and colons)."""
    day, time = re.sub(r"\D", "", day), time.replace(":", "").strip()
    clock = re.fullmatch(r"(\d\d)(\d\d)(\d\d)?(\.\d+)?", time)
    if clock is None:
        return None
    hour, minute, second = (int(each or 0) for each in clock.groups()[:3])
    if hour > 23:
        return None
    try:
        start = datetime(int(day[:4]), int(day[4:6]), int(day[6:])) if len(day) == 8 else datetime(1, 1, 1)
        return start + timedelta(hours=hour, minutes=minute, seconds=second + float(clock[4] or 0))
    except (ValueError, OverflowError):
        return None
